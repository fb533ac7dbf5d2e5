"""From a finding of reputation to what the client is told: the policy's remedies, codes and texts."""

from collections.abc import Callable, Mapping
from enum import Enum, auto
from types import MappingProxyType
from typing import Final

from mailweir_core.decision import Action, Decision, Reply
from mailweir_core.outcome import Advice, Outcome, Status
from mailweir_core.reasons import Reason
from mailweir_ingress.policy.rules import Rules
from mailweir_policy.edge import EdgePolicy, Remedy


class Told(Enum):
    """When a client is told of a refusal, and whether that ends its session."""

    BANNER = auto()  # in place of the banner: 554 or 421 (RFC 5321 §3.1), and it ends
    CLOSING = auto()  # as the reply to a command, and it ends
    RECIPIENT = auto()  # as the reply to RCPT


_HARDNESS: Final = MappingProxyType(
    {remedy: n for n, remedy in enumerate(Remedy)}  # they are in order, the mildest first
)

# What the policy says of a finding with this reason. Several mean that the service, which knows what exactly
# it found, has chosen among them, and that its choice holds as far as the hardest of them goes.
_REMEDIES: Final[Mapping[Reason, Callable[[EdgePolicy], tuple[Remedy, ...]]]] = MappingProxyType(
    {
        Reason.LISTED: lambda edge: (edge.listed,),
        Reason.NO_REVERSE_DNS: lambda edge: (
            edge.suspects.no_reverse_name,
            edge.suspects.unconfirmed_name,
            edge.suspects.dynamic_name,
        ),
        Reason.HELO_LIES: lambda edge: (
            edge.suspects.helo_lies,
            edge.suspects.helo_not_qualified,
            edge.suspects.helo_unresolvable,
        ),
        Reason.BAD_HELO: lambda edge: (
            edge.suspects.helo_not_qualified,
            edge.suspects.helo_unresolvable,
        ),
        Reason.SENDER_DOMAIN_MISSING: lambda edge: (edge.suspects.sender_domain_missing,),
        Reason.SENDER_TAKES_NO_MAIL: lambda edge: (edge.suspects.sender_takes_no_mail,),
        Reason.SPF_FAILED: lambda edge: (edge.suspects.spf_fail, edge.suspects.spf_softfail),
    }
)

_REPLIES: Final[Mapping[Reason, tuple[int, str, str]]] = MappingProxyType(
    {
        Reason.LISTED: (554, "5.7.1", "Your address is on a block list"),
        Reason.BLOCKED: (550, "5.7.1", "Mail from you is blocked here"),
        Reason.NO_REVERSE_DNS: (550, "5.7.25", "Your address has no name that leads back to it"),
        Reason.HELO_LIES: (550, "5.7.1", "The name that you greet with is not yours"),
        Reason.BAD_HELO: (550, "5.7.1", "You greet with what is no name of a host"),
        Reason.SENDER_DOMAIN_MISSING: (550, "5.1.8", "The sender's domain does not exist"),
        Reason.SENDER_TAKES_NO_MAIL: (550, "5.7.27", "The sender's domain takes no mail"),
        Reason.SPF_FAILED: (550, "5.7.23", "The sender's domain does not let you send for it"),
    }
)
"""Code, enhanced code (RFC 3463, 7372, 7505) and text by reason."""

_TEMPORARY: Final = 450
_ENDING: Final = 421


def weighed(outcome: Outcome, rules: Rules) -> tuple[Remedy, bool]:
    """Return what follows from a finding of reputation, and whether only for now.

    OFF stands for everything that refuses nothing by itself. A check that could not find out refuses nothing.
    """
    reason = outcome.reason
    asks = {Advice.DEFER: Remedy.REJECT, Advice.REJECT: Remedy.REJECT, Advice.CLOSE: Remedy.CLOSE}
    wanted = asks.get(outcome.advice)
    if wanted is None or reason is None or reason not in _REPLIES:
        return Remedy.OFF, False
    if outcome.status is not Status.HIT:
        return Remedy.OFF, False
    temporary = outcome.advice is Advice.DEFER
    if reason is Reason.BLOCKED:  # somebody's own entry: nothing is left to weigh
        return wanted, temporary
    edge = rules.policy.edge
    remedies = _REMEDIES[reason](edge)
    hardest = max(remedies, key=_HARDNESS.__getitem__)
    remedy = min(wanted, hardest, key=_HARDNESS.__getitem__) if len(remedies) > 1 else hardest
    if _HARDNESS[remedy] < _HARDNESS[Remedy.REJECT]:
        return Remedy.OFF, False
    return remedy, temporary or (reason is Reason.LISTED and edge.listed_temporary)


def refusal_of(outcome: Outcome, told: Told, *, temporary: bool) -> Decision:
    """Return the refusal for a finding that `weighed` draws one from.

    Of what the service says only the names of lists are repeated to the client, which it gives as people are
    shown them.
    """
    reason = outcome.reason
    if reason is None:
        raise ValueError("a refusal has a reason")
    code, enhanced, text = _REPLIES[reason]
    lists, _, _ = outcome.detail.partition("; ")  # what failed besides is for the record
    if reason is Reason.LISTED and lists:
        text = f"{text}: {lists}"
    closing = told is not Told.RECIPIENT
    if temporary:
        code, enhanced = (_ENDING if closing else _TEMPORARY), f"4{enhanced[1:]}"
    elif told is Told.BANNER:
        code = 554
    action = Action.DEFER if temporary else Action.REJECT
    reply = Reply(code, enhanced, text)
    return Decision(action, reason, reply, close=closing, detail=outcome.detail)
