"""The contract of the port to the quarantine: in memory, and over gRPC against a service of the proto."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc.aio
import pytest
import pytest_asyncio

from mailweir.quarantine.v1 import quarantine_pb2 as pb, quarantine_pb2_grpc
from mailweir_core.decision import State
from mailweir_core.reasons import Reason
from mailweir_gateway.adapters import explain
from mailweir_gateway.adapters.quarantine import MemoryQuarantine, connect_quarantine
from mailweir_gateway.ports import Quarantine, QuarantineUnavailable, Search, SearchRefused
from mailweir_runtime.rpc import Refused, RpcFailure, serve
from mailweir_testkit.events import NOW, judged, progress, ref_of
from mailweir_testkit.runtime import running_runtime


def summary(ref: str, state: str) -> pb.MessageSummary:
    return pb.MessageSummary(
        id=ref, received_at=NOW, sender="anna@example.net", recipients=["bob@example.com"],
        subject="Minutes", bytes=2000, action="hold", reason="spam", state=state,
    )  # fmt: skip


class Backend(quarantine_pb2_grpc.QuarantineServiceServicer):
    """A quarantine by its proto: a table of states and sources."""

    def __init__(self) -> None:
        self.states: dict[str, str] = {}
        self.sources: dict[str, bytes] = {}
        self.requests: list[Any] = []
        self.refusal: Refused | None = None

    def _note(self, request: Any) -> None:
        self.requests.append(request)
        if self.refusal is not None:
            raise self.refusal

    async def Search(self, request: pb.SearchRequest, context: Any) -> pb.SearchResponse:
        self._note(request)
        refs = sorted(self.states, reverse=True)
        if request.cursor and request.cursor not in refs:
            raise Refused(RpcFailure.INVALID, "cursor: not one that this service gave out")
        if request.cursor:
            refs = refs[refs.index(request.cursor) + 1 :]
        refs = [ref for ref in refs if request.state in ("", self.states[ref])]
        page = refs[: request.limit]
        more = page[-1] if len(refs) > len(page) else ""
        return pb.SearchResponse(items=[summary(r, self.states[r]) for r in page], next=more)

    async def Get(self, request: pb.GetRequest, context: Any) -> pb.GetResponse:
        self._note(request)
        if request.id not in self.states:
            return pb.GetResponse()
        return pb.GetResponse(
            summary=summary(request.id, self.states[request.id]),
            judged=judged(request.id),
            delivery=progress(request.id),
        )

    async def Source(
        self, request: pb.SourceRequest, context: Any
    ) -> AsyncIterator[pb.SourceResponse]:
        self._note(request)
        content = self.sources.get(request.id, b"")
        for start in range(0, len(content), 1000):
            yield pb.SourceResponse(chunk=content[start : start + 1000])

    async def Release(self, request: pb.ReleaseRequest, context: Any) -> pb.ReleaseResponse:
        self._note(request)
        return pb.ReleaseResponse(results=[self._one(ref, "released") for ref in request.ids])

    async def Delete(self, request: pb.DeleteRequest, context: Any) -> pb.DeleteResponse:
        self._note(request)
        return pb.DeleteResponse(results=[self._one(ref, "deleted") for ref in request.ids])

    async def Stats(self, request: pb.StatsRequest, context: Any) -> pb.StatsResponse:
        return pb.StatsResponse()

    def _one(self, ref: str, state: str) -> pb.ActionResult:
        known = self.states.get(ref, "")
        if known == "held":
            self.states[ref] = known = state
        detail = "" if known == state else "cannot be done"
        return pb.ActionResult(id=ref, state=known, done=known == state, detail=detail)


class Setup:
    """A port to a quarantine, and how to put records into it."""

    def __init__(self, port: Quarantine, memory: MemoryQuarantine | None, backend: Backend) -> None:
        self.port, self.memory, self.backend = port, memory, backend

    def add(self, number: int, state: str, source: bytes = b"") -> str:
        ref = ref_of(number)
        if self.memory is None:
            self.backend.states[ref] = state
            self.backend.sources[ref] = source
        else:
            found = pb.GetResponse(
                summary=summary(ref, state), judged=judged(ref), delivery=progress(ref)
            )
            self.memory.add(explain.detail(found), source)
        return ref


@pytest_asyncio.fixture
async def backend(tmp_path: Path) -> AsyncIterator[tuple[Backend, str]]:
    made = Backend()

    def register(server: grpc.aio.Server) -> None:
        quarantine_pb2_grpc.add_QuarantineServiceServicer_to_server(made, server)

    async with (
        running_runtime("quarantine") as rt,
        serve(rt, f"unix:{tmp_path}/q.sock", register) as target,
    ):
        rt.ready()
        yield made, target


@pytest_asyncio.fixture(params=["memory", "grpc"])
async def setup(
    request: pytest.FixtureRequest, backend: tuple[Backend, str]
) -> AsyncIterator[Setup]:
    if request.param == "memory":
        memory = MemoryQuarantine()
        yield Setup(memory, memory, backend[0])
        return
    async with connect_quarantine(backend[1]) as port:
        yield Setup(port, None, backend[0])


@pytest_asyncio.fixture
async def over_grpc(backend: tuple[Backend, str]) -> AsyncIterator[Setup]:
    async with connect_quarantine(backend[1]) as port:
        yield Setup(port, None, backend[0])


# --- the contract ----------------------------------------------------------------------------------------


async def test_pages(setup: Setup) -> None:
    refs = [setup.add(n, "held") for n in range(5)]
    first = await setup.port.search(Search(limit=3))
    assert [item.id for item in first.items] == refs[:1:-1]
    second = await setup.port.search(Search(limit=3, cursor=first.next))
    assert [item.id for item in second.items] == refs[1::-1]
    assert second.next == ""


async def test_a_filter(setup: Setup) -> None:
    setup.add(1, "held")
    two = setup.add(2, "released")
    page = await setup.port.search(Search(state=State.RELEASED))
    assert [(item.id, item.state) for item in page.items] == [(two, "released")]


async def test_a_strange_cursor_is_refused_with_a_sentence(setup: Setup) -> None:
    setup.add(1, "held")
    with pytest.raises(SearchRefused, match="cursor: "):
        await setup.port.search(Search(cursor="strange"))


async def test_one_record(setup: Setup) -> None:
    ref = setup.add(1, "held")
    found = await setup.port.get(ref)
    assert found is not None
    assert (found.id, found.state, found.kind) == (ref, "held", "message")
    assert [check.check for check in found.checks] == ["scoring", "greylist"]
    assert found.deliveries[0].status == "delivered"
    assert await setup.port.get(ref_of(9)) is None


async def test_a_source(setup: Setup) -> None:
    ref = setup.add(1, "held", b"line\r\n" * 1000)
    pieces = [piece async for piece in setup.port.source(ref)]
    assert len(pieces) > 1
    assert b"".join(pieces) == b"line\r\n" * 1000
    assert [piece async for piece in setup.port.source(ref_of(9))] == []


async def test_commands(setup: Setup) -> None:
    one, two = setup.add(1, "held"), setup.add(2, "delivered")
    for _ in range(2):
        results = await setup.port.release([one, two, ref_of(9)], "admin")
        assert [(r.id, r.state, r.done) for r in results] == [
            (one, "released", True), (two, "delivered", False), (ref_of(9), "", False),
        ]  # fmt: skip
        assert [bool(r.detail) for r in results] == [False, True, True]
    [deleted] = await setup.port.delete([one], "admin")
    assert (deleted.state, deleted.done) == ("released", False)


# --- over gRPC -------------------------------------------------------------------------------------------


async def test_every_part_of_a_search_travels(over_grpc: Setup) -> None:
    wanted = Search(7, "", "a@", "b@", "c", None, State.HELD, Reason.SPAM, since=1.5, until=2.5)
    await over_grpc.port.search(wanted)
    assert over_grpc.backend.requests == [
        pb.SearchRequest(
            limit=7, sender="a@", recipient="b@", subject="c", state="held", reason="spam",
            since=1.5, until=2.5,
        )
    ]  # fmt: skip


async def test_the_actor_travels(over_grpc: Setup) -> None:
    await over_grpc.port.release([ref_of(1)], "admin")
    await over_grpc.port.delete([ref_of(1)], "carol")
    assert [request.actor for request in over_grpc.backend.requests] == ["admin", "carol"]


@pytest.mark.parametrize(
    "kind", [RpcFailure.UNAVAILABLE, RpcFailure.DEADLINE, RpcFailure.EXHAUSTED, RpcFailure.INTERNAL]
)
async def test_every_other_failure_is_an_outage(over_grpc: Setup, kind: RpcFailure) -> None:
    over_grpc.backend.refusal = Refused(kind, "why")
    port = over_grpc.port
    for asked in (
        port.search(Search()),
        port.get(ref_of(1)),
        port.release([], ""),
        port.delete([], ""),
    ):
        with pytest.raises(QuarantineUnavailable):
            await asked
    with pytest.raises(QuarantineUnavailable):
        _ = [piece async for piece in port.source(ref_of(1))]


async def test_nobody_there_is_an_outage(tmp_path: Path) -> None:
    async with connect_quarantine(f"unix:{tmp_path}/nobody.sock") as port:
        with pytest.raises(QuarantineUnavailable):
            await port.search(Search())


async def test_memory_can_be_away_too() -> None:
    memory = MemoryQuarantine()
    memory.outage = True
    for asked in (
        memory.search(Search()),
        memory.get("x"),
        memory.release([], ""),
        memory.delete([], ""),
    ):
        with pytest.raises(QuarantineUnavailable):
            await asked


# --- what is told becomes what is shown ------------------------------------------------------------------


def test_an_empty_answer_is_shown_without_inventing() -> None:
    shown = explain.detail(pb.GetResponse(summary=summary(ref_of(1), "delivered")))
    assert (shown.kind, shown.session, shown.thresholds) == ("", None, None)
    assert (shown.checks, shown.signals, shown.deliveries, shown.judged_at) == ((), (), (), None)


@pytest.mark.parametrize("at", [float("nan"), float("inf"), -1.0, 0.0, 1e300])
def test_what_is_no_time_is_none(at: float) -> None:
    assert explain.time(at) is None
    item = pb.MessageSummary(id="x", received_at=at)
    assert explain.item(item).received_at == "1970-01-01T00:00:00.000Z"


def test_an_unknown_status_is_shown_as_trouble() -> None:
    event = judged(ref_of(1))
    event.checks[0].status = 99  # type: ignore[assignment]
    event.kind = 99  # type: ignore[assignment]
    delivery = progress(ref_of(1), 99)  # type: ignore[arg-type]
    shown = explain.detail(
        pb.GetResponse(summary=summary(ref_of(1), "held"), judged=event, delivery=delivery)
    )
    assert shown.checks[0].status == "temperror"
    assert (shown.kind, shown.deliveries[0].status) == ("", "untried")
