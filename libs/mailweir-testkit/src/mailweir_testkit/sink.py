"""A next hop that takes everything and writes down what came; it can also be slow, refuse, defer or hang up.

In a test: `async with sink() as s: ... s.mails`. As a process, so that its CPU is not the test's:
`python -m mailweir_testkit.sink --record FILE` prints `host port` and appends a line of JSON per message.
One `asyncio.Protocol` without streams or tasks: it must cost little beside what is measured.
"""

import argparse
import asyncio
import dataclasses
import hashlib
import json
import re
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from mailweir_testkit.fidelity import fingerprint, reference

_DATA_END: Final = b"\r\n.\r\n"
_PATH: Final = re.compile(r"<(.*)>")
_EHLO: Final = (
    b"".join(
        b"250-%s\r\n" % word
        for word in (b"sink", b"PIPELINING", b"8BITMIME", b"SMTPUTF8", b"SIZE 0")
    )
    + b"250 ENHANCEDSTATUSCODES\r\n"
)


@dataclass(frozen=True, slots=True)
class Caught:
    """A message that reached the sink. `answered`: the client was told 250. `at`: monotonic seconds."""

    ref: str
    sender: str
    recipients: tuple[str, ...]
    size: int
    sha256: str
    bare_sha256: str
    at: float
    answered: bool
    content: bytes | None = field(default=None, repr=False)


@dataclass(slots=True)
class Manners:
    """How the sink behaves; a test may change it while it runs."""

    delay_seconds: float = 0.0
    """Wait before each reply."""
    refuse: str = ""
    """Pattern of recipients that get 550."""
    defer_recipient: str = ""
    """Pattern of recipients that get 450."""
    defer_messages: int = 0
    """So many messages get 451 after their data, and are not counted as caught."""
    hang_up_after_data: int = 0
    """So many messages are taken, but the connection ends before the reply."""


class Sink:
    """What came so far, and the manners."""

    def __init__(
        self, manners: Manners, host: bytes, *, keep: bool, record: Callable[[Caught], None] | None
    ) -> None:
        """Use `sink`. `host`: the gateway's name, for the fingerprint; `keep`: hold the contents too."""
        self.manners = manners
        self.mails: list[Caught] = []
        self.address = ("", 0)
        self.connections = 0
        self._host = host
        self._keep = keep
        self._record = record
        self._changed = asyncio.Event()

    def catch(
        self, sender: str, recipients: tuple[str, ...], content: bytes, answered: bool
    ) -> None:
        """Write down a message."""
        caught = Caught(
            ref=reference(content),
            sender=sender,
            recipients=recipients,
            size=len(content),
            sha256=hashlib.sha256(content).hexdigest(),
            bare_sha256=fingerprint(content, self._host),
            at=time.monotonic(),
            answered=answered,
            content=content if self._keep else None,
        )
        self.mails.append(caught)
        if self._record:
            self._record(caught)
        self._changed.set()

    async def wait_for(self, count: int, seconds: float = 10.0) -> list[Caught]:
        """Return what came once there are `count` messages; raises TimeoutError."""
        async with asyncio.timeout(seconds):
            while len(self.mails) < count:
                self._changed.clear()
                await self._changed.wait()
        return self.mails


class _Session(asyncio.Protocol):
    """One connection. States: commands line by line, or data up to CRLF . CRLF."""

    def __init__(self, owner: Sink) -> None:
        self._sink = owner
        self._buffer = bytearray()
        self._in_data = False
        self._scanned = 0
        self._sender = ""
        self._recipients: list[str] = []
        self._waiting = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._sink.connections += 1
        self._reply(b"220 sink\r\n")

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while self._buffer and not self._transport.is_closing():
            if not (self._data() if self._in_data else self._command()):
                return

    def _reply(self, line: bytes) -> None:
        delay = self._sink.manners.delay_seconds
        if delay <= 0:
            self._transport.write(line)
            return
        loop = asyncio.get_running_loop()
        # replies queue behind each other, so pipelined commands are each as slow
        self._waiting += 1
        loop.call_later(delay * self._waiting, self._late, line)

    def _late(self, line: bytes) -> None:
        self._waiting -= 1
        if not self._transport.is_closing():
            self._transport.write(line)

    def _command(self) -> bool:
        end = self._buffer.find(b"\n")
        if end < 0:
            return False
        line = bytes(self._buffer[:end]).rstrip(b"\r").decode("utf-8", "replace")
        del self._buffer[: end + 1]
        word = line[:4].upper()
        match word:
            case "EHLO":
                self._reply(_EHLO)
            case "MAIL":
                self._sender, self._recipients = _path(line), []
                self._reply(b"250 2.1.0 ok\r\n")
            case "RCPT":
                self._rcpt(_path(line))
            case "DATA":
                self._in_data, self._scanned = bool(self._recipients), 0
                self._reply(b"354 go\r\n" if self._in_data else b"503 5.5.1 no recipients\r\n")
            case "QUIT":
                self._transport.write(b"221 2.0.0 bye\r\n")
                self._transport.close()
            case "HELO" | "RSET" | "NOOP":
                self._reply(b"250 2.0.0 ok\r\n")
            case _:
                self._reply(b"500 5.5.2 unknown command\r\n")
        return True

    def _rcpt(self, address: str) -> None:
        manners = self._sink.manners
        if manners.refuse and re.search(manners.refuse, address):
            self._reply(b"550 5.1.1 no such user here\r\n")
        elif manners.defer_recipient and re.search(manners.defer_recipient, address):
            self._reply(b"450 4.2.1 mailbox busy\r\n")
        else:
            self._recipients.append(address)
            self._reply(b"250 2.1.5 ok\r\n")

    def _data(self) -> bool:
        """Take the message if it is whole; the CRLF of DATA itself counts as the one before a lone dot."""
        if self._buffer.startswith(b".\r\n"):
            content, used = b"", 3
        else:
            end = self._buffer.find(_DATA_END, max(0, self._scanned - len(_DATA_END)))
            if end < 0:
                self._scanned = len(self._buffer)
                return False
            content, used = bytes(self._buffer[: end + 2]), end + len(_DATA_END)
        del self._buffer[:used]
        self._in_data = False
        self._taken(_unstuffed(content))
        return True

    def _taken(self, content: bytes) -> None:
        manners, recipients = self._sink.manners, tuple(self._recipients)
        if manners.defer_messages > 0:
            manners.defer_messages -= 1
            self._reply(b"451 4.3.0 try again\r\n")
            return
        hang_up = manners.hang_up_after_data > 0
        self._sink.catch(self._sender, recipients, content, not hang_up)
        if hang_up:
            manners.hang_up_after_data -= 1
            self._transport.abort()
        else:
            self._reply(b"250 2.0.0 taken\r\n")


def _path(line: str) -> str:
    found = _PATH.search(line)
    return found[1] if found else ""


def _unstuffed(content: bytes) -> bytes:
    content = content.replace(b"\r\n.", b"\r\n")
    return content[1:] if content.startswith(b".") else content


@asynccontextmanager
async def sink(
    manners: Manners | None = None,
    *,
    host: str = "mailweir.example.com",
    listen: tuple[str, int] = ("127.0.0.1", 0),
    keep: bool = True,
    record: Callable[[Caught], None] | None = None,
) -> AsyncIterator[Sink]:
    """Run a sink until the block ends."""
    owner = Sink(manners or Manners(), host.encode(), keep=keep, record=record)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: _Session(owner), *listen, backlog=1024)
    try:
        name = server.sockets[0].getsockname()
        owner.address = (name[0], name[1])
        yield owner
    finally:
        server.close()


def read_record(path: Path) -> list[Caught]:
    """Return what a sink process has written down so far; a half-written last line is left out."""
    lines = path.read_bytes().split(b"\n")[:-1] if path.exists() else []
    found = [json.loads(line) for line in lines]
    return [Caught(**{**row, "recipients": tuple(row["recipients"])}) for row in found]


async def _serve(args: argparse.Namespace) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    with args.record.open("ab", buffering=0) as out:

        def record(caught: Caught) -> None:
            out.write(json.dumps(dataclasses.asdict(caught)).encode() + b"\n")

        manners = Manners(delay_seconds=args.delay)
        host, port = args.listen.rsplit(":", 1)
        listen = (host, int(port))
        async with sink(manners, host=args.host, listen=listen, keep=False, record=record) as s:
            sys.stdout.write(f"{s.address[0]} {s.address[1]}\n")
            sys.stdout.flush()
            await stop.wait()


def main() -> None:
    """Run as a process until SIGTERM."""
    parser = argparse.ArgumentParser(description="An SMTP next hop that writes down what comes.")
    parser.add_argument("--listen", default="127.0.0.1:0")
    parser.add_argument("--record", type=Path, required=True)
    parser.add_argument("--host", default="mailweir.example.com", help="the gateway's own name")
    parser.add_argument("--delay", type=float, default=0.0, help="seconds before each reply")
    asyncio.run(_serve(parser.parse_args()))


if __name__ == "__main__":
    main()
