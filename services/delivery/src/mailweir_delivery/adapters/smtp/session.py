"""A session with one next hop: greeting, TLS, then one transaction after another."""

import asyncio
import ssl
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final

from mailweir_delivery.adapters.smtp.link import Link, LinkLost
from mailweir_delivery.adapters.smtp.terms import Terms, TlsContexts
from mailweir_delivery.adapters.smtp.wire import (
    WireError,
    encode_content,
    extensions,
    mail_command,
    needs_utf8,
    rcpt_command,
    size_limit,
)
from mailweir_delivery.policy.replies import (
    CODE_SERVICE_CLOSING,
    Ending,
    RemoteReply,
    Stage,
    broken,
    deferred,
    failed,
    judge,
    shorten,
)
from mailweir_delivery.policy.routing import Hop, Kind, Tls
from mailweir_delivery.ports import Parcel

LINK_ERRORS: Final = (LinkLost, WireError, TimeoutError, OSError)
Asker = Callable[[], Awaitable[RemoteReply]]
_NO_SUCH_COMMAND: Final = frozenset({500, 501, 502, 503, 504})


@dataclass(frozen=True, slots=True)
class NotOpened:
    """A session that did not come about, and at which stage."""

    ending: Ending
    stage: Stage


async def open_session(
    hop: Hop, tls: Tls, terms: Terms, contexts: TlsContexts, on_change: Callable[[int], None]
) -> "Session | NotOpened":
    """Connect and greet; returns a session that is ready for a transaction."""
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(terms.connect_seconds):
            _, link = await loop.create_connection(
                lambda: Link(on_change), hop.address or hop.host, hop.port
            )
    except (OSError, TimeoutError) as error:
        late = isinstance(error, TimeoutError) and not error.errno
        return NotOpened(broken(Stage.CONNECT, describe(error), str(hop), late=late), Stage.CONNECT)
    session = Session(link, hop, terms)
    refusal = await session.begin(tls, contexts)
    if refusal is None:
        return session
    link.abort()
    return NotOpened(refusal, session.stage)


def describe(error: Exception) -> str:
    """Return an error as a few words for a record."""
    if isinstance(error, TimeoutError) and not str(error):
        return "timed out"
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"certificate not accepted: {error.verify_message}"
    return shorten(str(error) or type(error).__name__)


class Session:
    """A session. `late` holds whom a reply is still owed to when the end of data was not answered."""

    def __init__(self, link: Link, hop: Hop, terms: Terms) -> None:
        """Take over a fresh connection."""
        self.link = link
        self.hop = hop
        self.stage = Stage.GREETING
        self.transactions = 0
        self.late: tuple[tuple[str, ...], ...] = ()
        self._terms = terms
        self._next_hop = str(hop)
        self._offered: dict[str, str] = {}
        self._piped = False
        self._dirty = False
        self._answers = 0
        self._closing = False

    @property
    def reusable(self) -> bool:
        """Say whether another transaction may follow."""
        return self.link.quiet and not self._closing and not self.late

    @property
    def was_stale(self) -> bool:
        """Say whether the last transaction met a connection that the next hop had given up before."""
        return self.stage is Stage.MAIL and self._closing and self._answers <= 1

    async def begin(self, tls: Tls, contexts: TlsContexts) -> Ending | None:
        """Greet and encrypt; returns why that failed, or None."""
        try:
            reply = await self.link.reply(self._terms.command_seconds)
            if reply.code != 220:
                return judge(reply, self.stage, self._next_hop)
            return await self._hello() or await self._encrypt(tls, contexts)
        except LINK_ERRORS as error:
            return self._broken(error)

    async def transact(self, parcel: Parcel, recipients: Sequence[str]) -> dict[str, Ending]:
        """Send a message; returns how it ended for each recipient."""
        self.transactions += 1
        self._answers = 0
        endings: dict[str, Ending] = {}
        try:
            await self._transact(parcel, recipients, endings)
        except LINK_ERRORS as error:
            ending = self._broken(error)
            endings |= {r: ending for r in recipients if r not in endings}
            if not self.late:
                self._closing = True
        return endings

    def _broken(self, error: Exception) -> Ending:
        late = isinstance(error, TimeoutError) and not error.errno
        return broken(self.stage, describe(error), self._next_hop, late=late)

    async def _hello(self) -> Ending | None:
        self.stage = Stage.HELLO
        verb = "LHLO" if self.hop.kind is Kind.LMTP else "EHLO"
        reply = await self._say(f"{verb} {self._terms.hello}\r\n".encode())
        if reply.code in _NO_SUCH_COMMAND and verb == "EHLO":
            reply = await self._say(f"HELO {self._terms.hello}\r\n".encode())
            self._offered = {}
        elif reply.code == 250:
            self._offered = extensions(reply)
        self._piped = "PIPELINING" in self._offered
        return None if reply.code == 250 else judge(reply, self.stage, self._next_hop)

    async def _encrypt(self, tls: Tls, contexts: TlsContexts) -> Ending | None:
        if tls is Tls.NONE or (tls is Tls.OPPORTUNISTIC and "STARTTLS" not in self._offered):
            return None
        self.stage = Stage.TLS
        if "STARTTLS" not in self._offered:
            return self._not_offered()
        reply = await self._say(b"STARTTLS\r\n")
        if reply.code != 220:
            return None if tls is Tls.OPPORTUNISTIC else judge(reply, self.stage, self._next_hop)
        await self.link.start_tls(contexts.of(tls), self.hop.host, self._terms.command_seconds)
        return await self._hello()

    def _not_offered(self) -> Ending:
        return deferred(
            "4.7.4", "the next hop does not offer STARTTLS, which is required", self._next_hop,
            try_next=True, host_fault=True,
        )  # fmt: skip

    async def _say(self, command: bytes) -> RemoteReply:
        self.link.write(command)
        return await self._read()

    async def _read(self) -> RemoteReply:
        reply = await self.link.reply(self._terms.command_seconds)
        self._answers += 1
        self._closing |= reply.code == CODE_SERVICE_CLOSING
        return reply

    async def _transact(
        self, parcel: Parcel, recipients: Sequence[str], endings: dict[str, Ending]
    ) -> None:
        self.stage = Stage.MAIL
        utf8 = needs_utf8(parcel, recipients)
        if unfit := self._unfit(parcel, utf8=utf8):
            endings |= dict.fromkeys(recipients, unfit)
            return
        mail = mail_command(parcel, self._offered, utf8=utf8)
        accepted = await self._envelope(mail, recipients, endings)
        if accepted:
            await self._content(parcel, accepted, endings)

    def _unfit(self, parcel: Parcel, *, utf8: bool) -> Ending | None:
        limit, size = size_limit(self._offered), len(parcel.content)
        if 0 < limit < size:
            detail = f"the message has {size} bytes, the next hop takes {limit}"
            return failed("5.3.4", detail, self._next_hop)
        if utf8 and "SMTPUTF8" not in self._offered:
            return failed("5.6.7", "the next hop does not take SMTPUTF8", self._next_hop)
        return None

    async def _envelope(
        self, mail: bytes, recipients: Sequence[str], endings: dict[str, Ending]
    ) -> tuple[str, ...]:
        """Run the commands up to the 354; returns who the content is for, none where it is for nobody."""
        commands = [mail, *map(rcpt_command, recipients), b"DATA\r\n"]
        if self._dirty:
            commands.insert(0, b"RSET\r\n")
        if self._piped:
            self.link.write(b"".join(commands))
        ask = self._asker(commands)
        if self._dirty:
            await ask()
        self._dirty = True
        reply = await ask()
        if reply.code // 100 != 2:
            endings |= dict.fromkeys(recipients, judge(reply, self.stage, self._next_hop))
            if not self._piped or self._closing:
                return ()
        self.stage = Stage.RCPT
        for recipient in recipients:
            reply = await ask()
            if reply.code // 100 != 2:
                endings.setdefault(recipient, judge(reply, self.stage, self._next_hop))
        accepted = tuple(r for r in recipients if r not in endings)
        return await self._data(ask, accepted, endings) if accepted or self._piped else ()

    def _asker(self, commands: Sequence[bytes]) -> Asker:
        """Return what gives the reply to the next command, which pipelining has sent already."""
        rest = iter(commands)

        async def ask() -> RemoteReply:
            command = next(rest)
            return await (self._read() if self._piped else self._say(command))

        return ask

    async def _data(
        self, ask: Asker, accepted: tuple[str, ...], endings: dict[str, Ending]
    ) -> tuple[str, ...]:
        self.stage = Stage.DATA
        reply = await ask()
        if reply.code == 354 and accepted:
            return accepted
        if reply.code == 354:  # it would take content for nobody (RFC 2920 §3.1)
            await self._say(b".\r\n")
        endings |= dict.fromkeys(accepted, judge(reply, self.stage, self._next_hop))
        return ()

    async def _content(
        self, parcel: Parcel, accepted: tuple[str, ...], endings: dict[str, Ending]
    ) -> None:
        last = await self.link.write_slowly(
            encode_content(parcel.content), self._terms.command_seconds
        )
        self.stage = Stage.DOT
        self.link.write(last)
        # LMTP answers for each recipient, in order (RFC 2033 §4.2)
        owed = [(r,) for r in accepted] if self.hop.kind is Kind.LMTP else [accepted]
        while owed:
            try:
                reply = await self.link.reply(self._terms.data_end_seconds)
            except TimeoutError:
                self.late = tuple(owed)
                raise
            self._closing |= reply.code == CODE_SERVICE_CLOSING
            ending = judge(reply, self.stage, self._next_hop)
            endings |= dict.fromkeys(owed.pop(0), ending)
        self._dirty = False
