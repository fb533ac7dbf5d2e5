"""What the answers of lists say (RFC 5782).

An answer counts only in 127/8, and 127.0.0.1 never: whoever gives another one rewrites answers, or does not
serve us. Such a list is muted, since it would otherwise list every message.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from mailweir_core.dns import DnsAnswer, DnsStatus
from mailweir_policy.lists import Codes, ListCode, ListZone, parse_codes

MOST_ANSWERS: Final = 16
_EVERYWHERE: Final = (parse_codes("127.255.255.0-255"),)
"""What Spamhaus answers to open resolvers (254), too many questions (255) and misspelt zones (252)."""
_BY_PROVIDER: Final = {
    "dnswl.org": (parse_codes("127.0.0.255"), parse_codes("127.0.10.0-255")),
    "surbl.org": (parse_codes("&1"),),
    "uribl.com": (parse_codes("&1"),),
}

OWN_RESOLVER: Final = (
    "it does not serve us: ask through a resolver of your own instead of a public one,"
    " or get a key from the provider"
)
REWRITTEN: Final = (
    "it answers what no list answers: the resolver makes up answers for names that do not exist,"
    " so use another one"
)
LISTS_ALL: Final = "it lists everything, as a list does that has ended: take it out of the policy"


class ListStatus(StrEnum):
    """How a question to a list ended."""

    LISTED = "listed"
    CLEAR = "clear"
    REFUSED = "refused"  # the list says that it does not serve us, or lies
    MUTED = "muted"  # not asked, since it did so lately
    FAILED = "failed"  # no answer


@dataclass(frozen=True, slots=True)
class ListAnswer:
    """What came of it; `codes` are the addresses that the list answered."""

    status: ListStatus
    codes: tuple[str, ...] = ()
    detail: str = ""


def read_answer(zone: ListZone, answer: DnsAnswer) -> ListAnswer:
    """Return what a list's answer says. `detail` tells what to do about a refusal."""
    match answer.status:
        case DnsStatus.TEMPERROR:
            return ListAnswer(ListStatus.FAILED, detail=answer.detail)
        case DnsStatus.NXDOMAIN | DnsStatus.NODATA:
            return ListAnswer(ListStatus.CLEAR)
    codes = tuple(sorted(answer.records[:MOST_ANSWERS]))
    wrong = _wrong(zone, codes)
    if wrong:
        return ListAnswer(ListStatus.REFUSED, codes, wrong)
    return ListAnswer(ListStatus.LISTED, codes)


def _wrong(zone: ListZone, codes: tuple[str, ...]) -> str:
    refusals = _refusals(zone)
    for code in codes:
        octets = octets_of(code)
        if octets is None or octets[0] != 127:
            return REWRITTEN
        if any(refusal.has(octets) for refusal in refusals):
            return OWN_RESOLVER
        if octets == (127, 0, 0, 1):
            return LISTS_ALL
    return ""


def _refusals(zone: ListZone) -> tuple[Codes, ...]:
    provider = ".".join(zone.zone.split(".")[-2:])
    own = tuple(map(parse_codes, zone.refusals))
    return (*_EVERYWHERE, *_BY_PROVIDER.get(provider, ()), *own)


def octets_of(code: str) -> tuple[int, int, int, int] | None:
    """Return the octets of an IPv4 address, None for what is none."""
    pieces = code.split(".")
    if len(pieces) != 4 or not all(p.isascii() and p.isdigit() and len(p) < 4 for p in pieces):
        return None
    a, b, c, d = map(int, pieces)
    return (a, b, c, d) if max(a, b, c, d) < 256 else None


def symbol_of(zone: ListZone, code: ListCode | None = None) -> str:
    """Return the signal's name of a listing: `LIST_<NAME>`, or `LIST_<NAME>_<CODE>`."""
    name = zone.name if code is None else f"{zone.name}_{code.name}"
    return f"LIST_{name.upper().replace('-', '_')}"


def describe(zone: ListZone, code: ListCode | None = None) -> str:
    """Return a listing as a sentence for people."""
    if code is None:
        return f"Listed by {zone.title}"
    return code.description or f"Listed by {zone.title} as {code.name}"


def meanings(zone: ListZone, answered: Iterable[str]) -> Iterator[tuple[ListCode | None, float]]:
    """Yield what each meaning of a listing is and scores; None for the list's own, without codes."""
    if not zone.codes:
        yield None, zone.score
    octets = [found for code in answered if (found := octets_of(code)) is not None]
    for code in zone.codes:
        if any(parse_codes(code.codes).has(each) for each in octets):
            yield code, code.score
