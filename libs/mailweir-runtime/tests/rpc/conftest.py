"""Both event loops for every test in here, and a scoring service that does as it is told."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import grpc
import pytest
import uvloop

from mailweir.scoring.v1 import scoring_pb2 as pb, scoring_pb2_grpc as pb_grpc
from mailweir_runtime.rpc import ServerLimits, serve
from mailweir_runtime.runtime import Runtime

Answer = Callable[
    [pb.ScoreRequest, "grpc.aio.ServicerContext[object, object]"], Awaitable[pb.ScoreResponse]
]


def pytest_asyncio_loop_factories(
    config: pytest.Config, item: pytest.Item
) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Run every asynchronous test on both loops."""
    return {"uvloop": uvloop.new_event_loop, "asyncio": asyncio.new_event_loop}


class Scorer(pb_grpc.ScoringServiceServicer):
    """Counts its calls and answers as the test says."""

    def __init__(self, answer: Answer | None = None) -> None:
        """Answer with one empty result per item where nothing is said."""
        self.calls = 0
        self.peers: list[str] = []
        self._answer = answer

    async def Score(
        self, request: pb.ScoreRequest, context: "grpc.aio.ServicerContext[object, object]"
    ) -> pb.ScoreResponse:
        """Count and answer."""
        self.calls += 1
        self.peers.append(context.peer())
        if self._answer is not None:
            return await self._answer(request, context)
        return pb.ScoreResponse(results=[pb.ScoreResult(score=1.0) for _ in request.items])


Serving = Callable[..., AbstractAsyncContextManager[str]]


@pytest.fixture
def scorer() -> type[Scorer]:
    """Return the servicer's class."""
    return Scorer


@pytest.fixture
def serving() -> Serving:
    """Return `serve` for a scorer: `async with serving(rt, scorer) as target`."""

    @asynccontextmanager
    async def serve_scorer(
        rt: Runtime, scorer: Scorer, listen: str = "127.0.0.1:0", **limits: float
    ) -> AsyncIterator[str]:
        def register(server: grpc.aio.Server) -> None:
            pb_grpc.add_ScoringServiceServicer_to_server(scorer, server)

        async with serve(rt, listen, register, limits=ServerLimits(**limits)) as target:  # type: ignore[arg-type]  # whole numbers among them
            yield target

    return serve_scorer
