"""From what the lists come to, to a finding."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Final

from mailweir_core.outcome import Advice, Lookup, Signal
from mailweir_core.reasons import Reason
from mailweir_policy import Policy
from mailweir_policy.edge import Remedy
from mailweir_policy.reputation import EdgeZone
from mailweir_reputation.policy.findings import Finding
from mailweir_reputation.policy.lists.opinion import (
    Listing,
    Standing,
    provider_of,
    total,
    weigh,
    weightiest,
)

GROUP: Final = "lists"
MAX_DETAIL: Final = 120
UNANSWERED: Final = "no DNS list answers"
REFUSING: Final = {Remedy.REJECT: Advice.REJECT, Remedy.CLOSE: Advice.CLOSE}


def unanswered(lookups: Iterable[Lookup] = ()) -> Finding:
    """Return the finding where there are lists and none of them answered."""
    return Finding(lookups=tuple(lookups), failed=UNANSWERED, valid_seconds=0.0)


def conclude(
    listings: Sequence[Listing],
    policy: Policy,
    *,
    firm: bool,
    lookups: tuple[Lookup, ...],
    failed: Sequence[EdgeZone],
    seconds: float,
) -> Finding:
    """Return the finding. `firm`: lists that are proved to be well are enough to refuse for good.

    `seconds` is how long the answers hold; an answer without those that failed is to be asked for again.
    """
    rules, remedy = policy.reputation, policy.edge.listed
    if remedy is Remedy.OFF:
        return Finding(lookups=lookups)
    order = {zone.name: number for number, zone in enumerate(rules.zones)}
    # in the order of the policy, whoever answered first
    listings = sorted(listings, key=lambda listing: order.get(listing.zone.name, len(order)))
    standing, score = weigh(listings, (), rules), total(listings)
    refused = standing is Standing.REFUSED and remedy in REFUSING
    valid = min(max(seconds, rules.shortest_valid_seconds), rules.longest_valid_seconds)
    if refused and not firm:
        valid = rules.shortest_valid_seconds
    elif failed and not refused:
        valid = 0.0
    found = Finding(
        signals=tuple(_signals(listings)),
        detail=_missing(failed),
        known=standing is Standing.SPARED,
        suspicion=_suspicion(score, remedy, policy) if standing is not Standing.SPARED else 0.0,
        lookups=lookups,
        valid_seconds=valid,
    )
    return _refusing(found, listings, remedy, firm=firm) if refused else found


def _refusing(
    found: Finding, listings: Sequence[Listing], remedy: Remedy, *, firm: bool
) -> Finding:
    """Return the finding with its advice: for good, or for now; the lists are named as people know them."""
    names = dict.fromkeys(each.zone.title for each in listings if each.score > 0)
    return replace(
        found,
        advice=REFUSING[remedy] if firm else Advice.DEFER,
        reason=Reason.LISTED,
        detail=", ".join(names)[:MAX_DETAIL],
    )


def _suspicion(score: float, remedy: Remedy, policy: Policy) -> float:
    """Return greylisting's measure: what is against it, and enough where the policy says so outright."""
    against = max(score, 0.0)
    if remedy is Remedy.GREYLIST and against >= policy.reputation.reject_score:
        return max(against, policy.greylist.suspicion)
    return against


def _signals(listings: Sequence[Listing]) -> Iterator[Signal]:
    """Yield a signal for each listing; of each provider only the weightiest counts."""
    best = weightiest(listings)
    for each in listings:
        score = each.score if best[provider_of(each.zone)] is each else 0.0
        yield Signal(each.symbol, score, GROUP, each.description, each.shown)


def _missing(failed: Sequence[EdgeZone]) -> str:
    names = dict.fromkeys(zone.title for zone in failed)
    return f"no answer of {', '.join(names)}"[:MAX_DETAIL] if names else ""
