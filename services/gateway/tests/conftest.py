"""The application on adapters in memory, asked over ASGI; and databases for what needs one."""

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
import pytest
import pytest_asyncio
from prometheus_client import CollectorRegistry

from mailweir.common.v1 import common_pb2
from mailweir.quarantine.v1 import quarantine_pb2
from mailweir_core.clock import ManualClock
from mailweir_gateway.accounts import Accounts
from mailweir_gateway.adapters import explain
from mailweir_gateway.adapters.greylist import MemoryGreylist
from mailweir_gateway.adapters.keys_memory import MemoryKeys
from mailweir_gateway.adapters.quarantine import MemoryQuarantine
from mailweir_gateway.adapters.ratelimit import MemoryRatelimit
from mailweir_gateway.adapters.reputation import MemoryReputation
from mailweir_gateway.adapters.sql import MIGRATIONS, SCHEMA
from mailweir_gateway.lists import Lists
from mailweir_gateway.metrics import declare
from mailweir_gateway.models.messages import MessageDetail
from mailweir_gateway.policy.keys import digest, new_key
from mailweir_gateway.ports import StoredKey
from mailweir_gateway.service import build
from mailweir_gateway.tools import Tools
from mailweir_policy import Policy
from mailweir_runtime.bus.memory import MemoryBus
from mailweir_runtime.config import ensure_first
from mailweir_runtime.sql import Database, migrate, open_database
from mailweir_testkit.events import NOW, envelope, judged, progress, ref_of
from mailweir_testkit.postgres import PostgresServer, PostgresUnavailable, postgres_server

KEY = new_key(lambda _: "k" * 43)


@dataclass
class World:
    """A gateway in memory, and a client that has its key."""

    client: httpx2.AsyncClient
    tools: Tools
    clock: ManualClock
    bus: MemoryBus
    keys: MemoryKeys
    quarantine: MemoryQuarantine
    ratelimit: MemoryRatelimit
    greylist: MemoryGreylist
    reputation: MemoryReputation
    registry: CollectorRegistry
    state: list[str] = field(default_factory=lambda: ["ready"])

    def value(self, name: str, **labels: str) -> float:
        """Return a metric's value."""
        found = self.registry.get_sample_value(f"mailweir_gateway_{name}", labels)
        assert found is not None, f"no series {name} {labels}"
        return found

    def hold(self, number: int, **more: Any) -> str:
        """Put a held message in; returns its reference."""
        return self.record(number, "held", source=b"Subject: x\r\n\r\nbody\r\n", **more)

    def record(self, number: int, state: str, source: bytes = b"", **more: Any) -> str:
        """Put a record in; returns its reference."""
        ref = ref_of(number)
        self.quarantine.add(detail_of(ref, state, **more), source)
        return ref


def detail_of(ref: str, state: str, **more: Any) -> MessageDetail:
    """Return a record as the quarantine would tell it."""
    event = judged(ref, of=envelope(ref, **more))
    event.checks[0].lookups.add(kind="dns", question="x.example", answer="NXDOMAIN", seconds=0.01)
    event.refused.add(address="c@example.com", action="reject", reason="unknown-recipient")
    event.verdict.thresholds.tag = 6.0
    event.verdict.stages.add(stage="structure", status=common_pb2.STATUS_SKIPPED)
    summary = quarantine_pb2.MessageSummary(
        id=ref, received_at=NOW, client_ip="192.0.2.1", helo="mail.example.net",
        sender=event.envelope.sender, recipients=event.envelope.recipients,
        subject="Minutes of the meeting", bytes=2000, score=1.5, action="accept", reason="clean",
        state=state,
    )  # fmt: skip
    return explain.detail(
        quarantine_pb2.GetResponse(summary=summary, judged=event, delivery=progress(ref))
    )


@pytest_asyncio.fixture
async def world() -> AsyncIterator[World]:
    """A gateway in memory with one key, the default policy, and nothing else."""
    clock, keys, registry = ManualClock(), MemoryKeys(), CollectorRegistry()
    bus, quarantine, state = MemoryBus(clock), MemoryQuarantine(), ["ready"]
    ratelimit, greylist, reputation = MemoryRatelimit(clock), MemoryGreylist(), MemoryReputation()
    await keys.put(StoredKey("admin", digest(KEY), NOW))
    await ensure_first(bus, Policy(), clock)
    tools = Tools(
        quarantine=quarantine,
        ratelimit=ratelimit,
        greylist=greylist,
        reputation=reputation,
        bus=bus,
        keys=keys,
        accounts=Accounts(bus),
        lists=Lists(bus, clock),
        metrics=declare(registry),
        clock=clock,
        version="1.2.3",
        services=("ingress", "gateway"),
        state=lambda: state[0],
    )
    async with httpx2.AsyncClient(
        transport=httpx2.ASGITransport(app=build(tools)),
        base_url="http://gateway",
        headers={"Authorization": f"Bearer {KEY}"},
    ) as client:
        yield World(
            client,
            tools,
            clock,
            bus,
            keys,
            quarantine,
            ratelimit,
            greylist,
            reputation,
            registry,
            state,
        )


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A PostgreSQL server for the session; a database is made per test."""
    try:
        with postgres_server() as server:
            yield server
    except PostgresUnavailable as error:
        pytest.skip(str(error))


@pytest.fixture(
    params=(
        pytest.param("sqlite", marks=pytest.mark.integration),
        pytest.param("postgres", marks=pytest.mark.integration),
    )
)
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of an empty database of each kind."""
    if request.param == "sqlite":
        yield f"sqlite+aiosqlite:///{tmp_path}/gateway.db"
        return
    server: PostgresServer = request.getfixturevalue("postgres")
    with server.database() as url:
        yield url


@pytest_asyncio.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    """An open database with the newest schema."""
    async with open_database(database_url, schema=SCHEMA) as opened:
        await migrate(opened, MIGRATIONS)
        yield opened
