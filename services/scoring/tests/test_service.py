"""gRPC over a unix socket: the contract that the ingress relies on."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from structlog.testing import capture_logs

from mailweir.common.v1 import common_pb2
from mailweir.scoring.v1 import scoring_pb2 as pb, scoring_pb2_grpc
from mailweir_core.record import Envelope
from mailweir_model import shipped
from mailweir_runtime.config import PolicySnapshot
from mailweir_runtime.convert import envelope_to_proto
from mailweir_runtime.lifecycle import StartupError
from mailweir_runtime.rpc import RpcFailed, RpcFailure, call, open_channel, serve
from mailweir_scoring.adapters.rulefiles import DirectoryRules
from mailweir_scoring.adapters.workers import ThreadWorkers
from mailweir_scoring.app import build_engine, load_kit, load_rules, warn_of_unknown_names
from mailweir_scoring.engine import Engine
from mailweir_scoring.policy.judgement import Judgement
from mailweir_scoring.policy.kit import Kit
from mailweir_scoring.policy.stages import stages_with
from mailweir_scoring.service import ScoringService
from mailweir_scoring.settings import Settings
from mailweir_scoring.walk import Task
from mailweir_testkit.runtime import running_runtime

GTUBE = b"XJS*C4JDBQADN1.NSBN3*2IDNEN*GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X"
Snapshot = Callable[..., PolicySnapshot]


class Config:
    """A policy that a test changes."""

    def __init__(self, current: PolicySnapshot) -> None:
        self.current = current


class World:
    """A served engine with all that a test moves."""

    def __init__(self, stub: Any, config: Config, engine: Engine) -> None:
        self.stub = stub
        self.config = config
        self.engine = engine

    async def score(self, *items: pb.ScoreItem, timeout: float = 5.0) -> list[pb.ScoreResult]:
        answer = await call(self.stub.Score, pb.ScoreRequest(items=items), timeout=timeout)
        return list(answer.results)


@pytest_asyncio.fixture
async def world(snapshot: Snapshot, tmp_path: Path) -> AsyncIterator[World]:
    config, workers = Config(snapshot()), ThreadWorkers(1)
    settings = Settings(batch_items=4, inline_bytes=100_000)
    async with running_runtime("scoring", settings) as rt:
        engine = build_engine(rt, settings, load_kit(settings), workers)
        service = ScoringService(engine, config, settings.batch_items, settings.reply_seconds)
        register = lambda server: scoring_pb2_grpc.add_ScoringServiceServicer_to_server(  # noqa: E731
            service, server
        )
        async with serve(rt, f"unix:{tmp_path}/s.sock", register) as target:
            rt.ready()
            async with open_channel(target) as channel:
                yield World(scoring_pb2_grpc.ScoringServiceStub(channel), config, engine)
    workers.close()


@pytest.fixture
def item(envelope: Envelope, plain: bytes) -> Callable[..., pb.ScoreItem]:
    """Return what makes items: our Received on top, as the ingress hands them over."""
    received = (
        b"Received: from mail.example.net ([192.0.2.7]) by mailweir.example.com with ESMTP id 1;"
        b" Sun, 15 Jun 2025 15:06:40 +0000\r\n"
    )

    def make(raw: bytes = plain) -> pb.ScoreItem:
        return pb.ScoreItem(envelope=envelope_to_proto(envelope), raw=received + raw)

    return make


async def test_results_come_in_the_order_of_the_items(
    world: World, item: Callable[..., pb.ScoreItem], plain: bytes
) -> None:
    spam, big = plain + GTUBE, plain + b"x" * 200_000
    results = await world.score(item(), item(big), item(spam), item())
    assert [r.action for r in results] == ["accept", "accept", "reject", "accept"]
    assert [r.reason for r in results] == ["clean", "clean", "gtube", "clean"]


async def test_a_result_tells_everything(world: World, item: Callable[..., pb.ScoreItem]) -> None:
    (result,) = await world.score(item())
    assert result.status == common_pb2.STATUS_HIT
    assert result.score == pytest.approx(0.2)
    (signal,) = result.signals
    assert (signal.name, signal.group) == ("RECEIVED_NONE_BEFORE_US", "headers")
    assert signal.description
    names = [s.name for s in stages_with(scanner=False)]
    assert [s.stage for s in result.stages] == ["parse", *names]
    by_name = {stage.stage: stage for stage in result.stages}
    assert by_name["headers"].status == common_pb2.STATUS_HIT
    assert all(s.seconds > 0 for s in result.stages)
    assert [h.name for h in result.headers] == [
        "X-Spam-Flag", "X-Spam-Score", "X-Spam-Level", "X-Spam-Status",
    ]  # fmt: skip
    limits = result.thresholds
    assert (limits.tag, limits.quarantine, limits.reject) == (6.0, 8.0, 15.0)
    assert result.config_version == "v.7"
    assert result.rules_version == world.engine.kit.rules.version
    assert (result.subject, result.from_address) == ("Lunch", "ann@example.net")
    assert result.message_id == "<1@example.net>"
    assert result.model_version == shipped().version
    assert result.detail == ""


async def test_an_empty_list_has_an_empty_answer(world: World) -> None:
    assert await world.score() == []


async def test_an_empty_message_has_a_verdict(world: World) -> None:
    (result,) = await world.score(pb.ScoreItem())
    assert result.status == common_pb2.STATUS_HIT
    assert result.action != "defer"
    assert "FROM_MISSING" in {s.name for s in result.signals}


async def test_too_many_items_are_refused(world: World, item: Callable[..., pb.ScoreItem]) -> None:
    with pytest.raises(RpcFailed) as caught:
        await world.score(*[item()] * 5)
    assert caught.value.kind is RpcFailure.INVALID
    assert "5 items" in caught.value.detail


async def test_a_new_policy_holds_from_the_next_call_on(
    world: World, item: Callable[..., pb.ScoreItem], snapshot: Snapshot
) -> None:
    world.config.current = snapshot(
        thresholds={"tag": 0.1, "quarantine": None, "reject": None}, headers={"report": True}
    )
    (result,) = await world.score(item())
    assert (result.action, result.reason) == ("tag", "suspicious")
    assert result.thresholds.tag == 0.1
    assert not result.thresholds.HasField("quarantine")
    assert not result.thresholds.HasField("reject")
    report = next(h.value for h in result.headers if h.name == "X-Spam-Report")
    assert report.startswith("*  0.2 RECEIVED_NONE_BEFORE_US")


async def test_a_message_that_breaks_the_engine_spoils_only_its_own_result(
    world: World,
    item: Callable[..., pb.ScoreItem],
    plain: bytes,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    judge = Engine.judge

    async def breaks(self: Engine, task: Task, *rest: Any) -> Judgement:
        if b"poison" in task.raw:
            raise KeyError("nobody thought of this")
        return await judge(self, task, *rest)

    monkeypatch.setattr(Engine, "judge", breaks)
    results = await world.score(item(), item(plain + b"poison"), item())
    assert [r.status for r in results] == [
        common_pb2.STATUS_HIT, common_pb2.STATUS_TEMPERROR, common_pb2.STATUS_HIT,
    ]  # fmt: skip
    assert (results[1].action, results[1].reason) == ("defer", "scoring-unavailable")
    assert results[1].detail == "KeyError: 'nobody thought of this'"


async def test_a_deadline_that_is_too_near_is_a_temperror_not_an_error(
    world: World, item: Callable[..., pb.ScoreItem]
) -> None:
    # less than what is kept back for the reply
    (result,) = await world.score(item(), timeout=0.045)
    assert result.status == common_pb2.STATUS_TEMPERROR
    assert "no time left" in result.detail


async def test_rules_that_are_wrong_stop_the_start(tmp_path: Path) -> None:
    (tmp_path / "own.toml").write_text(
        'group = "headers"\n[NOT_A_CHECK]\nscore = 1\ndescription = "x"\n'
    )
    with pytest.raises(StartupError) as caught:
        load_rules(DirectoryRules(tmp_path))
    assert "own.toml: NOT_A_CHECK: unknown symbol" in str(caught.value)
    with pytest.raises(StartupError, match="nowhere"):
        load_rules(DirectoryRules(tmp_path / "nowhere"))


def test_names_that_nothing_here_has_are_logged(snapshot: Snapshot) -> None:
    kit = Kit(load_rules(DirectoryRules.shipped()))
    with capture_logs() as logs:
        warn_of_unknown_names(kit, snapshot())
        warn_of_unknown_names(kit, snapshot(signal_scores={"GTUBES": 1}))
    (line,) = logs
    assert (line["event"], line["version"]) == ("policy_names_unknown", "v.7")
    assert line["names"] == ("GTUBES",)
