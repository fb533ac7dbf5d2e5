"""What rulings, histories and correspondences come to as findings."""

from collections.abc import Sequence
from typing import Final

from mailweir_core.client import CORRESPONDENT, ClientClass
from mailweir_core.entries import EntryKind
from mailweir_core.outcome import Advice, Signal
from mailweir_core.reasons import Reason
from mailweir_policy.edge import Remedy
from mailweir_policy.reputation import ReputationPolicy
from mailweir_reputation.policy.findings import GROUP, NOTHING, Finding
from mailweir_reputation.policy.history.opinion import (
    Known,
    class_of_client,
    is_good_sender,
    opinion_of,
)
from mailweir_reputation.policy.index import Row
from mailweir_reputation.policy.items import Phase
from mailweir_reputation.policy.ruling import Ruling

ALLOW_LISTED: Final = "ALLOW_LISTED"
ALLOW_UNPROVEN: Final = "ALLOW_UNPROVEN"
BLOCK_LISTED: Final = "BLOCK_LISTED"
HISTORY_GOOD: Final = "HISTORY_GOOD"
HISTORY_BAD: Final = "HISTORY_BAD"
OWN_SIGNALS: Final = frozenset(
    {ALLOW_LISTED, ALLOW_UNPROVEN, BLOCK_LISTED, HISTORY_GOOD, HISTORY_BAD, CORRESPONDENT}
)
"""What we say of a client by ourselves; a history leaves it out, or it would feed on itself."""
LISTS: Final = "lists"
"""The group of what our own lists say: unlike the edge's other findings it may reach a threshold alone."""
LEAST_POINTS: Final = 0.1
"""A history that says less is not mentioned."""
MAX_EVIDENCE: Final = 200


def of_ruling(ruling: Ruling, phase: Phase, rules: ReputationPolicy) -> Finding:
    """Return what an entry that holds comes to."""
    if ruling.row is None:
        return NOTHING
    if ruling.kind is EntryKind.ALLOW:
        return _allowed(ruling.row, rules)
    return _blocked(ruling.row, phase, rules)


def of_unproven(rows: Sequence[Row]) -> Finding:
    """Return what allows come to that a sender claims without proof; a signature may still prove it."""
    text = "A list entry would allow this sender, but nothing proves that it is he"
    rows = sorted(rows, key=lambda row: (str(row.terms.owner), row.item))
    return Finding(signals=tuple(Signal(ALLOW_UNPROVEN, 0.0, GROUP, text, _said(r)) for r in rows))


def of_client_history(known: Sequence[Known], now: float, rules: ReputationPolicy) -> Finding:
    """Return a client's class; one that has sent next to nothing but wanted mail is known."""
    found = class_of_client(known, now, rules.history)
    return Finding(client_class=found, known=found is ClientClass.GOOD)


def of_history(known: Sequence[Known], now: float, rules: ReputationPolicy) -> Finding:
    """Return the points for a sender's and its client's past. Being known needs proof of the name."""
    opinion = opinion_of(known, now, rules.history)
    good = is_good_sender(known, now, rules.history)
    points = round(opinion.points, 2)
    if abs(points) < LEAST_POINTS:
        return Finding(known=good)
    name = HISTORY_BAD if points > 0 else HISTORY_GOOD
    text = "What this sender and client have sent before"
    signal = Signal(name, points, GROUP, text, opinion.evidence[:MAX_EVIDENCE])
    return Finding(signals=(signal,), known=good, suspicion=max(0.0, points))


def of_correspondent(rules: ReputationPolicy) -> Finding:
    """Return what it comes to that the recipient has written to the sender."""
    text = "The recipient has written to this sender"
    signal = Signal(CORRESPONDENT, rules.correspondent_points, GROUP, text)
    return Finding(signals=(signal,), known=True)


def _allowed(row: Row, rules: ReputationPolicy) -> Finding:
    text = "An entry of an allow list speaks for it"
    signal = Signal(ALLOW_LISTED, rules.allowed_points, LISTS, text, _said(row))
    return Finding(
        signals=(signal,),
        advice=Advice.ALLOW,
        detail=f"allowed by {_said(row)}",
        known=True,
        allowed=True,
    )


def _blocked(row: Row, phase: Phase, rules: ReputationPolicy) -> Finding:
    if rules.blocked is Remedy.OFF:
        return NOTHING
    text = "An entry of a block list speaks against it"
    signal = Signal(BLOCK_LISTED, rules.blocked_points, LISTS, text, _said(row))
    if rules.blocked in (Remedy.SCORE, Remedy.GREYLIST):
        suspicion = rules.blocked_points if rules.blocked is Remedy.GREYLIST else 0.0
        return Finding(signals=(signal,), suspicion=suspicion)
    return Finding(
        signals=(signal,),
        advice=_advice(phase, rules),
        reason=Reason.BLOCKED,
        detail=f"blocked by {_said(row)}",
    )


def _advice(phase: Phase, rules: ReputationPolicy) -> Advice:
    if phase is Phase.RCPT:  # other recipients may want the mail
        return Advice.REJECT
    close = phase is Phase.CONNECT or rules.blocked is Remedy.CLOSE
    return Advice.CLOSE if close else Advice.REJECT


def _said(row: Row) -> str:
    return f"{row.terms.owner}: {row.item}"[:MAX_EVIDENCE]
