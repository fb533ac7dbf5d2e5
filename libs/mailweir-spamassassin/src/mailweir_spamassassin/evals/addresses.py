"""Tests that compare addresses: sender, recipients, subject (SpamAssassin's HeaderEval)."""

import re
from collections.abc import Mapping
from typing import Final

from mailweir_spamassassin.view.api import EvalContext, EvalFunction
from mailweir_spamassassin.view.message import View

from .common import all_of, argument, number, once, text_of, view_of

_SORTED_COUNT: Final = 7
_SIMILAR_COUNT: Final = 5
_SIMILAR_LENGTH: Final = 2
_MOST_COMPARED: Final = 256
_DOMAIN: Final = re.compile(r"@([^@]*)\Z")
_SRS: Final = re.compile(r"SRS\d[=+-]", re.IGNORECASE)
_ADDRESS: Final = re.compile(r"([^@]+)@(.+)\Z", re.DOTALL)
_MAX_SUBJECT: Final = 1000


def _recipients(view: View) -> list[str]:
    found = all_of(view, "ToCc", "addr")
    if len(found) < _SIMILAR_COUNT:
        found += all_of(view, "Bcc", "addr")
    out: list[str] = []
    for address in found:
        if address and (not out or address.lower() != out[-1].lower()):
            out.append(address)
        if len(out) == _MOST_COMPARED:
            break
    return out


def _sorted(context: EvalContext, arguments: tuple[str, ...]) -> int:
    del arguments
    found = _recipients(view_of(context))
    return int(len(found) >= _SORTED_COUNT and found == sorted(found))


def _similar(context: EvalContext, arguments: tuple[str, ...]) -> int:
    similarity = once(view_of(context), "similar", _similarity)
    low, high = argument(arguments, 0) or "undef", argument(arguments, 1) or "undef"
    return int(
        (low == "undef" or similarity >= number(low))
        and (high == "undef" or similarity < number(high))
    )


def _similarity(view: View) -> float:
    """Return how many of all pairs of recipients begin alike, in the name or in an unlike host."""
    found = _recipients(view)
    if len(found) < _SIMILAR_COUNT:
        return 0.0
    users = [address[:_SIMILAR_LENGTH] for address in found]
    hosts = [address.partition("@")[2] for address in found]
    hits = 0
    for first in range(len(found)):
        for second in range(first + 1, len(found)):
            hits += users[first] == users[second]
            a, b = hosts[first], hosts[second]
            hits += a != b and a[:_SIMILAR_LENGTH] == b[:_SIMILAR_LENGTH]
    return hits / (len(found) * (len(found) - 1) / 2)


def _envelope_matches(context: EvalContext, arguments: tuple[str, ...]) -> int:
    del arguments
    view = view_of(context)
    envelope, author = text_of(view, "EnvelopeFrom", "addr"), text_of(view, "From", "addr")
    return int(envelope.lower() == author.lower())


def _other_domain(context: EvalContext, arguments: tuple[str, ...]) -> int:
    del arguments
    view = view_of(context)
    author, envelope = (
        _second_level(text_of(view, name, "addr")) for name in ("From", "EnvelopeFrom")
    )
    return int(bool(author and envelope) and author != envelope)


def _second_level(address: str) -> str:
    found = _DOMAIN.search(address)
    return ".".join(found[1].lower().split(".")[-2:]) if found else ""


def _to_in_subject(context: EvalContext, arguments: tuple[str, ...]) -> int:
    view = view_of(context)
    to, subject = text_of(view, "To", "addr"), text_of(view, "Subject")[:_MAX_SUBJECT]
    if not to:
        return 0
    if argument(arguments, 0) == "address":
        return int(re.search(rf"\b{re.escape(to)}\b", subject, re.IGNORECASE) is not None)
    user = re.escape(to.partition("@")[0])
    return int(
        re.match(
            rf"(?:(?:re|fw):\s*(?:\w+\s+)?{user}$|(?-i:{user})\s*[,:;!?-](?:$|\s)|{user}$|,\s*{user}[,:;!?-]$)",
            subject,
            re.IGNORECASE,
        )
        is not None
    )


def _ratware_sender(context: EvalContext, arguments: tuple[str, ...]) -> int:
    """An envelope sender made of the recipient: `domain.user@` of `user@domain`."""
    del arguments
    view = view_of(context)
    sender, found = (
        text_of(view, "EnvelopeFrom", "addr"),
        _ADDRESS.match(text_of(view, "To", "addr")),
    )
    if not sender or found is None or _SRS.match(sender):
        return 0
    domain = view.site.domains.registered(found[2])
    if not view.site.domains.is_valid(domain):
        return 0
    wanted = rf"\b{re.escape(domain)}.{re.escape(found[1])}@"
    return int(re.search(wanted, sender, re.IGNORECASE) is not None)


TESTS: Final[Mapping[str, EvalFunction]] = {
    "sorted_recipients": _sorted,
    "similar_recipients": _similar,
    "check_for_matching_env_and_hdr_from": _envelope_matches,
    "check_equal_from_domains": _other_domain,
    "check_for_to_in_subject": _to_in_subject,
    "check_ratware_envelope_from": _ratware_sender,
}
