"""Settings: every error at once, in words, with the variable's name."""

from pathlib import Path
from typing import Literal

import pytest
from pydantic import Field, SecretStr

from mailweir_runtime.listen import Listen
from mailweir_runtime.settings import (
    CommaList,
    OptionalPath,
    ServiceSettings,
    SettingsError,
    describe,
    load,
    settings_config,
)


class DemoSettings(ServiceSettings):
    """Settings of a made-up service."""

    model_config = settings_config("DEMO")

    listen: Listen = "unix:/run/demo.sock"
    """Where it listens."""
    hosts: CommaList = ()
    """Hosts it asks."""
    workers: int = Field(4, ge=1, le=64)
    """Workers that run at once."""
    directory: OptionalPath = None
    """Where it writes."""
    mode: Literal["fast", "safe"] = "safe"
    """How it works."""
    password: SecretStr = SecretStr("")
    """Its password."""


class StrictSettings(ServiceSettings):
    """Settings with something that must be set."""

    model_config = settings_config("STRICT")

    database_url: str
    """URL of the database."""


def lines_of(settings_type: type[ServiceSettings], environ: dict[str, str]) -> tuple[str, ...]:
    """Return the error lines for an environment that is set for real, or none."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environ.items():
            patch.setenv(name, value)
        try:
            load(settings_type)
        except SettingsError as error:
            return error.lines
    return ()


def loaded(environ: dict[str, str]) -> DemoSettings:
    """Return the settings of an environment."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environ.items():
            patch.setenv(name, value)
        return load(DemoSettings)


def test_the_defaults_are_valid() -> None:
    settings = loaded({})

    assert settings.shard == "s0"
    assert settings.instance == ""
    assert settings.event_loop == "uvloop"
    assert settings.metrics_listen == "127.0.0.1:0"
    assert settings.nats_credentials_file is None


def test_the_environment_is_read() -> None:
    settings = loaded(
        {
            "MAILWEIR_DEMO_HOSTS": "a.example, b.example,,",
            "MAILWEIR_DEMO_WORKERS": "7",
            "MAILWEIR_DEMO_DIRECTORY": "/var/lib/demo",
            "MAILWEIR_DEMO_DRAIN_SECONDS": "2.5",
        }
    )

    assert settings.hosts == ("a.example", "b.example")
    assert settings.workers == 7
    assert settings.directory == Path("/var/lib/demo")
    assert settings.drain_seconds == 2.5


def test_empty_values_mean_nothing() -> None:
    settings = loaded({"MAILWEIR_DEMO_HOSTS": "", "MAILWEIR_DEMO_DIRECTORY": ""})

    assert settings.hosts == ()
    assert settings.directory is None


def test_settings_do_not_change() -> None:
    with pytest.raises(ValueError, match="frozen"):
        loaded({}).shard = "s1"


def test_an_unknown_keyword_is_refused() -> None:
    with pytest.raises(ValueError, match="shart"):
        DemoSettings(shart="s1")  # type: ignore[call-arg]  # what is tried here


def test_all_errors_come_at_once() -> None:
    lines = lines_of(
        DemoSettings,
        {
            "MAILWEIR_DEMO_WORKERS": "many",
            "MAILWEIR_DEMO_MODE": "loud",
            "MAILWEIR_DEMO_DRAIN_SECONDS": "0",
            "MAILWEIR_DEMO_LISTEN": "unix:relative.sock",
            "MAILWEIR_DEMO_LOG_LEVL": "info",
        },
    )

    assert {line.partition(":")[0] for line in lines} == {
        "MAILWEIR_DEMO_WORKERS",
        "MAILWEIR_DEMO_MODE",
        "MAILWEIR_DEMO_DRAIN_SECONDS",
        "MAILWEIR_DEMO_LISTEN",
        "MAILWEIR_DEMO_LOG_LEVL",
    }
    assert all("\n" not in line for line in lines)


def test_a_line_names_value_fault_and_expectation() -> None:
    (line,) = lines_of(DemoSettings, {"MAILWEIR_DEMO_WORKERS": "99"})

    assert line == (
        "MAILWEIR_DEMO_WORKERS: '99': Input should be less than or equal to 64; "
        "expected a whole number at least 1, at most 64 (Workers that run at once.)"
    )


def test_a_validator_of_ours_speaks_plainly() -> None:
    (line,) = lines_of(DemoSettings, {"MAILWEIR_DEMO_LISTEN": "somewhere"})

    assert line.startswith("MAILWEIR_DEMO_LISTEN: 'somewhere': write host:port")
    assert "Value error" not in line


def test_a_choice_is_spelled_out() -> None:
    (line,) = lines_of(DemoSettings, {"MAILWEIR_DEMO_MODE": "loud"})

    assert "expected one of fast, safe" in line


def test_an_unknown_variable_is_an_error_with_a_suggestion() -> None:
    (line,) = lines_of(DemoSettings, {"MAILWEIR_DEMO_WORKRES": "4"})

    assert line == (
        "MAILWEIR_DEMO_WORKRES: there is no such setting; did you mean MAILWEIR_DEMO_WORKERS?"
    )


def test_an_unknown_variable_like_nothing_has_no_suggestion() -> None:
    (line,) = lines_of(DemoSettings, {"MAILWEIR_DEMO_QQQQQQQQ": "4"})

    assert line == "MAILWEIR_DEMO_QQQQQQQQ: there is no such setting"


def test_variables_of_other_services_are_none_of_ours() -> None:
    assert lines_of(DemoSettings, {"MAILWEIR_OTHER_WORKERS": "x", "WORKERS": "x"}) == ()


@pytest.mark.parametrize(
    "name",
    [
        "SERVICE_HOST",
        "SERVICE_PORT",
        "SERVICE_PORT_GRPC",
        "PORT",
        "PORT_9000_TCP",
        "PORT_9000_TCP_PROTO",
        "PORT_9000_TCP_PORT",
        "PORT_9000_TCP_ADDR",
    ],
)
def test_what_kubernetes_sets_for_a_service_of_our_name_is_ignored(name: str) -> None:
    assert lines_of(DemoSettings, {f"MAILWEIR_DEMO_{name}": "tcp://10.0.0.1:9000"}) == ()


def test_what_is_missing_is_named() -> None:
    (line,) = lines_of(StrictSettings, {})

    assert line == (
        "MAILWEIR_STRICT_DATABASE_URL: must be set; expected text (URL of the database.)"
    )


def test_passwords_do_not_appear() -> None:
    lines = lines_of(DemoSettings, {"MAILWEIR_DEMO_NATS_URL": "http://user:hunter2@nats:4222"})

    assert len(lines) == 1
    assert "hunter2" not in lines[0]
    assert "***@nats:4222" in lines[0]


def test_a_long_value_is_shortened() -> None:
    (line,) = lines_of(DemoSettings, {"MAILWEIR_DEMO_MODE": "x" * 1000})

    assert len(line) < 300


def test_a_hostile_value_stays_on_its_line() -> None:
    (line,) = lines_of(DemoSettings, {"MAILWEIR_DEMO_MODE": "a\nb\x1b[2J"})

    assert line.isprintable()


def test_the_settings_describe_themselves() -> None:
    docs = {doc.variable: doc for doc in describe(DemoSettings)}

    workers = docs["MAILWEIR_DEMO_WORKERS"]
    assert (workers.expected, workers.default) == ("a whole number at least 1, at most 64", "4")
    assert workers.description == "Workers that run at once."
    assert docs["MAILWEIR_DEMO_PASSWORD"].expected == "a secret"
    assert docs["MAILWEIR_DEMO_HOSTS"].expected == "a list separated by commas"
    assert docs["MAILWEIR_DEMO_DIRECTORY"].expected == "a path, or empty"
    assert docs["MAILWEIR_DEMO_DIRECTORY"].default == ""


def test_what_must_be_set_says_so() -> None:
    docs = {doc.variable: doc for doc in describe(StrictSettings)}

    assert docs["MAILWEIR_STRICT_DATABASE_URL"].default == "required"


def test_every_setting_of_every_service_has_a_description() -> None:
    assert [doc.variable for doc in describe(DemoSettings) if not doc.description] == []
