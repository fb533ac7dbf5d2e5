"""Health is what the runtime's state says."""

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from mailweir_runtime.listen import LOOPBACK, Reservation
from mailweir_runtime.rpc import open_channel, serve_health
from mailweir_testkit.runtime import running_runtime

pytestmark = pytest.mark.integration

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


def health_stub(channel: grpc.aio.Channel) -> Any:
    """Return the stub, whose types know only the synchronous channel."""
    stub: Any = health_pb2_grpc
    return stub.HealthStub(channel)


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
        steps: list[Callable[[], None]] = [
            rt.recovered,
            rt.ready,
            partial(rt.degraded, "less"),
            rt.ready,
        ]
        for step in (*steps, rt.drain):
            step()
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
            answer = await health_stub(channel).Check(health_pb2.HealthCheckRequest(), timeout=5)

    assert answer.status == SERVING


async def test_a_watcher_does_not_hold_up_the_drain(serving: Any, scorer: Any) -> None:
    seen: list[int] = []
    loop = asyncio.get_running_loop()
    async with running_runtime() as rt:
        async with serving(rt, scorer()) as target:
            channel = open_channel(target)
            rt.ready()
            watch = health_stub(channel).Watch(health_pb2.HealthCheckRequest())
            answers = aiter(watch)
            seen.append((await anext(answers)).status)
            rt.drain()  # 30 seconds
            began = loop.time()
        assert loop.time() - began < 5
        seen += [answer.status async for answer in answers]  # and it ends
        await channel.close()

    assert seen == [SERVING, NOT_SERVING]


async def test_a_name_that_is_not_ours_is_not_found(serving: Any, scorer: Any) -> None:
    request = health_pb2.HealthCheckRequest(service="mailweir.moon.v1.Moon")
    async with (
        running_runtime() as rt,
        serving(rt, scorer()) as target,
        open_channel(target) as channel,
    ):
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await health_stub(channel).Check(request, timeout=5)
        first = await anext(aiter(health_stub(channel).Watch(request, timeout=5)))

    assert caught.value.code() is grpc.StatusCode.NOT_FOUND
    assert first.status == health_pb2.HealthCheckResponse.SERVICE_UNKNOWN


async def test_the_end_of_a_server_leaves_no_callback(serving: Any, scorer: Any) -> None:
    async with running_runtime() as rt:
        async with serving(rt, scorer()):
            assert len(rt.state_changed) == 1
        assert rt.state_changed == []


async def test_a_service_without_calls_of_its_own_answers_too() -> None:
    async with running_runtime() as rt, serve_health(rt, "127.0.0.1:0"):
        pass
    with Reservation(LOOPBACK) as kept:
        target = str(kept.address)
        async with (
            running_runtime() as rt,
            serve_health(rt, target),
            open_channel(target) as channel,
        ):
            rt.ready()
            request = health_pb2.HealthCheckRequest(service="readiness")
            answer = await health_stub(channel).Check(request, timeout=5)

    assert answer.status == SERVING


async def test_no_address_no_server() -> None:
    async with running_runtime() as rt, serve_health(rt, ""):
        assert rt.state == "starting"
