"""One connection to a broker: nats-py does the handshake, TLS, credentials and parsing; frames are ours.

Why not nats-py's own publish, request and reconnect: a request costs it two to five times the CPU (it
copies a payload three times and wakes three tasks); a stalled broker blocks its `publish` for ever and
swallows the cancellation; any `-ERR` ends its reconnecting for good; and with fast_mail_parser installed
it parses headers into lists that its own JetStream code cannot read. So a `Wire` lives as long as one TCP
connection and is then thrown away; `nats_link` makes the next one.

This module is the only one that touches nats-py's private parts (`_process_msg`, `_transport`, `_sid`);
a test checks that they are there.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, NamedTuple

from nats.aio.client import Client

CONNECT_SECONDS: Final = 5
CLOSE_SECONDS: Final = 2.0
LAZY_SECONDS: Final = 0.02
"""How long a frame that nobody waits for (an ack) may wait for others to share its way to the socket."""
_CRLF: Final = b"\r\n"
# Our own probe watches the connection: nats-py's ends in a close that a stalled broker blocks for ever.
_NO_PINGS: Final = 86_400
_NO_BUFFER_LIMIT: Final = 1 << 40


class Incoming(NamedTuple):
    """A message that came in; the last three parts may be empty. (A tuple, since each publish makes one.)"""

    subject: bytes
    reply: bytes
    data: bytes
    header: bytes

    @property
    def status(self) -> int:
        """Return the inline status (`NATS/1.0 404 ...`), 0 for a message proper."""
        text = self.header[9:12]
        return int(text) if self.header[8:9] == b" " and text.isdigit() else 0


Sink = Callable[[Incoming], None]


class WireLost(Exception):
    """Raised when the connection broke before the answer came."""


class Inbox:
    """Messages to one subject, in order, for one reader; it ends with its wire."""

    def __init__(self, wire: "Wire", subject: str) -> None:
        """Wrap a subscription that the wire is about to make."""
        self.subject = subject
        self.number = 0
        self._wire = wire
        self._waiting: deque[Incoming] = deque()
        self._wake = asyncio.Event()

    @property
    def ready(self) -> bool:
        """Say whether a message waits."""
        return bool(self._waiting)

    def put(self, message: Incoming) -> None:
        """Take a message from the wire."""
        self._waiting.append(message)
        self._wake.set()

    def wake(self) -> None:
        """Have the reader look again: the wire is lost."""
        self._wake.set()

    async def get(self, seconds: float) -> Incoming | None:
        """Return the next message, None when none came in time; raises WireLost after the last one."""
        if not self._waiting:
            try:
                async with asyncio.timeout(seconds):
                    while not self._waiting:
                        if self._wire.lost.is_set():
                            raise WireLost
                        self._wake.clear()
                        await self._wake.wait()
            except TimeoutError:
                return None
        return self._waiting.popleft()

    def close(self, late: Sink | None = None) -> None:
        """End the subscription; `late` takes what waits or is on its way, else it is dropped."""
        self._wire.close_inbox(self, late)
        while late is not None and self._waiting:
            late(self._waiting.popleft())


class Wire(Client):
    """A connection that is used until it breaks."""

    def __init__(self) -> None:
        """Prepare; `open` connects."""
        super().__init__()
        self.lost = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._frames: list[bytes] = []
        self._flush_soon = False
        self._flush_later: asyncio.TimerHandle | None = None
        self._sinks: dict[int, Sink] = {}
        self._inboxes: dict[int, Inbox] = {}
        self._waiting: dict[bytes, asyncio.Future[Incoming]] = {}
        self._inbox = ""
        self._inbox_length = 0
        self._number = 0
        self._problem: Callable[[Exception], None] = lambda _: None

    async def open(
        self, url: str, *, name: str, credentials: Path | None, problem: Callable[[Exception], None]
    ) -> None:
        """Connect; raises OSError, TimeoutError or a nats error. `problem` hears of later errors."""
        self._problem = problem
        await self.connect(
            servers=url.split(","),
            name=name,
            user_credentials=credentials,
            allow_reconnect=False,
            max_reconnect_attempts=1,  # it counts for the first connection too: each server is tried twice
            reconnect_time_wait=0,
            connect_timeout=CONNECT_SECONDS,
            ping_interval=_NO_PINGS,
            pending_size=_NO_BUFFER_LIMIT,
            error_cb=self._on_error,
            closed_cb=self._on_closed,
        )
        self._inbox = f"{self.new_inbox()}."
        self._inbox_length = len(self._inbox)
        self._listen(f"{self._inbox}*", self._answer)

    def inbox(self, below: str = "") -> Inbox:
        """Open an inbox on a subject of its own; with `below` for all subjects under it (`.*`)."""
        box = Inbox(self, self.new_inbox())
        box.number = self._listen(box.subject + below, box.put)
        self._inboxes[box.number] = box
        return box

    def close_inbox(self, box: Inbox, late: Sink | None) -> None:
        """End an inbox's subscription."""
        if self._inboxes.pop(box.number, None) is None:
            return
        if late is None:
            self._sinks.pop(box.number, None)
        else:
            self._sinks[box.number] = late
        self._write(f"UNSUB {box.number}\r\n".encode())

    def _listen(self, subject: str, sink: Sink) -> int:
        self._sid += 1
        self._sinks[self._sid] = sink
        self._write(f"SUB {subject} {self._sid}\r\n".encode())
        return self._sid

    def send_lazily(self, subject: str, payload: bytes) -> None:
        """Write a message with the next one, or within LAZY_SECONDS; raises WireLost."""
        if self.lost.is_set():
            raise WireLost
        self._frames.append(b"PUB %b  %d\r\n%b\r\n" % (subject.encode(), len(payload), payload))
        if not self._flush_soon and self._flush_later is None:
            self._flush_later = self._loop.call_later(LAZY_SECONDS, self._flush_frames)

    def send(self, subject: str, payload: bytes, *, reply: str = "", header: bytes = b"") -> None:
        """Write a message to the connection; raises WireLost. Who sends much must await answers."""
        if self.lost.is_set():
            raise WireLost
        if header:
            size = len(header) + len(payload)
            head = f"HPUB {subject} {reply} {len(header)} {size}\r\n".encode() + header
        else:
            head = f"PUB {subject} {reply} {len(payload)}\r\n".encode()
        self._write(head, payload, _CRLF)

    async def ask(self, subject: str, payload: bytes, header: bytes, seconds: float) -> Incoming:
        """Send and return the answer; raises TimeoutError, WireLost."""
        self._number += 1
        token = f"{self._number:x}"
        return await self._roundtrip(token, subject, self._inbox + token, payload, header, seconds)

    async def probe(self, seconds: float) -> bool:
        """Say whether a message to ourselves comes back through the broker in time."""
        self._number += 1
        token = f"{self._number:x}"
        try:
            await self._roundtrip(token, self._inbox + token, "", b"", b"", seconds)
        except (TimeoutError, WireLost):
            return False
        return True

    async def _roundtrip(
        self, token: str, subject: str, reply: str, payload: bytes, header: bytes, seconds: float
    ) -> Incoming:
        key = token.encode()
        answer: asyncio.Future[Incoming] = self._loop.create_future()
        self._waiting[key] = answer
        timer = self._loop.call_later(seconds, _expire, answer)
        try:
            self.send(subject, payload, reply=reply, header=header)
            return await answer
        finally:
            timer.cancel()
            self._waiting.pop(key, None)

    async def dispose(self) -> None:
        """End the connection at once; what waits for answers is told that it is lost."""
        self._lose()
        writer: Any = getattr(self._transport, "_io_writer", None)
        if writer is not None:
            writer.transport.abort()
        if self._flush_queue is None:
            return  # it never came as far as connecting
        # What nobody can be sent any more would be flushed, and fail.
        self._pending, self._pending_data_size = [], 0
        try:
            async with asyncio.timeout(CLOSE_SECONDS):
                await self.close()
        except (OSError, TimeoutError) as error:
            self._problem(error)

    def _write(self, *frames: bytes) -> None:
        if not self._flush_soon:
            self._flush_soon = True
            self._loop.call_soon(self._flush_frames)
        self._frames += frames

    def _flush_frames(self) -> None:
        """Hand to the socket what one turn of the loop has gathered, and what had time before it."""
        if self._flush_later is not None:
            self._flush_later.cancel()
        self._flush_soon, self._flush_later = False, None
        frames, self._frames = self._frames, []
        if frames and self._transport is not None and not self.lost.is_set():
            self._transport.writelines(frames)

    async def _process_msg(
        self, sid: int, subject: bytes, reply: bytes, data: bytes, headers: bytes | None
    ) -> None:
        """Take a message from the parser (overrides nats-py's, which queues it for a task)."""
        sink = self._sinks.get(sid)
        if sink is not None:
            sink(Incoming(subject, reply, data, headers or b""))

    def _answer(self, message: Incoming) -> None:
        answer = self._waiting.pop(message.subject[self._inbox_length :], None)
        if answer is not None and not answer.done():
            answer.set_result(message)

    def _lose(self) -> None:
        self.lost.set()
        waiting, self._waiting = self._waiting, {}
        for answer in waiting.values():
            if not answer.done():
                answer.set_exception(WireLost())
        for box in self._inboxes.values():
            box.wake()

    async def _on_closed(self) -> None:
        self._lose()

    async def _on_error(self, error: Exception) -> None:
        self._problem(error)


def _expire(answer: "asyncio.Future[Incoming]") -> None:
    if not answer.done():
        answer.set_exception(TimeoutError())
