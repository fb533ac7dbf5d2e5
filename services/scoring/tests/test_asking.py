"""Stages that ask the outside, and those that weigh what others found."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pytest

from mailweir_core.asking import Asking
from mailweir_core.decision import Action
from mailweir_core.outcome import Lookup, Status
from mailweir_scoring.adapters.workers import ThreadWorkers
from mailweir_scoring.policy.facts import Facts, Found, Hit
from mailweir_scoring.policy.judgement import Judgement
from mailweir_scoring.policy.pipeline import AskingStage, Check, Stage, WeighingStage
from mailweir_scoring.policy.ruleset import Rule
from mailweir_scoring.walk import MOST_LOOKUPS, Task

Bench = Any  # tests/conftest.py; test modules cannot import it
Snapshot = Callable[..., Any]


@dataclass(frozen=True, slots=True)
class Question:
    """Asks for a word in capitals."""

    word: str


class Capitals:
    """Answers with capitals; `act` runs before."""

    def __init__(self, act: Callable[[], None] = lambda: None) -> None:
        self.rounds: list[tuple[str, ...]] = []
        self.act = act

    async def answer(self, questions: tuple[Question, ...], seconds: float) -> tuple[str, ...]:
        assert seconds > 0
        self.act()
        self.rounds.append(tuple(q.word for q in questions))
        return tuple(q.word.upper() for q in questions)

    def describe(self, question: Question, answer: str) -> Lookup | None:
        return None if question.word == "quiet" else Lookup("test", question.word, answer)


class Slow(Capitals):
    """Never answers."""

    async def answer(self, questions: tuple[Question, ...], seconds: float) -> tuple[str, ...]:
        await asyncio.Event().wait()
        return ()


def asks(*rounds: tuple[str, ...], symbol: str = "ASKED") -> AskingStage:
    def ask(facts: Facts) -> Asking[Found]:
        answers: list[str] = []
        for words in rounds:
            answers += yield tuple(Question(w) for w in words)
        found = tuple([Hit(symbol, " ".join(answers))] if answers else [])
        return Found(found, replace(facts, auth=tuple(answers)))

    return AskingStage("asking", frozenset({symbol}), ask)


def stage_of(judgement: Judgement, name: str) -> tuple[Status, str]:
    return next((s.status, s.detail) for s in judgement.stages if s.stage == name)


@pytest.mark.parametrize("inline", [65_536, 0])
async def test_answers_come_in_rounds_and_are_recorded(
    bench: Bench, snapshot: Snapshot, plain: bytes, inline: int
) -> None:
    answerer, workers = Capitals(), ThreadWorkers(1)
    engine = bench.engine(
        asks(("one", "two"), (), ("quiet",)),
        answerers={Question: answerer},
        workers=workers,
        inline_bytes=inline,
    )
    judgement = await engine.judge(Task(plain), snapshot())
    workers.close()
    assert answerer.rounds == [("one", "two"), ("quiet",)]
    assert [s.evidence for s in judgement.verdict.signals] == ["ONE TWO QUIET"]
    assert [(x.kind, x.question, x.answer) for x in judgement.lookups] == [
        ("test", "one", "ONE"), ("test", "two", "TWO"),
    ]  # fmt: skip
    assert stage_of(judgement, "asking") == (Status.HIT, "")


async def test_later_stages_see_what_it_found_out(
    bench: Bench, snapshot: Snapshot, plain: bytes
) -> None:
    seen: list[Any] = []

    def look(facts: Facts) -> list[Hit]:
        seen.append(facts.auth)
        return []

    engine = bench.engine(
        asks(("one",)),
        Stage("later", (Check(frozenset(), look),)),
        answerers={Question: Capitals()},
    )
    await engine.judge(Task(plain), snapshot())
    assert seen == [("ONE",)]


async def test_nothing_asked_wakes_nobody(bench: Bench, snapshot: Snapshot, plain: bytes) -> None:
    judgement = await bench.engine(asks()).judge(Task(plain), snapshot())
    assert stage_of(judgement, "asking") == (Status.OK, "")
    assert judgement.lookups == ()


async def test_an_answer_that_does_not_come_is_a_failure_of_the_stage(
    bench: Bench, snapshot: Snapshot, plain: bytes
) -> None:
    engine = bench.engine(
        asks(("one",)), bench.stage("after", "AFTER"), answerers={Question: Slow()}
    )
    policy = snapshot(stages={"asking": {"budget_seconds": 0.05}})
    judgement = await engine.judge(Task(plain), policy)
    status, detail = stage_of(judgement, "asking")
    assert (status, detail) == (Status.TEMPERROR, "over 0.05 s")
    assert [s.name for s in judgement.verdict.signals] == ["AFTER"]
    labels = {"stage": "asking", "cause": "overrun"}
    assert bench.sample("mailweir_scoring_stage_failures_total", **labels) == 1


async def test_a_late_answer_counts_for_nothing(
    bench: Bench, snapshot: Snapshot, plain: bytes
) -> None:
    late = Capitals(act=lambda: bench.clock.advance(2.0))
    engine = bench.engine(asks(("one",)), answerers={Question: late})
    judgement = await engine.judge(Task(plain), snapshot())
    assert stage_of(judgement, "asking")[0] is Status.TEMPERROR
    assert judgement.verdict.signals == ()


async def test_the_record_of_lookups_is_bounded(
    bench: Bench, snapshot: Snapshot, plain: bytes
) -> None:
    words = tuple(f"w{n}" for n in range(MOST_LOOKUPS + 50))
    engine = bench.engine(asks(words), answerers={Question: Capitals()})
    judgement = await engine.judge(Task(plain), snapshot())
    assert len(judgement.lookups) == MOST_LOOKUPS


async def test_a_question_nobody_answers_is_named(
    bench: Bench, snapshot: Snapshot, plain: bytes
) -> None:
    judgement = await bench.engine(asks(("one",))).judge(Task(plain), snapshot())
    status, detail = stage_of(judgement, "asking")
    assert status is Status.TEMPERROR
    assert "Question" in detail


async def test_a_weighing_stage_sees_the_hits_and_can_stand_for_them(
    bench: Bench, snapshot: Snapshot, plain: bytes
) -> None:
    def weigh(_facts: Facts, hits: Sequence[Hit]) -> Found:
        return Found((Hit("BOTH"),), silenced=frozenset(h.symbol for h in hits))

    engine = bench.engine(
        bench.stage("one", "A1A", "B1B"), WeighingStage("weighing", frozenset({"BOTH"}), weigh)
    )
    judgement = await engine.judge(Task(plain), snapshot())
    assert {s.name: s.score for s in judgement.verdict.signals} == {
        "A1A": 0.0, "B1B": 0.0, "BOTH": 4.0,
    }  # fmt: skip
    assert judgement.verdict.score == 4.0


async def test_rules_made_from_the_policy_count_and_have_one_metric(
    bench: Bench, snapshot: Snapshot, plain: bytes
) -> None:
    stage = asks(("one",), symbol="LIST_OWN")
    engine = bench.engine(
        AskingStage("asking", frozenset(), stage.ask),
        answerers={Question: Capitals()},
        policy_rules=lambda _policy: [Rule("LIST_OWN", 3.0, "lists", "on a list")],
    )
    judgement = await engine.judge(Task(plain), snapshot())
    assert judgement.verdict.score == 3.0
    assert bench.sample("mailweir_scoring_signal_hits_total", signal="other") == 1


async def test_a_new_kit_judges_the_next_message(
    bench: Bench, snapshot: Snapshot, plain: bytes
) -> None:
    engine, current = bench.engine(bench.stage("one", "A1A")), snapshot()
    before = await engine.judge(Task(plain), current)
    old = engine.kit
    worth = replace(old.rules.rules["A1A"], score=1.5)
    engine.kit = replace(old, rules=replace(old.rules, rules={"A1A": worth}, version="rules2"))
    after = await engine.judge(Task(plain), current)
    assert (before.verdict.score, after.verdict.score) == (4.0, 1.5)
    assert after.versions.rules == "rules2"


async def test_a_stage_that_could_not_find_out_fails_by_its_policy(
    bench: Bench, snapshot: Snapshot, plain: bytes
) -> None:
    def ask(facts: Facts) -> Asking[Found]:
        yield (Question("one"),)
        return Found(failure="nobody knows")

    engine = bench.engine(AskingStage("asking", frozenset(), ask), answerers={Question: Capitals()})
    policy = snapshot(stages={"asking": {"on_failure": "tempfail"}})
    judgement = await engine.judge(Task(plain), policy)
    assert stage_of(judgement, "asking") == (Status.TEMPERROR, "nobody knows")
    assert judgement.verdict.action is Action.DEFER
    assert judgement.detail == "asking: nobody knows"
    labels = {"stage": "asking", "cause": "unanswered"}
    assert bench.sample("mailweir_scoring_stage_failures_total", **labels) == 1
