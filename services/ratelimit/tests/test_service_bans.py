"""The gRPC methods about bans, as a caller meets them."""

from dataclasses import dataclass
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from mailweir.ratelimit.v1 import ratelimit_pb2 as pb
from mailweir_core.bans import CODES, OffenceKind
from mailweir_core.clock import ManualClock
from mailweir_policy.document import policy_from
from mailweir_ratelimit.app import build
from mailweir_ratelimit.metrics import declare
from mailweir_ratelimit.service_bans import MOST_OFFENCES, BanMethods
from mailweir_ratelimit.settings import Settings
from mailweir_runtime.bus.memory import MemoryBus
from mailweir_runtime.bus.ports import BusUnavailable
from mailweir_runtime.config import PolicySnapshot, StaticConfig
from mailweir_runtime.rpc import Refused, RpcFailure

CONTEXT: Any = None


@dataclass(slots=True)
class Served:
    methods: BanMethods
    bus: MemoryBus

    async def report(self, *offences: pb.Offence) -> list[pb.Standing]:
        request = pb.ReportRequest(offences=offences)
        return list((await self.methods.Report(request, CONTEXT)).standings)

    async def add(self, subject: str, **more: Any) -> pb.Ban:
        request = pb.AddBanRequest(subject=subject, **more)
        return (await self.methods.AddBan(request, CONTEXT)).ban

    async def remove(self, subject: str) -> bool:
        request = pb.RemoveBanRequest(subject=subject, actor="admin")
        return (await self.methods.RemoveBan(request, CONTEXT)).removed

    async def list(self, **more: Any) -> pb.ListBansResponse:
        return await self.methods.ListBans(pb.ListBansRequest(**more), CONTEXT)


@pytest.fixture
async def served() -> Served:
    clock = ManualClock()
    bus = MemoryBus(clock)
    policy = policy_from({"relay": {"proxy_networks": ["203.0.113.0/28"]}})
    config = StaticConfig(PolicySnapshot(policy, "v.1"))
    house = await build(bus, config, clock, declare(CollectorRegistry()), Settings())
    return Served(house.service, bus)


async def test_offences_lead_to_standings_in_their_order(served: Served) -> None:
    standings = await served.report(
        pb.Offence(kind="relay", client_ip="192.0.2.1", count=1),
        pb.Offence(kind="moon", client_ip="192.0.2.1", count=1),
        pb.Offence(kind="trap", client_ip="192.0.2.2", count=1, evidence="trap@example.com"),
        pb.Offence(kind="trap", client_ip="192.0.2.3", count=1, allowed=True),
        pb.Offence(kind="trap", client_ip="192.0.2.4", count=1, login="bob@example.com"),
        pb.Offence(kind="trap", client_ip="203.0.113.4", count=1),
        pb.Offence(kind="trap", client_ip="192.0.2.5", proxy_ip="192.0.2.5", count=1),
        pb.Offence(kind="score", client_ip="192.0.2.6", measure=25.5, count=1, ref="01REF"),
    )
    banned = [standing.HasField("ban") for standing in standings]
    assert banned == [False, False, True, False, False, False, False, True]
    trap = standings[2].ban
    assert (trap.subject, trap.kind, trap.code) == ("192.0.2.2/32", "trap", "A")
    assert trap.evidence == "message to a trap: trap@example.com"
    assert trap.until - trap.since == 14_400
    assert (trap.strikes, trap.close_all, trap.by) == (1, True, "intrusion")
    assert standings[7].ban.evidence == "message with a score of 20 or more: 25.5 [01REF]"


async def test_every_kind_is_understood(served: Served) -> None:
    for number, kind in enumerate(OffenceKind):
        offence = pb.Offence(kind=kind, client_ip=f"192.0.{number}.1", count=10**6, measure=1e12)
        (standing,) = await served.report(offence)
        if standing.HasField("ban"):
            assert standing.ban.code == CODES[kind]
        else:
            assert kind in (OffenceKind.MANUAL, OffenceKind.LISTED)


async def test_an_offence_without_a_count_counts_nothing(served: Served) -> None:
    (standing,) = await served.report(pb.Offence(kind="relay", client_ip="192.0.2.1"))
    assert not standing.HasField("ban")


async def test_too_many_offences_are_refused(served: Served) -> None:
    with pytest.raises(Refused) as refused:
        await served.report(*[pb.Offence(kind="trap")] * (MOST_OFFENCES + 1))
    assert refused.value.kind is RpcFailure.INVALID


async def test_no_offences_no_standings(served: Served) -> None:
    assert await served.report() == []


async def test_a_ban_by_hand_is_listed_and_lifted(served: Served) -> None:
    ban = await served.add(
        "2001:db8::1", seconds=3600, evidence="spam run", actor="eve@example.com", close_all=True
    )
    assert (ban.subject, ban.kind, ban.code) == ("2001:db8::/64", "manual", "U")
    assert (ban.by, ban.evidence, ban.close_all) == ("eve@example.com", "spam run", True)
    assert list((await served.list()).bans) == [ban]
    assert await served.remove("2001:db8::1")
    assert not await served.remove("2001:db8::1")
    assert list((await served.list()).bans) == []


async def test_pages(served: Served) -> None:
    for number in range(5):
        await served.add(f"192.0.2.{number}", actor="admin", evidence=f"number {number}")
    first = await served.list(limit=3)
    assert [ban.subject for ban in first.bans] == [f"192.0.2.{n}/32" for n in range(3)]
    second = await served.list(limit=3, cursor=first.next)
    assert [ban.subject for ban in second.bans] == ["192.0.2.3/32", "192.0.2.4/32"]
    assert second.next == ""
    assert [b.evidence for b in (await served.list(text="number 4")).bans] == ["number 4"]


async def test_the_export_leaves_out_who_is_never_banned(served: Served) -> None:
    for subject in ("192.0.2.0/24", "192.0.2.7", "2001:db8::1", "account:bob@example.com"):
        await served.add(subject, actor="admin")
    answer = await served.methods.ExportBans(pb.ExportBansRequest(), CONTEXT)
    assert list(answer.networks) == ["192.0.2.0/24", "2001:db8::/64"]


@pytest.mark.parametrize(
    ("subject", "words"),
    [
        ("moon", "no address, no network in CIDR form"),
        ("0.0.0.0/1", "too wide"),
        ("203.0.113.1", "203.0.113.0/28 is a proxy of ours (relay.proxy_networks)"),
    ],
)
async def test_what_cannot_be_banned_is_refused_with_a_sentence(
    served: Served, subject: str, words: str
) -> None:
    with pytest.raises(Refused) as refused:
        await served.add(subject, actor="admin")
    assert refused.value.kind is RpcFailure.INVALID
    assert words in refused.value.detail


async def test_lifting_what_names_nothing_is_refused(served: Served) -> None:
    with pytest.raises(Refused) as refused:
        await served.remove("moon")
    assert refused.value.kind is RpcFailure.INVALID


async def test_lifting_while_the_store_is_away_is_refused(served: Served) -> None:
    await served.add("192.0.2.1", actor="admin")
    served.bus.outage = BusUnavailable("no answer")
    with pytest.raises(Refused) as refused:
        await served.remove("192.0.2.1")
    assert refused.value.kind is RpcFailure.UNAVAILABLE
    served.bus.outage = None
    assert len((await served.list()).bans) == 1


async def test_what_is_no_text_for_the_wire_is_written_out(served: Served) -> None:
    ban = await served.add("account:bob", evidence="caf\u00e9", actor="admin")
    assert ban.evidence == "café"
