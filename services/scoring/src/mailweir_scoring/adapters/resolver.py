"""The DNS as stages ask it: names for authentication, and lists with their keys, time-outs and mutes."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from mailweir_core.clock import Clock
from mailweir_core.dns import DnsAnswer, DnsQuestion, DnsStatus, RecordType
from mailweir_core.outcome import Lookup
from mailweir_policy.answers import ListAnswer, ListStatus, read_answer
from mailweir_runtime.dns import NoResolver, Resolver
from mailweir_runtime.logs import get_logger
from mailweir_scoring.list_metrics import ListMetrics
from mailweir_scoring.policy.lists import ListQuery
from mailweir_scoring.ports import Answerer

ROUND_SECONDS: Final = 1.5
"""Longest time for one round of questions; an evaluator goes on with what it has."""
MARGIN_SECONDS: Final = 0.1
"""Kept back from a stage's time, so that late answers are answers and no failure of the stage."""
SHOWN_CHARACTERS: Final = 200

_log = get_logger(__name__)


def time_for(seconds: float) -> float:
    """Return how long a round may take of the `seconds` that its stage has left."""
    return max(0.0, min(ROUND_SECONDS, seconds - MARGIN_SECONDS))


class DnsAnswerer:
    """Answers `DnsQuestion`s from a resolver."""

    def __init__(self, resolver: Resolver) -> None:
        """Ask `resolver`."""
        self._resolver = resolver

    async def answer(
        self, questions: tuple[DnsQuestion, ...], seconds: float
    ) -> tuple[DnsAnswer, ...]:
        """Return the answers in order; a failure is a TEMPERROR."""
        return await self._resolver.resolve(questions, time_for(seconds))

    def describe(self, question: DnsQuestion, answer: DnsAnswer) -> Lookup:
        """Return what the record keeps."""
        said = " | ".join(answer.records) if answer.records else answer.detail
        return Lookup("dns", f"{question.name} {question.type}", _said(answer.status, said))


def _said(status: str, text: str) -> str:
    shown = text if len(text) <= SHOWN_CHARACTERS else f"{text[: SHOWN_CHARACTERS - 1]}…"
    return f"{status} {shown}" if shown else str(status)


@dataclass(slots=True)
class _Mute:
    until: float
    seconds: float


class ListAnswerer:
    """Answers `ListQuery`s: puts in a list's key, keeps its time-out, mutes it when it does not serve us.

    What is recorded and logged names lists by their titles: a zone's name may hold a key.
    """

    def __init__(
        self, resolver: Resolver, clock: Clock, metrics: ListMetrics, keys: Mapping[str, str]
    ) -> None:
        """Take the keys by the names of their secrets."""
        self._resolver = resolver
        self._clock = clock
        self._metrics = metrics
        self._keys = keys
        self._mutes: dict[str, _Mute] = {}

    async def answer(
        self, queries: tuple[ListQuery, ...], seconds: float
    ) -> tuple[ListAnswer, ...]:
        """Return the answers in order; lists with equal time-outs are asked together."""
        answers: dict[ListQuery, ListAnswer] = {}
        asked: dict[float, list[tuple[ListQuery, DnsQuestion]]] = {}
        for query in queries:
            question = self._question(query)
            if isinstance(question, ListAnswer):
                answers[query] = question
            else:
                asked.setdefault(query.zone.timeout_seconds, []).append((query, question))
        async with asyncio.TaskGroup() as tasks:
            for timeout, pairs in asked.items():
                tasks.create_task(self._ask(pairs, min(timeout, time_for(seconds)), answers))
        for answer in answers.values():
            self._metrics.answers.labels(answer.status).inc()
        return tuple(answers[query] for query in queries)

    def describe(self, query: ListQuery, answer: ListAnswer) -> Lookup:
        """Return what the record keeps: the list's title, the item, and the codes or the remedy."""
        said = " ".join(answer.codes) if answer.status is ListStatus.LISTED else ""
        if answer.status is ListStatus.REFUSED:
            said = answer.detail
        return Lookup("list", f"{query.zone.title}: {query.shown}", _said(answer.status, said))

    def _question(self, query: ListQuery) -> DnsQuestion | ListAnswer:
        zone = query.zone
        mute = self._mutes.get(zone.name)
        if mute is not None and self._clock.monotonic() < mute.until:
            return ListAnswer(ListStatus.MUTED, detail="it did not serve us lately")
        name = f"{query.item}.{zone.zone}"
        if zone.key_secret:
            key = self._keys.get(zone.key_secret)
            if key is None:
                return ListAnswer(ListStatus.FAILED, detail=f"no secret {zone.key_secret!r}")
            name = f"{query.item}.{key}.{zone.zone}"
        return DnsQuestion(name, RecordType.A)

    async def _ask(
        self,
        pairs: list[tuple[ListQuery, DnsQuestion]],
        seconds: float,
        answers: dict[ListQuery, ListAnswer],
    ) -> None:
        found = await self._resolver.resolve(tuple(question for _, question in pairs), seconds)
        for (query, _), answer in zip(pairs, found, strict=True):
            answers[query] = read = read_answer(query.zone, answer)
            if read.status is ListStatus.REFUSED:
                self._mute(query, read)
            elif answer.status is not DnsStatus.TEMPERROR:
                self._unmute(query)
        self._metrics.muted.set(len(self._mutes))

    def _mute(self, query: ListQuery, answer: ListAnswer) -> None:
        now, known = self._clock.monotonic(), self._mutes.get(query.zone.name)
        if known is not None and now < known.until:
            return  # another question of the same round
        longer = query.mute_seconds if known is None else known.seconds * 2
        seconds = min(longer, query.mute_longest)
        self._mutes[query.zone.name] = _Mute(now + seconds, seconds)
        _log.warning(
            "list_muted", list=query.zone.title, seconds=seconds, remedy=answer.detail,
            codes=answer.codes,
        )  # fmt: skip

    def _unmute(self, query: ListQuery) -> None:
        mute = self._mutes.get(query.zone.name)
        if mute is not None and self._clock.monotonic() >= mute.until:
            del self._mutes[query.zone.name]
            _log.info("list_serves_again", list=query.zone.title)


def dns_answerers(
    resolver: Resolver, clock: Clock, metrics: ListMetrics, keys: Mapping[str, str]
) -> dict[type, Answerer]:
    """Return who answers what stages ask of the DNS; nobody where look-ups are switched off."""
    if isinstance(resolver, NoResolver):
        return {}
    return {
        DnsQuestion: DnsAnswerer(resolver),
        ListQuery: ListAnswerer(resolver, clock, metrics, keys),
    }
