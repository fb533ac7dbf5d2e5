"""gRPC over a unix socket: the contract that the ingress relies on."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from mailweir.common.v1 import common_pb2
from mailweir.reputation.v1 import reputation_pb2 as pb, reputation_pb2_grpc
from mailweir_policy import Policy
from mailweir_reputation.adapters.strangers import Strangers
from mailweir_reputation.app import load_keys
from mailweir_reputation.ports import Remembered
from mailweir_reputation.service import Bounds, ReputationService
from mailweir_reputation.settings import Settings
from mailweir_runtime.config import PolicySnapshot, StaticConfig
from mailweir_runtime.lifecycle import StartupError
from mailweir_runtime.rpc import RpcFailed, RpcFailure, call, open_channel, serve
from mailweir_testkit.dnslists import DnsList
from mailweir_testkit.runtime import running_runtime

pytestmark = pytest.mark.integration


class Served:
    """A served checker and what a test moves."""

    def __init__(self, stub: Any, world: Any) -> None:
        self.stub = stub
        self.world = world

    async def check(self, *items: pb.CheckItem, timeout: float = 5.0) -> list[pb.CheckResult]:
        answer = await call(self.stub.Check, pb.CheckRequest(items=items), timeout=timeout)
        return list(answer.results)


@pytest_asyncio.fixture
async def served(make: Any, tmp_path: Path) -> AsyncIterator[Served]:
    bl = DnsList()
    bl.add("203.0.113.7")
    # writing the traceback of a crash may hold up the loop for long
    zone = make.zone("bl", policy_list=True, score=9.0, display="The list", timeout_seconds=4.0)
    policy = make.policy(zone)
    async with make.world(policy, {"bl": bl}) as world, running_runtime("reputation") as rt:
        service = ReputationService(
            world.checker, world.strangers, world.keeper, StaticConfig(PolicySnapshot(policy, "v.1")),
            rt.clock, bounds=Bounds(batch_items=4),
        )  # fmt: skip
        register = lambda server: reputation_pb2_grpc.add_ReputationServiceServicer_to_server(  # noqa: E731
            service, server
        )
        async with serve(rt, f"unix:{tmp_path}/s.sock", register) as target:
            rt.ready()
            async with open_channel(target) as channel:
                yield Served(reputation_pb2_grpc.ReputationServiceStub(channel), world)


def item(ip: str, phase: "pb.CheckPhase.ValueType" = pb.CHECK_PHASE_CONNECT) -> pb.CheckItem:
    session = common_pb2.Session(id=ip, listener="mx", client_ip=ip)
    recipients = ["a@b.example", "c@b.example"] if phase == pb.CHECK_PHASE_RCPT else []
    return pb.CheckItem(phase=phase, session=session, recipients=recipients)


async def test_answers_come_in_the_order_of_the_items(served: Served) -> None:
    results = await served.check(
        item("203.0.113.8"), item("203.0.113.7"), item("203.0.113.9"), item("127.0.0.1")
    )
    assert [r.outcome.advice for r in results] == ["none", "close", "none", "none"]
    assert results[1].outcome.reason == "dns-listed"
    assert results[1].outcome.detail == "The list"
    assert results[1].valid_seconds > 50
    assert results[1].client.suspicion > 6


async def test_every_recipient_has_an_answer(served: Served) -> None:
    (result,) = await served.check(item("203.0.113.8", pb.CHECK_PHASE_RCPT))
    assert len(result.recipients) == 2


async def test_one_bad_item_spoils_its_own_answer_alone(served: Served) -> None:
    bad = item("203.0.113.9", pb.CHECK_PHASE_UNSPECIFIED)
    results = await served.check(item("203.0.113.7"), bad)
    assert results[0].outcome.advice == "close"
    assert results[1].outcome.status == common_pb2.STATUS_TEMPERROR
    assert served.world.metric("crashed_checks_total") == 1.0


async def test_no_items_and_too_many(served: Served) -> None:
    assert await served.check() == []
    with pytest.raises(RpcFailed) as failed:
        await served.check(*[item("203.0.113.7")] * 5)
    assert failed.value.kind is RpcFailure.INVALID


async def test_lists_and_their_health_are_told(served: Served) -> None:
    await served.check(item("203.0.113.7"))
    answer = await call(served.stub.ListZones, pb.ListZonesRequest(), timeout=5)
    (zone,) = answer.zones
    assert (zone.name, zone.title, zone.state) == ("bl", "The list", "healthy")
    assert (zone.queries, zone.hits, zone.errors, zone.hit_share) == (1, 1, 0, 1.0)
    assert abs(zone.probed_at - served.world.clock.now()) < 10
    assert "example.org" not in str(answer)


async def test_history_is_told(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    async def history(self: Strangers, subject: str, now: float) -> list[Remembered]:
        return [Remembered("ip", subject, 10.0, 2.5, 31.0, now)]

    monkeypatch.setattr(Strangers, "history", history)
    request = pb.GetHistoryRequest(subject="203.0.113.7")
    answer = await call(served.stub.GetHistory, request, timeout=5)
    assert [(e.kind, e.key, e.spam) for e in answer.entries] == [("ip", "203.0.113.7", 2.5)]
    with pytest.raises(RpcFailed) as failed:
        await call(served.stub.GetHistory, pb.GetHistoryRequest(subject="x" * 999), timeout=5)
    assert failed.value.kind is RpcFailure.INVALID


def test_keys_that_cannot_be_read_end_the_start(tmp_path: Path) -> None:
    assert load_keys(Settings()) == {}
    (tmp_path / "bad").write_text("two words")
    with pytest.raises(StartupError, match="list_keys_dir"):
        load_keys(Settings(list_keys_dir=tmp_path))


def test_the_default_policy_asks_no_list() -> None:
    assert Policy().reputation.zones == ()
    assert Settings().dns == ""
