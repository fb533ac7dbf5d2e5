"""The service as a process, on a real nats-server and a name server on loopback."""

import asyncio
import os
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from mailweir.common.v1 import common_pb2
from mailweir.reputation.v1 import reputation_pb2 as pb, reputation_pb2_grpc
from mailweir_core.clock import SystemClock
from mailweir_runtime.config import ensure_first, propose
from mailweir_runtime.heartbeat import live_services
from mailweir_runtime.rpc import RpcFailed, call, open_channel
from mailweir_testkit.dns import dns_server
from mailweir_testkit.dnslists import DnsList
from mailweir_testkit.nats import connected_bus, running_server

pytestmark = [pytest.mark.integration, pytest.mark.timeout(60)]


async def launch(directory: Path, **settings: str) -> asyncio.subprocess.Process:
    environment = {
        "PATH": os.environ["PATH"],  # noqa: TID251 - the child needs one
        "MAILWEIR_REPUTATION_LISTEN": f"unix:{directory}/s.sock",
        "MAILWEIR_REPUTATION_LOG_FORMAT": "json",
        **{f"MAILWEIR_REPUTATION_{k.upper()}": v for k, v in settings.items()},
    }
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "mailweir_reputation", env=environment, stderr=asyncio.subprocess.PIPE
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


async def test_it_serves_follows_policies_and_drains(make: Any, tmp_path: Path) -> None:
    bl = DnsList()
    bl.add("203.0.113.7")
    async with running_server() as nats, connected_bus(nats.url) as bus, dns_server() as dns:
        dns.listing("bl.example.org", bl)
        await ensure_first(bus, make.policy(), SystemClock())
        process = await launch(tmp_path, nats_url=nats.url, dns=dns.address)
        async with open_channel(f"unix:{tmp_path}/s.sock") as channel:
            stub = reputation_pb2_grpc.ReputationServiceStub(channel)
            session = common_pb2.Session(id="s", listener="mx", client_ip="203.0.113.7")
            item = pb.CheckItem(phase=pb.CHECK_PHASE_CONNECT, session=session)

            async def advice() -> str:
                answer = await call(stub.Check, pb.CheckRequest(items=[item]), timeout=2)
                return answer.results[0].outcome.advice

            assert await until(advice) == "none"
            strict = make.policy(make.zone("bl", policy_list=True, score=9.0))
            await propose(bus, strict, author="a", reason="b", clock=SystemClock(), expected="v.1")

            async def refused() -> bool:
                return await advice() == "close"

            await until(refused)

            async def beaten() -> bool:
                return any(
                    s.name == "reputation" and s.config_version == "v.2" and s.state == "ready"
                    for s in await live_services(bus)
                )

            await until(beaten)
        process.terminate()
        _, errors = await process.communicate()
        assert process.returncode == 0, errors.decode()


async def test_without_a_policy_the_start_ends_with_a_line(tmp_path: Path) -> None:
    async with running_server() as nats:
        process = await launch(tmp_path, nats_url=nats.url, connect_seconds="1")
        _, errors = await process.communicate()
    assert process.returncode == 3
    assert b"no policy" in errors
