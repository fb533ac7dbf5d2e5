"""The stage `lists`: asks the lists of the policy, and makes hits of what they say."""

from collections.abc import Iterator

from mailweir_core.asking import Asking
from mailweir_policy.answers import ListAnswer, ListStatus, meanings, symbol_of
from mailweir_policy.lists import ListZone
from mailweir_scoring.policy.facts import Facts, Found, Hit
from mailweir_scoring.policy.lists.answers import ListQuery
from mailweir_scoring.policy.lists.items import items_of
from mailweir_scoring.policy.lists.planning import asks_anything, plan


def look_up(facts: Facts) -> Asking[Found]:
    """Ask all lists at once about all there is, and return a hit for each listing.

    A list that does not answer or does not serve us finds nothing; its answer says so in the record.
    """
    policy = facts.policy.lists
    queries = plan(items_of(facts, policy), policy) if asks_anything(policy) else ()
    if not queries:
        return Found()
    answers: tuple[ListAnswer, ...] = yield queries
    found = [
        (query.zone, score, Hit(symbol, query.shown))
        for query, answer in zip(queries, answers, strict=True)
        if answer.status is ListStatus.LISTED
        for symbol, score in listings(query, answer)
    ]
    return Found(tuple(_one_opinion(found)))


def listings(query: ListQuery, answer: ListAnswer) -> Iterator[tuple[str, float]]:
    """Yield symbol and score of each meaning that an answer has."""
    for code, score in meanings(query.zone, answer.codes):
        yield symbol_of(query.zone, code), score


def _one_opinion(found: list[tuple[ListZone, float, Hit]]) -> Iterator[Hit]:
    """Of each provider let only the weightiest listing count; the others are named and count nothing."""
    weightiest: dict[str, tuple[float, str]] = {}
    for zone, score, hit in found:
        best = weightiest.get(zone.provider)
        if best is None or (abs(score), hit.symbol) > best:
            weightiest[zone.provider] = (abs(score), hit.symbol)
    for zone, _, hit in found:
        counts = not zone.provider or weightiest[zone.provider][1] == hit.symbol
        yield hit if counts else Hit(hit.symbol, hit.evidence, weight=0.0)
