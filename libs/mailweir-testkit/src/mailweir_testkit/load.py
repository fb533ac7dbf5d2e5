"""Mail over many connections at once, by a client that does not give up: what got 250, and under which id.

The client does as mail servers do (RFC 5321 §4.5.4.1): after a 4xx or a broken connection it sends the same
message again, later. A connection that broke between the end of data and its reply is noted as `in_doubt`:
the server may have taken that copy, and the next one then is a second message.
"""

import argparse
import asyncio
import json
import re
import sys
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import cycle
from typing import Final

from mailweir_testkit.builders import mail_of_size
from mailweir_testkit.dialogue.proxy import Endpoints, v1, v2

_REFERENCE: Final = re.compile(r"\[([0-9A-Z]{26}(?:-\d+)?)\]")
_REPLY_SECONDS: Final = 60.0
_DUE_SECONDS: Final = 0.01
"""How often it is looked whether a message has fallen due."""


@dataclass(frozen=True, slots=True)
class Letter:
    """One message to send; `name` is how its result is found again. The content has CRLF line ends."""

    name: str
    sender: str
    recipients: tuple[str, ...]
    content: bytes = field(repr=False)


@dataclass(slots=True)
class Fate:
    """What became of a letter: the last reply, the reference in it, tries so far."""

    letter: Letter
    reply: str = ""
    ref: str = ""
    tries: int = 0
    in_doubt: int = 0
    begun_at: float = 0.0
    """When it was first tried, in monotonic seconds; 0 before."""
    accepted_at: float = 0.0
    earlier: list[str] = field(default_factory=list)
    """What was said to tries before the last: replies, or how the connection ended."""

    @property
    def taken(self) -> bool:
        """Say whether the server answered 250 after the data."""
        return self.reply.startswith("250") and self.accepted_at > 0

    @property
    def refused(self) -> bool:
        """Say whether the server answered 5xx, which is final."""
        return self.reply.startswith("5")


@dataclass(frozen=True, slots=True)
class Plan:
    """How to send: where to, over how many connections, until when to try again."""

    host: str
    port: int
    connections: int = 20
    per_connection: int = 10
    """Messages on one connection before QUIT; 1 makes a connection per message."""
    retry_seconds: float = 0.3
    """Wait before a message is sent again."""
    give_up_seconds: float = 120.0
    """A message that has not been answered for good after this time from the start is given up."""
    until: Callable[[], bool] = lambda: False
    """Asked before each message; True ends the sending early."""
    clients: tuple[str, ...] = ()
    """IPv4 addresses that the connections say in turn they are from, by PROXY header; empty says nothing."""
    proxy_version: int = 1
    """Of that header: 1 or 2."""
    sources: tuple[str, ...] = ()
    """Own addresses that the connections are made from in turn; empty leaves it to the system."""
    rate: float = 0.0
    """Messages that fall due each second; 0: all at once."""


class _Broken(Exception):
    """Raised when the connection ended or the server said 421."""


class _Client(asyncio.Protocol):
    """One connection: sends lines, hands on replies."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._replies: deque[str] = deque()
        self._lost = False
        self._woken = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while (end := self._buffer.find(b"\n")) >= 0:
            line = bytes(self._buffer[:end]).decode("utf-8", "replace").rstrip()
            del self._buffer[: end + 1]
            if line[3:4] != "-":
                self._replies.append(line)
        self._woken.set()

    def connection_lost(self, _exc: Exception | None) -> None:
        self._lost = True
        self._woken.set()

    def send(self, data: bytes) -> None:
        self._transport.write(data)

    async def reply(self) -> str:
        """Return the next reply's last line; raises _Broken when the connection ends, at 421, at silence."""
        try:
            async with asyncio.timeout(_REPLY_SECONDS):
                while not self._replies:
                    if self._lost:
                        raise _Broken("connection lost")
                    self._woken.clear()
                    await self._woken.wait()
        except TimeoutError:
            raise _Broken(f"no reply within {_REPLY_SECONDS:g} s") from None
        line = self._replies.popleft()
        if line.startswith("421"):
            raise _Broken(line)
        return line

    async def ask(self, line: bytes) -> str:
        self.send(line + b"\r\n")
        return await self.reply()

    def close(self) -> None:
        self._transport.close()


class _Round:
    """The letters of one sending: what is due waits in a line, what was put off goes to its end."""

    def __init__(self, plan: Plan, fates: Sequence[Fate], troubles: Counter[str]) -> None:
        self.plan = plan
        self.troubles = troubles
        self.waiting: deque[Fate] = deque()
        self._fates = fates
        self._due = 0
        self._begun = time.monotonic()
        self._end = self._begun + plan.give_up_seconds
        self._clients = cycle(plan.clients or ("",))
        self._sources = cycle(plan.sources or ("",))

    @property
    def over(self) -> bool:
        """Say whether there is nothing left to send, or no time."""
        if time.monotonic() > self._end or self.plan.until():
            return True
        self._admit()
        return not self.waiting and self._due == len(self._fates)

    def _admit(self) -> None:
        """Put in line what has fallen due."""
        due = len(self._fates)
        if self.plan.rate > 0:
            due = min(due, int((time.monotonic() - self._begun) * self.plan.rate) + 1)
        self.waiting.extend(self._fates[self._due : due])
        self._due = due

    def again(self, fate: Fate) -> None:
        """Send it once more, later."""
        fate.earlier.append(fate.reply)
        self.waiting.append(fate)

    async def connect(self) -> _Client:
        """Return a connection that has said whom it comes for; raises OSError."""
        own = next(self._sources)
        _, client = await asyncio.get_running_loop().create_connection(
            _Client, self.plan.host, self.plan.port, local_addr=(own, 0) if own else None
        )
        if address := next(self._clients):
            ends = Endpoints(address, "127.0.0.1", 1024, 25)
            client.send(v2(ends) if self.plan.proxy_version == 2 else v1(ends))
        return client


async def deliver(
    plan: Plan, letters: Iterable[Letter], troubles: Counter[str] | None = None
) -> list[Fate]:
    """Send all letters, each until it is taken, refused or given up; returns their fates in order.

    `troubles` counts connections that were refused or broke, by what was said.
    """
    fates = [Fate(letter) for letter in letters]
    sending = _Round(plan, fates, Counter() if troubles is None else troubles)
    async with asyncio.TaskGroup() as group:
        for _ in range(min(plan.connections, len(fates))):
            group.create_task(_worker(sending))
    return fates


async def _worker(sending: _Round) -> None:
    pause = sending.plan.retry_seconds
    while not sending.over:
        if not sending.waiting:
            await asyncio.sleep(_DUE_SECONDS)
            continue
        try:
            client = await sending.connect()
        except OSError as error:
            sending.troubles[type(error).__name__] += 1
            await asyncio.sleep(pause)
            continue
        try:
            await _session(sending, client)
        except _Broken as broken:
            sending.troubles[str(broken)] += 1
            await asyncio.sleep(pause)
        finally:
            client.close()


async def _session(sending: _Round, client: _Client) -> None:
    await client.reply()
    await client.ask(b"EHLO client.example.net")
    for _ in range(sending.plan.per_connection):
        if sending.over or not sending.waiting:
            break
        fate = sending.waiting.popleft()
        try:
            await _transaction(client, fate)
        except _Broken as broken:
            fate.reply = str(broken)
            sending.again(fate)
            raise
        if not fate.taken and not fate.refused:
            sending.again(fate)
            await client.ask(b"RSET")
            await asyncio.sleep(sending.plan.retry_seconds)
    await client.ask(b"QUIT")


async def _transaction(client: _Client, fate: Fate) -> None:
    """Send one message, pipelined (RFC 2920): the envelope and DATA in one go."""
    fate.tries += 1
    fate.begun_at = fate.begun_at or time.monotonic()
    letter = fate.letter
    lines = [f"MAIL FROM:<{letter.sender}>", *(f"RCPT TO:<{r}>" for r in letter.recipients), "DATA"]
    client.send("".join(line + "\r\n" for line in lines).encode())
    replies = [await client.reply() for _ in lines]
    if not replies[-1].startswith("354"):
        fate.reply = next(r for r in replies if not r.startswith("2"))
        return
    # RFC 5321 §4.5.2
    client.send(_stuffed(letter.content) + b".\r\n")
    fate.in_doubt += 1
    fate.reply = await client.reply()
    fate.in_doubt -= 1
    found = _REFERENCE.search(fate.reply)
    fate.ref = found[1] if found else ""
    if fate.reply.startswith("250"):
        fate.accepted_at = time.monotonic()


def _stuffed(content: bytes) -> bytes:
    content = content.replace(b"\r\n.", b"\r\n..")
    return b"." + content if content.startswith(b".") else content


def letters_of_size(size: int, count: int, recipient: str = "bob@example.com") -> Sequence[Letter]:
    """Return `count` letters of `size` bytes each; ten different contents take turns."""
    contents = [mail_of_size(size, number) for number in range(min(count, 10))]
    return [
        Letter(f"{size}-{n}", "anna@example.net", (recipient,), contents[n % len(contents)])
        for n in range(count)
    ]


def main() -> None:
    """Send as a process of its own; prints one line of JSON: taken, refused, seconds."""
    parser = argparse.ArgumentParser(description="Send mails of one size over many connections.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--size", type=int, default=4000)
    parser.add_argument("--count", type=int, default=100)
    parser.add_argument("--connections", type=int, default=10)
    parser.add_argument("--per-connection", type=int, default=1)
    args = parser.parse_args()
    plan = Plan(args.host, args.port, args.connections, args.per_connection)
    begin = time.monotonic()
    fates = asyncio.run(deliver(plan, letters_of_size(args.size, args.count)))
    summary = {
        "taken": sum(f.taken for f in fates),
        "refused": sum(f.refused for f in fates),
        "seconds": time.monotonic() - begin,
        "other": sorted({f.reply for f in fates if not f.taken})[:3],
    }
    sys.stdout.write(json.dumps(summary) + "\n")


if __name__ == "__main__":
    main()
