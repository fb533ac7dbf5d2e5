"""The parts that know by themselves, wired together over a real server."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import pytest
from prometheus_client import CollectorRegistry

from mailweir.common.v1 import common_pb2
from mailweir.events.v1 import events_pb2
from mailweir.scoring.v1 import scoring_pb2
from mailweir_core.client import ClientClass, ClientFacts
from mailweir_core.entries import dump_entry, make_entry
from mailweir_core.hits import load_hits
from mailweir_core.outcome import Advice
from mailweir_core.record import Listener, Session
from mailweir_policy import Policy
from mailweir_reputation import remembering
from mailweir_reputation.acquaintance import Acquaintances
from mailweir_reputation.acquaintance_metrics import declare_acquaintances
from mailweir_reputation.remembering import acquainted, load_asn
from mailweir_runtime.bus.memory import MemoryBus
from mailweir_runtime.bus.nats import NatsBus
from mailweir_runtime.bus.ports import BusUnavailable
from mailweir_runtime.bus.topology import LIST_HITS, LISTS, judged_subject
from mailweir_runtime.config import static_config
from mailweir_runtime.lifecycle import StartupError
from mailweir_runtime.runtime import Runtime
from mailweir_testkit.nats import connected_bus, running_server
from mailweir_testkit.runtime import running_runtime

CLIENT: Final = "192.0.2.5"
POLICY: Final = Policy.model_validate({"reputation": {"answer_seconds": 2.0}})  # a busy machine


@asynccontextmanager
async def opened(
    asn_file: Path | None = None,
) -> AsyncIterator[tuple[Acquaintances, NatsBus, Runtime]]:
    metrics = declare_acquaintances(CollectorRegistry())
    async with (
        running_server() as server,
        connected_bus(server.url) as bus,
        running_runtime() as rt,
        acquainted(rt, bus, static_config(POLICY), asn_file, metrics) as known,
    ):
        yield known, bus, rt


async def until(holds: Callable[[], Awaitable[Any]]) -> None:
    async with asyncio.timeout(20):
        while not await holds():
            await asyncio.sleep(0.05)


def event(number: int, **more: Any) -> events_pb2.Judged:
    session = common_pb2.Session(id="s", listener="mx", client_ip=CLIENT, **more.pop("session", {}))
    return events_pb2.Judged(
        ref=f"01JXQ0000000000000000000AA-{number}",
        kind=events_pb2.JUDGED_KIND_MESSAGE,
        envelope=common_pb2.Envelope(session=session, **more.pop("envelope", {})),
        verdict=scoring_pb2.ScoreResult(score=20.0, thresholds=scoring_pb2.Thresholds(quarantine=6.0)),
        **more,
    )  # fmt: skip


@pytest.mark.integration
@pytest.mark.timeout(60)
async def test_entries_are_followed_and_their_hits_are_stored_at_the_latest_when_it_stops() -> None:
    metrics = declare_acquaintances(CollectorRegistry())
    async with (
        running_server() as server,
        connected_bus(server.url) as bus,
        running_runtime() as rt,
    ):
        lists = await bus.bucket(LISTS)
        session = Session("s", Listener.MX, CLIENT)
        first = make_entry("block", "192.0.2.0/24", id="first")
        await lists.put(first.id, dump_entry(first))
        async with acquainted(rt, bus, static_config(POLICY), None, metrics) as known:
            found = await known.client(session, ClientFacts(), POLICY, 5.0)
            assert found.advice is Advice.CLOSE  # from the first answer on
            second = make_entry("allow", CLIENT, id="second")
            await lists.put(second.id, dump_entry(second))

            async def allowed() -> bool:
                return (await known.client(session, ClientFacts(), POLICY, 6.0)).allowed

            await until(allowed)
        hits = await bus.bucket(LIST_HITS)
        stored = [await hits.get(f"{name}.sum") for name in ("first", "second")]
        assert all(entry is not None and entry.value for entry in stored)
        counts = [load_hits(entry.value).count for entry in stored if entry and entry.value]
        assert counts[0] >= 1
        assert counts[1] == 1


@pytest.mark.integration
@pytest.mark.timeout(60)
async def test_what_is_judged_is_known_soon_after(tmp_path: Path) -> None:
    asn_file = tmp_path / "asn.csv"
    asn_file.write_text("192.0.2.0/24,64500\n")
    async with opened(asn_file) as (known, bus, rt):
        session, now = Session("s", Listener.MX, CLIENT), rt.clock.now
        for n in range(12):
            bad = event(n, action="reject", reason="spam", judged_at=now())
            await bus.publish(judged_subject("s0", bad.ref), bad.SerializeToString())
        letter = event(
            99, action="accept", reason="clean", judged_at=now(), session={"auth_user": "user"},
            envelope={"sender": "user@example.com", "recipients": ["friend@b.example"]},
        )  # fmt: skip
        await bus.publish(judged_subject("s0", letter.ref), letter.SerializeToString())

        async def bad_now() -> bool:
            found = await known.client(session, ClientFacts(), POLICY, now())
            return found.client_class is ClientClass.BAD and found.asn == 64500

        await until(bad_now)
        proven = ClientFacts(spf="pass", spf_domain="b.example")
        to = ["user@example.com", "other@example.com"]
        friend, stranger = await known.recipients(
            session, "friend@b.example", to, proven, POLICY, now()
        )
        assert (friend.known, stranger.known) == (True, False)
        shown = {each.kind: each for each in await known.history(CLIENT, now())}
        assert shown["ip"].spam == pytest.approx(12, abs=0.1)


async def test_it_does_not_start_without_its_lists(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remembering, "LOAD_SECONDS", 0.05)
    bus = MemoryBus()
    bus.outage = BusUnavailable("away")
    metrics = declare_acquaintances(CollectorRegistry())
    async with running_runtime() as rt:
        with pytest.raises(StartupError, match="lists were not read"):
            async with acquainted(rt, bus, static_config(), None, metrics):
                pytest.fail("it must not get here")


async def test_a_file_of_systems_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(StartupError, match=r"asn_file: .*No such file"):
        await load_asn(tmp_path / "none")
    bad = tmp_path / "bad.csv"
    bad.write_text("# systems\nnonsense\n")
    with pytest.raises(StartupError, match="asn_file: line 2: "):
        await load_asn(bad)
