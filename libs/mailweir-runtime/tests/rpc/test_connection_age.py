"""Connections end at their age, without a call noticing: so a new server gets its share of the work."""

import asyncio
from typing import Any

import pytest

from mailweir.scoring.v1 import scoring_pb2 as pb, scoring_pb2_grpc as pb_grpc
from mailweir_runtime.rpc import call, open_channel
from mailweir_testkit.runtime import running_runtime

pytestmark = pytest.mark.integration


async def test_connections_are_recycled_and_no_call_fails(serving: Any, scorer: Any) -> None:
    service = scorer()
    async with (
        running_runtime() as rt,
        serving(rt, service, connection_age_seconds=0.4) as target,
        open_channel(target) as channel,
    ):
        score = pb_grpc.ScoringServiceStub(channel).Score
        loop = asyncio.get_running_loop()
        end = loop.time() + 3
        while loop.time() < end:
            await call(score, pb.ScoreRequest(), timeout=5)

    assert len(set(service.peers)) >= 3


async def test_a_call_longer_than_the_age_has_its_answer(serving: Any, scorer: Any) -> None:
    async def slow(request: object, context: object) -> pb.ScoreResponse:
        await asyncio.sleep(1.5)
        return pb.ScoreResponse(results=[pb.ScoreResult(score=2.0)])

    async with (
        running_runtime() as rt,
        serving(rt, scorer(slow), connection_age_seconds=0.3) as target,
        open_channel(target) as channel,
    ):
        score = pb_grpc.ScoringServiceStub(channel).Score
        answer = await call(score, pb.ScoreRequest(), timeout=10)

    assert answer.results[0].score == 2.0


async def test_without_an_age_one_connection_serves_all(serving: Any, scorer: Any) -> None:
    service = scorer()
    async with (
        running_runtime() as rt,
        serving(rt, service, connection_age_seconds=3600) as target,
        open_channel(target) as channel,
    ):
        score = pb_grpc.ScoringServiceStub(channel).Score
        for _ in range(50):
            await call(score, pb.ScoreRequest(), timeout=5)

    assert len(set(service.peers)) == 1
