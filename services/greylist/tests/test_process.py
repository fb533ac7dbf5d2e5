"""The service as a process, on a real nats-server."""

import asyncio
import os
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from mailweir.common.v1 import common_pb2
from mailweir.greylist.v1 import greylist_pb2 as pb, greylist_pb2_grpc
from mailweir_core.clock import SystemClock
from mailweir_policy import Policy
from mailweir_policy.greylist import GreylistPolicy
from mailweir_runtime.config import ensure_first
from mailweir_runtime.heartbeat import live_services
from mailweir_runtime.rpc import RpcFailed, call, open_channel
from mailweir_testkit.nats import connected_bus, running_server

pytestmark = [pytest.mark.integration, pytest.mark.timeout(60)]


async def launch(directory: Path, **settings: str) -> asyncio.subprocess.Process:
    environment = {
        "PATH": os.environ["PATH"],  # noqa: TID251 - the child needs one
        "MAILWEIR_GREYLIST_LISTEN": f"unix:{directory}/g.sock",
        "MAILWEIR_GREYLIST_LOG_FORMAT": "json",
        **{f"MAILWEIR_GREYLIST_{k.upper()}": v for k, v in settings.items()},
    }
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "mailweir_greylist", env=environment, stderr=asyncio.subprocess.PIPE
    )


async def until(answer: Callable[[], Awaitable[Any]], seconds: float = 20.0) -> Any:
    async with asyncio.timeout(seconds):
        while True:
            try:
                if found := await answer():
                    return found
            except RpcFailed:
                pass  # not up yet
            await asyncio.sleep(0.05)


REQUEST = pb.CheckRequest(
    items=[
        pb.CheckItem(
            session=common_pb2.Session(id="s", listener="mx", client_ip="192.0.2.7"),
            client=common_pb2.ClientFacts(suspicion=3.0),
            sender="ann@example.net",
            recipients=["bob@example.com"],
        )
    ]
)


async def test_two_processes_keep_one_list_and_state_outlives_them(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    policy = Policy(
        greylist=GreylistPolicy(log_only_seconds=0, delay_seconds=2, answer_seconds=2.0)
    )
    async with running_server() as nats, connected_bus(nats.url) as bus:
        await ensure_first(bus, policy, SystemClock())
        first = await launch(tmp_path / "a", nats_url=nats.url)
        second = await launch(tmp_path / "b", nats_url=nats.url)
        async with (
            open_channel(f"unix:{tmp_path}/a/g.sock") as one,
            open_channel(f"unix:{tmp_path}/b/g.sock") as two,
        ):
            a, b = (greylist_pb2_grpc.GreylistServiceStub(channel) for channel in (one, two))

            async def wait_of(stub: Any) -> float:
                answer = await call(stub.Check, REQUEST, timeout=5)
                assert answer.results[0].recipients[0].status != common_pb2.STATUS_TEMPERROR
                return float(answer.results[0].wait_seconds)

            assert await until(lambda: wait_of(a)) == pytest.approx(2.0)

            async def listed() -> str:
                entries = (await call(b.List, pb.ListRequest(), timeout=5)).entries
                return entries[0].state if entries else ""

            assert await until(listed) == "pending"
            assert 0 < await wait_of(b) <= 2.0

            async def over() -> bool:
                return await wait_of(b) == 0

            await until(over)
            assert await wait_of(a) == 0

            async def alive() -> bool:
                names = [s.name for s in await live_services(bus) if s.state == "ready"]
                return names.count("greylist") == 2

            await until(alive)
        for process in (first, second):
            process.terminate()
            await process.communicate()
            assert process.returncode == 0
        third = await launch(tmp_path / "a", nats_url=nats.url)
        async with open_channel(f"unix:{tmp_path}/a/g.sock") as again:
            stub = greylist_pb2_grpc.GreylistServiceStub(again)

            async def counted() -> bool:
                found = await call(stub.Forecast, pb.ForecastRequest(), timeout=5)
                return (found.deferred, found.returned) == (1, 1)

            await until(counted)
            assert await wait_of(stub) == 0
        third.terminate()
        await third.communicate()


async def test_without_a_policy_the_start_ends_with_a_line(tmp_path: Path) -> None:
    async with running_server() as nats:
        process = await launch(tmp_path, nats_url=nats.url, connect_seconds="1")
        _, errors = await process.communicate()
    assert process.returncode == 3
    assert b"no policy" in errors
    assert b"Traceback" not in errors
