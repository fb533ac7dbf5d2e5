"""One TCP connection on top of aiosmtpd, whose traps are closed here.

* Its constructor inspects itself and the handler for every connection (a third of a millisecond) and asks DNS
  for our name; ours sets what the inherited methods use.
* It cancels the session's task when the peer hangs up, even between storing a message and saying so; for us a
  hang-up is the end of the input, which the session meets at its next read.
* It reads a line at a time and writes a reply at a time; ours hands out lines and everything that has come,
  and writes when there is nothing left to answer.
* Its timer starts anew with each command; ours is the absolute deadline of the session.
* Its STARTTLS runs TLS in Python on any loop; ours uses the loop's.
"""

import asyncio
import ssl
from collections.abc import Awaitable, Callable, Iterable
from typing import Final, SupportsIndex, cast

from aiosmtpd.smtp import SMTP

from mailweir_core.decision import Decision
from mailweir_ingress.smtp.pulse import TOO_LONG

HIGH_WATER_BYTES: Final = 65_536
"""Reading from the peer stops while so much of its input waits."""
TLS_HANDSHAKE_SECONDS: Final = 15.0
LINGER_SECONDS: Final = 2.0
"""How long a peer that was told to go may take to read that."""
LINGER_BYTES: Final = 1_048_576


class SessionOver(Exception):
    """Raised where a session waits for its peer, when it ends for another reason than the peer's will."""

    def __init__(self, decision: Decision) -> None:
        """Keep what the peer is told."""
        super().__init__(decision.reason)
        self.decision = decision


class Input(asyncio.StreamReader):
    """What the peer has sent and nobody has taken yet."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        """Begin empty."""
        super().__init__(loop=loop)
        self.pending = bytearray()
        self._on = loop
        self._searched = 0  # so many bytes of `pending` hold no line end
        self._news: asyncio.Future[None] | None = None
        self._fresh = False
        self._ended = False
        self._over: SessionOver | None = None
        self._source: asyncio.Transport | None = None
        self._stopped = False

    def set_transport(self, transport: asyncio.BaseTransport) -> None:
        """Remember whom to slow down; after STARTTLS it is another one."""
        self._source = cast(asyncio.Transport, transport)

    def feed_data(self, data: Iterable[SupportsIndex]) -> None:
        """Take what has come from the network."""
        self.pending.extend(data)
        self._fresh = True
        self._wake()
        if len(self.pending) > HIGH_WATER_BYTES and not self._stopped and self._source is not None:
            self._source.pause_reading()
            self._stopped = True

    def feed_eof(self) -> None:
        """Take note that nothing more comes."""
        self._ended = True
        self._wake()

    def set_exception(self, exc: Exception) -> None:
        """Take note that the connection broke, which is an end like another."""
        del exc
        self.feed_eof()

    def fail(self, over: SessionOver) -> None:
        """Have the session end at its next wait."""
        self._over = over
        self._wake()

    def forgive(self) -> None:
        """Take `fail` back, for the reading that only empties the line."""
        self._over = None

    @property
    def ended(self) -> bool:
        """Say whether the peer has hung up; what it sent before may still wait."""
        return self._ended

    def line(self) -> bytes | None:
        """Return the next line with its line end, or None where none is complete yet. Raises SessionOver."""
        if self._over is not None:  # a client that has said much in advance lives no longer for it
            raise self._over
        end = self.pending.find(b"\n", self._searched) + 1
        if not end:
            self._searched = len(self.pending)
            self._fresh = False
            return None
        line = bytes(self.pending[:end])
        del self.pending[:end]
        self._searched = 0
        self._go_on()
        return line

    def take(self) -> bytearray:
        """Return everything that has come."""
        taken, self.pending = self.pending, bytearray()
        self._searched = 0
        self._fresh = False
        self._go_on()
        return taken

    def give_back(self, data: bytes) -> None:
        """Put back the end of what was taken."""
        self.pending[:0] = data
        self._searched = 0

    async def more(self) -> bool:
        """Wait until more has come; False at the end of the input. Raises SessionOver."""
        while True:
            if self._over is not None:
                raise self._over
            if self._fresh:
                self._fresh = False
                return True
            if self._ended:
                return False
            self._news = self._on.create_future()
            try:
                await self._news
            finally:
                self._news = None

    def _wake(self) -> None:
        if self._news is not None and not self._news.done():
            self._news.set_result(None)

    def _go_on(self) -> None:
        if self._stopped and len(self.pending) <= HIGH_WATER_BYTES and self._source is not None:
            self._source.resume_reading()
            self._stopped = False


class Connection(SMTP):
    """One connection: input, output, TLS, and the task that runs the session on it."""

    def __init__(
        self,
        serve: Callable[["Connection"], Awaitable[None]],
        session_seconds: float,
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        """Run `serve` on the connection once it is made; after `session_seconds` its reads end."""
        # Not aiosmtpd's constructor (see above), but what it sets and inherited methods use.
        self.input = Input(loop)
        asyncio.StreamReaderProtocol.__init__(self, self.input, loop=loop)
        self.loop = loop
        self.session = self.envelope = self.transport = None
        self._original_transport = self._tls_protocol = None
        self._timeout_handle = self._handler_coroutine = None
        self._timeout_duration = session_seconds
        self._serve = serve
        self._pipe: asyncio.Transport | None = None
        self._replies: list[bytes] = []
        self._full: asyncio.Future[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin the session."""
        self._pipe = cast(asyncio.Transport, transport)
        super().connection_made(transport)

    async def _handle_client(self) -> None:
        """Run the session; called by the inherited `connection_made` in a task of its own."""
        try:
            await self._serve(self)
        finally:
            self._hang_up()

    def _hang_up(self) -> None:
        """Close; a peer that does not read what is still to be said gets no more time than others."""
        pipe = self._pipe
        if pipe is not None:
            pipe.close()
            if pipe.get_write_buffer_size():
                self.loop.call_later(LINGER_SECONDS, pipe.abort)

    def data_received(self, data: bytes) -> None:
        """Take what has come."""
        self.input.feed_data(data)

    def connection_lost(self, error: Exception | None) -> None:
        """End the input; the session's task goes on until it asks for more."""
        if self._timeout_handle is not None:
            self._timeout_handle.cancel()
        asyncio.StreamReaderProtocol.connection_lost(self, error)
        self.input.feed_eof()
        self.resume_writing()
        self._pipe = self.transport = None

    def eof_received(self) -> bool:
        """Keep our direction open, so that a peer that half-closes gets its replies (not possible in TLS)."""
        self.input.feed_eof()
        return not self.encrypted

    def _timeout_cb(self) -> None:
        """End the session at its absolute deadline; the inherited `connection_made` starts the timer."""
        self.expire(TOO_LONG)

    def expire(self, decision: Decision) -> None:
        """Have the session end at its next wait."""
        self.input.fail(SessionOver(decision))
        self.resume_writing()

    def cut(self) -> None:
        """Break the connection off without waiting for anything."""
        if self._pipe is not None:
            self._pipe.abort()

    def pause_writing(self) -> None:
        """Note that the peer does not read what we write."""
        if self._full is None:
            self._full = self.loop.create_future()

    def resume_writing(self) -> None:
        """Note that it does again, or that it does not matter any more."""
        full, self._full = self._full, None
        if full is not None and not full.done():
            full.set_result(None)

    @property
    def peer(self) -> tuple[str, int]:
        """Return address and port of the other end; empty where it has gone already."""
        return self._end("peername")

    @property
    def own(self) -> tuple[str, int]:
        """Return address and port of our end."""
        return self._end("sockname")

    def _end(self, name: str) -> tuple[str, int]:
        found = None if self._pipe is None else self._pipe.get_extra_info(name)
        return (str(found[0]), int(found[1])) if found else ("", 0)

    @property
    def encrypted(self) -> bool:
        """Say whether TLS runs."""
        return bool(self._over_ssl)

    def say(self, reply: bytes) -> None:
        """Put a reply (without its last CRLF) in line; `flush` sends what is in line."""
        self._replies.append(reply)

    async def flush(self) -> None:
        """Send every reply that is in line, and wait while the peer does not read."""
        if self._replies:
            self._replies.append(b"")
            if self._pipe is not None and not self._pipe.is_closing():
                self._pipe.write(b"\r\n".join(self._replies))
            self._replies.clear()
        if self._full is not None:
            await self._full

    async def start_tls(
        self, context: ssl.SSLContext, hello: bytes | bytearray = b""
    ) -> tuple[str, str] | None:
        """Begin TLS as the server; returns version and cipher, None where it failed.

        `hello` is what has come of the handshake already. Anything else that has come is thrown away: it
        was never protected (RFC 3207 §4.2).
        """
        self.input.take()
        if self._pipe is None:
            return None
        if hello:
            # The loop puts its TLS on the connection in this turn, so it can be fed in the next.
            self.loop.call_soon(self.loop.call_soon, _feed, self._pipe, bytes(hello))
        try:
            pipe = await self.loop.start_tls(
                self._pipe,
                self,
                context,
                server_side=True,
                ssl_handshake_timeout=TLS_HANDSHAKE_SECONDS,
                ssl_shutdown_timeout=LINGER_SECONDS,
            )
        except (OSError, TimeoutError):  # ssl.SSLError is an OSError
            return None
        if pipe is None or self._pipe is None:  # the peer went during the handshake
            return None
        self._pipe = self.transport = pipe
        self._over_ssl = True
        self.input.set_transport(pipe)
        found = pipe.get_extra_info("ssl_object")
        cipher = found.cipher()
        return str(found.version()), str(cipher[0]) if cipher else ""

    async def linger(self) -> None:
        """Let the peer read the last reply: closing with input unread would reset the connection under it."""
        if self._pipe is None or self._pipe.is_closing() or self.input.ended:
            return
        try:
            if self._pipe.can_write_eof():
                self._pipe.write_eof()
            async with asyncio.timeout(LINGER_SECONDS):
                self.input.forgive()
                swallowed = len(self.input.take())
                while swallowed < LINGER_BYTES and await self.input.more():
                    swallowed += len(self.input.take())
        except (TimeoutError, SessionOver, OSError):
            return


def _feed(pipe: asyncio.Transport, data: bytes) -> None:
    """Hand data to the TLS that reads from a transport, as the transport does; no TLS, no effect."""
    reader = pipe.get_protocol()
    if not hasattr(reader, "buffer_updated"):  # uvloop's has no base class to tell it by
        return
    tls = cast(asyncio.BufferedProtocol, reader)
    while data:
        buffer = memoryview(tls.get_buffer(len(data)))
        size = min(len(buffer), len(data))
        buffer[:size] = data[:size]
        tls.buffer_updated(size)
        data = data[size:]
