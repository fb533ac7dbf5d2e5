"""The server's certificate."""

import asyncio
import os
import ssl
from pathlib import Path

import pytest
import trustme

from mailweir_ingress.adapters import tls as module
from mailweir_ingress.adapters.tls import reload_when_changed, server_context
from mailweir_runtime.lifecycle import StartupError


def write_pair(directory: Path, authority: trustme.CA, name: str) -> tuple[Path, Path]:
    """Write a certificate and its key."""
    certificate, key = directory / "cert.pem", directory / "key.pem"
    issued = authority.issue_cert(name)
    certificate.write_bytes(b"".join(part.bytes() for part in issued.cert_chain_pems))
    key.write_bytes(issued.private_key_pem.bytes())
    return certificate, key


def test_old_versions_are_not_spoken(tmp_path: Path) -> None:
    context = server_context(*write_pair(tmp_path, trustme.CA(), "localhost"))
    assert context.minimum_version == ssl.TLSVersion.TLSv1_2


def test_files_that_cannot_be_used_are_one_clear_line(tmp_path: Path) -> None:
    certificate, key = write_pair(tmp_path, trustme.CA(), "localhost")
    other = tmp_path / "other"
    other.mkdir()
    foreign_key = write_pair(other, trustme.CA(), "localhost")[1]
    nonsense = tmp_path / "nonsense.pem"
    nonsense.write_text("nonsense")
    for pair in (
        (tmp_path / "absent.pem", key),
        (certificate, foreign_key),
        (nonsense, key),
        (certificate, nonsense),
        (tmp_path, key),
    ):
        with pytest.raises(StartupError, match="TLS: cannot use") as found:
            server_context(*pair)
        assert "\n" not in str(found.value)


async def served_name(context: ssl.SSLContext, authority: trustme.CA, name: str) -> bool:
    """Say whether a client finds that name at the server."""
    client = ssl.create_default_context()
    authority.configure_trust(client)

    async def serve(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context) as server:
        port = server.sockets[0].getsockname()[1]
        try:
            _, writer = await asyncio.open_connection(
                "127.0.0.1", port, ssl=client, server_hostname=name
            )
        except ssl.SSLError:
            return False
        writer.close()
        await writer.wait_closed()
        return True


async def test_renewed_files_are_taken_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "RELOAD_SECONDS", 0.01)
    authority = trustme.CA()
    pair = write_pair(tmp_path, authority, "old.example")
    context = server_context(*pair)
    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(reload_when_changed(context, *pair))
        await asyncio.sleep(0.03)
        assert await served_name(context, authority, "old.example")
        pair[0].unlink()
        await asyncio.sleep(0.03)  # in between there may be none
        write_pair(tmp_path, authority, "new.example")
        os.utime(pair[0], (1, 1))
        async with asyncio.timeout(5):
            while not await served_name(context, authority, "new.example"):
                await asyncio.sleep(0.01)
        pair[1].write_text("nonsense")
        await asyncio.sleep(0.05)
        assert await served_name(context, authority, "new.example")
        task.cancel()
