"""gRPC over a unix socket: what the ingress and the console rely on."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from mailweir.common.v1 import common_pb2
from mailweir.greylist.v1 import greylist_pb2 as pb, greylist_pb2_grpc
from mailweir_core.clock import ManualClock
from mailweir_core.outcome import Advice, Outcome, Status
from mailweir_core.reasons import Reason
from mailweir_greylist.adapters.index import Index
from mailweir_greylist.adapters.store import KvStore
from mailweir_greylist.checking import Checker
from mailweir_greylist.counting import Counting
from mailweir_greylist.metrics import declare
from mailweir_greylist.service import GreylistService, Parts, add_to
from mailweir_policy import Policy
from mailweir_policy.greylist import GreylistPolicy
from mailweir_runtime.bus.memory import MemoryBus
from mailweir_runtime.bus.ports import BusUnavailable
from mailweir_runtime.config import PolicySnapshot
from mailweir_runtime.convert import outcome_from_proto
from mailweir_runtime.rpc import RpcFailed, RpcFailure, call, open_channel, serve
from mailweir_testkit.runtime import running_runtime


class Config:
    """A policy that a test changes."""

    def __init__(self, **greylist: Any) -> None:
        self.change(**greylist)

    def change(self, **greylist: Any) -> None:
        policy = Policy(greylist=GreylistPolicy.model_validate(greylist))
        self.current = PolicySnapshot(policy, "v.1")


class World:
    """A served greylist with all that a test moves."""

    def __init__(
        self,
        stub: Any,
        config: Config,
        bus: MemoryBus,
        clock: ManualClock,
        registry: Any,
        index: Index,
    ) -> None:
        self.stub = stub
        self.config = config
        self.bus = bus
        self.clock = clock
        self.registry = registry
        self.index = index

    async def check(self, *items: pb.CheckItem) -> list[list[Outcome]]:
        answer = await self.raw(*items)
        return [[outcome_from_proto(r) for r in result.recipients] for result in answer.results]

    async def raw(self, *items: pb.CheckItem) -> pb.CheckResponse:
        response: pb.CheckResponse = await call(
            self.stub.Check, pb.CheckRequest(items=items), timeout=5
        )
        return response

    async def list(self, **query: Any) -> pb.ListResponse:
        """Return a page."""
        response: pb.ListResponse = await call(self.stub.List, pb.ListRequest(**query), timeout=5)
        return response

    async def forecast(self) -> pb.ForecastResponse:
        await self.index.catch_up()
        await self.index.sweep(self.clock.now())
        response: pb.ForecastResponse = await call(
            self.stub.Forecast, pb.ForecastRequest(), timeout=5
        )
        return response

    async def refused(self, method: Any, request: Any) -> RpcFailed:
        with pytest.raises(RpcFailed) as caught:
            await call(method, request, timeout=5)
        return caught.value


@pytest_asyncio.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    clock, config = ManualClock(), Config(log_only_seconds=0)
    bus = MemoryBus(clock)
    async with running_runtime("greylist", clock=clock) as rt:
        metrics = declare(rt.registry)
        store = KvStore(bus, metrics)
        started = await store.first_start(clock.now())
        checker = Checker(store, clock, metrics)
        counting = Counting(checker, store, metrics)
        index = Index(bus, 1000, metrics, clock)
        parts = Parts(
            checker, counting, index, store, config,
            clock=clock, metrics=metrics, started=started, batch_items=4,
        )  # fmt: skip
        service = GreylistService(parts)
        async with (
            serve(rt, f"unix:{tmp_path}/s.sock", lambda server: add_to(server, service)) as target,
        ):
            rt.ready()
            async with open_channel(target) as channel:
                stub = greylist_pb2_grpc.GreylistServiceStub(channel)
                yield World(stub, config, bus, clock, rt.registry, index)


def item(sender: str = "ann@example.net", *to: str, score: float | None = None,
         ip: str = "192.0.2.7", suspicion: float = 3.0) -> pb.CheckItem:  # fmt: skip
    return pb.CheckItem(
        session=common_pb2.Session(id="s", listener="mx", client_ip=ip),
        client=common_pb2.ClientFacts(suspicion=suspicion),
        sender=sender,
        recipients=to or ("bob@example.com",),
        score=score,
    )


async def test_results_come_in_the_order_of_the_items_and_recipients(world: World) -> None:
    answer = await world.raw(
        item("ann@example.net", "a@example.com", "b@example.com"), item(suspicion=0.0), item("")
    )
    assert [len(r.recipients) for r in answer.results] == [2, 1, 1]
    assert [r.wait_seconds for r in answer.results] == [180.0, 0.0, 0.0]
    outcome = outcome_from_proto(answer.results[0].recipients[0])
    assert (outcome.advice, outcome.reason) == (Advice.DEFER, Reason.GREYLISTED)
    assert outcome.detail == "Greylisted, please come back later: 180 seconds left"


async def test_the_wait_is_that_of_the_last_recipient(world: World) -> None:
    await world.check(item("ann@example.net", "a@example.com"))
    world.clock.advance(100)
    answer = await world.raw(item("ann@example.net", "a@example.com", "b@example.com"))
    assert answer.results[0].wait_seconds == 180.0


async def test_in_the_first_days_it_is_only_logged(world: World) -> None:
    world.config.change()
    answer = await world.raw(item())
    outcome = outcome_from_proto(answer.results[0].recipients[0])
    assert (outcome.status, outcome.advice) == (Status.HIT, Advice.NONE)
    assert answer.results[0].wait_seconds == 0.0
    assert world.registry.get_sample_value("mailweir_greylist_log_only") == 1
    world.clock.advance(604_800)
    assert (await world.check(item("new@example.net")))[0][0].advice is Advice.DEFER
    assert world.registry.get_sample_value("mailweir_greylist_log_only") == 0
    assert world.registry.get_sample_value("mailweir_greylist_deferred_recipients_total") == 1


async def test_too_many_items_or_recipients_are_refused(world: World) -> None:
    error = await world.refused(world.stub.Check, pb.CheckRequest(items=[item()] * 5))
    assert error.kind is RpcFailure.INVALID
    assert "5 items" in error.detail
    many = item("ann@example.net", *(f"u{n}@example.com" for n in range(10_001)))
    error = await world.refused(world.stub.Check, pb.CheckRequest(items=[many]))
    assert "10001 recipients" in error.detail


async def test_a_score_that_is_no_number_is_none(world: World) -> None:
    ((outcome,),) = await world.check(item(suspicion=0.0, score=float("nan")))
    assert outcome.status is Status.SKIPPED


async def test_what_the_list_shows(world: World) -> None:
    await world.check(item())
    (entry,) = (await world.list()).entries
    assert (entry.state, entry.client, entry.sender, entry.recipient) == (
        "pending", "192.0.2.0/24", "ann@example.net", "bob@example.com",
    )  # fmt: skip
    assert entry.due_at - entry.first_at == 180
    assert (entry.attempts, entry.passes, entry.authorised_by) == (1, 0, "")
    assert (await world.list(state="authorised")).entries == []
    assert len((await world.list(state="pending", text="BOB@")).entries) == 1


async def test_pages(world: World) -> None:
    for n in range(5):
        await world.check(item(f"{'abcde'[n]}@example.net"))
    first = await world.list(limit=3)
    assert [e.sender[0] for e in first.entries] == ["e", "d", "c"]
    second = await world.list(limit=3, cursor=first.next)
    assert ([e.sender[0] for e in second.entries], second.next) == (["b", "a"], "")


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ({"limit": 501}, "limit"), ({"text": "x" * 201}, "text"), ({"cursor": "-1"}, "cursor"),
        ({"cursor": "9" * 20}, "cursor"), ({"state": "counted"}, "pending, authorised, exempt"),
    ],
)  # fmt: skip
async def test_a_wrong_query_is_refused_with_a_sentence(
    world: World, query: dict[str, Any], words: str
) -> None:
    error = await world.refused(world.stub.List, pb.ListRequest(**query))
    assert error.kind is RpcFailure.INVALID
    assert words in error.detail


async def test_manual_authorisation_lets_the_next_try_in(world: World) -> None:
    await world.check(item())
    (entry,) = (await world.list()).entries
    request = pb.AuthoriseRequest(id=entry.id, actor="admin")
    made = (await call(world.stub.Authorise, request, timeout=5)).entry
    assert (made.id, made.state, made.authorised_by) == (entry.id, "authorised", "admin")
    ((outcome,),) = await world.check(item())
    assert (outcome.status, outcome.advice) == (Status.OK, Advice.NONE)
    assert [e.state for e in (await world.list()).entries] == ["authorised"]


async def test_a_deleted_entry_is_new_again(world: World) -> None:
    await world.check(item())
    world.clock.advance(180)
    (entry,) = (await world.list()).entries
    await call(world.stub.Delete, pb.DeleteRequest(id=entry.id, actor="admin"), timeout=5)
    assert (await world.list()).entries == []
    assert (await world.raw(item())).results[0].wait_seconds == 180.0


@pytest.mark.parametrize("id", ["", "x", "m.start", "t." + "a" * 30, "s." + "a" * 30, "t.>"])
async def test_an_id_of_nothing_is_refused(world: World, id: str) -> None:
    for method, request in (
        (world.stub.Authorise, pb.AuthoriseRequest(id=id, actor="admin")),
        (world.stub.Delete, pb.DeleteRequest(id=id, actor="admin")),
    ):
        error = await world.refused(method, request)
        assert (error.kind, error.detail[:3]) == (RpcFailure.INVALID, "id:")


async def test_nobody_authorises_namelessly(world: World) -> None:
    await world.check(item())
    (entry,) = (await world.list()).entries
    error = await world.refused(world.stub.Authorise, pb.AuthoriseRequest(id=entry.id))
    assert "actor" in error.detail


async def test_a_store_that_is_away_is_unavailable_but_checks_pass(world: World) -> None:
    await world.check(item())
    (entry,) = (await world.list()).entries
    world.bus.outage = BusUnavailable("away")
    ((outcome,),) = await world.check(item())
    assert (outcome.status, outcome.advice) == (Status.TEMPERROR, Advice.NONE)
    for method, request in (
        (world.stub.Authorise, pb.AuthoriseRequest(id=entry.id, actor="admin")),
        (world.stub.Delete, pb.DeleteRequest(id=entry.id, actor="admin")),
        (world.stub.Forecast, pb.ForecastRequest()),
    ):
        assert (await world.refused(method, request)).kind is RpcFailure.UNAVAILABLE


async def test_the_forecast(world: World) -> None:
    for name in ("back@x.net", "lost@x.net", "hand@x.net", "late@x.net"):
        await world.check(item(name))
    await world.check(item(suspicion=0.0))
    world.clock.advance(200)
    await world.check(item("back@x.net"))
    hand = next(e for e in (await world.list()).entries if e.sender == "hand@x.net")
    await call(world.stub.Authorise, pb.AuthoriseRequest(id=hand.id, actor="a"), timeout=5)
    world.clock.advance(172_800 - 300)
    await world.check(item("late@x.net"))
    world.clock.advance(300)
    found = await world.forecast()
    assert (found.checked, found.deferred, found.returned, found.lost) == (7, 4, 2, 1)
    assert found.log_only is False
    assert found.since == found.log_only_until
    assert found.median_wait_seconds > 180


async def test_the_forecast_of_a_policy_that_never_defers(world: World) -> None:
    world.config.change(log_only=True)
    found = await world.forecast()
    assert (found.log_only, found.log_only_until) == (True, 0.0)
