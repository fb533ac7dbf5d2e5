"""Settings that lie in files."""

from pathlib import Path

import pytest

from mailweir_runtime.settings import (
    OptionalPath,
    ServiceSettings,
    SettingsError,
    load,
    settings_config,
)
from mailweir_runtime.settings_files import MAX_FILE_BYTES
from mailweir_runtime.sql import DatabaseUrl

URL = "postgresql+asyncpg://mail:hunter2@db.example/mail"


class StoreSettings(ServiceSettings):
    """Settings of a made-up service with a secret, and with a path whose name ends like one."""

    model_config = settings_config("STORE")

    database_url: DatabaseUrl = "sqlite+aiosqlite:///store.db"
    """URL of its database."""
    key_file: OptionalPath = None
    """Its key."""


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    path = tmp_path / "database-url"
    path.write_text(f"{URL}\n")
    return path


def lines_of(patch: pytest.MonkeyPatch, **environ: str) -> tuple[str, ...]:
    for name, value in environ.items():
        patch.setenv(f"MAILWEIR_STORE_{name}", value)
    with pytest.raises(SettingsError) as caught:
        load(StoreSettings)
    return caught.value.lines


def test_a_value_is_what_its_file_holds(monkeypatch: pytest.MonkeyPatch, secret: Path) -> None:
    monkeypatch.setenv("MAILWEIR_STORE_DATABASE_URL_FILE", str(secret))
    monkeypatch.setenv("MAILWEIR_STORE_NATS_URL_FILE", str(secret.with_name("nats-url")))
    secret.with_name("nats-url").write_text("nats://token@nats:4222")

    settings = load(StoreSettings)

    assert settings.database_url == URL
    assert settings.nats_url == "nats://token@nats:4222"


def test_an_empty_path_names_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAILWEIR_STORE_DATABASE_URL_FILE", "")

    assert load(StoreSettings).database_url.startswith("sqlite")


def test_a_path_of_its_own_is_no_such_thing(monkeypatch: pytest.MonkeyPatch, secret: Path) -> None:
    monkeypatch.setenv("MAILWEIR_STORE_KEY_FILE", str(secret))

    assert load(StoreSettings).key_file == secret


def test_one_of_the_two_is_enough(monkeypatch: pytest.MonkeyPatch, secret: Path) -> None:
    (line,) = lines_of(monkeypatch, DATABASE_URL=URL, DATABASE_URL_FILE=str(secret))

    assert (
        line == "MAILWEIR_STORE_DATABASE_URL_FILE: set it or MAILWEIR_STORE_DATABASE_URL, not both"
    )


def test_a_file_that_is_not_there(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (line,) = lines_of(monkeypatch, DATABASE_URL_FILE=str(tmp_path / "none"))

    assert "MAILWEIR_STORE_DATABASE_URL_FILE" in line
    assert "No such file" in line


@pytest.mark.parametrize(
    ("content", "reason"), [(b"\xff\xfe", "no text"), (b"x" * (MAX_FILE_BYTES + 1), "bytes")]
)
def test_a_file_that_is_no_value(
    monkeypatch: pytest.MonkeyPatch, secret: Path, content: bytes, reason: str
) -> None:
    secret.write_bytes(content)
    (line,) = lines_of(monkeypatch, DATABASE_URL_FILE=str(secret))

    assert reason in line


def test_a_wrong_secret_is_not_said(monkeypatch: pytest.MonkeyPatch, secret: Path) -> None:
    secret.write_text("mysql://mail:hunter2@db.example/mail")
    (line,) = lines_of(monkeypatch, DATABASE_URL_FILE=str(secret))

    assert line.startswith(
        "MAILWEIR_STORE_DATABASE_URL: what its file holds: the URL must begin with"
    )
    assert "hunter2" not in line


def test_a_file_of_nothing_known_is_unknown(monkeypatch: pytest.MonkeyPatch, secret: Path) -> None:
    (line,) = lines_of(monkeypatch, DATABASE_UR_FILE=str(secret))

    assert "no such setting" in line
