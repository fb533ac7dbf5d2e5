"""What gates share: which sessions a new ban ends, and what is remembered of clients."""

from dataclasses import replace
from ipaddress import ip_address
from typing import Any

import pytest

from mailweir_core.bans import ACCOUNT, Ban, OffenceKind, paused_login
from mailweir_core.client import ClientFacts
from mailweir_core.decision import Decision
from mailweir_core.entries import make_entry
from mailweir_core.net import Address
from mailweir_core.outcome import Outcome, Status
from mailweir_core.reasons import Reason
from mailweir_core.record import Listener
from mailweir_ingress.policy.edge import Screened
from mailweir_ingress.policy.phases import reject
from mailweir_ingress.ports import STRANGER
from mailweir_ingress.smtp import lobby as module
from mailweir_ingress.smtp.guest import Caller, Guest
from mailweir_ingress.smtp.pulse import Pulse

MakeWorld = Any  # see conftest.py

CLIENT = ip_address("198.51.100.7")
LISTED = reject(Reason.LISTED, 554, "5.7.1", "You are on a list", close=True)


class Member:
    """A session."""

    def __init__(
        self, client: Address | None = CLIENT, login: str = "", *, allowed: bool = False
    ) -> None:
        self.pulse = Pulse()
        self.in_data = True  # a ban waits for nothing
        self.client = client
        self.login = login
        self.allowed = allowed
        self.told: list[Decision] = []

    def expire(self, decision: Decision) -> None:
        self.told.append(decision)

    def cut(self) -> None:
        raise AssertionError


def a_ban(subject: str, *, close_all: bool = True) -> Ban:
    """Return a ban."""
    return Ban(subject, OffenceKind.MANUAL, "", 0, 0, close_all=close_all)


NETWORK, LOGIN = "198.51.100.0/24", f"{ACCOUNT}anna"
PAUSE = ACCOUNT + paused_login("anna", CLIENT)


@pytest.mark.parametrize(
    ("subject", "member", "ends"),
    [
        (NETWORK, Member(), True),
        (NETWORK, Member(ip_address("198.51.101.7")), False),
        (NETWORK, Member(ip_address("2001:db8::7")), False),
        (NETWORK, Member(None), False),
        (NETWORK, Member(login="anna"), False),  # a login vouches for more than an address
        (NETWORK, Member(allowed=True), False),
        ("2001:db8::/64", Member(ip_address("2001:db8::7")), True),
        ("10.0.0.0/8", Member(ip_address("10.0.0.1")), False),  # a proxy's own
        ("10.0.0.0/8", Member(ip_address("10.1.0.1")), False),  # trusted
        ("10.0.0.0/8", Member(ip_address("10.2.0.1")), True),
        ("203.0.113.0/24", Member(ip_address("203.0.113.7")), False),  # on an allow list
        (LOGIN, Member(login="anna"), True),
        (LOGIN, Member(login="anna", allowed=True), True),
        (LOGIN, Member(login="bob"), False),
        (LOGIN, Member(), False),
        (PAUSE, Member(login="anna"), True),
        (PAUSE, Member(ip_address("203.0.113.7"), login="anna"), False),
        (PAUSE, Member(None, login="anna"), False),
        (PAUSE, Member(login="bob"), False),
    ],
)
@pytest.mark.parametrize("close_all", [True, False])
def test_which_sessions_a_ban_ends(
    world: MakeWorld, subject: str, member: Member, ends: bool, close_all: bool
) -> None:
    w = world(relay={"proxy_networks": ["10.0.0.0/24"], "trusted_networks": ["10.1.0.0/16"]})
    w.bans.subscribe(w.lobby.enforce)
    w.bans.take("a", make_entry("allow", "203.0.113.0/24"))
    w.house.sessions.enter(member)
    member.told.clear()
    w.bans.put(a_ban(subject, close_all=close_all))
    told = [(decision.reason, decision.reply.code) for decision in member.told]
    assert told == ([(Reason.BANNED, 421)] if ends and close_all else [])


def a_caller(key: str, listener: Listener = Listener.MX) -> Caller:
    """Return who calls."""
    return Caller(listener, CLIENT, str(CLIENT), 1, key=key)


def test_what_was_found_is_remembered_while_it_holds(world: MakeWorld) -> None:
    w = world()
    found = Screened(LISTED, STRANGER, (), 60.0)
    w.lobby.remember(a_caller("a"), found)
    w.lobby.remember(a_caller("b"), Screened(None, ClientFacts(known=True)))
    now = w.clock.now()
    assert w.lobby.remembered(a_caller("a"), now + 59) is found
    assert w.lobby.remembered(a_caller("a", Listener.SUBMISSION), now) is None
    assert w.lobby.remembered(a_caller("b"), now) is None
    assert w.lobby.remembered(a_caller("a"), now + 60) is None


def test_only_so_many_are_remembered(world: MakeWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_REMEMBERED", 3)
    w = world()
    for key in "abcd":
        w.lobby.remember(a_caller(key), Screened(LISTED, STRANGER, (), 60.0))
    found = [w.lobby.remembered(a_caller(key), w.clock.now()) is not None for key in "abcd"]
    assert found == [False, True, True, True]


def test_another_policy_may_say_otherwise(world: MakeWorld) -> None:
    w = world()
    w.lobby.remember(a_caller("a"), Screened(LISTED, STRANGER, (), 60.0))
    w.rules = replace(w.rules, version="v.2")
    assert w.lobby.remembered(a_caller("a"), w.clock.now()) is None


def test_who_is_on_a_list_of_ours_is_refused_while_it_is(world: MakeWorld) -> None:
    w = world()
    blocked = replace(LISTED, reason=Reason.BLOCKED)
    w.bans.take("a", make_entry("block", str(CLIENT)))
    w.lobby.remember(a_caller("a"), Screened(blocked, STRANGER, (), 60.0))
    w.lobby.remember(a_caller("b"), Screened(LISTED, STRANGER, (), 60.0))
    w.clock.advance(1000)
    assert w.lobby.remembered(a_caller("a"), w.clock.now()) is not None
    assert w.lobby.remembered(a_caller("b"), w.clock.now()) is None
    w.bans.take("a", None)
    assert w.lobby.remembered(a_caller("a"), w.clock.now()) is None


def a_guest(world: Any, facts: ClientFacts = STRANGER, **caller: Any) -> Guest:
    """Return a client that would be let in."""
    listener = caller.pop("listener", Listener.MX)
    who = Caller(listener, CLIENT, str(CLIENT), 1024, key=str(CLIENT), **caller)
    return replace(world.lobby.guest(who, world.rules), facts=facts)


def busy(world: Any) -> None:
    """Have too much to do from now on."""
    world.lobby.house = replace(world.house, lets_in=lambda: False)


def test_strangers_are_shed_while_there_is_too_much_to_do(world: MakeWorld) -> None:
    one = world()
    assert not one.lobby.sheds(a_guest(one))
    busy(one)
    assert one.lobby.sheds(a_guest(one))


@pytest.mark.parametrize(
    ("facts", "caller"),
    [
        (ClientFacts(known=True), {}),
        (ClientFacts(allowed=True), {}),
        (STRANGER, {"own": True}),
        (STRANGER, {"listener": Listener.SUBMISSION}),
        (STRANGER, {"listener": Listener.SUBMISSIONS}),
    ],
)
def test_others_are_not(world: MakeWorld, facts: ClientFacts, caller: dict[str, Any]) -> None:
    one = world()
    busy(one)
    assert not one.lobby.sheds(a_guest(one, facts, **caller))


def test_nor_are_those_whom_trust_or_a_list_vouches_for(world: MakeWorld) -> None:
    trusting = world(relay={"trusted_networks": [f"{CLIENT}/32"]})
    busy(trusting)
    assert not trusting.lobby.sheds(a_guest(trusting))
    listing = world()
    listing.bans.take("a", make_entry("allow", str(CLIENT)))
    busy(listing)
    assert not listing.lobby.sheds(a_guest(listing))


REPUTATION = "reputation"


def found(status: Status, *, known: bool = False) -> Screened:
    """Return what reputation said."""
    return Screened(None, ClientFacts(known=known), (Outcome(REPUTATION, status),))


def test_one_that_was_known_is_spared_while_nobody_can_say_so(world: MakeWorld) -> None:
    one = world()
    busy(one)
    guest = a_guest(one)
    one.lobby.acquainted(guest.caller, found(Status.OK, known=True))
    one.lobby.acquainted(guest.caller, found(Status.TEMPERROR))
    assert not one.lobby.sheds(guest)
    one.clock.advance(module.KNOWN_SECONDS + 1)
    assert one.lobby.sheds(guest)


def test_but_not_once_it_is_known_no_more(world: MakeWorld) -> None:
    one = world()
    busy(one)
    guest = a_guest(one)
    one.lobby.acquainted(guest.caller, found(Status.OK, known=True))
    one.lobby.acquainted(guest.caller, found(Status.OK))
    assert one.lobby.sheds(guest)


def test_only_so_many_known_ones_are_remembered(
    world: MakeWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_REMEMBERED", 1)
    one = world()
    busy(one)
    guest = a_guest(one)
    one.lobby.acquainted(guest.caller, found(Status.OK, known=True))
    other = replace(guest.caller, key="203.0.113.9")
    one.lobby.acquainted(other, found(Status.OK, known=True))
    assert one.lobby.sheds(guest)
    assert not one.lobby.sheds(replace(guest, caller=other))
