"""What the session's checks found, in the verdict."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from mailweir_core.asking import drive
from mailweir_core.outcome import Outcome, Signal, Status
from mailweir_scoring.policy import edge
from mailweir_scoring.policy.facts import Facts
from mailweir_scoring.policy.ruleset import Rule, RuleSet
from mailweir_scoring.walk import Task

Bench = Any  # tests/conftest.py; test modules cannot import it
Snapshot = Callable[..., Any]

NO_NAME = Signal("NO_PTR", 1.5, "edge", "The client has no name")
LISTED = Signal("LIST_BL", 4.0, "lists", "Listed by Blocklist", "192.0.2.1")
UNPROVEN = Signal(edge.ALLOW_UNPROVEN, 0.0, "edge", "On an allow list", "system")


def outcome(*signals: Signal, status: Status = Status.HIT, detail: str = "") -> Outcome:
    return Outcome("reputation", status, signals, detail=detail, seconds=0.2)


async def judged(
    bench: Bench, snapshot: Snapshot, raw: bytes, *outcomes: Outcome, **policy: object
) -> Any:
    engine = bench.engine(edge.STAGE)
    return await engine.judge(Task(raw, outcomes=outcomes), snapshot(**policy))


async def test_the_sessions_findings_count(bench: Bench, snapshot: Snapshot, plain: bytes) -> None:
    judgement = await judged(bench, snapshot, plain, outcome(NO_NAME), outcome(LISTED))
    assert judgement.verdict.score == 5.5
    assert [(s.name, s.score, s.group) for s in judgement.verdict.signals] == [
        ("LIST_BL", 4.0, "lists"),
        ("NO_PTR", 1.5, "edge"),
    ]
    assert judgement.verdict.signals[0].evidence == "192.0.2.1"


async def test_an_own_score_of_the_policy_replaces_theirs(
    bench: Bench, snapshot: Snapshot, plain: bytes
) -> None:
    judgement = await judged(
        bench,
        snapshot,
        plain,
        outcome(NO_NAME, LISTED),
        signal_scores={"NO_PTR": 0.0, "LIST_BL": 1.0},
    )
    assert [(s.name, s.score) for s in judgement.verdict.signals] == [("LIST_BL", 1.0)]


async def test_the_next_message_does_not_inherit_them(
    bench: Bench, snapshot: Snapshot, plain: bytes
) -> None:
    engine = bench.engine(edge.STAGE)
    current = snapshot()
    await engine.judge(Task(plain, outcomes=(outcome(LISTED),)), current)
    assert (await engine.judge(Task(plain), current)).verdict.signals == ()


async def test_a_lost_check_is_named_by_the_verdict(
    bench: Bench, snapshot: Snapshot, plain: bytes
) -> None:
    away = outcome(status=Status.TEMPERROR, detail="unavailable")
    absent = Outcome("greylist", Status.SKIPPED, detail="not deployed")
    judgement = await judged(bench, snapshot, plain, away, absent)
    assert ("reputation", Status.TEMPERROR, "unavailable") in [
        (run.stage, run.status, run.detail) for run in judgement.stages
    ]
    status = next(h.value for h in judgement.headers if h.name == "X-Spam-Status")
    assert "skipped=reputation " in status.replace("\n", "")


async def test_a_lost_check_does_not_lose_the_verdict(
    bench: Bench, snapshot: Snapshot, plain: bytes
) -> None:
    judgement = await judged(bench, snapshot, plain, outcome(status=Status.TEMPERROR))
    assert judgement.status is Status.OK


@pytest.mark.parametrize(
    ("score", "counted"), [(1000.0, 10.0), (-1000.0, -10.0), (3.0, 3.0)], ids=str
)
def test_no_finding_of_the_edge_decides_alone(score: float, counted: float) -> None:
    found = edge.with_findings(RuleSet({}, ""), [outcome(Signal("X_ONE", score, "lists"))])
    assert found.rules["X_ONE"].score == counted


def test_a_group_that_is_not_the_edges_is_not_believed() -> None:
    found = edge.with_findings(RuleSet({}, ""), [outcome(Signal("X_ONE", 3.0, "statistics"))])
    assert found.rules["X_ONE"].group == edge.GROUP


def test_an_own_rule_is_kept() -> None:
    own = RuleSet({"NO_PTR": Rule("NO_PTR", 0.5, "headers", "Ours")}, "v")
    assert edge.with_findings(own, [outcome(NO_NAME)]) is own


def test_findings_are_bounded() -> None:
    many = outcome(*(Signal(f"X_{n}", 1.0, "edge") for n in range(edge.MOST_SIGNALS + 5)))
    assert len(edge.with_findings(RuleSet({}, ""), [many]).rules) == edge.MOST_SIGNALS


@pytest.mark.parametrize(
    ("aligned", "symbols"),
    [
        (True, [edge.ALLOW_UNPROVEN, edge.ALLOWED_SENDER]),
        (False, [edge.ALLOW_UNPROVEN]),
        (None, [edge.ALLOW_UNPROVEN]),
    ],
)
def test_an_allowed_name_counts_only_with_a_proof(aligned: bool | None, symbols: list[str]) -> None:
    auth = None if aligned is None else SimpleNamespace(aligned=aligned)
    facts: Any = SimpleNamespace(auth=auth, outcomes=(outcome(UNPROVEN),))
    found = drive(edge.found(facts), lambda _: ())
    assert [hit.symbol for hit in found.hits] == symbols


def test_without_a_session_there_is_nothing() -> None:
    facts: Any = SimpleNamespace(auth=None, outcomes=())
    assert drive(edge.found(facts), lambda _: ()).hits == ()
    assert Facts.__dataclass_fields__["outcomes"].default == ()
