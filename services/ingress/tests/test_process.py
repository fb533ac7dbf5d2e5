"""The service as a process, on a real nats-server, with a scorer over gRPC."""

import asyncio
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc.aio
import httpx2
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from mailweir.common.v1 import common_pb2
from mailweir.events.v1 import events_pb2
from mailweir.scoring.v1 import scoring_pb2, scoring_pb2_grpc
from mailweir_core.clock import SystemClock
from mailweir_policy import Policy, policy_from
from mailweir_runtime.bus.ports import Bus
from mailweir_runtime.bus.topology import DELIVERER, RECORDER
from mailweir_runtime.config import ensure_first, propose
from mailweir_runtime.heartbeat import live_services
from mailweir_runtime.rpc import open_channel, serve
from mailweir_testkit.nats import NatsServer, connected_bus, running_server
from mailweir_testkit.ports import port_for_later
from mailweir_testkit.runtime import running_runtime

pytestmark = [pytest.mark.integration, pytest.mark.timeout(90)]

MESSAGE = b"Subject: x\r\n\r\nhello\r\n"


class Scoring(scoring_pb2_grpc.ScoringServiceServicer):
    """Everything is clean."""

    async def Score(self, request: scoring_pb2.ScoreRequest, context: Any) -> Any:
        clean = scoring_pb2.ScoreResult(
            status=common_pb2.STATUS_OK, action="accept", reason="clean", subject="x"
        )
        return scoring_pb2.ScoreResponse(results=[clean for _ in request.items])


class Process:
    """One ingress process, ours to kill."""

    def __init__(self, directory: Path, **settings: str) -> None:
        self.port = port_for_later()
        self.scoring = f"unix:{directory}/scoring.sock"
        self._settings = {
            "MX_LISTEN": f"127.0.0.1:{self.port}",
            "SCORING_TARGET": self.scoring,
            "LOG_FORMAT": "json",
            "CONNECT_SECONDS": "10",
            "DRAIN_SECONDS": "10",
            **settings,
        }
        self.process: asyncio.subprocess.Process | None = None

    async def start(self) -> asyncio.subprocess.Process:
        environment = {f"MAILWEIR_INGRESS_{k}": v for k, v in self._settings.items()}
        self.process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "mailweir_ingress",
            env={"PATH": os.environ["PATH"], **environment},  # noqa: TID251 - the child needs one
            stderr=asyncio.subprocess.PIPE,
        )
        return self.process

    async def ended(self) -> tuple[int, str]:
        """Return exit code and what stands on standard error."""
        assert self.process is not None
        _, errors = await self.process.communicate()
        assert self.process.returncode is not None
        return self.process.returncode, errors.decode()


@asynccontextmanager
async def running(
    directory: Path, nats: NatsServer, **settings: str
) -> AsyncIterator[tuple[Process, Bus]]:
    """Run an ingress with a scorer and a policy."""

    def register(server: Any) -> None:
        scoring_pb2_grpc.add_ScoringServiceServicer_to_server(Scoring(), server)

    one = Process(directory, NATS_URL=nats.url, **settings)
    async with (
        connected_bus(nats.url) as bus,
        running_runtime("scoring") as rt,
        serve(rt, one.scoring, register),
    ):
        rt.ready()
        await ensure_first(bus, Policy(), SystemClock())
        process = await one.start()
        reader = asyncio.ensure_future(process.communicate())  # or a full pipe would stop it
        try:
            yield one, bus
        finally:
            if process.returncode is None:
                process.kill()
            await reader


class Client:
    """A client of few words."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    @classmethod
    async def connect(cls, port: int) -> "Client":
        async with asyncio.timeout(20):
            while True:
                try:
                    client = cls(*await asyncio.open_connection("127.0.0.1", port))
                except ConnectionRefusedError:
                    await asyncio.sleep(0.05)
                    continue
                assert (await client.reply()).startswith("220")
                await client.ask("EHLO client.example.net")
                return client

    async def reply(self) -> str:
        async with asyncio.timeout(30):
            while (line := await self.reader.readline())[3:4] == b"-":
                pass
            return line.decode().strip()

    async def ask(self, line: str) -> str:
        self.writer.write(line.encode() + b"\r\n")
        return await self.reply()

    async def begin(self) -> None:
        await self.ask("MAIL FROM:<anna@example.net>")
        await self.ask("RCPT TO:<bob@example.com>")
        assert (await self.ask("DATA")).startswith("354")

    async def deliver(self) -> str:
        await self.begin()
        self.writer.write(MESSAGE + b".\r\n")
        return await self.reply()

    async def close(self) -> None:
        self.writer.close()
        await self.writer.wait_closed()


async def mails(bus: Bus) -> list[events_pb2.QueuedMail]:
    """Take what is to be delivered."""
    consumer = await bus.consumer(DELIVERER)
    return [
        events_pb2.QueuedMail.FromString(message.payload)
        for message in await consumer.fetch(100, 1.0)
    ]


async def until(true: Callable[[], Any]) -> None:
    """Wait until something is so."""
    async with asyncio.timeout(20):
        while not await true():
            await asyncio.sleep(0.05)


async def test_mail_is_taken_policies_are_swapped_and_data_survives_the_drain(
    tmp_path: Path,
) -> None:
    async with running_server() as nats, running(tmp_path, nats) as (one, bus):
        client = await Client.connect(one.port)
        assert (await client.deliver()).startswith("250 2.0.0")
        (mail,) = await mails(bus)
        assert mail.content.endswith(MESSAGE)
        (judged,) = await (await bus.consumer(RECORDER)).fetch(10, 2.0)
        record = events_pb2.Judged.FromString(judged.payload)
        assert (record.ref, record.verdict.subject) == (mail.envelope.ref, "x")

        strict = policy_from({"relay": {"domains": [{"name": "elsewhere.example"}]}})
        await propose(bus, strict, author="a", reason="b", clock=SystemClock(), expected="v.1")

        async def swapped() -> bool:
            await client.ask("MAIL FROM:<anna@example.net>")
            reply = await client.ask("RCPT TO:<bob@example.com>")
            await client.ask("RSET")
            return reply.startswith("550")

        await until(swapped)

        async def beats() -> bool:
            return any(
                (s.name, s.state, s.config_version) == ("ingress", "ready", "v.2")
                for s in await live_services(bus)
            )

        await until(beats)
        idle = await Client.connect(one.port)
        await client.ask("MAIL FROM:<anna@example.net>")
        await client.ask("RCPT TO:<bob@elsewhere.example>")
        await client.ask("DATA")
        assert one.process is not None
        one.process.send_signal(signal.SIGTERM)
        assert (await idle.reply()).startswith("421 4.3.2")
        client.writer.write(MESSAGE + b".\r\n")
        assert (await client.reply()).startswith("250 2.0.0")
        assert (await client.reply()).startswith("421 4.3.2")
        assert await one.process.wait() == 0
        await client.close()
        await idle.close()
        assert len(await mails(bus)) == 1


async def test_services_that_are_left_out_are_named_in_record_header_and_metric(
    tmp_path: Path,
) -> None:
    """Their targets are empty: mail goes on without them."""
    absent = ["reputation", "greylist", "ratelimit"]
    where = f"127.0.0.1:{port_for_later()}"
    async with (
        running_server() as nats,
        running(tmp_path, nats, METRICS_LISTEN=where) as (one, bus),
    ):
        client = await Client.connect(one.port)
        assert (await client.deliver()).startswith("250 2.0.0")
        await client.close()
        (mail,) = await mails(bus)
        (judged,) = await (await bus.consumer(RECORDER)).fetch(10, 2.0)
        async with httpx2.AsyncClient(trust_env=False) as http:
            metrics = (await http.get(f"http://{where}/metrics")).text
    assert b"\r\nX-Mailweir-Unchecked: reputation, greylist, ratelimit\r\n" in mail.content
    checks = events_pb2.Judged.FromString(judged.payload).checks
    said = [c.check for c in checks if c.detail == "not deployed"]
    assert said == absent
    for check in absent:
        series = f'mailweir_ingress_checks_total{{check="{check}",status="skipped"}} 1.0'
        assert series in metrics


async def test_probes_hear_of_the_start_and_of_the_drain(tmp_path: Path) -> None:
    where = f"127.0.0.1:{port_for_later()}"
    request = health_pb2.HealthCheckRequest(service="readiness")
    serving = health_pb2.HealthCheckResponse.SERVING
    async with (
        running_server() as nats,
        running(tmp_path, nats, HEALTH_LISTEN=where) as (one, _),
        open_channel(where) as channel,
    ):
        stub: Any = health_pb2_grpc
        health = stub.HealthStub(channel)

        async def status() -> int:
            try:
                return int((await health.Check(request, timeout=2)).status)
            except grpc.aio.AioRpcError:
                return 0

        async def ready() -> bool:
            return await status() == serving

        await until(ready)
        client = await Client.connect(one.port)
        await client.begin()
        assert one.process is not None
        one.process.send_signal(signal.SIGTERM)

        async def drains() -> bool:
            return await status() == health_pb2.HealthCheckResponse.NOT_SERVING

        await until(drains)
        client.writer.write(MESSAGE + b".\r\n")
        assert (await client.reply()).startswith("250 2.0.0")
        await client.close()
        assert await one.process.wait() == 0


async def test_a_broker_that_dies_and_comes_back_has_each_message_once(tmp_path: Path) -> None:
    async with running_server() as nats, running(tmp_path, nats) as (one, bus):
        client = await Client.connect(one.port)
        assert (await client.deliver()).startswith("250")
        await client.begin()
        await nats.kill()
        client.writer.write(MESSAGE + b".\r\n")
        await asyncio.sleep(0.5)
        await nats.start()
        assert (await client.reply()).startswith("250 2.0.0")
        await client.close()
        refs = [mail.envelope.ref for mail in await mails(bus)]
        assert len(refs) == len(set(refs)) == 2


async def test_a_broker_that_stays_away_is_a_temporary_refusal(tmp_path: Path) -> None:
    async with running_server() as nats, running(tmp_path, nats) as (one, _):
        client = await Client.connect(one.port)
        await nats.kill()
        assert (await client.deliver()).startswith("451 4.3.0")
        assert (await client.ask("NOOP")).startswith("250")
        await client.close()
        await nats.start()


async def test_a_port_that_is_taken_is_one_line(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        where = f"127.0.0.1:{taken.getsockname()[1]}"
        async with running_server() as nats, connected_bus(nats.url) as bus:
            await ensure_first(bus, Policy(), SystemClock())
            one = Process(tmp_path, NATS_URL=nats.url, MX_LISTEN=where)
            await one.start()
            code, errors = await one.ended()
    assert code == 3
    assert f"cannot listen on {where}" in errors
    assert "Traceback" not in errors


@pytest.mark.parametrize(
    ("settings", "code", "line"),
    [
        ({"TLS_CERT_FILE": "/nowhere.pem", "TLS_KEY_FILE": "/nowhere.pem"}, 3, "TLS: cannot use"),
        ({"MX_LISTEN": "nonsense"}, 2, "MAILWEIR_INGRESS_MX_LISTEN"),
        ({"NATS_URL": "nats://127.0.0.1:1", "CONNECT_SECONDS": "0.5"}, 3, "127.0.0.1:1"),
    ],
)
async def test_a_bad_start_is_one_line(
    tmp_path: Path, settings: dict[str, str], code: int, line: str
) -> None:
    one = Process(tmp_path, **settings)
    await one.start()
    found, errors = await one.ended()
    assert found == code
    assert line in errors
    assert "Traceback" not in errors
