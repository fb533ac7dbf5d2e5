"""The ports to the edge's services: in memory, and over gRPC against services of the protos."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc.aio
import pytest
import pytest_asyncio

from mailweir.greylist.v1 import greylist_pb2 as gpb, greylist_pb2_grpc
from mailweir.ratelimit.v1 import ratelimit_pb2 as rpb, ratelimit_pb2_grpc
from mailweir.reputation.v1 import reputation_pb2 as ppb, reputation_pb2_grpc
from mailweir_core.clock import ManualClock, rfc3339
from mailweir_gateway.adapters.greylist import MemoryGreylist, connect_greylist
from mailweir_gateway.adapters.quarantine import connect_quarantine
from mailweir_gateway.adapters.ratelimit import MemoryRatelimit, connect_ratelimit
from mailweir_gateway.adapters.reputation import MemoryReputation, connect_reputation
from mailweir_gateway.models.greylist import GreyEntry
from mailweir_gateway.models.limits import BucketShape, UsageShape
from mailweir_gateway.models.reputation import HistoryShape, ZoneShape
from mailweir_gateway.ports import QuarantineUnavailable, SearchRefused
from mailweir_gateway.ports_edge import Greylist, Ratelimit, Reputation, ServiceUnavailable
from mailweir_runtime.rpc import Refused, RpcFailure, serve
from mailweir_testkit.events import NOW
from mailweir_testkit.runtime import running_runtime

AT = rfc3339(NOW)


class Ratelimits(ratelimit_pb2_grpc.RatelimitServiceServicer):
    """A service by its proto: a table of bans."""

    def __init__(self) -> None:
        self.bans: dict[str, rpb.Ban] = {}
        self.requests: list[Any] = []
        self.refusal: Refused | None = None

    def _note(self, request: Any) -> None:
        self.requests.append(request)
        if self.refusal is not None:
            raise self.refusal

    async def ListBans(self, request: rpb.ListBansRequest, context: Any) -> rpb.ListBansResponse:
        self._note(request)
        found = [
            b for s, b in sorted(self.bans.items()) if s > request.cursor and request.text in s
        ]
        page = found[: request.limit]
        return rpb.ListBansResponse(
            bans=page, next=page[-1].subject if len(found) > len(page) else ""
        )

    async def ExportBans(
        self, request: rpb.ExportBansRequest, context: Any
    ) -> rpb.ExportBansResponse:
        self._note(request)
        return rpb.ExportBansResponse(networks=[s for s in sorted(self.bans) if "@" not in s])

    async def AddBan(self, request: rpb.AddBanRequest, context: Any) -> rpb.AddBanResponse:
        self._note(request)
        if "/" not in request.subject and not request.subject.startswith("account:"):
            raise Refused(RpcFailure.INVALID, "that is no network")
        ban = rpb.Ban(
            subject=request.subject, kind="manual", code="U", evidence=request.evidence, since=NOW,
            until=NOW + request.seconds if request.seconds else 0.0, strikes=1,
            close_all=request.close_all, by=request.actor, hits=0,
        )  # fmt: skip
        self.bans[ban.subject] = ban
        return rpb.AddBanResponse(ban=ban)

    async def RemoveBan(self, request: rpb.RemoveBanRequest, context: Any) -> rpb.RemoveBanResponse:
        self._note(request)
        return rpb.RemoveBanResponse(removed=self.bans.pop(request.subject, None) is not None)

    async def ListUsage(self, request: rpb.ListUsageRequest, context: Any) -> rpb.ListUsageResponse:
        self._note(request)
        usage = rpb.Usage(
            subject="anna@example.com", kind="user", unit="messages", used=160, limit=200,
            source="ratelimit.outbound.default_user", held=2, next_at=NOW,
        )  # fmt: skip
        return rpb.ListUsageResponse(entries=[usage], next="7")

    async def ListBuckets(
        self, request: rpb.ListBucketsRequest, context: Any
    ) -> rpb.ListBucketsResponse:
        self._note(request)
        state = rpb.BucketState(
            limit="connections",
            key="192.0.2.1",
            unit="connections",
            used=3,
            capacity=60,
            empty_at=NOW,
        )
        return rpb.ListBucketsResponse(buckets=[state] if request.subject == "192.0.2.1" else [])


class Greylists(greylist_pb2_grpc.GreylistServiceServicer):
    """A service by its proto: a table of entries."""

    def __init__(self) -> None:
        self.entries: dict[str, gpb.Entry] = {}
        self.requests: list[Any] = []

    async def List(self, request: gpb.ListRequest, context: Any) -> gpb.ListResponse:
        self.requests.append(request)
        found = [e for e in reversed(self.entries.values()) if request.state in ("", e.state)]
        start = int(request.cursor or "0")
        page = found[start : start + request.limit]
        more = str(start + len(page)) if len(found) > start + len(page) else ""
        return gpb.ListResponse(entries=page, next=more)

    async def Authorise(self, request: gpb.AuthoriseRequest, context: Any) -> gpb.AuthoriseResponse:
        self.requests.append(request)
        entry = self._existing(request.id)
        entry.state, entry.authorised_by = "authorised", request.actor
        return gpb.AuthoriseResponse(entry=entry)

    async def Delete(self, request: gpb.DeleteRequest, context: Any) -> gpb.DeleteResponse:
        self.requests.append(request)
        del self.entries[self._existing(request.id).id]
        return gpb.DeleteResponse()

    async def Forecast(self, request: gpb.ForecastRequest, context: Any) -> gpb.ForecastResponse:
        return gpb.ForecastResponse(
            since=NOW, log_only=True, log_only_until=NOW, checked=10, deferred=4, returned=3, lost=1,
            median_wait_seconds=312.5,
        )  # fmt: skip

    def _existing(self, key: str) -> gpb.Entry:
        if key not in self.entries:
            raise Refused(RpcFailure.INVALID, "id: there is no such entry, or not any more")
        return self.entries[key]


class Reputations(reputation_pb2_grpc.ReputationServiceServicer):
    """A service by its proto: one list, one memory."""

    async def ListZones(self, request: ppb.ListZonesRequest, context: Any) -> ppb.ListZonesResponse:
        zone = ppb.ZoneHealth(
            name="example", title="Example list", state="muted", remedy="name a resolver of your own",
            muted_until=NOW, queries=10, hits=2, errors=1, hit_share=0.2, usual_share=0.1,
            median_seconds=0.02, probed_at=NOW,
        )  # fmt: skip
        return ppb.ListZonesResponse(zones=[zone])

    async def GetHistory(
        self, request: ppb.GetHistoryRequest, context: Any
    ) -> ppb.GetHistoryResponse:
        if request.subject == "nonsense":
            raise Refused(RpcFailure.INVALID, "that is no address")
        entry = ppb.HistoryEntry(
            kind="ip", key="192.0.2.1", messages=4, spam=1, total_score=6, seen_at=NOW
        )
        return ppb.GetHistoryResponse(entries=[entry] if request.subject == "192.0.2.1" else [])


class Backend:
    """The three services on one socket."""

    def __init__(self) -> None:
        self.ratelimit, self.greylist, self.reputation = Ratelimits(), Greylists(), Reputations()

    def register(self, server: grpc.aio.Server) -> None:
        ratelimit_pb2_grpc.add_RatelimitServiceServicer_to_server(self.ratelimit, server)
        greylist_pb2_grpc.add_GreylistServiceServicer_to_server(self.greylist, server)
        reputation_pb2_grpc.add_ReputationServiceServicer_to_server(self.reputation, server)


@pytest_asyncio.fixture
async def backend(tmp_path: Path) -> AsyncIterator[tuple[Backend, str]]:
    made = Backend()
    async with (
        running_runtime("edge") as rt,
        serve(rt, f"unix:{tmp_path}/e.sock", made.register) as target,
    ):
        rt.ready()
        yield made, target


# --- bans and limits -------------------------------------------------------------------------------------


@pytest_asyncio.fixture(params=["memory", "grpc"])
async def ratelimit(
    request: pytest.FixtureRequest, backend: tuple[Backend, str]
) -> AsyncIterator[Ratelimit]:
    if request.param == "grpc":
        async with connect_ratelimit(backend[1]) as port:
            yield port
        return
    memory = MemoryRatelimit(ManualClock(NOW))
    memory.entries = [
        UsageShape(
            subject="anna@example.com", kind="user", unit="messages", used=160, limit=200,
            source="ratelimit.outbound.default_user", held=2, next_at=AT,
        ),
        UsageShape(
            subject="bob@example.com", kind="user", unit="messages", used=1, limit=200,
            source="ratelimit.outbound.default_user", held=0, next_at=None,
        ),
    ]  # fmt: skip
    memory.counters["192.0.2.1"] = [
        BucketShape(
            limit="connections",
            key="192.0.2.1",
            unit="connections",
            used=3,
            capacity=60,
            empty_at=AT,
        )
    ]
    yield memory


async def test_a_ban_is_made_listed_and_lifted(ratelimit: Ratelimit) -> None:
    made = await ratelimit.ban("192.0.2.0/24", 60.0, "loud", "admin", close_all=True)
    assert (made.subject, made.kind, made.code, made.by) == ("192.0.2.0/24", "manual", "U", "admin")
    assert (made.since, made.until) == (AT, rfc3339(NOW + 60))
    assert (made.evidence, made.strikes, made.close_all, made.hits) == ("loud", 1, True, 0)
    page = await ratelimit.bans("", 10, "")
    assert page.items == (made,)
    assert await ratelimit.unban("192.0.2.0/24", "admin")
    assert not await ratelimit.unban("192.0.2.0/24", "admin")
    assert (await ratelimit.bans("", 10, "")).items == ()


async def test_a_ban_without_an_end(ratelimit: Ratelimit) -> None:
    made = await ratelimit.ban("account:anna@example.com", 0.0, "", "admin", close_all=False)
    assert (made.until, made.close_all) == (None, False)


async def test_the_export_has_networks_alone(ratelimit: Ratelimit) -> None:
    for subject in ("198.51.100.0/24", "account:anna@example.com", "192.0.2.1/32"):
        await ratelimit.ban(subject, 0.0, "", "admin", close_all=False)
    assert await ratelimit.export() == ["192.0.2.1/32", "198.51.100.0/24"]


async def test_bans_come_in_pages_and_by_text(ratelimit: Ratelimit) -> None:
    for number in range(5):
        await ratelimit.ban(f"192.0.2.{number}/32", 60.0, "", "admin", close_all=True)
    first = await ratelimit.bans("", 3, "")
    second = await ratelimit.bans("", 3, first.next)
    assert [b.subject for b in (*first.items, *second.items)] == [
        f"192.0.2.{n}/32" for n in range(5)
    ]
    assert second.next == ""
    assert [b.subject for b in (await ratelimit.bans("2.3/", 3, "")).items] == ["192.0.2.3/32"]


async def test_what_cannot_be_banned(ratelimit: Ratelimit) -> None:
    with pytest.raises(SearchRefused, match="no network"):
        await ratelimit.ban("nonsense", 60.0, "", "admin", close_all=True)


async def test_usage_and_counters(ratelimit: Ratelimit) -> None:
    page = await ratelimit.usage("", 1, "")
    [usage] = page.items
    assert (usage.subject, usage.used, usage.limit, usage.held) == ("anna@example.com", 160, 200, 2)
    assert (usage.next_at, page.next != "") == (AT, True)
    [bucket] = await ratelimit.buckets("192.0.2.1")
    assert (bucket.limit, bucket.used, bucket.capacity, bucket.empty_at) == (
        "connections", 3, 60, AT,
    )  # fmt: skip
    assert await ratelimit.buckets("192.0.2.9") == []


async def test_what_is_asked_of_the_service(backend: tuple[Backend, str]) -> None:
    async with connect_ratelimit(backend[1]) as port:
        await port.usage("example.com", 7, "c")
    [request] = backend[0].ratelimit.requests
    assert (request.subject, request.limit, request.cursor) == ("example.com", 7, "c")


@pytest.mark.parametrize(
    "kind", [RpcFailure.UNAVAILABLE, RpcFailure.EXHAUSTED, RpcFailure.INTERNAL]
)
async def test_a_service_that_cannot_is_away(
    backend: tuple[Backend, str], kind: RpcFailure
) -> None:
    backend[0].ratelimit.refusal = Refused(kind, "not now")
    async with connect_ratelimit(backend[1]) as port:
        with pytest.raises(ServiceUnavailable) as caught:
            await port.unban("192.0.2.0/24", "admin")
    assert caught.value.service == "ratelimit"


# --- greylisting -----------------------------------------------------------------------------------------


def grey(number: int, state: str) -> gpb.Entry:
    return gpb.Entry(
        id=f"t.{number}", state=state, client="spf:example.net", sender="anna@example.net",
        recipient="bob@example.com", first_at=NOW, last_at=NOW, due_at=NOW + 180,
        expires_at=NOW + 3600, attempts=2, passes=0,
    )  # fmt: skip


def shown(entry: gpb.Entry) -> GreyEntry:
    return GreyEntry(
        id=entry.id, state=entry.state, client=entry.client, sender=entry.sender,
        recipient=entry.recipient, first_at=AT, last_at=AT, due_at=rfc3339(NOW + 180),
        expires_at=rfc3339(NOW + 3600), attempts=2, passes=0, authorised_by="",
    )  # fmt: skip


@pytest_asyncio.fixture(params=["memory", "grpc"])
async def greylist(
    request: pytest.FixtureRequest, backend: tuple[Backend, str]
) -> AsyncIterator[Greylist]:
    entries = [grey(n, "pending" if n % 2 else "authorised") for n in range(5)]
    if request.param == "grpc":
        backend[0].greylist.entries = {entry.id: entry for entry in entries}
        async with connect_greylist(backend[1]) as port:
            yield port
        return
    memory = MemoryGreylist()
    for entry in entries:
        memory.add(shown(entry))
    yield memory


async def test_entries_come_newest_first_in_pages(greylist: Greylist) -> None:
    first = await greylist.entries("", "", 3, "")
    assert first.items == tuple(
        shown(grey(n, "pending" if n % 2 else "authorised")) for n in (4, 3, 2)
    )
    second = await greylist.entries("", "", 3, first.next)
    assert [entry.id for entry in second.items] == ["t.1", "t.0"]
    assert second.next == ""
    pending = await greylist.entries("pending", "", 10, "")
    assert [entry.id for entry in pending.items] == ["t.3", "t.1"]


async def test_an_entry_is_authorised_by_hand(greylist: Greylist) -> None:
    found = await greylist.authorise("t.1", "admin")
    assert found is not None
    assert (found.id, found.state, found.authorised_by) == ("t.1", "authorised", "admin")
    assert await greylist.authorise("t.9", "admin") is None


async def test_an_entry_is_forgotten_once(greylist: Greylist) -> None:
    assert await greylist.delete("t.1", "admin")
    assert not await greylist.delete("t.1", "admin")
    assert [e.id for e in (await greylist.entries("pending", "", 10, "")).items] == ["t.3"]


async def test_the_forecast(backend: tuple[Backend, str]) -> None:
    async with connect_greylist(backend[1]) as port:
        found = await port.forecast()
    assert (found.since, found.log_only, found.log_only_until) == (AT, True, AT)
    assert (found.checked, found.deferred, found.returned, found.lost) == (10, 4, 3, 1)
    assert found.median_wait_ms == 312_500.0


# --- reputation ------------------------------------------------------------------------------------------


@pytest_asyncio.fixture(params=["memory", "grpc"])
async def reputation(
    request: pytest.FixtureRequest, backend: tuple[Backend, str]
) -> AsyncIterator[Reputation]:
    if request.param == "grpc":
        async with connect_reputation(backend[1]) as port:
            yield port
        return
    memory = MemoryReputation()
    memory.lists = [
        ZoneShape(
            name="example", title="Example list", state="muted", remedy="name a resolver of your own",
            muted_until=AT, queries=10, hits=2, errors=1, hit_share=0.2, usual_share=0.1,
            median_ms=20.0, probed_at=AT,
        )
    ]  # fmt: skip
    memory.memories["192.0.2.1"] = [
        HistoryShape(kind="ip", key="192.0.2.1", messages=4, spam=1, mean_score=1.5, seen_at=AT)
    ]
    yield memory


async def test_how_a_list_fares(reputation: Reputation) -> None:
    [zone] = await reputation.zones()
    assert (zone.name, zone.title, zone.state) == ("example", "Example list", "muted")
    assert (zone.remedy, zone.muted_until) == ("name a resolver of your own", AT)
    assert (zone.queries, zone.hits, zone.errors, zone.median_ms) == (10, 2, 1, 20.0)


async def test_what_is_remembered(reputation: Reputation) -> None:
    [entry] = await reputation.history("192.0.2.1")
    assert (entry.kind, entry.key, entry.mean_score, entry.seen_at) == (
        "ip", "192.0.2.1", 1.5, AT,
    )  # fmt: skip
    assert await reputation.history("192.0.2.9") == []


async def test_what_nothing_can_be_remembered_of(backend: tuple[Backend, str]) -> None:
    async with connect_reputation(backend[1]) as port:
        with pytest.raises(SearchRefused, match="no address"):
            await port.history("nonsense")


async def test_nobody_there(tmp_path: Path) -> None:
    target = f"unix:{tmp_path}/none.sock"
    async with (
        connect_reputation(target) as reputation,
        connect_greylist(target) as greylist,
        connect_ratelimit(target) as ratelimit,
    ):
        for asked in (reputation.zones(), greylist.forecast(), ratelimit.buckets("192.0.2.1")):
            with pytest.raises(ServiceUnavailable):
                await asked


async def test_a_service_that_is_not_deployed_does_not_answer() -> None:
    async with (
        connect_reputation("") as reputation,
        connect_greylist("") as greylist,
        connect_ratelimit("") as ratelimit,
        connect_quarantine("") as quarantine,
        asyncio.timeout(5),
    ):
        with pytest.raises(ServiceUnavailable, match="not-deployed") as caught:
            await reputation.zones()
        assert caught.value.service == "reputation"
        with pytest.raises(ServiceUnavailable, match="not-deployed"):
            await greylist.entries("", "", 10, "")
        with pytest.raises(ServiceUnavailable, match="not-deployed"):
            await ratelimit.bans("", 10, "")
        with pytest.raises(QuarantineUnavailable, match="not-deployed"):
            await quarantine.get("x")
