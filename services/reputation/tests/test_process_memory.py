"""The service as a process: its own lists, what it remembers, and its file of autonomous systems."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from mailweir.common.v1 import common_pb2
from mailweir.events.v1 import events_pb2
from mailweir.reputation.v1 import reputation_pb2 as pb, reputation_pb2_grpc
from mailweir.scoring.v1 import scoring_pb2
from mailweir_core.clock import SystemClock
from mailweir_core.entries import dump_entry, make_entry
from mailweir_policy import Policy
from mailweir_runtime.bus.nats import NatsBus
from mailweir_runtime.bus.topology import LISTS, judged_subject
from mailweir_runtime.config import ensure_first
from mailweir_runtime.rpc import RpcFailed, call, open_channel
from mailweir_testkit.nats import connected_bus, running_server

pytestmark = [pytest.mark.integration, pytest.mark.timeout(60)]
POLICY = Policy.model_validate({"reputation": {"answer_seconds": 2.0}})  # a busy machine


async def launched(directory: Path, nats_url: str, **settings: str) -> asyncio.subprocess.Process:
    environment = {
        "PATH": os.environ["PATH"],  # noqa: TID251 - the child needs one
        "MAILWEIR_REPUTATION_LISTEN": f"unix:{directory}/s.sock",
        "MAILWEIR_REPUTATION_LOG_FORMAT": "json",
        "MAILWEIR_REPUTATION_NATS_URL": nats_url,
        **{f"MAILWEIR_REPUTATION_{k.upper()}": v for k, v in settings.items()},
    }
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "mailweir_reputation", env=environment, stderr=asyncio.subprocess.PIPE
    )


@asynccontextmanager
async def running(directory: Path, **settings: str) -> AsyncIterator[tuple[NatsBus, Any]]:
    async with running_server() as nats, connected_bus(nats.url) as bus:
        await ensure_first(bus, POLICY, SystemClock())
        process = await launched(directory, nats.url, **settings)
        try:
            async with open_channel(f"unix:{directory}/s.sock") as channel:
                yield bus, reputation_pb2_grpc.ReputationServiceStub(channel)
        finally:
            process.terminate()
            await process.communicate()
        assert process.returncode == 0


async def until(answer: Callable[[], Awaitable[Any]], seconds: float = 30.0) -> Any:
    async with asyncio.timeout(seconds):
        while True:
            try:
                if found := await answer():
                    return found
            except RpcFailed:
                pass  # not up yet
            await asyncio.sleep(0.05)


async def test_entries_of_the_bucket_decide_by_grpc(tmp_path: Path) -> None:
    async with running(tmp_path) as (bus, stub):
        session = common_pb2.Session(id="s", listener="mx", client_ip="192.0.2.5")
        question = pb.CheckRequest(
            items=[pb.CheckItem(phase=pb.CHECK_PHASE_CONNECT, session=session)]
        )

        async def said() -> tuple[str, str, bool]:
            (result,) = (await call(stub.Check, question, timeout=2)).results
            return result.outcome.advice, result.outcome.reason, result.client.allowed

        assert await until(said) == ("none", "", False)
        lists = await bus.bucket(LISTS)
        for kind, item, expected in [
            ("block", "192.0.2.0/24", ("close", "blocklisted", False)),
            ("allow", "192.0.2.5", ("allow", "", True)),
        ]:
            entry = make_entry(kind, item)
            await lists.put(entry.id, dump_entry(entry))

            async def as_expected(expected: tuple[str, str, bool] = expected) -> bool:
                return await said() == expected

            await until(as_expected)


async def test_what_was_judged_is_shown_by_grpc(tmp_path: Path) -> None:
    asn_file = tmp_path / "asn.csv"
    asn_file.write_text("192.0.2.0/24,64500\n")
    async with running(tmp_path, asn_file=str(asn_file)) as (bus, stub):
        for n in range(12):
            event = events_pb2.Judged(
                ref=f"01JXQ0000000000000000000AA-{n}",
                kind=events_pb2.JUDGED_KIND_MESSAGE,
                envelope=common_pb2.Envelope(
                    session=common_pb2.Session(id="s", listener="mx", client_ip="192.0.2.5")
                ),
                action="reject", reason="spam", judged_at=SystemClock().now(),
                verdict=scoring_pb2.ScoreResult(
                    score=20.0, thresholds=scoring_pb2.Thresholds(quarantine=6.0)
                ),
            )  # fmt: skip
            await bus.publish(judged_subject("s0", event.ref), event.SerializeToString())

        async def shown(subject: str) -> Any:
            answer = await call(stub.GetHistory, pb.GetHistoryRequest(subject=subject), timeout=5)
            return {each.kind: each for each in answer.entries}

        async def all_counted() -> bool:
            found = await shown("192.0.2.5")
            return "ip" in found and found["ip"].messages > 11.9

        await until(all_counted)
        found = {**await shown("192.0.2.5"), **await shown("AS64500")}
        assert {kind: round(each.spam) for kind, each in found.items()} == {
            "ip": 12, "net": 12, "asn": 12,
        }  # fmt: skip
        session = common_pb2.Session(id="s", listener="mx", client_ip="192.0.2.5")
        item = pb.CheckItem(phase=pb.CHECK_PHASE_CONNECT, session=session)

        async def bad() -> bool:
            answer = await call(stub.Check, pb.CheckRequest(items=[item]), timeout=2)
            client = answer.results[0].client
            return client.client_class == "bad" and client.asn == 64500

        await until(bad)


async def test_a_file_of_systems_that_cannot_be_read_ends_it_with_a_sentence(
    tmp_path: Path,
) -> None:
    async with running_server() as nats, connected_bus(nats.url) as bus:
        await ensure_first(bus, POLICY, SystemClock())
        process = await launched(tmp_path, nats.url, asn_file=str(tmp_path / "none"))
        _, errors = await process.communicate()
        assert process.returncode == 3
        assert b"asn_file" in errors
