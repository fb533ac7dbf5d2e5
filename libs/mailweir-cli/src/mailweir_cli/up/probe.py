"""Asking a process how it is: /readyz of a service, the first line of a nats-server."""

import asyncio
from typing import Final

from mailweir_cli.up.status import Phase

PROBE_SECONDS: Final = 2.0
_MOST_BYTES: Final = 16_384
_PHASES: Final = {p.value: p for p in (Phase.STARTING, Phase.READY, Phase.DEGRADED, Phase.DRAINING)}


async def service_phase(port: int) -> tuple[Phase, str] | None:
    """Return what the service's /readyz on loopback says, with its detail; None if nobody answers."""
    request = b"GET /readyz HTTP/1.0\r\nHost: localhost\r\n\r\n"
    answer = await _exchange(port, request)
    _, _, body = answer.partition(b"\r\n\r\n")
    word, _, detail = body.decode("utf-8", "replace").strip().partition(": ")
    return (_PHASES[word], detail) if word in _PHASES else None


async def http_phase(port: int, path: str) -> tuple[Phase, str] | None:
    """Return `ready` where an HTTP server on loopback answers 200 at a path."""
    request = f"GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n".encode()
    answer = await _exchange(port, request)
    return (Phase.READY, "") if answer.split(b" ")[1:2] == [b"200"] else None


async def nats_phase(port: int) -> tuple[Phase, str] | None:
    """Return `ready` where a nats-server greets; it listens only once its stores are recovered."""
    greeting = await _exchange(port, b"", until=b"\r\n")
    return (Phase.READY, "") if greeting.startswith(b"INFO ") else None


async def _to_the_end(reader: asyncio.StreamReader) -> bytes:
    got = bytearray()
    while len(got) < _MOST_BYTES and (chunk := await reader.read(_MOST_BYTES)):
        got += chunk
    return bytes(got)


async def _exchange(port: int, request: bytes, until: bytes = b"") -> bytes:
    """Return the answer up to `until`, or to the end; empty where there is none in time."""
    try:
        async with asyncio.timeout(PROBE_SECONDS):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            try:
                writer.write(request)
                return await (reader.readuntil(until) if until else _to_the_end(reader))
            finally:
                writer.close()
    except (OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
        return b""
