"""Verdicts: one contract for the scorer in memory and the one over gRPC, and how gRPC fails."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import pytest

from mailweir.common.v1 import common_pb2
from mailweir.scoring.v1 import scoring_pb2, scoring_pb2_grpc
from mailweir_core.decision import Action
from mailweir_core.outcome import Status
from mailweir_core.reasons import Reason
from mailweir_core.record import Envelope, Listener, Session
from mailweir_ingress.adapters.scoring import (
    LARGE_BYTES,
    MAX_ITEMS,
    GrpcScorer,
    MemoryScorer,
    verdict_from_proto,
)
from mailweir_ingress.policy.facts import ContentVerdict
from mailweir_ingress.ports import Scorer
from mailweir_runtime.rpc import open_channel, serve
from mailweir_testkit.runtime import running_runtime

SESSION = Session("S", Listener.MX, "192.0.2.9", helo="client.example.net")
ENVELOPE = Envelope("S-1", SESSION, "anna@example.net", ("bob@example.com",), 1.0)
TAGGED = ContentVerdict(
    Status.HIT,
    Action.TAG,
    Reason.SUSPICIOUS,
    7.25,
    (("X-Spam-Flag", "YES"), ("X-Spam-Score", "7.3")),
    ("ONE", "TWO"),
)


class Service(scoring_pb2_grpc.ScoringServiceServicer):
    """Judges by a function."""

    def __init__(self, judge: Callable[[scoring_pb2.ScoreItem], scoring_pb2.ScoreResult]) -> None:
        self.judge = judge
        self.calls: list[list[bytes]] = []

    async def Score(self, request: scoring_pb2.ScoreRequest, context: Any) -> Any:
        self.calls.append([item.raw for item in request.items])
        return scoring_pb2.ScoreResponse(results=[self.judge(item) for item in request.items])


def tagged(_item: scoring_pb2.ScoreItem) -> scoring_pb2.ScoreResult:
    """Return the wire form of TAGGED."""
    return scoring_pb2.ScoreResult(
        status=common_pb2.STATUS_HIT,
        action="tag",
        reason="suspicious",
        score=7.25,
        headers=[common_pb2.HeaderField(name=name, value=value) for name, value in TAGGED.headers],
        signals=[common_pb2.Signal(name=name) for name in TAGGED.signals],
    )


@asynccontextmanager
async def over_grpc(service: Service) -> AsyncIterator[GrpcScorer]:
    """Run a service and a scorer that asks it."""

    def register(server: Any) -> None:
        scoring_pb2_grpc.add_ScoringServiceServicer_to_server(service, server)

    async with running_runtime("scoring") as rt, serve(rt, "127.0.0.1:0", register) as target:
        rt.ready()
        async with open_channel(target) as channel:
            scorer = GrpcScorer(channel)
            yield scorer
            await scorer.aclose()


@asynccontextmanager
async def in_memory() -> AsyncIterator[MemoryScorer]:
    """Return a scorer in memory."""
    yield MemoryScorer(lambda _envelope, _raw: TAGGED)


@pytest.mark.parametrize("make", [in_memory, lambda: over_grpc(Service(tagged))])
async def test_a_verdict_is_action_reason_score_headers_and_signals(
    make: Callable[[], AbstractAsyncContextManager[Scorer]],
) -> None:
    async with make() as scorer:
        verdict = await scorer.score(ENVELOPE, b"raw", (), 5.0)
        assert (verdict.status, verdict.action, verdict.reason) == (
            TAGGED.status,
            TAGGED.action,
            TAGGED.reason,
        )
        assert (verdict.score, verdict.headers) == (TAGGED.score, TAGGED.headers)
        assert verdict.signals == TAGGED.signals


async def test_the_service_is_told_envelope_and_content() -> None:
    seen: list[scoring_pb2.ScoreItem] = []

    def keep(item: scoring_pb2.ScoreItem) -> scoring_pb2.ScoreResult:
        seen.append(item)
        return tagged(item)

    async with over_grpc(Service(keep)) as scorer:
        verdict = await scorer.score(ENVELOPE, b"raw\xff", (), 5.0)
        (item,) = seen
        assert item.raw == b"raw\xff"
        assert item.envelope.ref == "S-1"
        assert item.envelope.session.helo == "client.example.net"
        assert isinstance(verdict.record, scoring_pb2.ScoreResult)


async def test_messages_that_wait_go_together() -> None:
    service = Service(tagged)
    async with over_grpc(service) as scorer, asyncio.TaskGroup() as tasks:
        for number in range(60):
            tasks.create_task(scorer.score(ENVELOPE, str(number).encode(), (), 5.0))
    assert sum(map(len, service.calls)) == 60
    assert len(service.calls) < 60
    assert max(map(len, service.calls)) <= MAX_ITEMS


async def test_small_messages_do_not_wait_for_a_large_one() -> None:
    large, order = b"x" * (LARGE_BYTES + 1), list[str]()
    asked, finish = asyncio.Event(), asyncio.Event()

    class Slow(Service):
        async def Score(self, request: scoring_pb2.ScoreRequest, context: Any) -> Any:
            if any(len(item.raw) > LARGE_BYTES for item in request.items):
                asked.set()
                await finish.wait()
            return await super().Score(request, context)

    async with over_grpc(Slow(tagged)) as scorer, asyncio.TaskGroup() as tasks:

        async def ask(raw: bytes, name: str) -> None:
            verdict = await scorer.score(ENVELOPE, raw, (), 5.0)
            assert verdict.status is TAGGED.status
            order.append(name)

        tasks.create_task(ask(large, "large"))
        await asked.wait()
        await ask(b"small", "small")
        finish.set()
    assert order == ["small", "large"]


async def test_one_call_for_small_messages_is_under_way_at_a_time() -> None:
    running, most = 0, 0

    class Counting(Service):
        async def Score(self, request: scoring_pb2.ScoreRequest, context: Any) -> Any:
            nonlocal running, most
            running += 1
            most = max(most, running)
            await asyncio.sleep(0.01)
            running -= 1
            return await super().Score(request, context)

    service = Counting(tagged)
    async with over_grpc(service) as scorer, asyncio.TaskGroup() as tasks:
        for number in range(20):
            tasks.create_task(scorer.score(ENVELOPE, str(number).encode(), (), 5.0))
    assert most == 1
    assert [raw for call in service.calls for raw in call] == [str(n).encode() for n in range(20)]


async def test_a_service_that_breaks_is_no_verdict() -> None:
    def broken(_item: scoring_pb2.ScoreItem) -> scoring_pb2.ScoreResult:
        raise RuntimeError("secret")

    async with over_grpc(Service(broken)) as scorer:
        verdict = await scorer.score(ENVELOPE, b"raw", (), 5.0)
    assert (verdict.status, verdict.action) == (Status.TEMPERROR, Action.DEFER)
    assert verdict.reason is Reason.SCORING_UNAVAILABLE
    assert "secret" not in verdict.detail


async def test_nobody_there_is_no_verdict() -> None:
    async with open_channel("127.0.0.1:1") as channel:
        verdict = await GrpcScorer(channel).score(ENVELOPE, b"raw", (), 0.3)
    assert verdict.status is Status.TEMPERROR


@pytest.mark.parametrize(
    ("action", "reason"), [("explode", "clean"), ("accept", "no-such-reason"), ("", "")]
)
def test_a_verdict_that_is_not_understood_is_none(action: str, reason: str) -> None:
    verdict = verdict_from_proto(
        scoring_pb2.ScoreResult(status=common_pb2.STATUS_OK, action=action, reason=reason)
    )
    assert verdict.status is Status.TEMPERROR
    assert verdict.detail


def test_a_status_of_a_newer_service_is_no_verdict() -> None:
    result = scoring_pb2.ScoreResult(action="accept", reason="clean")
    assert verdict_from_proto(result).status is Status.TEMPERROR


async def test_the_scorer_in_memory_remembers_and_is_clean_by_itself() -> None:
    scorer = MemoryScorer()
    verdict = await scorer.score(ENVELOPE, b"raw", (), 5.0)
    assert (verdict.action, verdict.reason) == (Action.ACCEPT, Reason.CLEAN)
    assert scorer.asked == [(ENVELOPE, b"raw")]
