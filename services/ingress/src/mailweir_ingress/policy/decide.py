"""What becomes of a message whose data has come: the one decision on it."""

from dataclasses import replace
from typing import Final

from mailweir_core.decision import Action, Decision, Reply
from mailweir_core.outcome import Status
from mailweir_core.reasons import Reason
from mailweir_ingress.policy.edge import NOTHING_FOUND, on_message
from mailweir_ingress.policy.facts import ContentVerdict, MessageFacts, Shape
from mailweir_ingress.policy.phases import TOO_BIG, defer, reject
from mailweir_ingress.policy.rules import Rules
from mailweir_policy import OnOutage, Policy

TAKEN: Final = Reply(250, "2.0.0", "Message accepted")
_EXEMPT: Final = Decision(Action.ACCEPT, Reason.EXEMPT, TAKEN)
_CLEAN: Final = Decision(Action.ACCEPT, Reason.CLEAN, TAKEN)
_UNJUDGED: Final = Decision(
    Action.ACCEPT, Reason.SCORING_UNAVAILABLE, TAKEN, detail="taken without a content verdict"
)
_LATER: Final = Decision(
    Action.HOLD, Reason.UNSCANNED, TAKEN, detail="held until it can be scanned"
)
_NO_VERDICT: Final = defer(
    Reason.SCORING_UNAVAILABLE, 451, "4.3.0", "The message could not be judged, please come again"
)
_BARE_NEWLINE: Final = reject(
    Reason.BARE_NEWLINE, 550, "5.6.0", "Lines must end in CR LF, see RFC 5321 section 2.3.8"
)
_LINE_TOO_LONG: Final = reject(Reason.LINE_TOO_LONG, 550, "5.6.0", "A line is too long")
_BAD_HEADERS: Final = reject(Reason.BAD_HEADERS, 550, "5.6.0", "There are too many header lines")
_OUTBOUND_SPAM: Final = reject(
    Reason.OUTBOUND_SPAM, 550, "5.7.1", "The message was refused as spam"
)
_SPAM_AND_BLOCKED: Final = reject(
    Reason.OUTBOUND_SPAM,
    550,
    "5.7.1",
    "The message was refused as spam, and the account is blocked",
)
_LOOP: Final = reject(Reason.LOOP, 554, "5.4.6", "Too many hops, this message is in a loop")

UNSTORED: Final = defer(
    Reason.STORE_UNAVAILABLE, 451, "4.3.0", "The message could not be stored, please come again"
)
STORE_FULL: Final = defer(
    Reason.STORE_UNAVAILABLE, 451, "4.3.1", "There is no room for the message, please come again"
)
INTERNAL: Final = defer(Reason.INTERNAL, 451, "4.3.0", "Something went wrong, please come again")
NO_MEMORY: Final = defer(Reason.MEMORY_FULL, 451, "4.3.1", "Too busy for this message now")


def decide(facts: MessageFacts, rules: Rules) -> Decision:
    """Decide what becomes of a message; `verdict` None means that there is none, whyever."""
    policy = rules.policy
    refusal = _on_shape(facts.shape, policy) or _outbound_spam(facts, policy)
    if refusal is not None:
        return refusal
    decision = _on_content(facts, policy)
    if not decision.action.takes_mail or decision.action is Action.DISCARD:
        return decision
    return _settled(_with_edge(decision, facts, rules), policy)


def _on_content(facts: MessageFacts, policy: Policy) -> Decision:
    if facts.exempt:
        return _EXEMPT
    verdict = facts.verdict
    if verdict is None or verdict.status in (Status.TEMPERROR, Status.SKIPPED):
        return _without_verdict(facts, policy)
    return _by_verdict(verdict, facts, policy)


def _outbound_spam(facts: MessageFacts, policy: Policy) -> Decision | None:
    """Return the refusal of what a user of ours must not have written: the account may be in other hands."""
    verdict, outbound = facts.verdict, policy.ratelimit.outbound
    if not facts.outbound or verdict is None or verdict.status not in (Status.OK, Status.HIT):
        return None
    if verdict.score < outbound.reject_score:
        return None
    return _SPAM_AND_BLOCKED if outbound.block_account else _OUTBOUND_SPAM


def _with_edge(decision: Decision, facts: MessageFacts, rules: Rules) -> Decision:
    """Return the decision on content with what the edge adds; what is held for its content stays so."""
    found = None if facts.edge is NOTHING_FOUND else on_message(facts.edge, rules)
    if found is None or (found.action is Action.HOLD and decision.action is Action.HOLD):
        return decision
    return found


def shape_refusal(shape: Shape, rules: Rules) -> Decision | None:
    """Return the refusal of a message by its shape alone, which spares asking for a verdict."""
    return _on_shape(shape, rules.policy)


def _on_shape(shape: Shape, policy: Policy) -> Decision | None:
    limits = policy.message
    if shape.bytes > limits.bytes:
        return TOO_BIG
    if shape.bare_newline and limits.bare_newline == "reject":
        return _BARE_NEWLINE
    if limits.line_bytes and shape.longest_line > limits.line_bytes:
        return _LINE_TOO_LONG
    if shape.header_lines > limits.header_lines:
        return _BAD_HEADERS
    if shape.hops > limits.received_hops:
        return _LOOP
    return None


def _without_verdict(facts: MessageFacts, policy: Policy) -> Decision:
    match policy.degradation.scoring:
        case OnOutage.SKIP:
            return _UNJUDGED
        case OnOutage.HOLD:
            return _LATER
        case OnOutage.TEMPFAIL:
            return _tried_again(_NO_VERDICT, facts, policy)


def _tried_again(deferral: Decision, facts: MessageFacts, policy: Policy) -> Decision:
    """Return the deferral, or from the n-th coming of the same message on, a hold."""
    return _LATER if facts.attempts >= policy.degradation.hold_after_attempts else deferral


def _by_verdict(verdict: ContentVerdict, facts: MessageFacts, policy: Policy) -> Decision:
    match verdict.action:
        case Action.ACCEPT if verdict.reason is Reason.CLEAN:
            return _CLEAN
        case Action.REJECT:
            text = "The message was refused as spam"
            return reject(verdict.reason, 550, "5.7.1", text)
        case Action.DEFER:
            deferral = replace(_NO_VERDICT, reason=verdict.reason, detail=verdict.detail)
            return _tried_again(deferral, facts, policy)
        case action:
            return Decision(action, verdict.reason, TAKEN, detail=verdict.detail)


def _settled(decision: Decision, policy: Policy) -> Decision:
    """Without a quarantine, what would be held is tagged and delivered."""
    if decision.action is Action.HOLD and not policy.quarantine.active:
        return replace(decision, action=Action.TAG)
    return decision
