"""A durable pull consumer over JetStream, and the messages that it hands out.

nats-py's own `fetch` waits for the whole batch once the first message is there. Here one request with both
`no_wait` and `expires` does it: the broker waits for a first message, sends what lies ready, and ends.
A fetch that is kept open goes without `no_wait`: its request serves the fetches behind it, so a message that
comes alone does not cost a request of its own and the notice of its end.
"""

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from mailweir_runtime.bus import nats_api
from mailweir_runtime.bus.metrics import BusMetrics
from mailweir_runtime.bus.nats_link import Link
from mailweir_runtime.bus.nats_wire import Inbox, Incoming, Wire, WireLost
from mailweir_runtime.bus.parking import parked_note
from mailweir_runtime.bus.ports import BusUnavailable
from mailweir_runtime.bus.topology import ConsumerSpec

SETTLE_SECONDS: Final = 5.0
FETCH_GRACE_SECONDS: Final = 2.0
"""How much later than the broker's own end of a fetch we give up waiting for it."""
LEAST_WAIT_SECONDS: Final = 0.05
NEXT_SECONDS: Final = 0.2
"""How long a fetch that has messages waits for the next one: at max_ack_pending the broker does not say
that no more will come."""
NANO: Final = 1_000_000_000
_ACK_PREFIX: Final = b"$JS.ACK."
_NOTHING_LEFT: Final = frozenset({404, 408})  # nothing there; time is up


class NatsMessage:
    """A message that a consumer handed out; its reply subject holds attempt, sequence and time."""

    __slots__ = (
        "_consumer", "_reply", "attempt", "fresh", "payload", "published_at", "sequence", "settled",
        "subject",
    )  # fmt: skip

    def __init__(self, consumer: "NatsConsumer", item: Incoming) -> None:
        """Read the reply subject: `$JS.ACK.[domain.account.]stream.consumer.attempt.seq.cseq.ns.pending`."""
        parts = item.reply.split(b".")
        at = 6 if len(parts) > 9 else 4
        self.subject = item.subject.decode()
        self.payload = item.data
        self.attempt = int(parts[at])
        self.sequence = int(parts[at + 1])
        self.published_at = int(parts[at + 3]) / NANO
        self.settled = False
        self.fresh = self.attempt == 1 and consumer.is_new(self.sequence)
        self._reply = item.reply.decode()
        self._consumer = consumer

    async def ack(self) -> None:
        """Tell the broker that it is done with."""
        await self._settle(b"+ACK")

    async def ack_sync(self) -> None:
        """Do the same and wait for the broker's confirmation; raises BusUnavailable."""
        if not self.settled:
            await self._consumer.link.request(
                self._reply, b"+ACK", seconds=SETTLE_SECONDS, resend=True
            )
            self.settled = True

    async def nak(self, delay_seconds: float = 0.0) -> None:
        """Give it back, to be handed out again after the delay."""
        delay = json.dumps({"delay": int(delay_seconds * NANO)}).encode()
        await self._settle(b"-NAK " + delay if delay_seconds > 0 else b"-NAK")

    async def in_progress(self) -> None:
        """Ask for more time: the ack wait begins anew."""
        if not self.settled:
            await self._consumer.link.send(self._reply, b"+WPI", seconds=SETTLE_SECONDS)

    async def park(self, reason: str) -> None:
        """Copy it to the stream PARKED with the reason, count it, and take it off this stream."""
        if not self.settled:
            await self._consumer.park(self, reason)
            await self._settle(b"+ACK")

    def give_back(self) -> None:
        """Let somebody else have it at once; where the broker is away, it does so by itself."""
        if not self.settled:
            self.settled = True
            self._consumer.give_back(self._reply.encode())

    async def _settle(self, word: bytes) -> None:
        if not self.settled:
            await self._consumer.link.send(self._reply, word, seconds=SETTLE_SECONDS)
            self.settled = True


@dataclass(slots=True)
class _Request:
    """An open pull request: where its answers go, how many may still come, until when we wait for its end."""

    subject: bytes
    left: int
    end: float
    keep_open: bool


class NatsConsumer:
    """A durable pull consumer; one fetch at a time."""

    def __init__(self, link: Link, spec: ConsumerSpec, metrics: BusMetrics) -> None:
        """Wrap a consumer that exists."""
        self.link = link
        self.spec = spec
        self._metrics = metrics
        self._redelivered = metrics.redelivered.labels(spec.name)
        self._next = f"{nats_api.PREFIX}CONSUMER.MSG.NEXT.{spec.stream.name}.{spec.name}"
        self._lock = asyncio.Lock()
        self._wire: Wire | None = None
        self._inbox: Inbox | None = None
        self._number = 0
        self._floor: int | None = None
        self._request: _Request | None = None

    async def fetch(
        self, most: int, wait_seconds: float, *, keep_open: bool = False
    ) -> Sequence[NatsMessage]:
        """Return up to `most` messages as soon as there is one; none after `wait_seconds`.

        Raises BusUnavailable. A cancelled fetch gives back what was on its way. `keep_open`: see the port.
        """
        async with self._lock:
            wire = await self.link.wire(max(wait_seconds, nats_api.API_SECONDS))
            inbox = await self._bind(wire)
            taken: list[NatsMessage] = []
            try:
                request = self._request or self._ask(wire, inbox, most, wait_seconds, keep_open)
                await self._fetch(inbox, request, most, taken)
            except WireLost as error:
                raise BusUnavailable("the connection broke during a fetch") from error
            except BaseException:
                self._abandon(inbox)
                for message in taken:
                    message.give_back()
                raise
            return taken

    async def end_fetching(self) -> None:
        """Give back what came for a fetch that was kept open and was not taken; nothing more comes."""
        async with self._lock:
            if self._inbox is not None and self._request is not None:
                self._abandon(self._inbox)

    async def _bind(self, wire: Wire) -> Inbox:
        if self._inbox is None or self._wire is not wire:
            self._floor = self._request = None
            info = await nats_api.call(self.link, f"STREAM.INFO.{self.spec.stream.name}")
            if int(info["config"].get("num_replicas", 1)) == 1:
                self._floor = int(info["state"]["last_seq"])
            self._wire, self._inbox = wire, wire.inbox(".*")
        return self._inbox

    def is_new(self, sequence: int) -> bool:
        """Say whether a message was stored since this connection was made.

        The broker has lived since then, so it knows every hand-out of it. In a cluster the consumer may
        have moved to a server that missed the last ones: there nothing is certain.
        """
        return self._floor is not None and sequence > self._floor

    def give_back(self, reply: bytes) -> None:
        """Return a message that came when nobody wanted it any more."""
        wire = self._wire
        if reply.startswith(_ACK_PREFIX) and wire is not None and not wire.lost.is_set():
            wire.send(reply.decode(), b"-NAK")

    def _ask(
        self, wire: Wire, inbox: Inbox, most: int, wait_seconds: float, keep_open: bool
    ) -> "_Request":
        """Make a pull request; kept open, it goes on until it is filled or its time is up."""
        self._number += 1
        seconds = max(wait_seconds, LEAST_WAIT_SECONDS)
        request = {"batch": most, "expires": int(seconds * NANO)}
        if not keep_open:
            request["no_wait"] = True
        reply = f"{inbox.subject}.{self._number}"
        wire.send(self._next, nats_api.dumps(request), reply=reply)
        end = asyncio.get_running_loop().time() + seconds + FETCH_GRACE_SECONDS
        self._request = _Request(reply.encode(), most, end, keep_open)
        return self._request

    async def _fetch(
        self, inbox: Inbox, request: "_Request", most: int, taken: list[NatsMessage]
    ) -> None:
        """Gather what a request brings until it is filled or over, or until nothing lies ready."""
        seconds = request.end - asyncio.get_running_loop().time()
        while len(taken) < most and request.left:
            if taken and request.keep_open and not inbox.ready:
                return
            item = await inbox.get(seconds)
            if item is None:
                self._abandon(inbox)
                if not taken:
                    raise BusUnavailable("no answer to a fetch in time")
                return
            if item.status and item.subject == request.subject:
                self._request = None
                _check_end(item, taken)
                return
            if item.reply.startswith(_ACK_PREFIX):
                taken.append(self._message(item))
                request.left -= 1
                seconds = NEXT_SECONDS
        if not request.left:
            self._request = None

    def _abandon(self, inbox: Inbox) -> None:
        """End the open request: what it still brings is given back."""
        self._inbox = self._request = None
        inbox.close(lambda item: self.give_back(item.reply))

    def _message(self, item: Incoming) -> NatsMessage:
        message = NatsMessage(self, item)
        if message.attempt > 1:
            self._redelivered.inc()
        return message

    async def lag(self) -> int:
        """Return how many messages wait or are being worked on; raises BusUnavailable."""
        subject = f"CONSUMER.INFO.{self.spec.stream.name}.{self.spec.name}"
        info = await nats_api.call(self.link, subject)
        return int(info["num_pending"]) + int(info["num_ack_pending"])

    async def park(self, message: NatsMessage, reason: str) -> None:
        """Store a copy of a message in PARKED; raises BusUnavailable, BusFull."""
        note = parked_note(self.spec, message.subject, message.attempt, reason)
        msg_id = f"parked-{self.spec.stream.name}-{message.sequence}"
        header = nats_api.header_block(("Nats-Msg-Id", msg_id), *note.headers)
        answer = await self.link.request(
            note.subject, message.payload, seconds=SETTLE_SECONDS, header=header, resend=True
        )
        nats_api.pub_ack(answer)
        self._metrics.parked.labels(self.spec.name).inc()


def _check_end(item: Incoming, taken: list[NatsMessage]) -> None:
    """Raise BusUnavailable where the broker ended a request for another reason than that nothing is left."""
    if taken or item.status in _NOTHING_LEFT:
        return
    line = item.header.split(b"\r\n")[0][9:].decode("ascii", "replace")
    raise BusUnavailable(f"fetch refused: {line}")
