"""Metrics begin at zero with closed labels; settings are checked and documented."""

import pytest
from prometheus_client import CollectorRegistry

from mailweir_quarantine.metrics import CONSUMERS, EXPIRED, OPERATIONS, declare
from mailweir_quarantine.settings import Settings
from mailweir_runtime.settings import SettingsError, describe, load
from mailweir_runtime.sql import SqlRefused, SqlUnavailable

SERIES = [
    *[("sql_errors_total", {"operation": operation}) for operation in OPERATIONS],
    *[("unusable_messages_total", {"consumer": consumer}) for consumer in CONSUMERS],
    *[("expired_total", {"what": what}) for what in EXPIRED],
    *[
        (name, {})
        for name in (
            "records_written_total", "record_lag_seconds_count", "held_messages", "outbox_messages",
            "messages_held_total", "releases_total", "releases_handed_over_total", "deletions_total",
            "bodies_removed_total",
        )
    ],
]  # fmt: skip


@pytest.mark.parametrize(("name", "labels"), SERIES)
def test_every_series_begins_at_zero(name: str, labels: dict[str, str]) -> None:
    registry = CollectorRegistry()
    declare(registry)
    assert registry.get_sample_value(f"mailweir_quarantine_{name}", labels) == 0


def test_names_are_the_services_own() -> None:
    registry = CollectorRegistry()
    declare(registry)
    for family in registry.collect():
        assert family.name.startswith("mailweir_quarantine_")
        assert family.documentation.endswith(".")


@pytest.mark.parametrize("error", [SqlUnavailable("down"), SqlRefused("too long")])
def test_a_failure_is_counted_and_goes_on(error: Exception) -> None:
    registry = CollectorRegistry()
    metrics = declare(registry)
    with pytest.raises(type(error)), metrics.counting("query"):
        raise error
    with pytest.raises(KeyError), metrics.counting("query"):
        raise KeyError("not the database's")
    name = "mailweir_quarantine_sql_errors_total"
    assert registry.get_sample_value(name, {"operation": "query"}) == 1


def test_settings_have_defaults_and_descriptions() -> None:
    settings = load(Settings, {})
    assert settings.listen == "127.0.0.1:9040"
    assert settings.database_url.startswith("sqlite+aiosqlite:///")
    assert all(doc.description for doc in describe(Settings))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("LISTEN", "nowhere"),
        ("DATABASE_URL", "sqlite:///x.db"),
        ("DATABASE_URL", ""),
        ("MOON", "1"),
    ],
)
def test_what_is_wrong_is_named(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(f"MAILWEIR_QUARANTINE_{name}", value)
    with pytest.raises(SettingsError, match=f"MAILWEIR_QUARANTINE_{name}"):
        load(Settings)
