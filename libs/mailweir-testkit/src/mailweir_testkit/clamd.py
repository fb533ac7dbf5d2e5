"""A small clamd for tests: the real INSTREAM protocol on loopback, and ways to misbehave."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

COMMAND = b"zINSTREAM\0"
HANG_SECONDS = 60.0


@dataclass
class FakeClamd:
    """Finds `signatures`; `limit` is its StreamMaxLength; `reply` stands in for what it would say."""

    signatures: Mapping[bytes, str]
    limit: int = 10_000_000
    reply: bytes | None = None
    mute: bool = False
    hang_up: bool = False
    target: str = ""
    open: int = 0
    most_open: int = 0
    chunks: list[int] = field(default_factory=list)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection: one scan, as `z` commands without a session are."""
        self.open += 1
        self.most_open = max(self.most_open, self.open)
        try:
            await self._serve(reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            return  # the client went; that is its right
        finally:
            self.open -= 1
            writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.hang_up:
            return
        if await reader.readexactly(len(COMMAND)) != COMMAND:
            writer.write(b"UNKNOWN COMMAND\0")
            return
        content = b""
        while size := int.from_bytes(await reader.readexactly(4), "big"):
            self.chunks.append(size)
            if len(content) + size > self.limit:
                writer.write(b"INSTREAM size limit exceeded. ERROR\0")
                await writer.drain()
                return
            content += await reader.readexactly(size)
        await asyncio.sleep(0.02)
        if self.mute:
            await asyncio.sleep(HANG_SECONDS)
        writer.write(self.reply if self.reply is not None else self._verdict(content))
        await writer.drain()

    def _verdict(self, content: bytes) -> bytes:
        found = next((name for octets, name in self.signatures.items() if octets in content), None)
        return b"stream: OK\0" if found is None else f"stream: {found} FOUND\0".encode()


@asynccontextmanager
async def fake_clamd(signatures: Mapping[bytes, str], unix: str = "") -> AsyncIterator[FakeClamd]:
    """Yield one that listens on a free port of loopback, or on a unix socket."""
    fake = FakeClamd(signatures)
    if unix:
        server = await asyncio.start_unix_server(fake.serve, unix)
        fake.target = f"unix:{unix}"
    else:
        server = await asyncio.start_server(fake.serve, "127.0.0.1", 0)
        fake.target = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield fake
    finally:
        server.close()
