"""Two gateways and two quarantines on one PostgreSQL, as a cluster runs them: any may answer, any may die."""

import asyncio
import os
import signal
import sys
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
import pytest
import pytest_asyncio

from mailweir.events.v1 import events_pb2
from mailweir_gateway.policy.keys import new_key
from mailweir_policy import Policy, QuarantinePolicy, dumps
from mailweir_runtime.bus.ports import Bus
from mailweir_runtime.bus.topology import DELIVERER, hold_subject, judged_subject
from mailweir_testkit.events import held_mail, judged, ref_of
from mailweir_testkit.nats import connected_bus, nats_server
from mailweir_testkit.ports import port_for_later
from mailweir_testkit.postgres import PostgresServer, PostgresUnavailable, postgres_server

pytestmark = [pytest.mark.integration, pytest.mark.timeout(240)]

KEEP_ALL = Policy(quarantine=QuarantinePolicy(keep_days=3650, keep_records_days=3650))
KEYS = (new_key(lambda _: "a" * 43), new_key(lambda _: "b" * 43))
HELD = 30


@pytest.fixture(scope="module")
def postgres() -> Iterator[PostgresServer]:
    try:
        with postgres_server() as server:
            yield server
    except PostgresUnavailable as error:
        pytest.skip(str(error))


@dataclass
class Replicas:
    """Processes by name and number, over one database and one broker; secrets lie in files."""

    directory: Path
    running: dict[str, asyncio.subprocess.Process] = field(default_factory=dict)
    ports: dict[str, int] = field(default_factory=dict)

    async def start(self, service: str, number: int) -> None:
        name = f"{service}-{number}"
        self.ports.setdefault(name, port_for_later())
        quarantines = ",".join(f"127.0.0.1:{self.ports[f'quarantine-{n}']}" for n in (0, 1))
        settings = {
            "LISTEN": f"127.0.0.1:{self.ports[name]}",
            "NATS_URL_FILE": str(self.directory / "nats-url"),
            "DATABASE_URL_FILE": str(self.directory / service),
            "LOG_FORMAT": "json",
            "CONNECT_SECONDS": "20",
        }
        if service == "gateway":
            settings |= {
                "QUARANTINE_TARGET": f"ipv4:{quarantines}",
                "KEY_FILE": str(self.directory / "admin.key"),
                "INITIAL_POLICY_FILE": str(self.directory / "policy.json"),
            }
        prefix = f"MAILWEIR_{service.upper()}_"
        environment = {prefix + key: value for key, value in settings.items()}
        with (self.directory / f"{name}.log").open("ab") as log:
            self.running[name] = await asyncio.create_subprocess_exec(
                sys.executable, "-m", f"mailweir_{service}", stdout=log, stderr=log,
                env={**environment, "PATH": os.environ["PATH"]},  # noqa: TID251 - for the child
            )  # fmt: skip

    async def kill(self, name: str) -> None:
        process = self.running.pop(name)
        if process.returncode is None:
            process.send_signal(signal.SIGKILL)
        await process.wait()

    async def get(self, number: int, path: str, key: str = KEYS[0]) -> httpx2.Response:
        base = f"http://127.0.0.1:{self.ports[f'gateway-{number}']}/api/v1"
        headers = {"Authorization": f"Bearer {key}"}
        async with httpx2.AsyncClient(base_url=base, headers=headers, trust_env=False) as client:
            return await client.get(path)

    async def post(self, number: int, path: str, document: Any) -> httpx2.Response:
        base = f"http://127.0.0.1:{self.ports[f'gateway-{number}']}/api/v1"
        headers = {"Authorization": f"Bearer {KEYS[0]}"}
        async with httpx2.AsyncClient(base_url=base, headers=headers, trust_env=False) as client:
            return await client.post(path, json=document, timeout=20)


@pytest_asyncio.fixture
async def broker() -> AsyncIterator[tuple[str, Bus]]:
    async with nats_server() as url, connected_bus(url) as bus:
        yield url, bus


@pytest_asyncio.fixture
async def replicas(
    tmp_path: Path, broker: tuple[str, Bus], postgres: PostgresServer
) -> AsyncIterator[Replicas]:
    """Two of each, which all start at once."""
    with postgres.database() as url:
        (tmp_path / "nats-url").write_text(broker[0])
        for service in ("gateway", "quarantine"):
            (tmp_path / service).write_text(f"{url}\n")
        (tmp_path / "admin.key").write_text(f"{KEYS[0]}\n")
        (tmp_path / "policy.json").write_bytes(dumps(KEEP_ALL))
        made = Replicas(tmp_path)
        made.ports = {f"quarantine-{n}": port_for_later() for n in (0, 1)}
        try:
            for service in ("gateway", "quarantine"):
                for number in (0, 1):
                    await made.start(service, number)
            await until(lambda: everybody_is_ready(made))
            yield made
        finally:
            for name in tuple(made.running):
                await made.kill(name)


async def until(check: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(90):
        while True:
            try:
                if await check():
                    return
            except (httpx2.HTTPError, OSError):  # not up yet
                pass
            await asyncio.sleep(0.05)


async def everybody_is_ready(replicas: Replicas) -> bool:
    found = (await replicas.get(0, "/services")).json()
    ready = Counter(p["name"] for p in found if p["state"] == "ready")
    return (ready["gateway"], ready["quarantine"]) == (2, 2)


async def hold(bus: Bus, number: int) -> str:
    ref = ref_of(number)
    held = held_mail(ref, b"Subject: x\r\n\r\nhello\r\n").SerializeToString()
    await bus.publish(hold_subject("s0", ref), held, msg_id=f"h{ref}")
    record = judged(ref, action="hold", reason="spam", score=9.0).SerializeToString()
    await bus.publish(judged_subject("s0", ref), record, msg_id=f"j{ref}")
    return ref


async def test_they_share_key_policy_and_records_and_let_out_once(
    replicas: Replicas, broker: tuple[str, Bus]
) -> None:
    """Both gateways know the key and the policy; a message that is let out through both leaves once."""
    _, bus = broker
    for number in (0, 1):
        assert (await replicas.get(number, "/config")).headers["ETag"] == '"v.1"'
        assert (await replicas.get(number, "/config", KEYS[1])).status_code == 401
    refs = [await hold(bus, number) for number in range(HELD)]

    async def all_held() -> bool:
        page = (await replicas.get(1, "/quarantine?limit=100")).json()
        return {item["id"] for item in page["items"]} == set(refs)

    await until(all_held)
    async with asyncio.TaskGroup() as tasks:
        for number in (0, 1):
            tasks.create_task(replicas.post(number, "/quarantine/release", {"ids": refs}))
    consumer = await bus.consumer(DELIVERER)
    found: list[str] = []

    async def all_out() -> bool:
        for message in await consumer.fetch(100, 0.5):
            found.append(events_pb2.QueuedMail.FromString(message.payload).envelope.ref)
            await message.ack()
        return set(found) == set(refs)

    await until(all_out)
    await asyncio.sleep(1.0)
    await all_out()  # what would come twice
    assert sorted(found) == sorted(refs)


@pytest.mark.long
async def test_one_of_each_may_be_killed(replicas: Replicas, broker: tuple[str, Bus]) -> None:
    """The other goes on: records are written, and REST answers, through the gateway that is left."""
    _, bus = broker
    await replicas.kill("quarantine-0")
    await replicas.kill("gateway-0")
    refs = [await hold(bus, number) for number in range(HELD)]

    async def all_held() -> bool:
        page = await replicas.get(1, "/quarantine?limit=100")
        return {item["id"] for item in page.json().get("items", ())} == set(refs)

    await until(all_held)
    await replicas.start("quarantine", 0)
    await replicas.start("gateway", 0)
    await until(lambda: everybody_is_ready(replicas))
    assert (await replicas.get(0, f"/messages/{refs[0]}")).json()["state"] == "held"
