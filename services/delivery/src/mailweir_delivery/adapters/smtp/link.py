"""One connection as a protocol: replies in, bytes out, and what is known of its end."""

import asyncio
import ssl
from collections import deque
from collections.abc import Callable
from typing import Final, cast

from mailweir_delivery.adapters.smtp.wire import ReplyParser, WireError
from mailweir_delivery.policy.replies import RemoteReply

MAX_WAITING_REPLIES: Final = 4096
"""Replies nobody has asked for yet; a pipelined transaction gets one per recipient."""
WRITE_BUFFER_BYTES: Final = 262_144
QUIT_SECONDS: Final = 5.0
"""A connection that was told QUIT is dropped after this."""
_CHUNK_BYTES: Final = 262_144

ReplyHandler = Callable[[RemoteReply | None], None]


class LinkLost(Exception):
    """Raised when the connection ended before the reply."""


class Link(asyncio.Protocol):
    """An open connection. Exactly one coroutine uses it at a time."""

    def __init__(self, on_change: Callable[[int], None]) -> None:
        """Call `on_change` with 1 when the connection stands and with -1 when it has ended."""
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._parser = ReplyParser()
        self._replies: deque[RemoteReply] = deque()
        self._waiter: asyncio.Future[None] | None = None
        self._handler: ReplyHandler | None = None
        self._writable: asyncio.Future[None] | None = None
        self._paused = False
        self._lost: Exception | None = None
        self._leaving = False
        self._on_change = on_change

    @property
    def quiet(self) -> bool:
        """Say whether it is open and the other side has said nothing unasked."""
        return self._lost is None and not self._leaving and not self._replies and self._parser.empty

    @property
    def open(self) -> bool:
        """Say whether the connection stands."""
        return self._lost is None and not self._leaving

    # what asyncio calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the transport."""
        # not isinstance: uvloop's transports do not derive from asyncio's
        self._transport = cast(asyncio.Transport, transport)
        self._transport.set_write_buffer_limits(high=WRITE_BUFFER_BYTES)
        self._on_change(1)

    def data_received(self, data: bytes) -> None:
        """Sort what arrived into replies."""
        if self._leaving:  # the answer to QUIT
            self.abort()
            return
        try:
            self._replies.extend(self._parser.feed(data))
            if len(self._replies) > MAX_WAITING_REPLIES:
                raise WireError("more replies than commands")
        except WireError as error:
            self._end(error)
            self.abort()
            return
        if self._replies:
            self._tell()

    def connection_lost(self, exc: Exception | None) -> None:
        """Note the end."""
        self._end(LinkLost(str(exc) if exc else "closed by the next hop"))
        self._let_go()

    def pause_writing(self) -> None:
        """Make `drain` wait."""
        self._paused = True

    def resume_writing(self) -> None:
        """Let `drain` go on."""
        self._paused = False
        _wake(self._writable)

    # what a session calls

    async def reply(self, seconds: float) -> RemoteReply:
        """Return the next reply; raises TimeoutError, LinkLost, WireError."""
        if not self._replies:
            self._check()
            self._waiter = self._loop.create_future()
            async with asyncio.timeout(seconds):
                await self._waiter
            self._check()
        return self._replies.popleft()

    def _check(self) -> None:
        """Raise what the connection ended with, unless replies are left from before."""
        if self._lost is not None and not self._replies:
            raise self._lost

    def write(self, data: bytes) -> None:
        """Send without waiting; raises LinkLost, WireError."""
        if self._transport is None or self._transport.is_closing():
            raise self._lost or LinkLost("closed while writing")
        self._transport.write(data)

    async def write_slowly(self, data: bytes, seconds: float) -> bytes:
        """Send all but the last piece, each within `seconds`, and return that last piece.

        So the caller knows that the end of the data had not left when something broke here.
        """
        for start in range(0, len(data) - _CHUNK_BYTES, _CHUNK_BYTES):
            self.write(data[start : start + _CHUNK_BYTES])
            await self._drain(seconds)
        return data[((len(data) - 1) // _CHUNK_BYTES) * _CHUNK_BYTES :]

    async def start_tls(self, context: ssl.SSLContext, name: str, seconds: float) -> None:
        """Encrypt from here on; raises OSError (ssl.SSLError among them), TimeoutError, WireError.

        What the other side sent before is dropped by refusing it: it may be a third one's (RFC 3207 §6).
        """
        if not self.quiet or self._transport is None:
            raise WireError("there was more behind the reply to STARTTLS")
        transport: asyncio.Transport | None = None
        try:
            async with asyncio.timeout(seconds):
                transport = await self._loop.start_tls(
                    self._transport, self, context, server_hostname=name
                )
            if transport is None:
                raise LinkLost("closed within the TLS handshake")
        finally:
            if transport is None:  # asyncio does not call connection_lost then
                self._end(LinkLost("the TLS handshake failed"))
                self.abort()
                self._let_go()
        transport.set_write_buffer_limits(high=WRITE_BUFFER_BYTES)
        self._transport = transport

    def listen(self, handler: ReplyHandler) -> None:
        """Give every further reply to `handler`, and None when the connection ends."""
        self._handler = handler
        if self._replies or self._lost is not None:
            self._tell()

    def quit(self) -> None:
        """Say QUIT and close once it is answered, or soon."""
        if not self.open or self._transport is None:
            return
        self._transport.write(b"QUIT\r\n")
        self._leaving = True
        self._loop.call_later(QUIT_SECONDS, self.abort)

    def abort(self) -> None:
        """Close at once."""
        if self._transport is not None:
            self._transport.abort()

    def _let_go(self) -> None:
        if self._transport is not None:
            self._transport = None
            self._on_change(-1)

    async def _drain(self, seconds: float) -> None:
        await asyncio.sleep(0)  # let a hang-up be noticed between two pieces
        if self._paused and self._lost is None:
            self._writable = self._loop.create_future()
            async with asyncio.timeout(seconds):
                await self._writable

    def _end(self, error: Exception) -> None:
        if self._lost is None:
            self._lost = error
            _wake(self._writable)
            self._tell()

    def _tell(self) -> None:
        if self._handler is None:
            _wake(self._waiter)
            return
        while self._replies:
            self._handler(self._replies.popleft())
        if self._lost is not None:
            handler, self._handler = self._handler, None
            handler(None)


def _wake(waiter: asyncio.Future[None] | None) -> None:
    if waiter is not None and not waiter.done():
        waiter.set_result(None)
