"""The next line of a session: bounded, in time, and with every reply sent before we wait for it."""

from typing import Final

from mailweir_core.reasons import Reason
from mailweir_ingress.policy.phases import defer, reject
from mailweir_ingress.smtp.conversation import Conversation
from mailweir_ingress.smtp.wire import SessionOver

MAX_SKIPPED_BYTES: Final = 262_144
"""So much of an overlong line is read to its end; one that is longer ends the session."""

LINE_TOO_LONG: Final = reject(Reason.LINE_TOO_LONG, 500, "5.5.2", "The line is too long")
_ENDLESS_LINE: Final = defer(
    Reason.LINE_TOO_LONG, 421, "4.5.2", "The line is far too long, closing", close=True
)


async def next_line(talk: Conversation) -> bytes | None:
    """Return the next line with its line end, or None when the peer has hung up.

    An overlong one is answered and skipped. Raises SessionOver.
    """
    limit = talk.rules.policy.session.command_line_bytes
    source = talk.link.input
    while True:
        line = source.line()
        if line is None and len(source.pending) <= limit:
            if not await _wait(talk):
                return None
            continue
        talk.pulse.waiting_since = 0.0
        if line is not None and len(line) <= limit:
            return line
        if line is None and not await _skip(talk):
            return None
        talk.answer(LINE_TOO_LONG)


async def _wait(talk: Conversation) -> bool:
    """Send what is in line and wait for more; the time for a whole line runs from its beginning."""
    await talk.link.flush()
    if not talk.pulse.waiting_since:
        talk.pulse.waiting_since = talk.house.clock.monotonic()
    return await talk.link.input.more()


async def _skip(talk: Conversation) -> bool:
    """Throw the rest of a line away; False when the peer has hung up within it."""
    source = talk.link.input
    skipped = 0
    while source.line() is None:
        skipped += len(source.take())
        if skipped > MAX_SKIPPED_BYTES:
            raise SessionOver(_ENDLESS_LINE)
        if not await _wait(talk):
            return False
    return True
