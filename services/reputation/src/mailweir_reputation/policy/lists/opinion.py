"""What the listings come to, and whether lists that have not answered yet could still change it.

Lists of one provider are one opinion: the weightiest counts. A client is refused where the sum of the
opinions reaches `reject_score` and two of them are against it, or one list of what must not send mail at all.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from mailweir_policy.answers import describe, meanings, symbol_of
from mailweir_policy.lists import ListCode
from mailweir_policy.reputation import EdgeZone, ReputationPolicy

AGREEING: Final = 2
"""Opinions that must agree where none is a policy list's."""


@dataclass(frozen=True, slots=True)
class Listing:
    """One meaning of one list's answer on one subject."""

    zone: EdgeZone
    shown: str
    score: float
    code: ListCode | None = None
    item: str = ""
    """The subject as the DNS has it."""

    @property
    def symbol(self) -> str:
        """Return the signal's name."""
        return symbol_of(self.zone, self.code)

    @property
    def description(self) -> str:
        """Return it as a sentence; it names the list as people are shown it."""
        return describe(self.zone, self.code)


class Standing(StrEnum):
    """What the lists come to."""

    REFUSED = "refused"
    SPARED = "spared"  # an allow list vouches for it
    NEITHER = "neither"
    OPEN = "open"  # depends on what has not been answered


@dataclass(slots=True)
class _Opinion:
    """Of one provider: what it comes to now, and between what it may come to."""

    score: float = 0.0
    low: float = 0.0
    high: float = 0.0


def provider_of(zone: EdgeZone) -> str:
    """Return whose opinion a list is; a list without a provider has its own."""
    return f"p:{zone.provider}" if zone.provider else f"z:{zone.name}"


def listings_of(
    zone: EdgeZone, shown: str, answered: Sequence[str], item: str = ""
) -> list[Listing]:
    """Return what a listing means; none where its answers have no meaning in the policy."""
    return [Listing(zone, shown, score, code, item) for code, score in meanings(zone, answered)]


def weightiest(listings: Iterable[Listing]) -> dict[str, Listing]:
    """Return of each provider the listing that counts."""
    best: dict[str, Listing] = {}
    for listing in listings:
        key = provider_of(listing.zone)
        if key not in best or _weight(listing) > _weight(best[key]):
            best[key] = listing
    return best


def _weight(listing: Listing) -> tuple[float, str]:
    return (abs(listing.score), listing.symbol)


def total(listings: Iterable[Listing]) -> float:
    """Return the sum of the opinions."""
    return sum(listing.score for listing in weightiest(listings).values())


def weigh(
    listings: Sequence[Listing], outstanding: Iterable[EdgeZone], policy: ReputationPolicy
) -> Standing:
    """Return what the listings come to, whatever the outstanding lists may still say."""
    opinions = _opinions(listings, outstanding)
    low = sum(opinion.low for opinion in opinions.values())
    high = sum(opinion.high for opinion in opinions.values())
    by_policy = any(listing.zone.policy_list and listing.score > 0 for listing in listings)
    against = sum(opinion.low > 0 for opinion in opinions.values())
    if low >= policy.reject_score and (by_policy or against >= AGREEING):
        return Standing.REFUSED
    if high <= policy.allow_score:
        return Standing.SPARED
    if all(opinion.low == opinion.high for opinion in opinions.values()):
        return Standing.NEITHER
    return Standing.OPEN


def _opinions(listings: Sequence[Listing], outstanding: Iterable[EdgeZone]) -> dict[str, _Opinion]:
    opinions = {
        provider: _Opinion(listing.score, listing.score, listing.score)
        for provider, listing in weightiest(listings).items()
    }
    for zone in outstanding:
        opinion = opinions.setdefault(provider_of(zone), _Opinion())
        scores = [code.score for code in zone.codes] or [zone.score]
        opinion.low = min(opinion.low, *scores)
        opinion.high = max(opinion.high, *scores)
    return opinions
