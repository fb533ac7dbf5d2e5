"""Whatever clients do and whatever admins ask for: who is protected is not banned, and does not stay so."""

from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import ip_address, ip_network

from hypothesis import given, settings, strategies as st
from prometheus_client import CollectorRegistry

from mailweir_core.bans import OffenceKind
from mailweir_core.clock import ManualClock
from mailweir_core.entries import dump_entry, make_entry
from mailweir_core.net import Network, parse_network
from mailweir_policy.document import policy_from
from mailweir_ratelimit.adapters.allowed import ListedNetworks
from mailweir_ratelimit.adapters.bans import MemoryBans
from mailweir_ratelimit.adapters.cells import MemoryCells
from mailweir_ratelimit.intrusion import Intrusion
from mailweir_ratelimit.metrics import declare
from mailweir_ratelimit.policy.intrusion import Offence
from mailweir_ratelimit.policy.manual import BanRefused
from mailweir_ratelimit.ports_bans import Stores
from mailweir_runtime.bus.ports import Entry
from mailweir_runtime.config import PolicySnapshot, StaticConfig

# Few addresses close together: what is protected lies among what is banned, and bans widen over it.
CLIENTS = st.one_of(
    st.integers(0, 15).map(lambda n: f"192.0.2.{n * 16}"),
    st.tuples(st.integers(0, 2), st.integers(0, 3), st.integers(0, 3)).map(
        lambda n: f"2001:db8:{n[0]:x}:{n[1]:x}0{n[2]:x}::1"
    ),
)
PROTECTED = st.one_of(
    st.tuples(st.integers(0, 15), st.integers(26, 32)).map(
        lambda n: str(ip_network((0xC0000200 + n[0] * 16, n[1]), strict=False))
    ),
    st.tuples(CLIENTS.filter(lambda text: ":" in text), st.sampled_from([48, 56, 64, 128])).map(
        lambda n: str(ip_network(f"{n[0]}/{n[1]}", strict=False))
    ),
)
LISTS = st.lists(PROTECTED, max_size=2)


@dataclass(frozen=True, slots=True)
class Done:
    """Something that happens: offences of one kind at once, or a ban by hand of the client's network."""

    client: str
    kind: OffenceKind
    proxied: bool
    wide: int


EVENTS = st.lists(
    st.builds(
        Done, CLIENTS, st.sampled_from(OffenceKind), st.booleans(), st.sampled_from([0, 0, 0, 8])
    ),
    max_size=40,
)


def made(
    proxies: list[str], trusted: list[str], never: list[str]
) -> tuple[Intrusion, ListedNetworks]:
    document = {
        "relay": {"proxy_networks": proxies, "trusted_networks": trusted},
        "ratelimit": {"intrusion": {"never": never}},
    }
    allowed = ListedNetworks()
    intrusion = Intrusion(
        StaticConfig(PolicySnapshot(policy_from(document), "v.1")),
        Stores(MemoryBans(), MemoryCells(), MemoryCells(), allowed),
        ManualClock(),
        declare(CollectorRegistry()).intrusion,
    )
    return intrusion, allowed


async def play(intrusion: Intrusion, events: Sequence[Done]) -> None:
    for event in events:
        if event.wide:
            network = ip_network((ip_address(event.client), 32 - event.wide), strict=False)
            try:
                await intrusion.ban(str(network), 60, "", "admin")
            except BanRefused:
                continue
        else:
            proxy = event.client if event.proxied else ""
            offence = Offence(event.kind, event.client, proxy, count=10**6, measure=1e12)
            await intrusion.report([offence])


def banned(intrusion: Intrusion, *, by_hand: bool = True) -> list[Network]:
    bans = intrusion.book.in_force(1_750_000_000.0)
    return [parse_network(b.subject) for b in bans if by_hand or b.by == "intrusion"]


def overlap(ones: Sequence[Network], others: Sequence[str]) -> list[tuple[Network, str]]:
    nets = [(parse_network(text), text) for text in others]
    return [
        (one, text) for one in ones for net, text in nets
        if one.version == net.version and one.overlaps(net)
    ]  # fmt: skip


@settings(deadline=None)
@given(EVENTS, LISTS, LISTS, LISTS)
async def test_no_ban_covers_a_proxy_a_trusted_network_or_one_never_to_be_banned(
    events: list[Done], proxies: list[str], trusted: list[str], never: list[str]
) -> None:
    intrusion, _ = made(proxies, trusted, never)
    await play(intrusion, events)
    assert overlap(banned(intrusion), [*proxies, *trusted, *never]) == []


@settings(deadline=None)
@given(EVENTS, EVENTS, LISTS)
async def test_no_offence_bans_an_allowed_network_and_allowing_lifts(
    before: list[Done], after: list[Done], items: list[str]
) -> None:
    intrusion, allowed = made([], [], [])
    await play(intrusion, before)
    for item in items:
        entry = make_entry("allow", item)
        allowed.take(Entry(entry.id, dump_entry(entry), 1))
    await intrusion.tidy()
    assert overlap(banned(intrusion, by_hand=False), items) == []
    await play(intrusion, after)
    assert overlap(banned(intrusion, by_hand=False), items) == []
    assert overlap(await intrusion.export(), items) == []


@settings(deadline=None)
@given(EVENTS)
async def test_what_is_lifted_is_let_in_until_it_offends_again(events: list[Done]) -> None:
    intrusion, _ = made([], [], [])
    await play(intrusion, events)
    for network in banned(intrusion):
        assert await intrusion.unban(str(network), "admin")
    assert banned(intrusion) == []
    assert await intrusion.export() == []
    for event in events:
        relay = Offence(OffenceKind.RELAY, event.client)
        assert await intrusion.report([relay]) == [None]
        await intrusion.unban(event.client, "admin")
