"""The quarantine: one contract over gRPC and in memory."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import pytest

from mailweir.quarantine.v1 import quarantine_pb2 as pb, quarantine_pb2_grpc
from mailweir_ratelimit.adapters.quarantine import ACTOR, MemoryQuarantine, connect_quarantine
from mailweir_ratelimit.ports import HeldMail, HeldState, QuarantineAway, Release
from mailweir_runtime.rpc import Refused, RpcFailure, serve
from mailweir_testkit.runtime import running_runtime


@dataclass
class Servicer(quarantine_pb2_grpc.QuarantineServiceServicer):
    """Answers as the service does."""

    messages: dict[str, tuple[str, str]] = field(default_factory=dict)
    without_body: set[str] = field(default_factory=set)
    actors: list[str] = field(default_factory=list)
    away: bool = False

    def hold(self, ref: str, *, over_limit: bool = True) -> None:
        self.messages[ref] = ("held", "over-outbound-limit" if over_limit else "spam")

    async def Get(self, request: Any, context: object) -> pb.GetResponse:
        self._check()
        if request.id not in self.messages:
            return pb.GetResponse()
        state, reason = self.messages[request.id]
        return pb.GetResponse(summary=pb.MessageSummary(id=request.id, state=state, reason=reason))

    async def Release(self, request: Any, context: object) -> pb.ReleaseResponse:
        self._check()
        self.actors.append(request.actor)
        return pb.ReleaseResponse(results=[self._release(ref) for ref in request.ids])

    def _release(self, ref: str) -> pb.ActionResult:
        if ref not in self.messages:
            return pb.ActionResult(id=ref, detail="there is no such message")
        state, reason = self.messages[ref]
        if ref in self.without_body:
            return pb.ActionResult(id=ref, state=state, detail="not here yet")
        self.messages[ref] = ("released", reason)
        return pb.ActionResult(id=ref, state="released", done=True)

    def _check(self) -> None:
        if self.away:
            raise Refused(RpcFailure.UNAVAILABLE, "the database does not answer")


class World(Protocol):
    """What a test changes."""

    away: bool
    without_body: set[str]

    def hold(self, ref: str, *, over_limit: bool = True) -> None: ...


Both = tuple[HeldMail, World]


@pytest.fixture(params=["memory", "grpc"])
async def both(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Both]:
    if request.param == "memory":
        memory = MemoryQuarantine()
        yield memory, memory
        return
    async with over_grpc(tmp_path) as (quarantine, servicer):
        yield quarantine, servicer


@asynccontextmanager
async def over_grpc(directory: Path) -> AsyncIterator[tuple[HeldMail, Servicer]]:
    """Serve a quarantine, and yield what asks it."""
    servicer = Servicer()

    def register(server: Any) -> None:
        quarantine_pb2_grpc.add_QuarantineServiceServicer_to_server(servicer, server)

    async with (
        running_runtime("quarantine") as rt,
        serve(rt, f"unix:{directory}/q.sock", register) as target,
    ):
        rt.ready()
        async with connect_quarantine(target) as quarantine:
            yield quarantine, servicer


async def test_where_a_message_is(both: Both) -> None:
    quarantine, world = both
    assert await quarantine.look("r1") is None
    world.hold("r1")
    world.hold("r2", over_limit=False)
    assert await quarantine.look("r1") == HeldState(held=True, over_limit=True)
    assert await quarantine.look("r2") == HeldState(held=True, over_limit=False)


async def test_a_message_is_let_out_once(both: Both) -> None:
    quarantine, world = both
    world.hold("r1")
    assert await quarantine.release("r1") == Release(done=True)
    assert await quarantine.release("r1") == Release(done=True)
    assert await quarantine.look("r1") == HeldState(held=False, over_limit=True)


async def test_what_cannot_be_let_out(both: Both) -> None:
    quarantine, world = both
    assert await quarantine.release("r1") == Release(done=False)
    world.hold("r2")
    world.without_body.add("r2")
    assert await quarantine.release("r2") == Release(done=False, held=True)


async def test_a_quarantine_that_is_away(both: Both) -> None:
    quarantine, world = both
    world.hold("r1")
    world.away = True
    with pytest.raises(QuarantineAway):
        await quarantine.look("r1")
    with pytest.raises(QuarantineAway):
        await quarantine.release("r1")
    world.away = False
    assert await quarantine.release("r1") == Release(done=True)


async def test_a_message_whose_record_is_to_come_is_not_known_yet(tmp_path: Path) -> None:
    async with over_grpc(tmp_path) as (quarantine, servicer):
        servicer.messages["r1"] = ("held", "")
        assert await quarantine.look("r1") is None


async def test_the_audit_says_who_let_it_out(tmp_path: Path) -> None:
    async with over_grpc(tmp_path) as (quarantine, servicer):
        servicer.hold("r1")
        await quarantine.release("r1")
        assert servicer.actors == [ACTOR]


async def test_a_deleted_message_is_not_let_out(tmp_path: Path) -> None:
    async with over_grpc(tmp_path) as (quarantine, servicer):
        servicer._release = lambda _ref: pb.ActionResult(state="deleted")
        assert await quarantine.release("r1") == Release(done=False, held=False)
