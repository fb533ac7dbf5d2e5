"""The pipeline's running: order, budgets, failing stages, early ends, and what is counted."""

import threading
from collections.abc import Callable
from typing import Any

import pytest

from mailweir_core.decision import Action
from mailweir_core.outcome import Status
from mailweir_core.reasons import Reason
from mailweir_scoring.adapters.workers import ThreadWorkers
from mailweir_scoring.policy.judgement import Judgement
from mailweir_scoring.walk import Task

Bench = Any  # tests/conftest.py; test modules cannot import it
Snapshot = Callable[..., Any]


def ended(judgement: Judgement) -> dict[str, Status]:
    return {s.stage: s.status for s in judgement.stages}


def details(judgement: Judgement) -> dict[str, str]:
    return {s.stage: s.detail for s in judgement.stages if s.detail}


def boom() -> None:
    raise RuntimeError("a bug")


async def test_stages_run_in_order_and_add_up(
    bench: Bench, snapshot: Snapshot, plain: bytes
) -> None:
    seen: list[str] = []
    engine = bench.engine(
        bench.stage("one", "A1A", act=lambda: seen.append("one")),
        bench.stage("two", "B1B", act=lambda: seen.append("two")),
        bench.stage("three", act=lambda: seen.append("three")),
    )
    judgement = await engine.judge(Task(plain), snapshot())
    assert seen == ["one", "two", "three"]
    assert judgement.verdict.score == 8.0
    assert judgement.verdict.action is Action.HOLD
    assert judgement.status is Status.HIT
    assert ended(judgement) == {
        "parse": Status.OK, "one": Status.HIT, "two": Status.HIT, "three": Status.OK,
    }  # fmt: skip


async def test_the_record_tells_what_judged(bench: Bench, snapshot: Snapshot, plain: bytes) -> None:
    judgement = await bench.engine(bench.stage("one", "A1A")).judge(Task(plain), snapshot())
    versions = judgement.versions
    assert (versions.config, versions.rules, versions.model) == ("v.7", "rules1", "")
    assert versions.program == "0.1.0"
    assert judgement.thresholds.tag == 6.0
    summary = judgement.summary
    assert (summary.subject, summary.message_id) == ("Lunch", "<1@example.net>")
    assert summary.from_address == "ann@example.net"
    assert [h.name for h in judgement.headers] == [
        "X-Spam-Flag", "X-Spam-Score", "X-Spam-Level", "X-Spam-Status",
    ]  # fmt: skip


async def test_nothing_found_is_ok(bench: Bench, snapshot: Snapshot, plain: bytes) -> None:
    judgement = await bench.engine(bench.stage("one")).judge(Task(plain), snapshot())
    assert judgement.status is Status.OK
    assert judgement.verdict.reason is Reason.CLEAN


async def test_a_signal_in_a_message_s_favour_is_no_hit(
    bench: Bench, snapshot: Snapshot, plain: bytes
) -> None:
    engine = bench.engine(bench.stage("one", "GOOD"), GOOD=-1.0)
    judgement = await engine.judge(Task(plain), snapshot())
    assert judgement.status is Status.OK
    assert judgement.verdict.score == -1.0


async def test_a_stage_that_is_switched_off_is_named(
    bench: Bench, snapshot: Snapshot, plain: bytes
) -> None:
    engine = bench.engine(bench.stage("one", "A1A", act=boom), bench.stage("two"))
    judgement = await engine.judge(Task(plain), snapshot(stages={"one": {"enabled": False}}))
    assert ended(judgement)["one"] is Status.SKIPPED
    assert details(judgement) == {"one": "switched off"}
    status = next(h.value for h in judgement.headers if h.name == "X-Spam-Status")
    assert "skipped=one" in status


async def test_with_every_stage_off_the_summary_is_there_all_the_same(
    bench: Bench, snapshot: Snapshot, plain: bytes
) -> None:
    engine = bench.engine(bench.stage("one", "A1A", act=boom), bench.stage("two", "B1B", act=boom))
    off = {"one": {"enabled": False}, "two": {"enabled": False}}
    judgement = await engine.judge(Task(plain), snapshot(stages=off))
    assert ended(judgement) == {
        "parse": Status.OK, "one": Status.SKIPPED, "two": Status.SKIPPED,
    }  # fmt: skip
    assert judgement.verdict.action is Action.ACCEPT
    assert judgement.summary.subject == "Lunch"


async def test_a_stage_that_raises_is_skipped_named_and_counted(
    bench: Bench, snapshot: Snapshot, plain: bytes
) -> None:
    engine = bench.engine(bench.stage("one", "A1A", act=boom), bench.stage("two", "B1B"))
    judgement = await engine.judge(Task(plain), snapshot())
    assert ended(judgement)["one"] is Status.TEMPERROR
    assert details(judgement)["one"] == "RuntimeError: a bug"
    assert [s.name for s in judgement.verdict.signals] == ["B1B"]
    assert judgement.verdict.action is Action.ACCEPT
    assert judgement.detail == "one: RuntimeError: a bug"
    name = "mailweir_scoring_stage_failures_total"
    assert bench.sample(name, stage="one", cause="raised") == 1
    assert bench.sample(name, stage="two", cause="raised") == 0


async def test_a_failure_may_ask_the_client_to_come_again(
    bench: Bench, snapshot: Snapshot, plain: bytes
) -> None:
    engine = bench.engine(bench.stage("one", act=boom), bench.stage("two", "B1B"))
    judgement = await engine.judge(
        Task(plain), snapshot(stages={"one": {"on_failure": "tempfail"}})
    )
    assert judgement.status is Status.TEMPERROR
    assert judgement.verdict.action is Action.DEFER
    assert judgement.verdict.reason is Reason.SCORING_UNAVAILABLE
    assert judgement.headers == ()
    assert ended(judgement)["two"] is Status.HIT


async def test_a_failure_may_hold_the_message(
    bench: Bench, snapshot: Snapshot, plain: bytes
) -> None:
    engine = bench.engine(bench.stage("one", act=boom), bench.stage("two", "B1B"))
    judgement = await engine.judge(Task(plain), snapshot(stages={"one": {"on_failure": "hold"}}))
    assert judgement.status is Status.HIT
    assert judgement.verdict.action is Action.HOLD
    assert judgement.verdict.reason is Reason.UNSCANNED


async def test_what_is_spam_enough_without_a_stage_keeps_its_reason(
    bench: Bench, snapshot: Snapshot, plain: bytes
) -> None:
    engine = bench.engine(bench.stage("one", act=boom), bench.stage("two", "B1B"), B1B=9.0)
    judgement = await engine.judge(Task(plain), snapshot(stages={"one": {"on_failure": "hold"}}))
    assert (judgement.verdict.action, judgement.verdict.reason) == (Action.HOLD, Reason.SPAM)


@pytest.mark.parametrize("follows", ["skip", "tempfail", "hold"])
async def test_no_failure_saves_what_is_rejected(
    bench: Bench, snapshot: Snapshot, plain: bytes, follows: str
) -> None:
    engine = bench.engine(bench.stage("one", act=boom), bench.stage("two", "B1B"), B1B=20.0)
    judgement = await engine.judge(Task(plain), snapshot(stages={"one": {"on_failure": follows}}))
    assert (judgement.status, judgement.verdict.action) == (Status.HIT, Action.REJECT)


async def test_the_gravest_of_several_failures_counts(
    bench: Bench, snapshot: Snapshot, plain: bytes
) -> None:
    engine = bench.engine(bench.stage("one", act=boom), bench.stage("two", act=boom))
    stages = {"one": {"on_failure": "hold"}, "two": {"on_failure": "tempfail"}}
    judgement = await engine.judge(Task(plain), snapshot(stages=stages))
    assert judgement.status is Status.TEMPERROR
    assert judgement.detail == "one: RuntimeError: a bug; two: RuntimeError: a bug"


async def test_a_stage_over_its_budget_gives_nothing(
    bench: Bench, snapshot: Snapshot, plain: bytes
) -> None:
    slow = bench.stage("slow", "A1A", act=lambda: bench.clock.advance(1.5))
    judgement = await bench.engine(slow, bench.stage("two", "B1B")).judge(Task(plain), snapshot())
    assert details(judgement) == {"slow": "over 1 s"}
    assert [s.name for s in judgement.verdict.signals] == ["B1B"]
    name = "mailweir_scoring_stage_failures_total"
    assert bench.sample(name, stage="slow", cause="overrun") == 1


async def test_a_budget_is_the_policy_s(bench: Bench, snapshot: Snapshot, plain: bytes) -> None:
    slow = bench.stage("slow", "A1A", act=lambda: bench.clock.advance(1.5))
    policy = snapshot(stages={"slow": {"budget_seconds": 2}})
    judgement = await bench.engine(slow).judge(Task(plain), policy)
    assert ended(judgement)["slow"] is Status.HIT
    assert next(s.seconds for s in judgement.stages if s.stage == "slow") == 1.5


async def test_past_the_whole_budget_the_client_comes_again(
    bench: Bench, snapshot: Snapshot, plain: bytes
) -> None:
    slow = bench.stage("slow", "A1A", act=lambda: bench.clock.advance(3.0))
    late = bench.stage("late", "B1B", act=boom)
    policy = snapshot(budget_seconds=2, stages={"slow": {"budget_seconds": 9}})
    judgement = await bench.engine(slow, late).judge(Task(plain), policy)
    assert judgement.status is Status.TEMPERROR
    assert details(judgement) == {"slow": "over 2 s", "late": "no time left"}
    name = "mailweir_scoring_stage_failures_total"
    assert bench.sample(name, stage="late", cause="deadline") == 1


async def test_the_caller_s_deadline_counts_where_it_is_nearer(
    bench: Bench, snapshot: Snapshot, plain: bytes
) -> None:
    slow = bench.stage("slow", "A1A", act=lambda: bench.clock.advance(0.4))
    engine = bench.engine(slow, bench.stage("late", "B1B"))
    deadline = bench.clock.monotonic() + 0.3
    judgement = await engine.judge(Task(plain), snapshot(), deadline)
    assert details(judgement) == {"slow": "over 0.3 s", "late": "no time left"}
    assert judgement.status is Status.TEMPERROR


async def test_a_costly_stage_is_spared_once_all_is_decided(
    bench: Bench, snapshot: Snapshot, plain: bytes
) -> None:
    costly = bench.stage("costly", "B1B", act=boom, costly=True)
    engine = bench.engine(bench.stage("one", "A1A"), costly, A1A=15.0)
    judgement = await engine.judge(Task(plain), snapshot())
    assert details(judgement) == {"costly": "already decided"}
    tagged = await bench.engine(bench.stage("one", "A1A"), costly, A1A=14.9).judge(
        Task(plain), snapshot()
    )
    assert details(tagged) == {"costly": "RuntimeError: a bug"}
    open_case = await bench.engine(bench.stage("one"), costly).judge(Task(plain), snapshot())
    assert details(open_case) == {"costly": "RuntimeError: a bug"}


async def test_big_messages_leave_the_loop(bench: Bench, snapshot: Snapshot, plain: bytes) -> None:
    threads: list[int] = []
    stage = bench.stage("one", act=lambda: threads.append(threading.get_ident()))
    pool = ThreadWorkers(1)
    engine = bench.engine(stage, workers=pool, inline_bytes=len(plain))
    await engine.judge(Task(plain), snapshot())
    await engine.judge(Task(plain + b"x"), snapshot())
    pool.close()
    assert threads[0] == threading.get_ident()
    assert threads[1] != threading.get_ident()


async def test_a_stage_that_hangs_in_a_thread_is_left_behind(
    bench: Bench, snapshot: Snapshot, plain: bytes
) -> None:
    gate = threading.Event()
    hanging = bench.stage("hanging", "A1A", act=gate.wait)
    pool = ThreadWorkers(2)
    engine = bench.engine(hanging, bench.stage("two", "B1B"), workers=pool, inline_bytes=0)
    policy = snapshot(stages={"hanging": {"budget_seconds": 0.05}})
    judgement = await engine.judge(Task(plain), policy)
    assert details(judgement) == {"hanging": "over 0.05 s"}
    assert [s.name for s in judgement.verdict.signals] == ["B1B"]
    assert bench.sample("mailweir_scoring_abandoned_stages") == 1
    gate.set()
    pool.close()


async def test_what_is_judged_is_counted(bench: Bench, snapshot: Snapshot, plain: bytes) -> None:
    engine = bench.engine(bench.stage("one", "A1A", "B1B"))
    assert bench.sample("mailweir_scoring_messages_total", action="tag") == 0
    assert bench.sample("mailweir_scoring_signal_hits_total", signal="A1A") == 0
    await engine.judge(Task(plain), snapshot())
    assert bench.sample("mailweir_scoring_messages_total", action="hold") == 1
    assert bench.sample("mailweir_scoring_signal_hits_total", signal="A1A") == 1
    assert bench.sample("mailweir_scoring_message_bytes_sum") == len(plain)
    assert bench.sample("mailweir_scoring_score_points_bucket", le="8.0") == 1
    assert bench.sample("mailweir_scoring_score_points_bucket", le="6.0") == 0
    assert bench.sample("mailweir_scoring_stage_seconds_count", stage="one") == 1


async def test_a_message_that_could_not_be_judged_is_counted_too(
    bench: Bench, snapshot: Snapshot
) -> None:
    judgement = bench.engine(bench.stage("one")).unjudged(snapshot(), 17, "nobody knows")
    assert judgement.status is Status.TEMPERROR
    assert judgement.detail == "nobody knows"
    assert bench.sample("mailweir_scoring_messages_total", action="defer") == 1


async def test_facts_carry_envelope_time_and_who_we_are(
    bench: Bench, snapshot: Snapshot, plain: bytes, envelope: Any
) -> None:
    from mailweir_scoring.policy.pipeline import Check, Stage

    seen: list[Any] = []
    stage = Stage("look", (Check(frozenset(), lambda facts: seen.append(facts) or ()),))
    engine = bench.engine(stage)
    await engine.judge(Task(plain, envelope), snapshot())
    await engine.judge(Task(plain), snapshot())
    live, from_file = seen
    assert live.now == envelope.received_at
    assert live.envelope is envelope
    assert live.identity.local_domains == {"example.com"}
    assert live.identity.hostname == "mailweir.example.com"
    assert from_file.envelope is None
    assert from_file.now == bench.clock.now()
