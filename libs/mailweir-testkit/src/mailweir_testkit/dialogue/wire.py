"""One connection of a script: sends bytes, reads whole replies, starts TLS."""

import asyncio
import contextlib
import socket
import ssl
import struct
import time
from dataclasses import dataclass
from typing import Final

_MAX_REPLY_LINES: Final = 1000
_NO_LINGER: Final = struct.pack("ii", 1, 0)  # close sends RST


@dataclass(frozen=True, slots=True)
class Heard:
    """What came in place of a reply, or the reply: its lines without CRLF, or a sentence."""

    lines: tuple[str, ...] = ()
    trouble: str = ""

    @property
    def last(self) -> str:
        """Return the line that ends the reply."""
        return self.lines[-1] if self.lines else ""

    def __str__(self) -> str:
        """Return what an error says."""
        return self.trouble or "the server said " + " / ".join(repr(line) for line in self.lines)


class Wire:
    """A client's end of an SMTP connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Use `open_wire` instead."""
        self._reader = reader
        self._writer = writer
        self._said_at = time.monotonic()
        self.reply = Heard(trouble="no reply was read yet")
        self.reply_seconds = 0.0

    async def say(self, data: bytes) -> None:
        """Send bytes; a connection that the server has closed shows at the next reading."""
        with contextlib.suppress(ConnectionError):
            self._writer.write(data)
            await self._writer.drain()
        self._said_at = time.monotonic()

    async def hear(self, patience: float) -> Heard:
        """Return the next reply, all its lines, or what happened instead."""
        lines: list[str] = []
        try:
            async with asyncio.timeout(patience):
                while not (lines and _ends(lines[-1])) and len(lines) < _MAX_REPLY_LINES:
                    line = await self._reader.readline()
                    if not line.endswith(b"\n"):
                        return self._noted(_cut_off(lines, line))
                    lines.append(line.decode("utf-8", "backslashreplace").rstrip("\r\n"))
        except TimeoutError:
            return self._noted(
                Heard(trouble=f"nothing more came within {patience:g} s{_so_far(lines)}")
            )
        except (ConnectionError, ValueError) as error:
            return self._noted(Heard(trouble=f"the connection broke: {error!r}{_so_far(lines)}"))
        return self._noted(Heard(tuple(lines)))

    def _noted(self, heard: Heard) -> Heard:
        self.reply, self.reply_seconds = heard, time.monotonic() - self._said_at
        return heard

    async def rest(self, patience: float) -> tuple[bytes, bool]:
        """Read until the server closes or `patience` is over; return the bytes and whether it closed."""
        got = bytearray()
        try:
            async with asyncio.timeout(patience):
                while chunk := await self._reader.read(65_536):
                    got += chunk
        except TimeoutError:
            return bytes(got), False
        except ConnectionError:
            pass  # a reset ends the connection as well as a FIN does
        return bytes(got), True

    async def start_tls(self, context: ssl.SSLContext, name: str, patience: float) -> str:
        """Make the handshake; return "" or what went wrong."""
        try:
            await self._writer.start_tls(
                context, server_hostname=name, ssl_handshake_timeout=patience
            )
        except (OSError, EOFError) as error:  # ssl.SSLError is an OSError
            return f"the handshake failed: {error!r}"
        return ""

    def half_close(self) -> None:
        """Send FIN, go on reading."""
        self._writer.write_eof()

    async def close(self) -> None:
        """Send FIN and forget the connection."""
        self._writer.close()
        with contextlib.suppress(ConnectionError, TimeoutError, ssl.SSLError):
            async with asyncio.timeout(1.0):
                await self._writer.wait_closed()

    def abort(self) -> None:
        """Send RST and forget the connection."""
        sock: socket.socket | None = self._writer.get_extra_info("socket")
        if sock is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
        self._writer.transport.abort()


async def open_wire(host: str, port: int) -> Wire:
    """Connect; raises OSError."""
    return Wire(*await asyncio.open_connection(host, port))


def _ends(line: str) -> bool:
    return len(line) < 4 or line[3] != "-"


def _cut_off(lines: list[str], rest: bytes) -> Heard:
    tail = f" after {rest!r}" if rest else ""
    return Heard(trouble=f"the server closed the connection{tail}{_so_far(lines)}")


def _so_far(lines: list[str]) -> str:
    return f" (so far: {' / '.join(map(repr, lines))})" if lines else ""
