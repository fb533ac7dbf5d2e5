"""What the environment may say."""

from pathlib import Path

import pytest

from mailweir_core.record import Listener
from mailweir_ingress.app import Address, addresses_of, edge_services
from mailweir_ingress.settings import Settings
from mailweir_runtime.listen import HostPort
from mailweir_runtime.settings import SettingsError, describe, load


def loaded(monkeypatch: pytest.MonkeyPatch, **variables: str) -> Settings:
    """Return the settings in an environment."""
    names = {f"MAILWEIR_INGRESS_{key}": value for key, value in variables.items()}
    for name, value in names.items():
        monkeypatch.setenv(name, value)
    return load(Settings, names)


def test_by_default_the_mx_door_is_open_on_loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = loaded(monkeypatch)
    assert addresses_of(settings) == [Address(Listener.MX, HostPort("127.0.0.1", 2525))]


def test_every_door_may_have_several_addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = loaded(
        monkeypatch,
        MX_LISTEN="0.0.0.0:25, [::]:25",
        SUBMISSION_LISTEN="127.0.0.1:587",
        SUBMISSIONS_LISTEN="127.0.0.1:465",
        TLS_CERT_FILE="/c.pem",
        TLS_KEY_FILE="/k.pem",
    )
    assert [(a.listener.value, str(a.where)) for a in addresses_of(settings)] == [
        ("mx", "0.0.0.0:25"),
        ("mx", "[::]:25"),
        ("submission", "127.0.0.1:587"),
        ("submissions", "127.0.0.1:465"),
    ]
    assert settings.tls_cert_file == Path("/c.pem")


@pytest.mark.parametrize(
    ("variables", "line"),
    [
        ({"MX_LISTEN": "nonsense"}, "MX_LISTEN"),
        ({"MX_LISTEN": "127.0.0.1:99999"}, "port"),
        ({"MX_LISTEN": ""}, "no address"),
        ({"TLS_CERT_FILE": "/c.pem"}, "belong together"),
        ({"SUBMISSION_LISTEN": "127.0.0.1:587"}, "nobody may log in"),
        ({"SUBMISSIONS_LISTEN": "127.0.0.1:465"}, "nobody may log in"),
        ({"SCORING_TARGET": ""}, "SCORING_TARGET"),
        ({"NONSENSE": "1"}, "no such setting"),
    ],
)
def test_what_is_wrong_is_one_line(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], line: str
) -> None:
    with pytest.raises(SettingsError) as found:
        loaded(monkeypatch, **variables)
    assert len(found.value.lines) == 1
    assert line in found.value.lines[0]


EDGE = ("REPUTATION_TARGET", "GREYLIST_TARGET", "RATELIMIT_TARGET")


async def test_services_of_the_edge_may_be_named_as_absent(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = loaded(monkeypatch, **dict.fromkeys(EDGE, ""))
    async with edge_services(settings) as services:
        assert services.names == frozenset()


async def test_services_of_the_edge_are_connected_one_by_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for variable in EDGE:
        settings = loaded(monkeypatch, **{**dict.fromkeys(EDGE, ""), variable: "127.0.0.1:1"})
        async with edge_services(settings) as services:
            assert services.names == {variable.removesuffix("_TARGET").lower()}


def test_every_setting_is_described() -> None:
    assert all(setting.description for setting in describe(Settings))
