"""Two kinds of clients behind a PROXY header: many that are turned away, and a few that send mail meanwhile.

    python -m mailweir_testkit.flood away  --port N --count 20000 --rate 1000 --networks 198.18.0.0/22
    python -m mailweir_testkit.flood known --port N --count 400 --rate 20 --networks 198.51.100.0/24

Both are paced by the clock, not by the replies, and print one JSON object: how many, what they were told, how
often a connection broke instead of ending; of the known also how long each message took, in seconds.
"""

import argparse
import asyncio
import json
import sys
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from ipaddress import IPv4Network, ip_network
from typing import Final, cast

import uvloop

TICK_SECONDS: Final = 0.002
"""Connections that are due are begun this often."""
MAX_OPEN: Final = 2000
REPLY_LENGTH: Final = 28
"""So much of a reply says what it is, and not yet for how long or with which reference."""
PATIENCE_SECONDS: Final = 60.0


@dataclass(slots=True)
class Away:
    """What clients that are turned away were told, by its beginning; `broken` did not end in order."""

    sent: int = 0
    replies: Counter[str] = field(default_factory=Counter)
    broken: int = 0
    seconds: float = 0.0

    def document(self) -> dict[str, object]:
        """Return it as JSON has it."""
        return {**_fields(self), "replies": dict(self.replies)}


@dataclass(slots=True)
class Known:
    """What became of the mail of known senders: seconds from connect to 250, and refusals."""

    took: list[float] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)

    def document(self) -> dict[str, object]:
        """Return it as JSON has it."""
        return _fields(self)


def _fields(made: object) -> dict[str, object]:
    return {name: getattr(made, name) for name in made.__slots__}  # type: ignore[attr-defined]


def addresses(networks: Sequence[str]) -> Iterator[str]:
    """Return the hosts of IPv4 networks in turn, over and over: neighbours come after one another."""
    found = [ip_network(network) for network in networks]
    while True:
        for network in found:
            assert isinstance(network, IPv4Network)
            yield from map(str, network.hosts())


def header(address: str, number: int) -> bytes:
    """Return a PROXY v1 header."""
    return f"PROXY TCP4 {address} 192.0.2.1 {1024 + number % 60_000} 25\r\n".encode()


async def paced(rate: float, count: int, begin: Callable[[int], Awaitable[None]]) -> float:
    """Run `begin` so often a second, whatever the others do; returns how many seconds it took in all."""
    loop = asyncio.get_running_loop()
    started, begun = loop.time(), 0
    turn = asyncio.Semaphore(MAX_OPEN)

    async def one(number: int) -> None:
        try:
            await begin(number)
        finally:
            turn.release()

    async with asyncio.TaskGroup() as tasks:
        while begun < count:
            due = min(count, int((loop.time() - started) * rate) + 1)
            while begun < due:
                await turn.acquire()
                tasks.create_task(one(begun))
                begun += 1
            await asyncio.sleep(TICK_SECONDS)
    return loop.time() - started


class _Visit(asyncio.Protocol):
    """One connection that says for whom it comes, and hears what it is told."""

    __slots__ = ("_away", "_hello", "_pipe", "_reply", "over")

    def __init__(self, hello: bytes, away: Away, over: asyncio.Future[None]) -> None:
        self._hello = hello
        self._away = away
        self._reply = b""
        self.over = over

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._pipe = cast(asyncio.Transport, transport)
        self._pipe.write(self._hello)

    def data_received(self, data: bytes) -> None:
        self._reply += data
        if self._reply.startswith(b"2"):  # it was let in, and has nothing to say
            self._pipe.close()

    def connection_lost(self, exc: Exception | None) -> None:
        if exc is not None or not self._reply.endswith(b"\r\n"):
            self._away.broken += 1
        self._away.replies[self._reply[:REPLY_LENGTH].decode("ascii", "replace")] += 1
        if not self.over.done():
            self.over.set_result(None)


async def away(port: int, count: int, rate: float, networks: Sequence[str]) -> Away:
    """Have so many clients turned away."""
    loop = asyncio.get_running_loop()
    found, hosts = Away(), addresses(networks)

    async def visit(number: int) -> None:
        hello = header(next(hosts), number)
        over: asyncio.Future[None] = loop.create_future()
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                await loop.create_connection(lambda: _Visit(hello, found, over), "127.0.0.1", port)
                found.sent += 1
                await over
        except (OSError, TimeoutError) as error:
            found.replies[type(error).__name__] += 1
            found.broken += 1

    found.seconds = await paced(rate, count, visit)
    return found


async def _reply(reader: asyncio.StreamReader) -> str:
    """Return the last line of the next reply."""
    while True:
        line = (await reader.readline()).decode("utf-8", "replace").rstrip()
        if line[3:4] != "-":
            return line or "connection closed"


async def letter(port: int, address: str, number: int) -> tuple[float, str]:
    """Send one mail; returns how long that took until the reply to its end, and the last reply."""
    started = time.monotonic()
    async with asyncio.timeout(PATIENCE_SECONDS):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            writer.write(header(address, number))
            reply = await _reply(reader)
            for command in _commands(address, number):
                if reply[:1] not in ("2", "3"):
                    break
                writer.write(command)
                reply = await _reply(reader)
            took = time.monotonic() - started
            writer.write(b"QUIT\r\n")
            return took, reply
        finally:
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()


def _commands(address: str, number: int) -> Sequence[bytes]:
    """Return what a server of its own domain says."""
    domain = f"m{address.replace('.', '-')}.example.net"
    body = f"The figures of day {number} are attached to this line.\r\n" * 40
    return (
        f"EHLO {domain}\r\n".encode(),
        f"MAIL FROM:<anna@{domain}>\r\n".encode(),
        b"RCPT TO:<bob@example.com>\r\n",
        b"DATA\r\n",
        f"From: Anna <anna@{domain}>\r\nTo: bob@example.com\r\nSubject: Day {number}\r\n"
        f"Message-ID: <{number}.{time.time_ns()}@{domain}>\r\n"
        f"Date: Tue, 24 Nov 2026 10:00:00 +0000\r\n\r\n{body}.\r\n".encode(),
    )


async def known(port: int, count: int, rate: float, networks: Sequence[str]) -> Known:
    """Send so many mails of known senders."""
    found, hosts = Known(), addresses(networks)

    async def send(number: int) -> None:
        try:
            seconds, reply = await letter(port, next(hosts), number)
        except (OSError, TimeoutError) as error:
            found.refused.append(type(error).__name__)
            return
        if reply.startswith("250"):
            found.took.append(seconds)
        else:
            found.refused.append(reply)

    await paced(rate, count, send)
    return found


Run = Callable[[int, int, float, Sequence[str]], Coroutine[None, None, Away | Known]]


def main() -> None:
    """Flood, or send, and print what came of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kind", choices=("away", "known"))
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--count", type=int, required=True)
    parser.add_argument("--rate", type=float, required=True)
    parser.add_argument("--networks", nargs="+", required=True)
    options = parser.parse_args()
    run: Run = away if options.kind == "away" else known
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        found = runner.run(run(options.port, options.count, options.rate, options.networks))
    json.dump(found.document(), sys.stdout)


if __name__ == "__main__":
    main()
