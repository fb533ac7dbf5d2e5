"""Metrics begin at zero with closed labels; settings are checked and documented."""

import pytest
from prometheus_client import CollectorRegistry

from mailweir_gateway.metrics import CHANGES, OUTAGES, STATUSES, declare
from mailweir_gateway.settings import Settings
from mailweir_runtime.settings import SettingsError, describe, load

SERIES = [
    *[("requests_total", {"status": status}) for status in STATUSES],
    *[("policy_changes_total", {"result": result}) for result in CHANGES],
    *[("outages_total", {"part": part}) for part in OUTAGES],
    ("key_failures_total", {}),
    ("request_seconds_count", {}),
]


@pytest.mark.parametrize(("name", "labels"), SERIES)
def test_every_series_begins_at_zero(name: str, labels: dict[str, str]) -> None:
    registry = CollectorRegistry()
    declare(registry)
    assert registry.get_sample_value(f"mailweir_gateway_{name}", labels) == 0


def test_names_are_the_services_own_or_those_of_the_bus_it_watches() -> None:
    registry = CollectorRegistry()
    declare(registry)
    for family in registry.collect():
        assert family.name.startswith(("mailweir_gateway_", "mailweir_bus_"))
        assert family.documentation.endswith(".")


def test_settings_have_defaults_and_descriptions() -> None:
    settings = load(Settings, {})
    assert settings.listen == "127.0.0.1:8080"
    assert settings.services == (
        "ingress", "reputation", "greylist", "ratelimit", "scoring", "delivery", "quarantine", "gateway",
    )  # fmt: skip
    assert settings.demo_password_file is None
    own = [doc for doc in describe(Settings) if doc.variable.startswith("MAILWEIR_GATEWAY_")]
    assert all(doc.description for doc in own)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("LISTEN", "nowhere"),
        ("LISTEN", "unix:/tmp/x"),
        ("DATABASE_URL", "mysql://root:secret@db/x"),
        ("MOON", "1"),
    ],
)
def test_what_is_wrong_is_named_and_no_secret_shown(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(f"MAILWEIR_GATEWAY_{name}", value)
    with pytest.raises(SettingsError, match=f"MAILWEIR_GATEWAY_{name}") as failure:
        load(Settings)
    assert "secret" not in str(failure.value)


def test_settings_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAILWEIR_GATEWAY_SERVICES", "ingress, gateway")
    monkeypatch.setenv("MAILWEIR_GATEWAY_DEMO_PASSWORD_FILE", "/run/demo")
    settings = load(Settings)
    assert settings.services == ("ingress", "gateway")
    assert str(settings.demo_password_file) == "/run/demo"
