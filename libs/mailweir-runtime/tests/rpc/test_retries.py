"""Retries: only UNAVAILABLE, only what is named idempotent, and not in a storm. The server counts."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from mailweir.scoring.v1 import scoring_pb2 as pb, scoring_pb2_grpc as pb_grpc
from mailweir_runtime.rpc import Refused, RpcFailed, RpcFailure, call, open_channel
from mailweir_testkit.runtime import running_runtime

pytestmark = pytest.mark.integration

SCORE = "/mailweir.scoring.v1.ScoringService/Score"
Answer = Callable[[object, object], Awaitable[pb.ScoreResponse]]


def failing(kind: RpcFailure, times: int) -> Answer:
    """Return a handler that fails so many times before it answers."""
    left = times

    async def answer(request: object, context: object) -> pb.ScoreResponse:
        nonlocal left
        left -= 1
        if left >= 0:
            raise Refused(kind, "not now")
        return pb.ScoreResponse()

    return answer


async def test_an_idempotent_call_is_tried_again_when_unavailable(
    serving: Any, scorer: Any
) -> None:
    service = scorer(failing(RpcFailure.UNAVAILABLE, 2))
    async with (
        running_runtime() as rt,
        serving(rt, service) as target,
        open_channel(target, idempotent=[SCORE]) as channel,
    ):
        await call(pb_grpc.ScoringServiceStub(channel).Score, pb.ScoreRequest(), timeout=10)

    assert service.calls == 3


async def test_a_call_with_a_large_mail_is_tried_again_too(serving: Any, scorer: Any) -> None:
    service = scorer(failing(RpcFailure.UNAVAILABLE, 1))
    large = pb.ScoreRequest(items=[pb.ScoreItem(raw=b"x" * 3_000_000)])
    async with (
        running_runtime() as rt,
        serving(rt, service) as target,
        open_channel(target, idempotent=[SCORE]) as channel,
    ):
        await call(pb_grpc.ScoringServiceStub(channel).Score, large, timeout=10)

    assert service.calls == 2


async def test_it_is_tried_three_times_at_most(serving: Any, scorer: Any) -> None:
    service = scorer(failing(RpcFailure.UNAVAILABLE, 99))
    async with (
        running_runtime() as rt,
        serving(rt, service) as target,
        open_channel(target, idempotent=[SCORE]) as channel,
    ):
        with pytest.raises(RpcFailed) as caught:
            await call(pb_grpc.ScoringServiceStub(channel).Score, pb.ScoreRequest(), timeout=10)

    assert caught.value.kind is RpcFailure.UNAVAILABLE
    assert service.calls == 3


async def test_a_call_that_is_not_idempotent_is_made_once(serving: Any, scorer: Any) -> None:
    service = scorer(failing(RpcFailure.UNAVAILABLE, 1))
    async with (
        running_runtime() as rt,
        serving(rt, service) as target,
        open_channel(target, idempotent=["/mailweir.scoring.v1.ScoringService/Other"]) as channel,
    ):
        with pytest.raises(RpcFailed) as caught:
            await call(pb_grpc.ScoringServiceStub(channel).Score, pb.ScoreRequest(), timeout=10)

    assert caught.value.kind is RpcFailure.UNAVAILABLE
    assert service.calls == 1


@pytest.mark.parametrize(
    "kind", [RpcFailure.EXHAUSTED, RpcFailure.INTERNAL, RpcFailure.INVALID, RpcFailure.DEADLINE]
)
async def test_any_other_failure_is_final(serving: Any, scorer: Any, kind: RpcFailure) -> None:
    service = scorer(failing(kind, 1))
    async with (
        running_runtime() as rt,
        serving(rt, service) as target,
        open_channel(target, idempotent=[SCORE]) as channel,
    ):
        with pytest.raises(RpcFailed) as caught:
            await call(pb_grpc.ScoringServiceStub(channel).Score, pb.ScoreRequest(), timeout=10)

    assert caught.value.kind is kind
    assert service.calls == 1


async def test_a_server_that_fails_always_is_soon_asked_only_once_per_call(
    serving: Any, scorer: Any
) -> None:
    service = scorer(failing(RpcFailure.UNAVAILABLE, 10_000))
    async with (
        running_runtime() as rt,
        serving(rt, service) as target,
        open_channel(target, idempotent=[SCORE]) as channel,
    ):
        score = pb_grpc.ScoringServiceStub(channel).Score
        for _ in range(30):
            with pytest.raises(RpcFailed):
                await call(score, pb.ScoreRequest(), timeout=10)

    assert 30 < service.calls < 50  # 90 without the throttle
