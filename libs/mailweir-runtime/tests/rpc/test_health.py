"""Health is what the runtime's state says."""

import asyncio
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from mailweir_runtime.rpc import open_channel
from mailweir_testkit.runtime import running_runtime

pytestmark = pytest.mark.integration

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


def health_stub(channel: grpc.aio.Channel) -> Any:
    """Return the stub, whose types know only the synchronous channel."""
    stub: Any = vars(health_pb2_grpc)["HealthStub"]
    return stub(channel)


@pytest.mark.parametrize("name", ["", "readiness"])
async def test_it_follows_the_state(serving: Any, scorer: Any, name: str) -> None:
    request = health_pb2.HealthCheckRequest(service=name)
    async with (
        running_runtime() as rt,
        serving(rt, scorer()) as target,
        open_channel(target) as channel,
    ):
        stub = health_stub(channel)
        seen = []
        for step in (lambda: None, rt.ready, lambda: rt.degraded("less"), rt.ready, rt.drain):
            step()
            await asyncio.sleep(0.05)
            seen.append((await stub.Check(request, timeout=5)).status)

    assert seen == [NOT_SERVING, SERVING, SERVING, SERVING, NOT_SERVING]


async def test_a_watcher_hears_each_change_and_the_end(serving: Any, scorer: Any) -> None:
    seen: list[int] = []
    heard = asyncio.Queue[int]()

    async with (
        running_runtime() as rt,
        serving(rt, scorer()) as target,
        open_channel(target) as channel,
        asyncio.timeout(10),
    ):
        watch = health_stub(channel).Watch(health_pb2.HealthCheckRequest())

        async def listen() -> None:
            async for answer in watch:
                heard.put_nowait(answer.status)

        async with rt.background(listen()):
            seen.append(await heard.get())
            rt.ready()
            seen.append(await heard.get())
            rt.drain()
            seen.append(await heard.get())

    assert seen == [NOT_SERVING, SERVING, NOT_SERVING]


async def test_a_server_that_is_ready_before_it_listens_serves(serving: Any, scorer: Any) -> None:
    async with running_runtime() as rt:
        rt.ready()
        async with serving(rt, scorer()) as target, open_channel(target) as channel:
            stub = health_stub(channel)
            async with asyncio.timeout(5):
                while (await stub.Check(health_pb2.HealthCheckRequest())).status != SERVING:
                    await asyncio.sleep(0.01)


async def test_the_end_of_a_server_leaves_no_callback(serving: Any, scorer: Any) -> None:
    async with running_runtime() as rt:
        async with serving(rt, scorer()):
            assert len(rt.state_changed) == 1
        assert rt.state_changed == []
