"""SpamAssassin's rules in the service: read at the start, scored, capped, counted, switched off."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry
from structlog.testing import capture_logs

from mailweir_core.decision import Action
from mailweir_core.outcome import Status
from mailweir_policy import ScoringPolicy
from mailweir_runtime.config import PolicySnapshot
from mailweir_runtime.lifecycle import StartupError
from mailweir_scoring.adapters.spamassassin import RuleWatch, read_spamassassin
from mailweir_scoring.adapters.workers import InlineWorkers
from mailweir_scoring.app import build_engine, load_kit, warn_of_unknown_names
from mailweir_scoring.engine import Engine
from mailweir_scoring.metrics import declare
from mailweir_scoring.policy.judgement import Judgement
from mailweir_scoring.policy.spamassassin import GROUP
from mailweir_scoring.ports import RulesUnreadable
from mailweir_scoring.settings import Settings
from mailweir_scoring.walk import Task
from mailweir_spamassassin.rulebook import RuleHit, RunResult, SlowRule
from mailweir_testkit.runtime import running_runtime

Snapshot = Callable[..., PolicySnapshot]
RULES = """
header SUBJECT_WARE Subject =~ /\\bware\\b/i
describe SUBJECT_WARE Offers ware
score SUBJECT_WARE 2.5
body ONE /one/
score ONE 5
body TWO /two/
score TWO 5
body THREE /three/
score THREE 50
body GTUBE /never/
"""
WARE = (
    b"From: Ann <ann@example.net>\r\nTo: bob@example.com\r\nSubject: ware\r\n"
    b"Date: Sun, 15 Jun 2025 15:00:00 +0000\r\nMessage-ID: <1@example.net>\r\n\r\nAt noon?\r\n"
)
ALL = WARE.replace(b"noon", b"one two three")


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    place = tmp_path / "rules"
    place.mkdir()
    (place / "10_own.cf").write_text(RULES)
    return place


@pytest.fixture
async def engine(directory: Path, tmp_path: Path) -> AsyncIterator[Engine]:
    settings = Settings(
        spamassassin_dir=str(directory),
        spamassassin_cache_dir=tmp_path / "cache",
    )
    async with made(settings) as engine:
        yield engine


@asynccontextmanager
async def made(settings: Settings) -> AsyncIterator[Engine]:
    async with running_runtime("scoring", settings) as rt:
        yield build_engine(rt, settings, load_kit(settings), InlineWorkers())


def stage(judgement: Judgement) -> str:
    return next((str(run.status) for run in judgement.stages if run.stage == GROUP), "absent")


async def test_a_rule_is_scored_and_named(engine: Engine, snapshot: Snapshot) -> None:
    judgement = await engine.judge(Task(WARE), snapshot())
    (signal,) = [s for s in judgement.verdict.signals if s.group == GROUP]
    assert (signal.name, signal.score, signal.evidence) == ("SUBJECT_WARE", 2.5, "ware")
    assert signal.description == "Offers ware"
    status = next(h.value for h in judgement.headers if h.name == "X-Spam-Status")
    assert "SUBJECT_WARE" in status
    assert stage(judgement) == Status.HIT


@pytest.mark.parametrize(
    ("policy", "counted"),
    [
        ({}, 12.0),
        ({"group_caps": {}}, 12.0),
        ({"group_caps": {GROUP: 7.0}}, 7.0),
        ({"spamassassin": {"max_score": 3.0}}, 3.0),
    ],
)
async def test_together_they_are_capped(
    engine: Engine, snapshot: Snapshot, policy: dict[str, object], counted: float
) -> None:
    judgement = await engine.judge(Task(ALL), snapshot(**policy))
    (group,) = [g for g in judgement.verdict.groups if g.group == GROUP]
    assert (group.total, group.counted) == (18.0, counted)
    assert judgement.verdict.action is not Action.REJECT


async def test_the_policy_switches_them_off(engine: Engine, snapshot: Snapshot) -> None:
    off = await engine.judge(Task(ALL), snapshot(spamassassin={"enabled": False}))
    assert [s.name for s in off.verdict.signals if s.group == GROUP] == []
    assert stage(off) == Status.OK
    stage_off = await engine.judge(Task(ALL), snapshot(stages={GROUP: {"enabled": False}}))
    assert stage(stage_off) == Status.SKIPPED
    scored = await engine.judge(Task(WARE), snapshot(signal_scores={"SUBJECT_WARE": 0.5}))
    assert [s.score for s in scored.verdict.signals if s.group == GROUP] == [0.5]


async def test_what_happens_is_counted(engine: Engine, snapshot: Snapshot) -> None:
    await engine.judge(Task(ALL), snapshot())
    metrics = engine.tools.metrics.spamassassin
    assert metrics.hits._value.get() == 4
    states = {s.labels["state"]: s.value for s in next(iter(metrics.rules.collect())).samples}
    assert states == {"running": 5, "network": 0, "idle": 0, "alone": 0}


async def test_without_a_directory_there_is_no_stage(snapshot: Snapshot) -> None:
    async with made(Settings()) as engine:
        judgement = await engine.judge(Task(ALL), snapshot())
        assert engine.kit.spamassassin is None
    assert stage(judgement) == "absent"


async def test_their_names_are_known_to_the_policy(engine: Engine, snapshot: Snapshot) -> None:
    with capture_logs() as logs:
        warn_of_unknown_names(engine.kit, snapshot(signal_scores={"ONE": 1, "SA_GTUBE": 1}))
        warn_of_unknown_names(engine.kit, snapshot(signal_scores={"ZERO": 1}))
    assert [line["names"] for line in logs] == [("ZERO",)]


def test_wrong_lines_end_the_start_with_their_place(directory: Path) -> None:
    (directory / "20_bad.cf").write_text("body OPEN /(/\nscore OPEN 1\nbody\n")
    settings = Settings(spamassassin_dir=str(directory))
    with pytest.raises(StartupError) as caught:
        load_kit(settings)
    lines = str(caught.value).splitlines()
    assert lines[0].startswith("spamassassin_dir: ")
    assert [line.rpartition("20_bad.cf:")[2][:2] for line in lines] == ["3:", "1:"]


def test_a_directory_without_rules_ends_the_start(tmp_path: Path) -> None:
    for place in (tmp_path, tmp_path / "nowhere"):
        settings = Settings(spamassassin_dir=str(place))
        with pytest.raises(StartupError, match="spamassassin_dir: "):
            load_kit(settings)


def test_several_directories_and_what_can_be_forgiven(directory: Path, tmp_path: Path) -> None:
    over = tmp_path / "over"
    over.mkdir()
    (over / "a.cf").write_text("score ONE 0.5\nbody OPEN /(/\n")
    with pytest.raises(RulesUnreadable, match="OPEN"):
        read_spamassassin((directory, over), frozenset())
    module = read_spamassassin((directory, over), frozenset({"ONE"}), strict=False)
    assert module.book.files.score_of("ONE")[0] == 0.5
    assert module.symbol("ONE") == "SA_ONE"


async def test_a_message_is_judged_the_same_with_a_filled_cache(
    directory: Path, tmp_path: Path, snapshot: Callable[..., PolicySnapshot]
) -> None:
    found = []
    for _ in range(2):
        settings = Settings(
            spamassassin_dir=str(directory),
            spamassassin_cache_dir=tmp_path / "c",
        )
        async with made(settings) as engine:
            found.append((await engine.judge(Task(ALL), snapshot())).verdict.signals)
    assert found[0] == found[1]


def test_a_slow_rule_is_named_once_and_counted_each_time() -> None:
    metrics = declare(CollectorRegistry()).spamassassin
    watch = RuleWatch(metrics)
    result = RunResult(
        (RuleHit("A", 1.0, ""),), slow=(SlowRule("S", 0.1, False), SlowRule("T", 0.2, True))
    )
    with capture_logs() as logs:
        watch.ran(result)
        watch.ran(result)
        watch.loaded(None)
    assert [(line["rule"], line["what"]) for line in logs] == [("S", "slow"), ("T", "stopped")]
    assert {t: c._value.get() for t, c in metrics.troubles.items()} == {"slow": 2, "stopped": 2}


def test_the_default_cap_is_the_same_in_both_places() -> None:
    policy = ScoringPolicy()
    assert policy.group_caps[GROUP] == policy.spamassassin.max_score
    assert policy.cap(GROUP) == policy.spamassassin.max_score < (policy.thresholds.reject or 0)
    assert (policy.cap("words"), policy.cap("gtube")) == (4.5, None)
