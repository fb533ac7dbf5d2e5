"""The DNS behind lists: keys, time-outs, mutes, and what is told of them."""

import pytest
from prometheus_client import CollectorRegistry

from mailweir_core.clock import ManualClock
from mailweir_core.dns import DnsAnswer, DnsQuestion, DnsStatus, RecordType
from mailweir_policy.answers import ListStatus
from mailweir_policy.lists import ListZone
from mailweir_runtime.dns import ZoneResolver
from mailweir_scoring.adapters.resolver import (
    MARGIN_SECONDS,
    ROUND_SECONDS,
    DnsAnswerer,
    ListAnswerer,
    time_for,
)
from mailweir_scoring.list_metrics import declare_lists
from mailweir_scoring.policy.lists import ListQuery


def zone(name: str = "bl", **more: object) -> ListZone:
    return ListZone.model_validate(
        {
            "name": name,
            "zone": f"{name}.example",
            "kinds": {"domain"},
            "checks": {"urls"},
            **more,
        }
    )


def query(of: ListZone, item: str = "bad.example") -> ListQuery:
    return ListQuery(item, of, item, mute_seconds=300.0, mute_longest=1000.0)


class Bench:
    def __init__(self, records: dict[str, str], keys: dict[str, str] | None = None) -> None:
        self.registry = CollectorRegistry()
        self.clock = ManualClock()
        self.records = {name: {RecordType.A: (code,)} for name, code in records.items()}
        self.resolver = ZoneResolver(self.records, failing=["bad.sick.example"])
        metrics = declare_lists(self.registry)
        self.answerer = ListAnswerer(self.resolver, self.clock, metrics, keys or {})

    async def ask(self, *queries: ListQuery) -> list[ListStatus]:
        return [a.status for a in await self.answerer.answer(queries, 2.0)]

    def metric(self, name: str, **labels: str) -> float | None:
        return self.registry.get_sample_value(f"mailweir_scoring_{name}", labels)


async def test_listed_clear_and_failed() -> None:
    bench = Bench({"bad.bl.example": "127.0.0.2"})
    statuses = await bench.ask(
        query(zone()), query(zone(), "good.example"), query(zone("sick", timeout_seconds=0.5))
    )
    assert statuses == [ListStatus.CLEAR, ListStatus.CLEAR, ListStatus.CLEAR]
    assert [q.name for q in bench.resolver.asked] == [
        "bad.example.bl.example", "good.example.bl.example", "bad.example.sick.example",
    ]  # fmt: skip
    statuses = await bench.ask(
        query(zone(), "bad"), query(zone(), "good"), query(zone("sick"), "bad")
    )
    assert statuses == [ListStatus.LISTED, ListStatus.CLEAR, ListStatus.FAILED]
    assert bench.metric("list_answers_total", status="listed") == 1.0
    assert bench.metric("list_answers_total", status="failed") == 1.0
    assert bench.metric("list_answers_total", status="muted") == 0.0


async def test_a_list_that_does_not_serve_us_is_muted_for_longer_each_time() -> None:
    bench = Bench({"bad.bl.example": "127.255.255.254"})
    ask = query(zone(), "bad")
    assert await bench.ask(ask, query(zone(), "other")) == [ListStatus.REFUSED, ListStatus.CLEAR]
    assert bench.metric("muted_lists") == 1.0
    for seconds in (300.0, 600.0, 1000.0, 1000.0):
        bench.clock.advance(seconds - 1)
        assert await bench.ask(ask) == [ListStatus.MUTED]
        bench.clock.advance(1)
        assert await bench.ask(ask) == [ListStatus.REFUSED]


async def test_a_list_that_serves_again_is_unmuted() -> None:
    bench = Bench({"bad.bl.example": "127.0.0.1"})
    ask = query(zone(), "bad")
    await bench.ask(ask)
    bench.clock.advance(300)
    bench.records["bad.bl.example"] = {RecordType.A: ("127.0.0.2",)}
    assert await bench.ask(ask) == [ListStatus.LISTED]
    assert bench.metric("muted_lists") == 0.0


async def test_a_key_goes_into_the_name_and_nowhere_else(
    capsys: pytest.CaptureFixture[str],
) -> None:
    bench = Bench({"bad.s3cret.bl.example": "127.255.255.255"}, {"bl-key": "s3cret"})
    ask = query(zone(key_secret="bl-key", display="The list"), "bad")
    (answer,) = await bench.answerer.answer((ask,), 2.0)
    assert answer.status is ListStatus.REFUSED
    lookup = bench.answerer.describe(ask, answer)
    assert (lookup.kind, lookup.question) == ("list", "The list: bad")
    assert "resolver of your own" in lookup.answer
    told = capsys.readouterr()
    assert "s3cret" not in f"{lookup} {told.out} {told.err}"


async def test_a_key_that_is_not_there_is_no_question() -> None:
    bench = Bench({})
    assert await bench.ask(query(zone(key_secret="gone"))) == [ListStatus.FAILED]
    assert bench.resolver.asked == []


async def test_names_are_answered_and_described() -> None:
    answerer = DnsAnswerer(ZoneResolver({"example.org": {RecordType.TXT: ("v=spf1 -all",)}}))
    found, none = (DnsQuestion(n, RecordType.TXT) for n in ("example.org", "none.example"))
    answers = await answerer.answer((found, none), 1.0)
    assert [a.status for a in answers] == [DnsStatus.OK, DnsStatus.NXDOMAIN]
    told = [answerer.describe(q, a) for q, a in zip((found, none), answers, strict=True)]
    assert [(t.question, t.answer) for t in told] == [
        ("example.org TXT", "ok v=spf1 -all"),
        ("none.example TXT", "nxdomain"),
    ]
    failed = DnsAnswer(DnsStatus.TEMPERROR, detail="no answer in time")
    assert answerer.describe(found, failed).answer == "temperror no answer in time"
    long = DnsAnswer(DnsStatus.OK, ("x" * 5000,))
    assert len(answerer.describe(found, long).answer) < 210


def test_a_round_leaves_time_to_its_stage() -> None:
    assert time_for(10.0) == ROUND_SECONDS
    assert time_for(1.0) == pytest.approx(1.0 - MARGIN_SECONDS)
    assert time_for(0.01) == 0.0
