"""Gateway and quarantine as processes on a real nats-server: what REST shows is what the streams said."""

import asyncio
import os
import signal
import socket
import stat
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx2
import pytest
import pytest_asyncio

from mailweir.events.v1 import events_pb2
from mailweir_core.passwords import verify
from mailweir_gateway.policy.accounts import bucket_key, decode
from mailweir_policy import Policy, QuarantinePolicy, dumps
from mailweir_runtime.bus.ports import Bus
from mailweir_runtime.bus.topology import (
    ACCOUNTS,
    DELIVERER,
    hold_subject,
    judged_subject,
    progress_subject,
)
from mailweir_testkit.events import held_mail, judged, progress, ref_of
from mailweir_testkit.nats import connected_bus, nats_server
from mailweir_testkit.ports import port_for_later

pytestmark = [pytest.mark.integration, pytest.mark.timeout(120)]
# the test's messages are old by the wall clock
KEEP_ALL = Policy(quarantine=QuarantinePolicy(keep_days=3650, keep_records_days=3650))


class Stack:
    """Both processes over one directory, ours to kill."""

    def __init__(self, directory: Path, nats_url: str) -> None:
        self.directory = directory
        self.port = port_for_later()
        self._running: dict[str, asyncio.subprocess.Process] = {}
        self.settings = {
            "quarantine": {
                "LISTEN": f"unix:{directory}/quarantine.sock",
                "DATABASE_URL": f"sqlite+aiosqlite:///{directory}/quarantine.db",
            },
            "gateway": {
                "LISTEN": f"127.0.0.1:{self.port}",
                "QUARANTINE_TARGET": f"unix:{directory}/quarantine.sock",
                "DATABASE_URL": f"sqlite+aiosqlite:///{directory}/gateway.db",
                "INITIAL_POLICY_FILE": str(directory / "policy.json"),
                "KEY_FILE": str(directory / "admin.key"),
                "DEMO_PASSWORD_FILE": str(directory / "demo.password"),
                "SERVICES": "gateway,quarantine,ingress",
            },
        }
        for settings in self.settings.values():
            settings |= {"NATS_URL": nats_url, "LOG_FORMAT": "json", "CONNECT_SECONDS": "10"}
        (directory / "policy.json").write_bytes(dumps(KEEP_ALL))

    def log(self, name: str) -> str:
        return (self.directory / f"{name}.log").read_text()

    async def start(self, *names: str) -> None:
        for name in names:
            prefix = f"MAILWEIR_{name.upper()}_"
            environment = {prefix + key: value for key, value in self.settings[name].items()}
            with (self.directory / f"{name}.log").open("ab") as log:
                self._running[name] = await asyncio.create_subprocess_exec(
                    sys.executable, "-m", f"mailweir_{name}", stdout=log, stderr=log,
                    env={**environment, "PATH": os.environ["PATH"]},  # noqa: TID251 - for the child
                )  # fmt: skip

    async def end(self, name: str, number: int = signal.SIGKILL) -> int:
        process = self._running[name]
        if process.returncode is None:
            process.send_signal(number)
        return await process.wait()

    async def code(self, name: str) -> int:
        return await self._running[name].wait()

    async def close(self) -> None:
        for name in self._running:
            await self.end(name)

    @property
    def client(self) -> httpx2.AsyncClient:
        key = (self.directory / "admin.key").read_text().strip()
        return httpx2.AsyncClient(
            base_url=f"http://127.0.0.1:{self.port}/api/v1",
            headers={"Authorization": f"Bearer {key}"},
            timeout=10,
            trust_env=False,
        )

    async def get(self, path: str, **query: Any) -> Any:
        async with self.client as client:
            return (await client.get(path, params=query)).raise_for_status().json()


@pytest_asyncio.fixture
async def nats_url() -> AsyncIterator[str]:
    async with nats_server() as url:
        yield url


@pytest_asyncio.fixture
async def bus(nats_url: str) -> AsyncIterator[Bus]:
    async with connected_bus(nats_url) as connected:
        yield connected


@pytest_asyncio.fixture
async def stack(tmp_path: Path, nats_url: str, bus: Bus) -> AsyncIterator[Stack]:
    made = Stack(tmp_path, nats_url)
    try:
        yield made
    finally:
        await made.close()


async def until(check: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(60):
        while True:
            try:
                if await check():
                    return
            except (httpx2.HTTPError, OSError):  # not up yet
                pass
            await asyncio.sleep(0.03)


async def healthy(stack: Stack) -> bool:
    async with httpx2.AsyncClient(trust_env=False) as client:
        response = await client.get(f"http://127.0.0.1:{stack.port}/api/v1/health")
    return response.status_code == 200


async def listed(stack: Stack, count: int) -> bool:
    return len((await stack.get("/messages"))["items"]) == count


async def test_a_held_message_is_seen_read_released_and_delivered(stack: Stack, bus: Bus) -> None:
    await stack.start("gateway", "quarantine")
    ref, content = ref_of(1), b"Subject: Buy now\r\n\r\n\xff\xfe body\r\n"
    await bus.publish(hold_subject("s0", ref), held_mail(ref, content).SerializeToString())
    record = judged(ref, action="hold", reason="spam", subject="Buy now", score=9.0)
    await bus.publish(judged_subject("s0", ref), record.SerializeToString())
    await until(lambda: healthy(stack))

    async def source_is_there() -> bool:
        async with stack.client as client:
            response = await client.get(f"/quarantine/{ref}/source")
        return response.status_code == 200 and response.content == content

    await until(source_is_there)
    await until(lambda: listed(stack, 1))
    [item] = (await stack.get("/quarantine"))["items"]
    assert (item["id"], item["subject"], item["state"]) == (ref, "Buy now", "held")
    async with stack.client as client:
        results = (await client.post("/quarantine/release", json={"ids": [ref, ref]})).json()
    assert [r["done"] for r in results["results"]] == [True, True]

    consumer = await bus.consumer(DELIVERER)
    messages = await consumer.fetch(10, 5.0)
    assert len(messages) == 1
    mail = events_pb2.QueuedMail.FromString(messages[0].payload)
    assert await bus.bodies.get(mail.body.key) == content
    event = progress(ref, release=mail.release).SerializeToString()
    await bus.publish(progress_subject("s0", ref), event)
    await messages[0].ack_sync()

    async def delivered() -> bool:
        return bool((await stack.get(f"/messages/{ref}"))["state"] == "delivered")

    await until(delivered)
    story = await stack.get(f"/messages/{ref}")
    assert story["deliveries"][0]["status"] == "delivered"
    assert story["signals"][0]["name"] == "SUBJECT_ALL_CAPS"
    assert (await stack.get("/quarantine"))["items"] == []


async def test_the_first_start_makes_key_account_and_policy(stack: Stack, bus: Bus) -> None:
    await stack.start("gateway")
    await until(lambda: healthy(stack))
    for name in ("admin.key", "demo.password"):
        path = stack.directory / name
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert path.read_text().strip() not in stack.log("gateway")
    assert await stack.get("/config") == (
        await stack.get("/config/versions/1")
    )["policy"]  # fmt: skip
    accounts = await bus.bucket(ACCOUNTS)
    entry = await accounts.get(bucket_key("demo@example.com"))
    assert entry is not None
    account = decode(entry.value or b"")
    password = (stack.directory / "demo.password").read_text().strip()
    assert verify(password, account.password)


async def test_killed_and_started_again_the_key_stays(stack: Stack) -> None:
    await stack.start("gateway")
    await until(lambda: healthy(stack))
    key = (stack.directory / "admin.key").read_text()
    await stack.end("gateway")
    await stack.start("gateway")
    await until(lambda: healthy(stack))
    assert (stack.directory / "admin.key").read_text() == key
    assert (await stack.get("/version"))["product"] == "Mailweir"
    assert await stack.end("gateway", signal.SIGTERM) == 0


async def test_a_new_policy_reaches_every_service(stack: Stack) -> None:
    await stack.start("gateway", "quarantine")

    async def runs(version: str) -> bool:
        services = await stack.get("/services")
        return {s["name"]: s["config"] for s in services} == {
            "gateway": version, "quarantine": version, "ingress": "",
        }  # fmt: skip

    await until(lambda: runs("v.1"))
    async with stack.client as client:
        policy = (await client.get("/config")).json()
        policy["scoring"]["thresholds"]["tag"] = 5.0
        response = await client.put("/config", json=policy, headers={"If-Match": '"v.1"'})
        assert response.json() == {"version": "v.2"}
    await until(lambda: runs("v.2"))
    states = {s["name"]: s["state"] for s in await stack.get("/services")}
    assert states == {"gateway": "ready", "quarantine": "ready", "ingress": "down"}


async def test_without_the_quarantine_the_rest_goes_on(stack: Stack) -> None:
    await stack.start("gateway")
    await until(lambda: healthy(stack))
    async with stack.client as client:
        assert (await client.get("/messages")).status_code == 503
        assert (await client.get("/config")).status_code == 200
    await stack.start("quarantine")
    await until(lambda: listed(stack, 0))


@pytest.mark.parametrize(
    ("setting", "value", "said"),
    [
        ("DATABASE_URL", "sqlite+aiosqlite:////no/such/place/g.db", "cannot use the database"),
        ("KEY_FILE", "/no/such/place/admin.key", "cannot write /no/such/place/admin.key"),
        ("INITIAL_POLICY_FILE", "/no/such/place/policy.json", "no first policy"),
    ],
)
async def test_a_start_that_fails_is_one_line(
    stack: Stack, setting: str, value: str, said: str
) -> None:
    stack.settings["gateway"][setting] = value
    await stack.start("gateway")
    assert await stack.code("gateway") == 3
    lines = [line for line in stack.log("gateway").splitlines() if line.startswith("mailweir-")]
    assert len(lines) == 1
    assert said in lines[0]


async def test_a_port_that_is_taken_is_one_line(stack: Stack) -> None:
    with socket.create_server(("127.0.0.1", stack.port)):
        await stack.start("gateway")
        assert await stack.code("gateway") == 3
    assert f"cannot listen on 127.0.0.1:{stack.port}" in stack.log("gateway")


async def test_wrong_settings_are_all_named(stack: Stack) -> None:
    stack.settings["gateway"] |= {"LISTEN": "nowhere", "DATABASE_URL": "x", "MOON": "1"}
    await stack.start("gateway")
    assert await stack.code("gateway") == 2
    for name in ("LISTEN", "DATABASE_URL", "MOON"):
        assert f"MAILWEIR_GATEWAY_{name}" in stack.log("gateway")
