"""A next hop by script: an SMTP or LMTP server on loopback that answers, refuses, stalls or hangs up as told.

    async with next_hop() as hop:
        hop.on(Rule("RCPT", "550 5.1.1 no such user", match="bob@"))
        hop.on(Rule("DOT", take=True, drop=True, times=1))  # takes the message, hangs up before the reply
        ... deliver to hop.url ...
        assert hop.mails[0].recipients == ("alice@example.com",)

Verbs: CONNECT (the greeting), EHLO, HELO, LHLO, STARTTLS, MAIL, RCPT, DATA, CONTENT (the first bytes of
the data), DOT (the end of data; with LMTP once per recipient), RSET, NOOP, QUIT. The latest rule that fits
wins. For throughput use `sink`: this one is made to be odd, not fast.
"""

import asyncio
import re
import ssl
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Final, cast

EXTENSIONS: Final = ("PIPELINING", "8BITMIME", "SMTPUTF8", "SIZE 26214400", "ENHANCEDSTATUSCODES")
_DEFAULTS: Final = {
    "CONNECT": "220 next-hop ESMTP",
    "HELO": "250 next-hop",
    "STARTTLS": "220 2.0.0 go ahead",
    "MAIL": "250 2.1.0 ok",
    "RCPT": "250 2.1.5 ok",
    "DATA": "354 go ahead",
    "CONTENT": "",
    "DOT": "250 2.0.0 taken",
    "RSET": "250 2.0.0 ok",
    "NOOP": "250 2.0.0 ok",
    "QUIT": "221 2.0.0 bye",
}
_PATH: Final = re.compile(r"<(.*?)>")
_BUFFER_BYTES: Final = 65_536


@dataclass(frozen=True, slots=True)
class Taken:
    """A message that the next hop took. `options`: the parameters of MAIL. `connection`: counted from 1."""

    sender: str
    recipients: tuple[str, ...]
    content: bytes
    options: str
    tls: bool
    connection: int


@dataclass(slots=True)
class Rule:
    """How a verb is answered otherwise. Lines of `reply` are separated by newlines; empty is the default.

    `match`: pattern within the command (for DOT: the recipients). `times`: so often, -1 for ever. `delay`:
    seconds before it. `drop`: hang up instead of replying, or behind `reply` where one is given. `take`:
    whether the message counts as taken, by default where the reply is a 2xx.
    """

    verb: str
    reply: str = ""
    match: str = ""
    times: int = -1
    delay: float = 0.0
    drop: bool = False
    take: bool | None = None

    def fits(self, verb: str, text: str) -> bool:
        """Say whether it answers this command."""
        return self.verb == verb and self.times != 0 and re.search(self.match, text) is not None


@dataclass(slots=True)
class NextHop:
    """A running server; change its rules while it runs."""

    lmtp: bool = False
    tls: ssl.SSLContext | None = None
    extensions: tuple[str, ...] = EXTENSIONS
    host: str = "127.0.0.1"
    port: int = 0
    mails: list[Taken] = field(default_factory=list)
    commands: list[str] = field(default_factory=list)
    connections: int = 0
    most_open: int = 0
    _rules: list[Rule] = field(default_factory=list)
    _changed: asyncio.Event = field(default_factory=asyncio.Event)
    _wires: set["_Wire"] = field(default_factory=set)

    @property
    def url(self) -> str:
        """Return the address as a route names it."""
        return f"{'lmtp' if self.lmtp else 'smtp'}://{self.host}:{self.port}"

    def on(self, rule: Rule) -> None:
        """Answer by a rule from now on; it comes before those that are there."""
        self._rules.append(rule)

    def counted(self, verb: str) -> int:
        """Return how often a command came."""
        return sum(line.upper().startswith(verb) for line in self.commands)

    async def wait_for(self, count: int, seconds: float = 5.0) -> list[Taken]:
        """Return the messages once there are `count`; raises TimeoutError."""
        async with asyncio.timeout(seconds):
            while len(self.mails) < count:
                self._changed.clear()
                await self._changed.wait()
        return self.mails

    def hang_up(self) -> None:
        """End every open connection, as a restart does."""
        for wire in self._wires:
            wire.abort()

    def rule(self, verb: str, text: str) -> Rule:
        """Return the rule for a command, used up by one."""
        for rule in reversed(self._rules):
            if rule.fits(verb, text):
                rule.times -= rule.times > 0
                return rule
        return Rule(verb)

    def opened(self, wire: "_Wire") -> int:
        """Note a connection; returns its number."""
        self.connections += 1
        self._wires.add(wire)
        self.most_open = max(self.most_open, self.open)
        return self.connections

    def closed(self, wire: "_Wire") -> None:
        """Note the end of a connection."""
        self._wires.discard(wire)
        self._changed.set()

    @property
    def open(self) -> int:
        """Return how many connections stand."""
        return len(self._wires)

    async def stop(self) -> None:
        """End every connection and wait for that."""
        self.hang_up()
        async with asyncio.timeout(5):
            while self._wires:
                self._changed.clear()
                await self._changed.wait()

    def take(self, mail: Taken) -> None:
        """Write a message down."""
        self.mails.append(mail)
        self._changed.set()


class _Dropped(Exception):
    """Raised where the script hangs up, or the client has."""


class _Wire(asyncio.Protocol):
    """The server's side of a connection; reads no further than what is asked for."""

    def __init__(self, hop: NextHop) -> None:
        self._hop = hop
        self._loop = asyncio.get_running_loop()
        self._buffer = b""
        self._gone = False
        self._more = asyncio.Event()
        self._transport: asyncio.Transport | None = None
        self._task: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # not isinstance: uvloop's transports do not derive from asyncio's
        self._transport = cast(asyncio.Transport, transport)
        conversation = _Conversation(self._hop, self, self._hop.opened(self))
        self._task = self._loop.create_task(conversation.run())

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if len(self._buffer) > _BUFFER_BYTES and self._more.is_set() and self._transport:
            self._transport.pause_reading()
        self._more.set()

    def connection_lost(self, _exc: Exception | None) -> None:
        self._gone = True
        self._more.set()
        if self._task is not None:
            self._task.cancel()
        self._hop.closed(self)

    async def until(self, end: bytes) -> bytes:
        """Return what comes up to and with `end`; raises _Dropped where the client hangs up before."""
        searched = 0
        while (at := self._buffer.find(end, searched)) < 0:
            if self._gone or self._transport is None:
                raise _Dropped
            searched = max(0, len(self._buffer) - len(end))
            self._more.clear()
            self._transport.resume_reading()
            await self._more.wait()
        found, self._buffer = self._buffer[: at + len(end)], self._buffer[at + len(end) :]
        return found

    def unread(self, data: bytes) -> None:
        """Put bytes before what comes next."""
        self._buffer = data + self._buffer

    def write(self, data: bytes) -> None:
        if self._transport is not None:
            self._transport.write(data)

    async def start_tls(self, context: ssl.SSLContext) -> None:
        if self._transport is None:
            raise _Dropped
        transport = None
        try:
            transport = await self._loop.start_tls(self._transport, self, context, server_side=True)
        except OSError as error:
            raise _Dropped from error
        finally:
            if transport is None:  # neither event loop calls connection_lost then
                self._transport.abort()
                self.connection_lost(None)
        self._transport = transport

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        if self._task is not None:
            self._task.cancel()
        if self._transport is not None:
            self._transport.abort()


class _Conversation:
    def __init__(self, hop: NextHop, wire: _Wire, number: int) -> None:
        self._hop = hop
        self._wire = wire
        self._number = number
        self._encrypted = False
        self._clear()

    def _clear(self) -> None:
        self._sender: str | None = None
        self._options = ""
        self._recipients: list[str] = []

    async def run(self) -> None:
        """Talk until the client or the script ends it."""
        with suppress(_Dropped):
            await self._talk()
        self._wire.close()

    async def _talk(self) -> None:
        await self._answer("CONNECT", "")
        while True:
            line = (await self._wire.until(b"\n")).decode("utf-8", "replace").rstrip("\r\n")
            self._hop.commands.append(line)
            verb = line.split(" ", 1)[0].upper()
            await self._command(verb, line)
            if verb == "QUIT":
                return

    async def _command(self, verb: str, line: str) -> None:
        if verb in ("EHLO", "LHLO"):
            await self._hello(verb, line)
        elif verb == "DATA":
            await self._data(line)
        elif verb == "STARTTLS":
            await self._starttls(line)
        elif verb not in _DEFAULTS:
            self._send("500 5.5.1 what?")
        else:
            code = await self._answer(verb, line)
            if code // 100 == 2:
                self._note(verb, line)

    def _note(self, verb: str, line: str) -> None:
        found = _PATH.search(line)
        path = found.group(1) if found else ""
        if verb == "MAIL":
            self._clear()
            self._sender = path
            self._options = line.partition("> ")[2]
        elif verb == "RCPT":
            self._recipients.append(path)
        elif verb == "RSET":
            self._clear()

    async def _hello(self, verb: str, line: str) -> None:
        wrong = self._hop.lmtp != (verb == "LHLO")
        offers = [w for w in self._hop.extensions if w != "STARTTLS"]
        if self._hop.tls is not None and not self._encrypted:
            offers.append("STARTTLS")
        default = (
            "500 5.5.1 what?" if wrong else "\n".join(f"250 {w}" for w in ("next-hop", *offers))
        )
        await self._answer(verb, line, default)

    async def _starttls(self, line: str) -> None:
        if await self._answer("STARTTLS", line) != 220:
            return
        assert self._hop.tls is not None
        await self._wire.start_tls(self._hop.tls)
        self._encrypted = True

    async def _data(self, line: str) -> None:
        if self._sender is None or not self._recipients:
            await self._answer("DATA", line, "503 5.5.1 no recipients")
            return
        if await self._answer("DATA", line) != 354:
            return
        await self._answer("CONTENT", "")
        content = await self._content()
        groups = [(r,) for r in self._recipients] if self._hop.lmtp else [tuple(self._recipients)]
        for people in groups:
            await self._end_of_data(people, content)
        self._clear()

    async def _content(self) -> bytes:
        self._wire.unread(b"\r\n")  # so that a lone dot at the very beginning ends it too
        content = (await self._wire.until(b"\r\n.\r\n")).removesuffix(b".\r\n")
        return content.replace(b"\r\n..", b"\r\n.")[2:]

    async def _end_of_data(self, people: tuple[str, ...], content: bytes) -> None:
        rule = self._hop.rule("DOT", ",".join(people))
        reply = rule.reply or ("" if rule.drop else _DEFAULTS["DOT"])
        if rule.take if rule.take is not None else reply.startswith("2"):
            self._hop.take(
                Taken(
                    self._sender or "",
                    people,
                    content,
                    self._options,
                    self._encrypted,
                    self._number,
                )
            )
        await self._carry_out(rule, reply)

    async def _answer(self, verb: str, text: str, default: str = "") -> int:
        """Reply by the rule that fits; returns the code."""
        rule = self._hop.rule(verb, text)
        reply = rule.reply or ("" if rule.drop else default or _DEFAULTS[verb])
        await self._carry_out(rule, reply)
        return int(reply[:3]) if reply[:3].isdigit() else 0

    async def _carry_out(self, rule: Rule, reply: str) -> None:
        if rule.delay:
            await asyncio.sleep(rule.delay)
        if reply:
            self._send(reply)
        if rule.drop:
            raise _Dropped

    def _send(self, reply: str) -> None:
        self._wire.write(b"".join(_reply_lines(reply.split("\n"))))


def _reply_lines(lines: list[str]) -> Iterable[bytes]:
    """Yield the lines as they go out: all but the last with a hyphen behind the code."""
    for number, line in enumerate(lines, 1):
        mark = "-" if number < len(lines) and line[3:4] == " " else line[3:4]
        yield f"{line[:3]}{mark}{line[4:]}\r\n".encode()


@asynccontextmanager
async def next_hop(
    *,
    lmtp: bool = False,
    tls: ssl.SSLContext | None = None,
    extensions: tuple[str, ...] = EXTENSIONS,
    host: str = "127.0.0.1",
    port: int = 0,
) -> AsyncIterator[NextHop]:
    """Run a next hop while the block lasts; then its connections end."""
    hop = NextHop(lmtp=lmtp, tls=tls, extensions=extensions, host=host)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: _Wire(hop), host, port)
    hop.port = server.sockets[0].getsockname()[1]
    try:
        yield hop
    finally:
        server.close()
        await hop.stop()
