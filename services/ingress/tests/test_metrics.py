"""What is counted is there from the start."""

from prometheus_client import CollectorRegistry, generate_latest

from mailweir_core.reasons import Reason
from mailweir_ingress.metrics import REFUSING, declare


def test_every_series_begins_at_zero() -> None:
    registry = CollectorRegistry()
    metrics = declare(registry)
    lines = [
        line
        for line in generate_latest(registry).decode().splitlines()
        if not line.startswith("#") and "_created" not in line
    ]
    assert len(lines) > 100
    assert all(line.endswith(" 0.0") for line in lines)
    assert all(line.startswith("mailweir_ingress_") for line in lines)
    assert len(metrics.refusals) == len(REFUSING) * len(Reason)


def test_names_say_what_they_count() -> None:
    registry = CollectorRegistry()
    declare(registry)
    for metric in registry.collect():
        assert metric.documentation.endswith(".")
        unit = metric.name.removeprefix("mailweir_ingress_")
        assert metric.type == "counter" or unit.endswith(
            ("_bytes", "_seconds", "_open", "_keys", "_clients", "_bans", "_masked", "_ratio")
        )
