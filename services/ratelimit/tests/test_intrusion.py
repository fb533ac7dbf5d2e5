"""Intrusion prevention as a whole, on the bus in memory."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from ipaddress import ip_network
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from mailweir_core.bans import Ban, OffenceKind, ban_key
from mailweir_core.clock import ManualClock
from mailweir_core.entries import dump_entry, make_entry
from mailweir_core.hits import Hits, dump_hits, hits_key
from mailweir_policy.document import policy_from
from mailweir_ratelimit.adapters.allowed import ListedNetworks
from mailweir_ratelimit.adapters.bans import BusBans
from mailweir_ratelimit.adapters.cells import KvCells
from mailweir_ratelimit.intrusion import PAGE, SETTLE_SECONDS, Intrusion
from mailweir_ratelimit.intrusion_metrics import IntrusionMetrics
from mailweir_ratelimit.metrics import declare
from mailweir_ratelimit.policy.intrusion import Offence
from mailweir_ratelimit.policy.manual import BanRefused
from mailweir_ratelimit.ports import CellsAway
from mailweir_ratelimit.ports_bans import Stores
from mailweir_runtime.bus.memory import MemoryBus
from mailweir_runtime.bus.ports import Bus, BusUnavailable, Entry
from mailweir_runtime.bus.topology import QUOTAS, RATES
from mailweir_runtime.config import PolicySnapshot, StaticConfig

CLIENT = "198.51.100.7"
SUBJECT = "198.51.100.7/32"
HOURS = 3600.0


@dataclass(slots=True)
class Process:
    """One ratelimit process: what it has in memory, over a bus that others share."""

    intrusion: Intrusion
    registry: CollectorRegistry
    allowed: ListedNetworks
    clock: ManualClock

    def metric(self, noun: str, **labels: str) -> float:
        return self.registry.get_sample_value(f"mailweir_ratelimit_{noun}", labels) or 0.0

    async def offend(self, kind: OffenceKind, client: str = CLIENT, **more: Any) -> Ban | None:
        (ban,) = await self.intrusion.report([Offence(kind, client, **more)])
        return ban

    async def until_banned(self, client: str = CLIENT, most: int = 50) -> int:
        """Offend until there is a ban; returns how many it took, 0 where there was none."""
        for number in range(1, most + 1):
            if await self.offend(
                OffenceKind.UNKNOWN_USER, client, evidence=f"u{number}@example.com"
            ):
                return number
        return 0


async def process(bus: Bus, clock: ManualClock, **policy: Any) -> Process:
    registry = CollectorRegistry()
    metrics = declare(registry)
    allowed = ListedNetworks()
    stores = Stores(
        BusBans(bus),
        KvCells(await bus.bucket(RATES), metrics.cells("rates"), seconds=2.0),
        KvCells(await bus.bucket(QUOTAS), metrics.cells("quotas"), seconds=2.0),
        allowed,
    )
    config = StaticConfig(PolicySnapshot(policy_from(policy), "v.1"))
    intrusion = Intrusion(config, stores, clock, metrics.intrusion)
    return Process(intrusion, registry, allowed, clock)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def bus(clock: ManualClock) -> MemoryBus:
    return MemoryBus(clock)


@pytest.fixture
async def one(bus: MemoryBus, clock: ManualClock) -> Process:
    return await process(bus, clock)


async def test_the_fifth_unknown_user_bans_for_240_minutes(one: Process) -> None:
    assert await one.until_banned() == 5
    (found,) = (await one.intrusion.bans()).bans
    ban, hits = found
    assert (ban.subject, ban.kind, hits) == (SUBJECT, OffenceKind.UNKNOWN_USER, 0)
    assert ban.until - ban.since == 4 * HOURS
    assert ban.close_all
    assert ban.evidence == (
        "5 × unknown recipient in 0 s: u2@example.com, u3@example.com, u4@example.com, u5@example.com"
    )
    assert one.metric("bans_total", kind="unknown-user") == 1
    assert one.metric("offences_total", kind="unknown-user") == 5
    assert one.metric("active_bans", subject="network") == 1


async def test_a_session_that_goes_on_after_the_ban_counts_no_more(one: Process) -> None:
    await one.until_banned()
    for _ in range(20):
        ban = await one.offend(OffenceKind.UNKNOWN_USER)
        assert ban is not None
        assert ban.strikes == 1
    assert one.metric("offences_total", kind="unknown-user") == 5


@pytest.mark.parametrize(
    ("kind", "count", "measure"),
    [
        (OffenceKind.CONNECTIONS, 240, 0),
        (OffenceKind.LOGIN, 10, 0),
        (OffenceKind.RELAY, 5, 0),
        (OffenceKind.RESET, 20, 0),
        (OffenceKind.SCORE, 1, 20),
        (OffenceKind.SIZE, 1, 104_857_600),
        (OffenceKind.TRAP, 1, 0),
        (OffenceKind.CONTENT, 1, 0),
    ],
)
async def test_every_rule_bans_at_its_count_and_not_before(
    one: Process, kind: OffenceKind, count: int, measure: float
) -> None:
    for _ in range(count - 1):
        assert await one.offend(kind, measure=measure) is None
    ban = await one.offend(kind, measure=measure, ref="01REF")
    assert ban is not None
    assert ban.kind is kind
    assert "[01REF]" in ban.evidence


async def test_kinds_are_counted_apart(one: Process) -> None:
    for _ in range(4):
        assert await one.offend(OffenceKind.UNKNOWN_USER) is None
        assert await one.offend(OffenceKind.RELAY) is None


async def test_what_is_older_than_the_window_does_not_count(one: Process) -> None:
    for _ in range(4):
        await one.offend(OffenceKind.UNKNOWN_USER)
    one.clock.advance(3600)
    assert await one.until_banned() == 5


async def test_many_in_one_report_and_many_in_one_offence_count_alike(one: Process) -> None:
    some = [Offence(OffenceKind.UNKNOWN_USER, CLIENT, evidence=f"{n}") for n in range(4)]
    assert list(await one.intrusion.report(some)) == [None] * 4
    assert await one.offend(OffenceKind.UNKNOWN_USER) is not None
    assert await one.offend(OffenceKind.UNKNOWN_USER, "192.0.2.9", count=5) is not None


async def test_answers_come_in_the_order_of_the_offences(one: Process) -> None:
    kinds = (OffenceKind.RELAY, OffenceKind.TRAP, OffenceKind.MANUAL, OffenceKind.CONTENT)
    offences = [Offence(kind, f"192.0.2.{n}") for n, kind in enumerate(kinds)]
    bans = await one.intrusion.report(offences)
    assert [ban and ban.subject for ban in bans] == [None, "192.0.2.1/32", None, "192.0.2.3/32"]
    assert await one.intrusion.report([]) == []


class TestStrikes:
    async def test_each_ban_in_a_row_lasts_twice_as_long(self, one: Process) -> None:
        lasted = []
        for _ in range(5):
            assert await one.until_banned() == 5
            ban = one.intrusion.book.in_force(one.clock.now())[0]
            lasted.append((ban.until - ban.since) / HOURS)
            one.clock.advance(ban.until - ban.since + 1)
        assert lasted == [4, 8, 16, 24, 24]

    async def test_strikes_are_forgotten_a_week_after_the_last_ban(self, one: Process) -> None:
        await one.until_banned()
        one.clock.advance(4 * HOURS + 604_799)
        await one.until_banned()
        assert one.intrusion.book.in_force(one.clock.now())[0].strikes == 2
        one.clock.advance(8 * HOURS + 604_801)
        await one.until_banned()
        assert one.intrusion.book.in_force(one.clock.now())[0].strikes == 1

    async def test_strikes_survive_a_process(self, one: Process, bus: MemoryBus) -> None:
        await one.until_banned()
        one.clock.advance(5 * HOURS)
        two = await process(bus, one.clock)
        await two.until_banned()
        assert two.intrusion.book.in_force(one.clock.now())[0].strikes == 2


class TestWidening:
    async def ban_some(self, one: Process, clients: Sequence[str]) -> list[str]:
        found = []
        for client in clients:
            ban = await one.offend(OffenceKind.TRAP, client)
            assert ban is not None
            found.append(ban.subject)
        return found

    async def test_an_ipv4_24_goes_with_its_fourth_address(self, one: Process) -> None:
        found = await self.ban_some(one, [f"198.51.100.{n}" for n in range(1, 5)])
        assert found == [*(f"198.51.100.{n}/32" for n in range(1, 4)), "198.51.100.0/24"]
        assert await one.offend(OffenceKind.RELAY, "198.51.100.99") is not None
        wide = one.intrusion.book.page(one.clock.now(), "/24", "", 1)[0]
        assert wide.evidence.startswith("bans within 4 of its networks: 198.51.100.1/32, ")
        assert one.metric("widened_bans_total") == 1

    async def test_a_56_goes_with_its_fourth_64(self, one: Process) -> None:
        found = await self.ban_some(one, [f"2001:db8:0:{n:x}::9" for n in range(4)])
        assert found[-1] == "2001:db8::/56"

    async def test_a_48_goes_with_the_fourth_56_in_which_somebody_is_banned(
        self, one: Process
    ) -> None:
        found = await self.ban_some(one, [f"2001:db8:0:{n:x}00::9" for n in range(4)])
        assert found[-1] == "2001:db8::/48"

    async def test_one_address_many_times_widens_nothing(self, one: Process) -> None:
        for _ in range(6):
            ban = await one.offend(OffenceKind.TRAP)
            assert ban is not None
            assert ban.subject == SUBJECT
            one.clock.advance(ban.until - ban.since + 1)

    async def test_bans_that_have_ended_do_not_count(self, one: Process) -> None:
        await self.ban_some(one, [f"198.51.100.{n}" for n in range(1, 4)])
        one.clock.advance(5 * HOURS)
        assert await self.ban_some(one, ["198.51.100.4"]) == ["198.51.100.4/32"]

    async def test_nothing_widens_over_somebody_who_is_protected(
        self, bus: MemoryBus, clock: ManualClock
    ) -> None:
        one = await process(bus, clock, relay={"proxy_networks": ["198.51.100.250/32"]})
        found = await self.ban_some(one, [f"198.51.100.{n}" for n in range(1, 9)])
        assert found == [f"198.51.100.{n}/32" for n in range(1, 9)]
        assert one.metric("unwidened_bans_total") >= 1

    async def test_nothing_widens_where_the_policy_does_not_want_it(
        self, bus: MemoryBus, clock: ManualClock
    ) -> None:
        one = await process(bus, clock, ratelimit={"intrusion": {"widen_after": 0}})
        found = await self.ban_some(one, [f"198.51.100.{n}" for n in range(1, 9)])
        assert found == [f"198.51.100.{n}/32" for n in range(1, 9)]


class TestLogins:
    async def test_one_name_is_paused_from_there_alone(self, one: Process) -> None:
        for _ in range(4):
            assert await one.offend(OffenceKind.LOGIN, login="bob@example.com") is None
        assert (await one.intrusion.bans()).bans == ()
        assert await one.offend(OffenceKind.LOGIN, login="bob@example.com") is None
        ((pause, _),) = (await one.intrusion.bans()).bans
        assert pause.account == "bob@example.com from 198.51.100.7/32"
        assert pause.until - pause.since == 600
        assert not pause.close_all
        assert await one.offend(OffenceKind.LOGIN, "192.0.2.1", login="bob@example.com") is None
        assert one.metric("active_bans", subject="account") == 1

    async def test_many_names_ban_the_client(self, one: Process) -> None:
        bans = [await one.offend(OffenceKind.LOGIN, login=f"u{n}@example.com") for n in range(10)]
        assert bans[:9] == [None] * 9
        assert bans[9] is not None
        assert bans[9].subject == SUBJECT

    async def test_lifting_the_ban_of_a_client_lets_its_names_in_too(self, one: Process) -> None:
        for _ in range(5):
            await one.offend(OffenceKind.LOGIN, login="bob@example.com")
        assert not await one.intrusion.unban(CLIENT, "admin")
        assert (await one.intrusion.bans()).bans == ()
        for _ in range(4):
            assert await one.offend(OffenceKind.LOGIN, login="bob@example.com") is None


class TestProtected:
    async def test_who_is_protected_is_never_banned(
        self, bus: MemoryBus, clock: ManualClock
    ) -> None:
        relay = {"proxy_networks": ["203.0.113.0/28"], "trusted_networks": ["192.0.2.0/24"]}
        one = await process(bus, clock, relay=relay)
        for client in ("203.0.113.5", "192.0.2.77", "127.0.0.1", "10.0.0.1", "::1", "nobody"):
            for kind in OffenceKind:
                assert await one.offend(kind, client, count=10**6, measure=1e12) is None
        assert (await one.intrusion.bans()).bans == ()
        for cause in ("proxy", "trusted", "never", "internal", "unknown", "off"):
            assert one.metric("spared_offences_total", cause=cause) > 0, cause

    async def test_a_network_on_the_allow_list_is_never_banned(self, one: Process) -> None:
        entry = make_entry("allow", "198.51.100.0/24")
        one.allowed.take(Entry(entry.id, dump_entry(entry), 1))
        assert await one.offend(OffenceKind.TRAP) is None
        one.allowed.take(Entry(entry.id, None, 2))
        assert await one.offend(OffenceKind.TRAP) is not None

    async def test_who_comes_to_be_protected_is_let_in(self, one: Process) -> None:
        await one.until_banned()
        by_hand = await one.intrusion.ban("198.51.100.8", 60, "spam", "admin")
        await one.intrusion.tidy()
        assert len((await one.intrusion.bans()).bans) == 2
        entry = make_entry("allow", "198.51.100.0/24")
        one.allowed.take(Entry(entry.id, dump_entry(entry), 1))
        await one.intrusion.tidy()
        assert [ban for ban, _ in (await one.intrusion.bans()).bans] == [by_hand]
        assert one.metric("lifted_bans_total", by="protected") == 1

    async def test_tidying_forgets_what_has_ended(self, one: Process) -> None:
        await one.until_banned()
        one.clock.advance(5 * HOURS)
        await one.intrusion.tidy()
        assert len(one.intrusion.book) == 0

    async def test_tidying_outlives_a_broker_that_is_away(
        self, one: Process, bus: MemoryBus
    ) -> None:
        await one.until_banned()
        entry = make_entry("allow", "198.51.100.0/24")
        one.allowed.take(Entry(entry.id, dump_entry(entry), 1))
        bus.outage = BusUnavailable("away")
        await one.intrusion.tidy()
        bus.outage = None
        await one.intrusion.tidy()
        assert (await one.intrusion.bans()).bans == ()

    async def test_a_ban_of_a_process_that_did_not_know_yet_is_lifted_for_a_while(
        self, one: Process, bus: MemoryBus
    ) -> None:
        late = await process(bus, one.clock)
        entry = make_entry("allow", "198.51.100.0/24")
        one.allowed.take(Entry(entry.id, dump_entry(entry), 1))
        await one.intrusion.tidy()
        one.clock.advance(SETTLE_SECONDS / 2)
        ban = await late.offend(OffenceKind.TRAP)
        assert ban is not None
        one.intrusion.book.put(ban)
        await one.intrusion.tidy()
        assert (await one.intrusion.bans()).bans == ()


async def test_what_went_before_the_process_followed_is_forgotten(
    one: Process, bus: MemoryBus
) -> None:
    await one.until_banned()
    two = await process(bus, one.clock)
    await two.intrusion.load()
    await one.intrusion.unban(CLIENT, "admin")
    assert len(two.intrusion.book) == 1
    bus.outage = BusUnavailable("away")
    await two.intrusion.reconcile()
    assert len(two.intrusion.book) == 1
    bus.outage = None
    await two.intrusion.reconcile()
    assert len(two.intrusion.book) == 0


class TestUnban:
    async def test_lifting_forgets_counts_and_strikes(self, one: Process) -> None:
        await one.until_banned()
        for _ in range(4):
            await one.offend(OffenceKind.RELAY)
        assert await one.intrusion.unban(CLIENT, "admin")
        assert (await one.intrusion.bans()).bans == ()
        assert one.metric("lifted_bans_total", by="hand") == 1
        assert await one.offend(OffenceKind.RELAY) is None
        assert await one.until_banned() == 5
        assert one.intrusion.book.in_force(one.clock.now())[0].strikes == 1

    async def test_counts_before_the_ban_are_forgotten_too(self, one: Process) -> None:
        for _ in range(4):
            await one.offend(OffenceKind.UNKNOWN_USER)
        assert not await one.intrusion.unban(SUBJECT, "admin")
        assert await one.until_banned() == 5

    async def test_a_lifted_ban_does_not_help_to_widen(self, one: Process) -> None:
        for number in range(1, 4):
            await one.offend(OffenceKind.TRAP, f"198.51.100.{number}")
        assert await one.intrusion.unban("198.51.100.1/32", "admin")
        ban = await one.offend(OffenceKind.TRAP, "198.51.100.4")
        assert ban is not None
        assert ban.subject == "198.51.100.4/32"

    async def test_a_wide_ban_is_lifted_by_its_name(self, one: Process) -> None:
        for number in range(1, 5):
            await one.offend(OffenceKind.TRAP, f"198.51.100.{number}")
        assert await one.intrusion.unban("198.51.100.0/24", "admin")
        assert await one.offend(OffenceKind.RELAY, "198.51.100.99") is None
        ban = await one.offend(OffenceKind.TRAP, "198.51.100.5")
        assert ban is not None
        assert ban.subject == "198.51.100.5/32"

    @pytest.mark.parametrize("text", ["2001:db8::9", "2001:db8::/64"])
    async def test_an_ipv6_client_is_lifted_by_address_or_network(
        self, one: Process, text: str
    ) -> None:
        assert await one.offend(OffenceKind.TRAP, "2001:db8::9") is not None
        assert await one.intrusion.unban(text, "admin")

    async def test_what_was_not_banned_was_not_lifted(self, one: Process) -> None:
        assert not await one.intrusion.unban("192.0.2.1", "admin")
        assert not await one.intrusion.unban("account:bob@example.com", "admin")
        with pytest.raises(BanRefused):
            await one.intrusion.unban("moon", "admin")


class TestByHand:
    async def test_an_address_a_network_and_an_account(self, one: Process) -> None:
        for text, subject in (
            (" 192.0.2.1 ", "192.0.2.1/32"),
            ("198.51.100.0/24", "198.51.100.0/24"),
            ("2001:db8::1", "2001:db8::/64"),
            ("2001:db8::1/128", "2001:db8::1/128"),
            ("Account:Bob@Example.com", "account:bob@example.com"),
        ):
            ban = await one.intrusion.ban(text, 3600, "spam\r\nrun", "eve@example.com", False)
            assert ban == Ban(
                subject, OffenceKind.MANUAL, "spam??run", one.clock.now(), one.clock.now() + 3600,
                by="eve@example.com",
            )  # fmt: skip
        assert len((await one.intrusion.bans()).bans) == 5

    async def test_without_an_end(self, one: Process) -> None:
        ban = await one.intrusion.ban("192.0.2.1", 0, "", "", kind=OffenceKind.SCORE)
        one.clock.advance(10 * 365 * 86_400)
        assert ban.holds(one.clock.now())
        assert (ban.kind, ban.evidence, ban.by) == (OffenceKind.SCORE, "banned by hand", "unknown")
        assert await one.offend(OffenceKind.TRAP, "192.0.2.1") == ban

    async def test_a_ban_by_hand_replaces_the_one_there_is(self, one: Process) -> None:
        await one.until_banned()
        await one.intrusion.ban(CLIENT, 60, "spam", "admin")
        ((ban, _),) = (await one.intrusion.bans()).bans
        assert ban.kind is OffenceKind.MANUAL

    @pytest.mark.parametrize(
        ("subject", "seconds", "words"),
        [
            ("moon", 60, "'moon' is no address, no network"),
            ("192.0.2.1/24", 60, "is no address, no network in CIDR form without host bits"),
            ("", 60, "is no address"),
            ("account:", 60, "login of 1 to 254"),
            ("account:a\nb", 60, "printable"),
            ("0.0.0.0/0", 60, "0.0.0.0/0 is too wide: a ban has a prefix of at least /8"),
            ("2000::/3", 60, "at least /19"),
            ("203.0.113.0/24", 60, "203.0.113.0/28 is a proxy of ours"),
            ("192.0.2.9", 60, "192.0.2.0/24 is a trusted network"),
            ("127.0.0.1", 60, "never to be banned"),
            ("::1", 60, "never to be banned"),
            ("198.51.100.1", -1, "seconds must be 0"),
            ("198.51.100.1", float("nan"), "seconds must be 0"),
            ("198.51.100.1", 1e12, "seconds must be 0"),
        ],
    )
    async def test_what_cannot_be_is_refused_with_a_sentence(
        self, bus: MemoryBus, clock: ManualClock, subject: str, seconds: float, words: str
    ) -> None:
        relay = {"proxy_networks": ["203.0.113.0/28"], "trusted_networks": ["192.0.2.0/24"]}
        one = await process(bus, clock, relay=relay)
        with pytest.raises(BanRefused) as refused:
            await one.intrusion.ban(subject, seconds, "", "admin")
        assert words in str(refused.value)
        assert (await one.intrusion.bans()).bans == ()


class TestLists:
    async def test_pages_filter_and_hits(self, one: Process, bus: MemoryBus) -> None:
        for number in range(250):
            await one.intrusion.ban(f"10.0.{number}.0/24", 60, f"spam {number}", "admin")
        rates = await bus.bucket(RATES)
        await rates.put(hits_key("10.0.0.0/24", "mx-1"), dump_hits(Hits(41, 0.0)))
        seen: list[tuple[Ban, int]] = []
        cursor = ""
        while True:
            page = await one.intrusion.bans(cursor=cursor)
            assert len(page.bans) <= PAGE
            seen += page.bans
            cursor = page.next
            if not cursor:
                break
        assert len({ban.subject for ban, _ in seen}) == len(seen) == 250
        assert seen[0][1] == 41
        assert [b.evidence for b, _ in (await one.intrusion.bans("spam 249")).bans] == ["spam 249"]
        assert len((await one.intrusion.bans(limit=10**9)).bans) == 250
        assert len((await one.intrusion.bans(limit=250)).bans) == 250

    async def test_the_export_is_sorted_and_without_overlaps(self, one: Process) -> None:
        for text in ("198.51.100.7", "192.0.2.5", "192.0.2.0/24", "2001:db8::", "account:bob"):
            await one.intrusion.ban(text, 60, "", "admin")
        assert await one.intrusion.export() == [
            ip_network("192.0.2.0/24"), ip_network(SUBJECT), ip_network("2001:db8::/64"),
        ]  # fmt: skip
        entry = make_entry("allow", "192.0.2.128/25")
        one.allowed.take(Entry(entry.id, dump_entry(entry), 1))
        assert (await one.intrusion.export())[0] == ip_network("192.0.2.0/25")
        one.clock.advance(61)
        assert await one.intrusion.export() == []


class TestBrokerAway:
    async def test_nothing_is_banned_and_nothing_raised(self, one: Process, bus: MemoryBus) -> None:
        bus.outage = BusUnavailable("away")
        offences = [Offence(kind, CLIENT, measure=1e9, count=10**6) for kind in OffenceKind]
        assert list(await one.intrusion.report(offences)) == [None] * len(offences)
        assert one.metric("intrusion_failures_total", step="count") == len(offences) - 2
        bus.outage = None
        assert await one.until_banned() == 5

    async def test_bans_that_are_known_still_hold(self, one: Process, bus: MemoryBus) -> None:
        await one.until_banned()
        bus.outage = BusUnavailable("away")
        assert await one.offend(OffenceKind.RELAY) is not None

    async def test_by_hand_it_is_an_error(self, one: Process, bus: MemoryBus) -> None:
        bus.outage = BusUnavailable("away")
        with pytest.raises(BusUnavailable):
            await one.intrusion.ban("192.0.2.1", 60, "", "admin")
        with pytest.raises((BusUnavailable, CellsAway)):
            await one.intrusion.unban("192.0.2.1", "admin")

    async def test_a_count_that_cannot_be_read_begins_anew(
        self, one: Process, bus: MemoryBus
    ) -> None:
        rates = await bus.bucket(RATES)
        await rates.put(f"offences.unknown-user.{ban_key(SUBJECT)}", b"moon")
        assert await one.until_banned() == 5


class TestSeveralProcesses:
    async def test_offences_are_counted_over_all_of_them(
        self, one: Process, bus: MemoryBus, clock: ManualClock
    ) -> None:
        others = [one, await process(bus, clock), await process(bus, clock)]
        bans = [await others[n % 3].offend(OffenceKind.UNKNOWN_USER) for n in range(5)]
        assert bans[:4] == [None] * 4
        assert bans[4] is not None

    async def test_whoever_is_second_finds_the_ban_of_the_first(
        self, one: Process, bus: MemoryBus, clock: ManualClock
    ) -> None:
        two = await process(bus, clock)
        first = await one.offend(OffenceKind.TRAP)
        second = await two.offend(OffenceKind.TRAP)
        assert first == second
        assert two.metric("bans_total", kind="trap") == 0

    async def test_a_process_follows_what_others_do(
        self, one: Process, bus: MemoryBus, clock: ManualClock
    ) -> None:
        await one.intrusion.ban("192.0.2.1", 0, "", "admin")
        two = await process(bus, clock)
        await two.intrusion.load()
        assert len(two.intrusion.book) == 1
        async with asyncio.timeout(10), asyncio.TaskGroup() as tasks:
            task = tasks.create_task(two.intrusion.follow())
            await one.intrusion.ban("192.0.2.2", 0, "", "admin")
            while len(two.intrusion.book) != 2:
                await asyncio.sleep(0.01)
            await one.intrusion.unban("192.0.2.1", "admin")
            while len(two.intrusion.book) != 1:
                await asyncio.sleep(0.01)
            task.cancel()


async def test_a_new_policy_holds_from_the_next_offence_on(
    bus: MemoryBus, clock: ManualClock
) -> None:
    class Config:
        current = PolicySnapshot(policy_from({}), "v.1")

    config = Config()
    one = await process(bus, clock)
    intrusion = Intrusion(
        config, one.intrusion.stores, clock, IntrusionMetrics(CollectorRegistry())
    )
    trap = [Offence(OffenceKind.TRAP, CLIENT)]
    trusted = policy_from({"relay": {"trusted_networks": ["198.51.100.0/24"]}})
    config.current = PolicySnapshot(trusted, "v.2")
    assert await intrusion.report(trap) == [None]
    config.current = replace(config.current, policy=policy_from({}))
    assert (await intrusion.report(trap))[0] is not None
