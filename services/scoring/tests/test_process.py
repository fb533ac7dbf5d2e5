"""The service as a process, on a real nats-server."""

import asyncio
import os
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from mailweir.scoring.v1 import scoring_pb2 as pb, scoring_pb2_grpc
from mailweir_core.clock import SystemClock
from mailweir_policy import Policy, ScoringPolicy, Thresholds
from mailweir_runtime.config import ensure_first, propose
from mailweir_runtime.heartbeat import live_services
from mailweir_runtime.rpc import RpcFailed, call, open_channel
from mailweir_testkit.nats import connected_bus, running_server

pytestmark = [pytest.mark.integration, pytest.mark.timeout(60)]


async def launch(directory: Path, **settings: str) -> asyncio.subprocess.Process:
    environment = {
        "PATH": os.environ["PATH"],  # noqa: TID251 - the child needs one
        "MAILWEIR_SCORING_LISTEN": f"unix:{directory}/s.sock",
        "MAILWEIR_SCORING_LOG_FORMAT": "json",
        **{f"MAILWEIR_SCORING_{k.upper()}": v for k, v in settings.items()},
    }
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "mailweir_scoring", env=environment, stderr=asyncio.subprocess.PIPE
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


async def test_it_serves_swaps_policies_and_drains(tmp_path: Path, plain: bytes) -> None:
    async with running_server() as nats, connected_bus(nats.url) as bus:
        await ensure_first(bus, Policy(), SystemClock())
        process = await launch(tmp_path, nats_url=nats.url)
        async with open_channel(f"unix:{tmp_path}/s.sock") as channel:
            stub = scoring_pb2_grpc.ScoringServiceStub(channel)
            request = pb.ScoreRequest(items=[pb.ScoreItem(raw=plain)])

            async def answer() -> Any:
                return await call(stub.Score, request, timeout=2)

            first = (await until(answer)).results[0]
            assert (first.action, first.config_version) == ("accept", "v.1")
            strict = Policy(scoring=ScoringPolicy(thresholds=Thresholds(tag=0.1)))
            await propose(bus, strict, author="a", reason="b", clock=SystemClock(), expected="v.1")

            async def swapped() -> bool:
                result = (await answer()).results[0]
                return (result.config_version, result.action) == ("v.2", "tag")

            await until(swapped)

            async def beaten() -> bool:
                return any(
                    s.name == "scoring" and s.rules_version == first.rules_version
                    and s.config_version == "v.2" and s.state == "ready"
                    for s in await live_services(bus)
                )  # fmt: skip

            await until(beaten)
        process.terminate()
        await process.communicate()
        assert process.returncode == 0


async def test_wrong_rules_end_the_start_with_a_line(tmp_path: Path) -> None:
    (tmp_path / "bad.toml").write_text("group = 'headers'\n[X]\n")
    process = await launch(tmp_path, rules_dir=str(tmp_path))
    _, errors = await process.communicate()
    assert process.returncode == 3
    assert b"bad.toml: X:" in errors
    assert b"Traceback" not in errors


async def test_wrong_rules_of_spamassassin_end_it_too(tmp_path: Path) -> None:
    (tmp_path / "bad.cf").write_text("body OPEN /(/\nscore OPEN 1\n")
    process = await launch(tmp_path, spamassassin_dir=str(tmp_path))
    _, errors = await process.communicate()
    assert process.returncode == 3
    assert b"bad.cf:1" in errors
    assert b"Traceback" not in errors


async def test_without_a_policy_the_start_ends_with_a_line(tmp_path: Path) -> None:
    async with running_server() as nats:
        process = await launch(tmp_path, nats_url=nats.url, connect_seconds="1")
        _, errors = await process.communicate()
    assert process.returncode == 3
    assert b"no policy" in errors
