"""The edge's services: one contract for those in memory and those over gRPC, and how gRPC fails."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import pytest

from mailweir.common.v1 import common_pb2
from mailweir.greylist.v1 import greylist_pb2, greylist_pb2_grpc
from mailweir.ratelimit.v1 import ratelimit_pb2, ratelimit_pb2_grpc
from mailweir.reputation.v1 import reputation_pb2, reputation_pb2_grpc
from mailweir_core.bans import Ban, OffenceKind
from mailweir_core.client import ClientClass, ClientFacts
from mailweir_core.outcome import Advice, Outcome, Signal, Status
from mailweir_core.reasons import Reason
from mailweir_core.record import Listener, Session
from mailweir_ingress.adapters.greylist import GrpcGreylist, MemoryGreylist
from mailweir_ingress.adapters.ratelimit import GrpcRatelimit, MemoryRatelimit, ban_from_proto
from mailweir_ingress.adapters.reputation import GrpcReputation, MemoryReputation
from mailweir_ingress.ports import (
    STRANGER,
    Greylist,
    GreylistAnswer,
    GreylistQuestion,
    Offence,
    Ratelimit,
    RatelimitAnswer,
    RatelimitQuestion,
    Reputation,
    ReputationAnswer,
    ReputationQuestion,
    Stage,
)
from mailweir_runtime.convert import client_to_proto, outcome_to_proto
from mailweir_runtime.rpc import open_channel, serve
from mailweir_testkit.runtime import running_runtime

SESSION = Session("S", Listener.MX, "192.0.2.9", helo="client.example.net")
SENDER = "anna@example.net"
RECIPIENTS = ("bob@example.com", "eve@example.com")
FACTS = ClientFacts(ClientClass.BAD, "client.example.net", 64500, "pass", "example.net", 2.5)
LISTED = Outcome(
    "reputation",
    Status.HIT,
    (Signal("LISTED_SOMEWHERE", 4.0, "edge"),),
    Advice.CLOSE,
    Reason.LISTED,
    "Some List",
)
FINE = Outcome("reputation", Status.OK)
LATER = Outcome("greylist", Status.HIT, (), Advice.DEFER, Reason.GREYLISTED, "later")
TOO_MUCH = Outcome("ratelimit", Status.HIT, (), Advice.DEFER, Reason.RATE_LIMITED, "50 a minute")
BAN = Ban("192.0.2.9/32", OffenceKind.UNKNOWN_USER, "5 recipients", 10.0, 20.0, 2, True)
OFFENCE = Offence(OffenceKind.UNKNOWN_USER, "192.0.2.9", evidence="<x@example.com>")


class ReputationService(reputation_pb2_grpc.ReputationServiceServicer):
    """Says of everybody that he is listed, and of each recipient that nothing speaks against it."""

    def __init__(self) -> None:
        self.calls: list[Any] = []
        self.crash = False

    async def Check(self, request: Any, context: Any) -> Any:
        self.calls.append(request)
        if self.crash:
            raise RuntimeError
        return reputation_pb2.CheckResponse(results=[self._result(i) for i in request.items])

    def _result(self, item: Any) -> reputation_pb2.CheckResult:
        return reputation_pb2.CheckResult(
            outcome=outcome_to_proto(LISTED),
            client=client_to_proto(FACTS),
            valid_seconds=300.0,
            recipients=[outcome_to_proto(FINE) for _ in item.recipients],
        )


class GreylistService(greylist_pb2_grpc.GreylistServiceServicer):
    """Asks everybody to come back."""

    def __init__(self) -> None:
        self.calls: list[Any] = []

    async def Check(self, request: Any, context: Any) -> Any:
        self.calls.append(request)
        results = [
            greylist_pb2.CheckResult(
                recipients=[outcome_to_proto(LATER) for _ in item.recipients], wait_seconds=180.0
            )
            for item in request.items
        ]
        return greylist_pb2.CheckResponse(results=results)


class RatelimitService(ratelimit_pb2_grpc.RatelimitServiceServicer):
    """Finds everything too much, and bans who guesses recipients."""

    def __init__(self) -> None:
        self.calls: list[Any] = []

    async def Check(self, request: Any, context: Any) -> Any:
        self.calls.append(request)
        rcpt = ratelimit_pb2.CHECK_PHASE_RCPT
        results = [
            ratelimit_pb2.CheckResult(
                outcome=outcome_to_proto(TOO_MUCH),
                recipients=[
                    outcome_to_proto(TOO_MUCH) for _ in item.recipients if item.phase == rcpt
                ],
            )
            for item in request.items
        ]
        return ratelimit_pb2.CheckResponse(results=results)

    async def Report(self, request: Any, context: Any) -> Any:
        self.calls.append(request)
        ban = ratelimit_pb2.Ban(
            subject=BAN.subject,
            kind=BAN.kind,
            evidence=BAN.evidence,
            since=BAN.since,
            until=BAN.until,
            strikes=BAN.strikes,
            close_all=BAN.close_all,
            by=BAN.by,
        )
        standings = [
            ratelimit_pb2.Standing(ban=ban if one.kind == "unknown-user" else None)
            for one in request.offences
        ]
        return ratelimit_pb2.ReportResponse(standings=standings)


@asynccontextmanager
async def served(register: Callable[[Any], None]) -> AsyncIterator[Any]:
    """Yield a channel to a service."""
    async with running_runtime("scoring") as rt, serve(rt, "127.0.0.1:0", register) as target:
        rt.ready()
        async with open_channel(target) as channel:
            yield channel


@asynccontextmanager
async def grpc_reputation(service: ReputationService | None = None) -> AsyncIterator[Reputation]:
    own = service or ReputationService()

    def register(server: Any) -> None:
        reputation_pb2_grpc.add_ReputationServiceServicer_to_server(own, server)

    async with served(register) as channel:
        adapter = GrpcReputation(channel)
        yield adapter
        await adapter.aclose()


@asynccontextmanager
async def memory_reputation() -> AsyncIterator[Reputation]:
    yield MemoryReputation(
        lambda asked: ReputationAnswer(LISTED, FACTS, (FINE,) * len(asked.recipients), 300.0)
    )


@asynccontextmanager
async def grpc_greylist(service: GreylistService | None = None) -> AsyncIterator[Greylist]:
    own = service or GreylistService()

    def register(server: Any) -> None:
        greylist_pb2_grpc.add_GreylistServiceServicer_to_server(own, server)

    async with served(register) as channel:
        adapter = GrpcGreylist(channel)
        yield adapter
        await adapter.aclose()


@asynccontextmanager
async def memory_greylist() -> AsyncIterator[Greylist]:
    yield MemoryGreylist(lambda asked: GreylistAnswer((LATER,) * len(asked.recipients), 180.0))


@asynccontextmanager
async def grpc_ratelimit(service: RatelimitService | None = None) -> AsyncIterator[Ratelimit]:
    own = service or RatelimitService()

    def register(server: Any) -> None:
        ratelimit_pb2_grpc.add_RatelimitServiceServicer_to_server(own, server)

    async with served(register) as channel:
        adapter = GrpcRatelimit(channel)
        yield adapter
        await adapter.aclose()


@asynccontextmanager
async def memory_ratelimit() -> AsyncIterator[Ratelimit]:
    def answer(asked: RatelimitQuestion) -> RatelimitAnswer:
        count = len(asked.recipients) if asked.stage is Stage.RCPT else 0
        return RatelimitAnswer(TOO_MUCH, (TOO_MUCH,) * count)

    yield MemoryRatelimit(
        answer, lambda told: BAN if told.kind is OffenceKind.UNKNOWN_USER else None
    )


Made = Callable[[], AbstractAsyncContextManager[Any]]


@pytest.mark.parametrize("make", [memory_reputation, grpc_reputation])
@pytest.mark.parametrize(
    ("stage", "recipients"),
    [(Stage.CONNECT, ()), (Stage.RCPT, RECIPIENTS)],
)
async def test_reputation_says_what_holds_and_for_how_long(
    make: Made, stage: Stage, recipients: tuple[str, ...]
) -> None:
    async with make() as reputation:
        question = ReputationQuestion(stage, SESSION, STRANGER, SENDER, recipients)
        answer = await reputation.check(question, 5.0)
        assert answer == ReputationAnswer(LISTED, FACTS, (FINE,) * len(recipients), 300.0)
        assert answer.outcomes == (LISTED, *answer.recipients)


@pytest.mark.parametrize("make", [memory_greylist, grpc_greylist])
@pytest.mark.parametrize("score", [None, 0.0, 5.5])
async def test_greylist_says_who_waits_and_how_long(make: Made, score: float | None) -> None:
    async with make() as greylist:
        question = GreylistQuestion(SESSION, FACTS, SENDER, RECIPIENTS, score)
        answer = await greylist.check(question, 5.0)
        assert answer == GreylistAnswer((LATER, LATER), 180.0)


@pytest.mark.parametrize("make", [memory_ratelimit, grpc_ratelimit])
@pytest.mark.parametrize(
    ("stage", "counted"), [(Stage.CONNECT, 0), (Stage.RCPT, 2), (Stage.MESSAGE, 0)]
)
async def test_ratelimit_says_what_is_too_much(make: Made, stage: Stage, counted: int) -> None:
    async with make() as ratelimit:
        question = RatelimitQuestion(stage, SESSION, FACTS, SENDER, RECIPIENTS, "S-1", 5000, 1.5)
        answer = await ratelimit.check(question, 5.0)
        assert answer == RatelimitAnswer(TOO_MUCH, (TOO_MUCH,) * counted)


@pytest.mark.parametrize("make", [memory_ratelimit, grpc_ratelimit])
async def test_an_offence_may_lead_to_a_ban(make: Made) -> None:
    async with make() as ratelimit:
        assert await ratelimit.report(OFFENCE, 5.0) == BAN
        assert await ratelimit.report(Offence(OffenceKind.RELAY, "192.0.2.9"), 5.0) is None


@pytest.mark.parametrize(
    ("adapter", "question"),
    [
        (MemoryReputation(), ReputationQuestion(Stage.RCPT, SESSION, FACTS, SENDER, RECIPIENTS)),
        (MemoryGreylist(), GreylistQuestion(SESSION, FACTS, SENDER, RECIPIENTS)),
        (MemoryRatelimit(), RatelimitQuestion(Stage.RCPT, SESSION, FACTS, SENDER, RECIPIENTS)),
    ],
)
async def test_in_memory_nothing_is_found_where_nobody_says_what(
    adapter: Any, question: Any
) -> None:
    answer = await adapter.check(question, 1.0)
    assert {outcome.status for outcome in answer.outcomes} == {Status.OK}
    assert len(answer.recipients) == 2
    assert adapter.asked == [question]


async def test_in_memory_offences_are_remembered() -> None:
    ratelimit = MemoryRatelimit()
    assert await ratelimit.report(OFFENCE, 1.0) is None
    assert ratelimit.offences == [OFFENCE]


async def test_the_services_are_told_everything() -> None:
    reputation, greylist, ratelimit = ReputationService(), GreylistService(), RatelimitService()
    async with grpc_reputation(reputation) as one:
        await one.check(ReputationQuestion(Stage.RCPT, SESSION, FACTS, SENDER, RECIPIENTS), 5.0)
    async with grpc_greylist(greylist) as two:
        await two.check(GreylistQuestion(SESSION, FACTS, SENDER, RECIPIENTS, 5.5), 5.0)
    async with grpc_ratelimit(ratelimit) as three:
        await three.check(
            RatelimitQuestion(Stage.MESSAGE, SESSION, FACTS, SENDER, RECIPIENTS, "S-1", 5000, 1.5),
            5.0,
        )
    items = [service.calls[0].items[0] for service in (reputation, greylist, ratelimit)]
    for item in items:
        assert item.session.helo == "client.example.net"
        assert item.client == client_to_proto(FACTS)
        assert (item.sender, tuple(item.recipients)) == (SENDER, RECIPIENTS)
    assert items[0].phase == reputation_pb2.CHECK_PHASE_RCPT
    assert items[1].score == 5.5
    assert (items[2].ref, items[2].bytes, items[2].score) == ("S-1", 5000, 1.5)


async def test_a_score_is_told_only_where_there_is_one() -> None:
    service = GreylistService()
    async with grpc_greylist(service) as greylist:
        await greylist.check(GreylistQuestion(SESSION, FACTS, SENDER, RECIPIENTS), 5.0)
        await greylist.check(GreylistQuestion(SESSION, FACTS, SENDER, RECIPIENTS, 0.0), 5.0)
    assert [call.items[0].HasField("score") for call in service.calls] == [False, True]


async def test_an_offence_is_told_whole() -> None:
    service = RatelimitService()
    offence = Offence(
        OffenceKind.LOGIN,
        "192.0.2.9",
        "10.0.0.1",
        "anna@example.com",
        "S-1",
        "x" * 500,
        3,
        20.5,
        allowed=True,
    )
    async with grpc_ratelimit(service) as ratelimit:
        await ratelimit.report(offence, 5.0)
    (told,) = service.calls[0].offences
    assert (told.kind, told.client_ip, told.proxy_ip) == ("login", "192.0.2.9", "10.0.0.1")
    assert (told.login, told.ref, told.count) == ("anna@example.com", "S-1", 3)
    assert (told.measure, told.allowed, len(told.evidence)) == (20.5, True, 200)


async def test_questions_that_wait_go_together() -> None:
    service = ReputationService()
    async with grpc_reputation(service) as reputation, asyncio.TaskGroup() as tasks:
        for _ in range(100):
            tasks.create_task(reputation.check(ReputationQuestion(Stage.RCPT, SESSION), 5.0))
    assert sum(len(call.items) for call in service.calls) == 100
    assert len(service.calls) < 20


ALL_QUESTIONS = (
    ReputationQuestion(Stage.RCPT, SESSION, FACTS, SENDER, RECIPIENTS),
    GreylistQuestion(SESSION, FACTS, SENDER, RECIPIENTS),
    RatelimitQuestion(Stage.RCPT, SESSION, FACTS, SENDER, RECIPIENTS),
)


async def test_nobody_there_is_no_answer() -> None:
    async with open_channel("127.0.0.1:1") as channel:
        adapters: tuple[Any, ...] = (
            GrpcReputation(channel),
            GrpcGreylist(channel),
            GrpcRatelimit(channel),
        )
        for adapter, question in zip(adapters, ALL_QUESTIONS, strict=True):
            answer = await adapter.check(question, 0.3)
            assert not answer.answered
            assert {outcome.status for outcome in answer.outcomes} == {Status.TEMPERROR}
            assert len(answer.recipients) == 2
            assert all(outcome.detail for outcome in answer.outcomes)
        assert await adapters[2].report(OFFENCE, 0.3) is None
        for adapter in adapters:
            await adapter.aclose()


async def test_a_crash_of_the_service_is_no_answer() -> None:
    service = ReputationService()
    service.crash = True
    async with grpc_reputation(service) as reputation:
        question = ReputationQuestion(Stage.RCPT, SESSION, FACTS, SENDER)
        answer = await reputation.check(question, 5.0)
    assert (answer.answered, answer.outcome.status) == (False, Status.TEMPERROR)
    assert answer.client == FACTS  # what was known before still is


async def test_what_makes_no_sense_is_made_safe() -> None:
    class Strange(ReputationService):
        def _result(self, item: Any) -> reputation_pb2.CheckResult:
            return reputation_pb2.CheckResult(
                outcome=common_pb2.Outcome(check="weather", status=common_pb2.STATUS_OK),
                valid_seconds=float("nan"),
            )

    async with grpc_reputation(Strange()) as reputation:
        answer = await reputation.check(ReputationQuestion(Stage.RCPT, SESSION), 5.0)
    assert answer.outcome.check == "reputation"
    assert answer.valid_seconds == 0.0
    assert answer.client == STRANGER


async def test_a_wait_that_is_no_time_is_none() -> None:
    class Strange(GreylistService):
        async def Check(self, request: Any, context: Any) -> Any:
            result = greylist_pb2.CheckResult(wait_seconds=float("inf"))
            return greylist_pb2.CheckResponse(results=[result for _ in request.items])

    async with grpc_greylist(Strange()) as greylist:
        answer = await greylist.check(GreylistQuestion(SESSION, FACTS, SENDER, RECIPIENTS), 5.0)
    assert answer == GreylistAnswer(())


@pytest.mark.parametrize(
    "message",
    [
        ratelimit_pb2.Ban(subject="192.0.2.9/32", kind="moon"),
        ratelimit_pb2.Ban(subject="", kind="login"),
        ratelimit_pb2.Ban(subject="192.0.2.9/32", kind="login", since=float("nan")),
        ratelimit_pb2.Ban(subject="192.0.2.9/32", kind="login", until=float("inf")),
    ],
)
def test_a_ban_that_nobody_understands_is_none(message: ratelimit_pb2.Ban) -> None:
    assert ban_from_proto(message) is None
