"""The metrics are there from the start, with closed label sets."""

from prometheus_client import CollectorRegistry

from mailweir_greylist.metrics import FINDINGS, declare


def test_every_series_is_there_at_zero() -> None:
    registry = CollectorRegistry()
    declare(registry)
    name = "mailweir_greylist_recipients_total"
    assert len(set(FINDINGS)) == len(FINDINGS) == 17
    for finding in FINDINGS:
        assert registry.get_sample_value(name, {"finding": finding}) == 0
    for cause in ("slow", "unavailable", "contended", "unreadable"):
        labels = {"cause": cause}
        assert registry.get_sample_value("mailweir_greylist_store_failures_total", labels) == 0
    for state in ("pending", "authorised", "exempt"):
        assert registry.get_sample_value("mailweir_greylist_entries", {"state": state}) == 0
