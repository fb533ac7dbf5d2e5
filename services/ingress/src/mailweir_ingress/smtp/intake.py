"""From the reply to DATA to the message: reading, limits, line ends."""

from typing import Final

from mailweir_core.bans import OffenceKind
from mailweir_core.decision import Decision
from mailweir_core.reasons import Reason
from mailweir_ingress.metrics import Phase
from mailweir_ingress.policy.compose import look_at
from mailweir_ingress.policy.decide import NO_MEMORY
from mailweir_ingress.policy.phases import TOO_BIG, defer
from mailweir_ingress.ports import RecordKind
from mailweir_ingress.smtp.budget import Reservation
from mailweir_ingress.smtp.conversation import Conversation, Transaction
from mailweir_ingress.smtp.data import DataReader, DataState, has_bare_newline, normalise
from mailweir_ingress.smtp.house import Arrival
from mailweir_ingress.smtp.wire import SessionOver

HUNG_UP: Final = defer(
    Reason.DISCONNECTED, 421, "4.4.2", "The connection ended within the data", close=True
)
_ENDLESS: Final = defer(
    Reason.TOO_BIG, 421, "4.3.4", "The message is far too big, closing", close=True
)


async def read_message(
    talk: Conversation, transaction: Transaction, reservation: Reservation
) -> Arrival | Decision:
    """Return the message that follows, or why it is refused; the refused data has been read then.

    Raises SessionOver where the data did not come to its end; that has been recorded.
    """
    limit = transaction.rules.policy.message.bytes
    reader = DataReader(limit, reservation, swallow=_swallowed(talk, limit))
    started = talk.house.clock.monotonic()
    try:
        await _fill(talk, reader)
    except SessionOver as over:
        _note_cut_off(talk, transaction, over.decision)
        if over.decision is _ENDLESS:
            await talk.offend(OffenceKind.SIZE, f"{reader.received} bytes", measure=reader.received)
        raise
    finally:
        talk.received = reader.received
        talk.house.metrics.received_bytes.inc(reader.received)
    seconds = talk.house.clock.monotonic() - started
    talk.house.metrics.seconds[Phase.DATA].observe(seconds)
    talk.link.input.give_back(reader.rest)
    if reader.state is DataState.TOO_BIG:
        return TOO_BIG
    if reader.state is DataState.NO_MEMORY:
        return NO_MEMORY
    return _arrival(talk, transaction, reader.message())


def _swallowed(talk: Conversation, limit: int) -> int:
    """Return how much more than `limit` is read of a message that is too big.

    Where such clients are banned it is as much as bans them: one that is cut off before only comes again.
    """
    rule = talk.rules.policy.ratelimit.intrusion.rules.size
    if not talk.house.edge.watches(OffenceKind.SIZE, talk.session):
        return limit
    return max(limit, int(rule.measure) - limit)


async def _fill(talk: Conversation, reader: DataReader) -> None:
    """Feed the reader until the data ends."""
    source, pulse, clock = talk.link.input, talk.pulse, talk.house.clock
    pulse.data_since = clock.monotonic()
    try:
        while not reader.feed(source.take()):
            if reader.state is DataState.ENDLESS:
                raise SessionOver(_ENDLESS)
            pulse.received = reader.received
            pulse.waiting_since = clock.monotonic()
            if not await source.more():
                raise SessionOver(HUNG_UP)
    finally:
        pulse.data_since = pulse.waiting_since = 0.0


def _note_cut_off(talk: Conversation, transaction: Transaction, decision: Decision) -> None:
    talk.count_refusal(Phase.DATA, decision)
    talk.note(RecordKind.TRANSACTION, transaction, decision)
    transaction.refusals.clear()  # they are in that record


def _arrival(talk: Conversation, transaction: Transaction, content: bytes) -> Arrival:
    rules = transaction.rules
    limits = rules.policy.message
    bare = has_bare_newline(content)
    if bare and limits.bare_newline == "normalise":
        content = normalise(content)
    authenticated = talk.account is not None
    return Arrival(
        envelope=talk.envelope(transaction, received_at=talk.house.clock.now()),
        content=content,
        shape=look_at(content, bare_newline=bare, line_lengths=limits.line_bytes > 0),
        exempt=talk.client in rules.unscanned
        or (authenticated and not rules.policy.relay.scan_submission),
        refused=transaction.refused,
        rules=rules,
        client=transaction.client,
        outcomes=transaction.checks,
        unspared=transaction.unspared,
    )
