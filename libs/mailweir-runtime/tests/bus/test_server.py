"""The embedded server's configuration."""

from pathlib import Path

import pytest

from mailweir_runtime.bus import server
from mailweir_runtime.bus.server import find_server, server_config, write_config


def test_nothing_is_acknowledged_before_it_is_on_disk() -> None:
    assert "sync_interval: always" in server_config(Path("/data"), "127.0.0.1", 4222)


def test_names_are_quoted() -> None:
    text = server_config(Path('/da "ta\\x'), "::1", 4222, name="a b")
    assert 'store_dir: "/da \\"ta\\\\x"' in text
    assert 'listen: "[::1]:4222"' in text
    assert 'server_name: "a b"' in text


def test_a_limit_is_written_only_where_there_is_one() -> None:
    assert "max_file_store" not in server_config(Path("/d"), "127.0.0.1", 1)
    text = server_config(Path("/d"), "127.0.0.1", 1, max_store_bytes=1000)
    assert "max_file_store: 1000" in text


def test_only_the_owner_reads_the_file(tmp_path: Path) -> None:
    path = tmp_path / "nats.conf"
    write_config(path, "x")
    assert path.read_text() == "x"
    assert path.stat().st_mode & 0o777 == 0o600


def test_the_environments_own_server_comes_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server.sys, "executable", str(tmp_path / "python"))
    monkeypatch.setattr(server.shutil, "which", lambda _: "/usr/bin/nats-server")
    assert find_server() == Path("/usr/bin/nats-server")
    (tmp_path / "nats-server").touch()
    assert find_server() == tmp_path / "nats-server"
    (tmp_path / "nats-server").unlink()
    monkeypatch.setattr(server.shutil, "which", lambda _: None)
    assert find_server() is None
