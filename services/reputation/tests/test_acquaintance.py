"""What is known of clients, senders and recipients from our own lists, the past and our users' letters."""

import asyncio
from dataclasses import dataclass
from typing import Any, Final

import pytest
from prometheus_client import CollectorRegistry

from mailweir_core.client import ClientClass, ClientFacts
from mailweir_core.clock import ManualClock
from mailweir_core.entries import make_entry
from mailweir_core.net import parse_network
from mailweir_core.outcome import Advice
from mailweir_core.reasons import Reason
from mailweir_core.record import Listener, Session
from mailweir_policy import Policy
from mailweir_reputation.acquaintance import Acquaintances
from mailweir_reputation.acquaintance_metrics import AcquaintanceMetrics, declare_acquaintances
from mailweir_reputation.adapters.entries import MemoryEntries
from mailweir_reputation.adapters.history import MemoryHistory
from mailweir_reputation.listing import Listing
from mailweir_reputation.past import Past
from mailweir_reputation.policy.asn import AsnTable
from mailweir_reputation.policy.findings import Finding, facts_after
from mailweir_reputation.policy.history.keys import Key, Kind, pair_key
from mailweir_reputation.policy.history.record import Record
from mailweir_runtime.bus.ports import BusUnavailable
from mailweir_runtime.config import PolicySnapshot, StaticConfig

CLIENT: Final = "192.0.2.5"
SENDER: Final = "friend@sender.example"
USER: Final = "user@example.com"
PROVEN: Final = ClientFacts(spf="pass", spf_domain="sender.example")
MONTH: Final = 2_592_000.0


@dataclass
class World:
    """Acquaintances over memory."""

    clock: ManualClock
    entries: MemoryEntries
    store: MemoryHistory
    metrics: AcquaintanceMetrics
    policy: Policy
    known: Acquaintances

    def says(self, *said: str, **fields: Any) -> None:
        for text in said:
            kind, item, *owner = text.split()
            entry = make_entry(kind, item, owner=owner[0] if owner else "system", **fields)
            self.entries.change({entry.id: entry})

    def rules(self, **reputation: Any) -> None:
        self.policy = Policy.model_validate({"reputation": reputation})

    async def past(self, kind: Kind, text: str, spam: float, *, proven: bool = False) -> None:
        """Give a key a past of 100 messages of which so many were spam."""
        record = Record(100.0, spam, seen_at=self.clock.now())
        await self.store.change({Key(kind, text, proven).stored: lambda _: record}, MONTH)

    async def client(self, ip: str = CLIENT, **facts: Any) -> Finding:
        session = Session("s", Listener.MX, ip)
        return await self.known.client(session, ClientFacts(**facts), self.policy, self.clock.now())

    async def sender(
        self, sender: str = SENDER, client: ClientFacts = PROVEN, **session: Any
    ) -> Finding:
        of = Session("s", Listener.MX, CLIENT, **session)
        return await self.known.sender(of, sender, client, self.policy, self.clock.now())

    async def recipients(
        self, *recipients: str, sender: str = SENDER, client: ClientFacts = PROVEN
    ) -> list[Finding]:
        of = Session("s", Listener.MX, CLIENT)
        found = await self.known.recipients(
            of, sender, recipients, client, self.policy, self.clock.now()
        )
        return list(found)

    @property
    def hits(self) -> dict[str, int]:
        rows = {k: self.entries.index.get(k) for k in self.entries.hits}
        return {row.item: self.entries.hits[key].count for key, row in rows.items() if row}

    def failures(self, why: str) -> float:
        return float(self.metrics.store_failures.labels(why)._value.get())


@pytest.fixture
def world() -> World:
    clock, metrics = ManualClock(), declare_acquaintances(CollectorRegistry())
    entries, store, policy = MemoryEntries(), MemoryHistory(clock), Policy()
    asn = AsnTable([(parse_network("192.0.2.0/24"), 64500)])
    listing, past = Listing(entries, entries, metrics), Past(store, asn, metrics)
    known = Acquaintances(listing, past, StaticConfig(PolicySnapshot(policy, "v.1")))
    return World(clock, entries, store, metrics, policy, known)


def names(found: Finding) -> dict[str, float]:
    return {signal.name: signal.score for signal in found.signals}


# --- the client ---------------------------------------------------------------------------------


async def test_a_stranger_is_a_stranger(world: World) -> None:
    found = await world.client()
    assert found == Finding(client_class=ClientClass.NONE, asn=64500, valid_seconds=60.0)
    assert await world.client("nonsense") == Finding()


async def test_a_blocked_client_is_turned_away_at_once(world: World) -> None:
    world.store.outage = BusUnavailable("away")  # nobody asks for its past
    world.says("block 192.0.2.0/24")
    found = await world.client()
    assert (found.advice, found.reason) == (Advice.CLOSE, Reason.BLOCKED)
    assert names(found) == {"BLOCK_LISTED": 10.0}
    assert found.signals[0].evidence == "system: 192.0.2.0/24"
    assert found.signals[0].group == "lists"  # no cap of the edge keeps it under every threshold
    assert world.hits == {"192.0.2.0/24": 1}
    assert world.failures("away") == 0


@pytest.mark.parametrize(
    ("remedy", "advice", "suspicion", "signals"),
    [
        ("off", Advice.NONE, 0.0, {}),
        ("score", Advice.NONE, 0.0, {"BLOCK_LISTED": 10.0}),
        ("greylist", Advice.NONE, 10.0, {"BLOCK_LISTED": 10.0}),
        ("reject", Advice.CLOSE, 0.0, {"BLOCK_LISTED": 10.0}),
        ("close", Advice.CLOSE, 0.0, {"BLOCK_LISTED": 10.0}),
    ],
)
async def test_the_policy_says_what_follows_from_a_block(
    world: World, remedy: str, advice: Advice, suspicion: float, signals: dict[str, float]
) -> None:
    world.rules(blocked=remedy)
    world.says("block 192.0.2.5")
    found = await world.client()
    assert (found.advice, found.suspicion, names(found)) == (advice, suspicion, signals)
    assert world.hits == ({"192.0.2.5": 1} if signals else {})


async def test_an_allowed_client_is_allowed(world: World) -> None:
    world.says("allow 192.0.2.5", "block 192.0.2.0/24")
    found = await world.client()
    assert found.allowed
    assert found.known
    assert found.advice is Advice.ALLOW
    assert names(found) == {"ALLOW_LISTED": -10.0}


async def test_a_client_is_allowed_by_its_confirmed_name_alone(world: World) -> None:
    assert not world.known.hosts_matter
    world.says("allow host:*.sender.example")
    assert world.known.hosts_matter
    assert not (await world.client()).allowed
    assert (await world.client(host="mx.sender.example")).allowed


async def test_an_answer_does_not_outlive_its_entry(world: World) -> None:
    world.says("block 192.0.2.5", expires=world.clock.now() + 10)
    assert (await world.client()).valid_seconds == pytest.approx(10)
    world.clock.advance(10)
    found = await world.client()
    assert (found.advice, found.valid_seconds) == (Advice.NONE, 60.0)


@pytest.mark.parametrize(
    ("spam", "expected", "known"),
    [(0, ClientClass.GOOD, True), (50, ClientClass.NONE, False), (90, ClientClass.BAD, False)],
)
async def test_a_clients_past_gives_its_class(
    world: World, spam: float, expected: ClientClass, known: bool
) -> None:
    await world.past(Kind.IP, CLIENT, spam)
    found = await world.client()
    assert (found.client_class, found.known) == (expected, known)
    assert found.signals == ()  # points come with the sender, once


async def test_histories_can_be_switched_off(world: World) -> None:
    world.rules(history={"enabled": False})
    await world.past(Kind.IP, CLIENT, 100)
    assert (await world.client()).client_class is None
    assert (await world.sender()).signals == ()


# --- the sender -------------------------------------------------------------------------------


async def test_an_allow_by_name_counts_with_proof_only(world: World) -> None:
    world.says("allow @sender.example")
    proven = await world.sender()
    assert proven.allowed
    assert names(proven) == {"ALLOW_LISTED": -10.0}
    claimed = await world.sender(client=ClientFacts(spf="softfail"))
    assert not claimed.allowed
    assert names(claimed) == {"ALLOW_UNPROVEN": 0.0}
    assert claimed.signals[0].evidence == "system: @sender.example"
    assert world.hits == {"@sender.example": 1}


async def test_a_stranger_in_our_name_is_never_allowed(world: World) -> None:
    world.says("allow @example.com", "allow 192.0.2.5", "block 192.0.2.0/24")
    assert (await world.client()).allowed
    ours = ClientFacts(spf="pass", spf_domain="example.com", allowed=True)
    found = await world.sender("boss@example.com", ours)
    assert not found.allowed
    assert not facts_after(ours, found).allowed
    assert "ALLOW_UNPROVEN" not in names(found)
    assert found.reason is Reason.BLOCKED  # what the allow had covered is said now
    assert (await world.sender("boss@example.com", ours, auth_user="boss")).allowed


async def test_a_blocked_sender_is_refused(world: World) -> None:
    world.says("block @.sender.example")
    found = await world.sender("a@sub.sender.example", ClientFacts())
    assert (found.advice, found.reason) == (Advice.REJECT, Reason.BLOCKED)
    world.rules(blocked="close")
    assert (await world.sender("a@sub.sender.example")).advice is Advice.CLOSE


async def test_what_was_said_of_the_client_is_not_said_again(world: World) -> None:
    world.rules(blocked="score")
    world.says("block 192.0.2.5")
    assert "BLOCK_LISTED" in names(await world.client())
    assert "BLOCK_LISTED" not in names(await world.sender())
    assert "BLOCK_LISTED" not in names((await world.recipients(USER))[0])
    assert world.hits == {"192.0.2.5": 1}


async def test_an_allowed_client_may_send_for_a_blocked_name(world: World) -> None:
    world.says("allow 192.0.2.5", "block @sender.example")
    found = await world.sender()
    assert found.allowed
    assert found.signals == ()


async def test_the_past_of_a_sender_gives_points(world: World) -> None:
    await world.past(Kind.SENDER, SENDER, 0, proven=True)
    found = await world.sender()
    assert names(found) == {"HISTORY_GOOD": -2.0}
    assert found.known
    assert found.suspicion == 0.0
    assert found.signals[0].evidence == "friend@sender.example: 0 of 100 spam"


async def test_who_borrows_a_name_has_not_its_past(world: World) -> None:
    await world.past(Kind.SENDER, SENDER, 0, proven=True)
    await world.past(Kind.DOMAIN, "sender.example", 0, proven=True)
    found = await world.sender(client=ClientFacts())
    assert found == Finding()


async def test_a_bad_past_makes_suspicious(world: World) -> None:
    await world.past(Kind.IP, CLIENT, 100)
    await world.past(Kind.HELO, "mail.sender.example", 100)
    found = await world.sender(helo="mail.sender.example")
    assert names(found) == {"HISTORY_BAD": 1.5}
    assert found.suspicion == 1.5
    assert not found.known


async def test_a_past_that_says_next_to_nothing_is_not_mentioned(world: World) -> None:
    await world.past(Kind.IP, CLIENT, 52)
    assert (await world.sender()).signals == ()


async def test_the_null_sender_has_its_clients_past(world: World) -> None:
    await world.past(Kind.IP, CLIENT, 100)
    assert names(await world.sender("", ClientFacts())) == {"HISTORY_BAD": 1.33}


# --- the recipients ---------------------------------------------------------------------------


async def test_a_users_own_list_is_about_his_mail_alone(world: World) -> None:
    world.says(f"block @sender.example user:{USER}", "allow @sender.example user:b@example.com")
    assert (await world.sender()).advice is Advice.NONE
    mine, theirs, others = await world.recipients(USER, "b@example.com", "c@example.com")
    assert (mine.advice, mine.reason) == (Advice.REJECT, Reason.BLOCKED)
    assert theirs.allowed
    assert others == Finding()


async def test_a_users_allow_beats_the_systems_block_for_his_mail(world: World) -> None:
    world.says("block 192.0.2.0/24", f"allow 192.0.2.5 user:{USER}")
    assert (await world.client()).advice is Advice.NONE
    assert (await world.sender()).advice is Advice.NONE
    mine, others = await world.recipients(USER, "c@example.com")
    assert mine.allowed
    assert others.reason is Reason.BLOCKED
    assert world.hits == {"192.0.2.5": 1, "192.0.2.0/24": 1}


async def test_a_users_block_beats_the_systems_allow_for_his_mail(world: World) -> None:
    world.says("allow 192.0.2.0/24", f"block {SENDER} user:{USER}")
    client = facts_after(PROVEN, await world.client())
    assert client.allowed  # from bans and limits, whatever a user says
    sender = await world.sender(client=client)
    assert not facts_after(client, sender).allowed  # so that recipients are asked about
    mine, others = await world.recipients(USER, "c@example.com", client=client)
    assert mine.reason is Reason.BLOCKED
    assert others.allowed
    other_sender = await world.sender("x@sender.example", client=client)
    assert facts_after(client, other_sender).allowed


async def test_a_users_allow_by_name_without_proof_is_told_to_his_mail_alone(world: World) -> None:
    world.says(f"allow {SENDER} user:{USER}")
    mine, others = await world.recipients(USER, "c@example.com", client=ClientFacts())
    assert names(mine) == {"ALLOW_UNPROVEN": 0.0}
    assert mine.signals[0].evidence == f"user:{USER}: {SENDER}"
    assert not mine.allowed
    assert others == Finding()


async def test_entries_may_be_for_some_recipients(world: World) -> None:
    world.says("block @sender.example", recipients=("@example.com",))
    mine, others = await world.recipients(USER, "x@other.example")
    assert mine.reason is Reason.BLOCKED
    assert others == Finding()


async def test_whom_the_recipient_wrote_to_is_known(world: World) -> None:
    await world.store.remember([pair_key(USER, SENDER)], MONTH)
    mine, others = await world.recipients(USER, "c@example.com")
    assert mine.known
    assert names(mine) == {"CORRESPONDENT": -1.0}
    assert others == Finding()


async def test_a_borrowed_name_has_no_friends(world: World) -> None:
    await world.store.remember([pair_key(USER, SENDER), pair_key(USER, "")], MONTH)
    assert await world.recipients(USER, client=ClientFacts()) == [Finding()]
    assert await world.recipients(USER, sender="") == [Finding()]
    ours = ClientFacts(spf="pass", spf_domain="example.com")
    await world.store.remember([pair_key(USER, "boss@example.com")], MONTH)
    assert await world.recipients(USER, sender="boss@example.com", client=ours) == [Finding()]


# --- without the store ------------------------------------------------------------------------


async def test_a_store_that_is_away_is_named_and_mail_passes(world: World) -> None:
    world.store.outage = BusUnavailable("away")
    client, sender = await world.client(), await world.sender()
    (recipient,) = await world.recipients(USER)
    assert client == Finding(asn=64500, failed="history: away", valid_seconds=0.0)
    assert sender == Finding(failed="history: away")
    assert recipient == Finding(failed="correspondents: away")
    assert (world.failures("away"), world.failures("slow")) == (3, 0)


async def test_a_store_that_is_slow_is_not_waited_for(world: World) -> None:
    world.store.delay = 30.0
    world.rules(answer_seconds=0.01)
    async with asyncio.timeout(5):
        assert (await world.client()).failed == "history: slow"
        assert (await world.sender()).failed == "history: slow"
        assert (await world.recipients(USER))[0].failed == "correspondents: slow"
    assert world.failures("slow") == 3


async def test_lists_hold_without_the_store(world: World) -> None:
    world.store.outage = BusUnavailable("away")
    world.says(f"block @sender.example user:{USER}")
    (found,) = await world.recipients(USER)
    assert found.reason is Reason.BLOCKED
    assert found.failed == "correspondents: away"


# --- who asks about a history -----------------------------------------------------------------


async def test_histories_can_be_looked_at(world: World) -> None:
    await world.past(Kind.IP, CLIENT, 40)
    await world.past(Kind.NET, "192.0.2.0/24", 10)
    at = world.clock.now()
    world.clock.advance(world.policy.reputation.history.half_life_seconds)
    found = await world.known.history(CLIENT, world.clock.now())
    shown = [(each.kind, each.key, each.messages, each.spam, each.seen_at) for each in found]
    assert shown == [("ip", CLIENT, 50.0, 20.0, at), ("net", "192.0.2.0/24", 50.0, 5.0, at)]


async def test_names_with_and_without_proof_are_shown_apart(world: World) -> None:
    await world.past(Kind.DOMAIN, "sender.example", 0, proven=True)
    await world.past(Kind.DOMAIN, "sender.example", 90)
    found = await world.known.history("sender.example", world.clock.now())
    assert [(each.key, each.spam) for each in found] == [
        ("sender.example", 0.0), ("sender.example (without proof)", 90.0),
    ]  # fmt: skip


async def test_of_nobody_nothing_is_remembered(world: World) -> None:
    assert await world.known.history("?!", world.clock.now()) == []
    world.store.outage = BusUnavailable("away")
    assert list(await world.known.history(CLIENT, world.clock.now())) == []
