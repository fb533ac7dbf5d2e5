"""The embedded server's configuration."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from mailweir_runtime.bus import server
from mailweir_runtime.bus.server import find_server, server_config, store_limit, write_config


def test_nothing_is_acknowledged_before_it_is_on_disk() -> None:
    assert "sync_interval: always" in server_config(Path("/data"), "127.0.0.1", 4222)


def test_names_are_quoted() -> None:
    text = server_config(Path('/da "ta\\x'), "::1", 4222, name="a b")
    assert 'store_dir: "/da \\"ta\\\\x"' in text
    assert 'listen: "[::1]:4222"' in text
    assert 'server_name: "a b"' in text


def test_the_limit_is_what_is_given() -> None:
    text = server_config(Path("/d"), "127.0.0.1", 1, max_store_bytes=1000)
    assert "max_file_store: 1000\n" in text


def test_the_limit_is_what_the_disk_has(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    disk = SimpleNamespace(total=200_000_000_000, free=50_000_000_000)
    monkeypatch.setattr(server.shutil, "disk_usage", lambda _: disk)
    store = tmp_path / "not" / "yet"
    free = 50_000_000_000 - 1024**3
    assert f"max_file_store: {free}\n" in server_config(store, "127.0.0.1", 1)
    # what the store holds is room that it may keep
    (store / "a").mkdir(parents=True)
    (store / "a" / "1.blk").write_bytes(b"x" * 5000)
    (store / "2.blk").write_bytes(b"x" * 70)
    assert store_limit(store) == free + 5070
    disk.total, disk.free = 1_000_000, 40_000
    assert store_limit(store) == server.LEAST_STORE_BYTES


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
