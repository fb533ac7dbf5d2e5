"""The gate as a state machine, on a connection that is none: what comes in, what goes out, what is left."""

import asyncio
import struct
from collections.abc import Mapping
from dataclasses import replace
from ipaddress import ip_address
from typing import Any

import pytest

from mailweir_core.bans import Ban, OffenceKind, ban_key
from mailweir_core.client import ClientFacts
from mailweir_core.entries import make_entry
from mailweir_core.outcome import Outcome, Status
from mailweir_core.reasons import Reason
from mailweir_core.record import Listener
from mailweir_ingress.policy.edge import Screened
from mailweir_ingress.policy.phases import SHUTTING_DOWN, defer, reject
from mailweir_ingress.ports import STRANGER
from mailweir_ingress.smtp import gate as module
from mailweir_ingress.smtp.gate import State
from mailweir_ingress.smtp.proxy import SIGNATURE
from mailweir_ingress.smtp.wire import HIGH_WATER_BYTES, LINGER_BYTES, Connection

MakeWorld = Any  # see conftest.py

PROXY, CLIENT, NODE = "10.0.0.1", "198.51.100.7", "10.9.9.9"
PROXIES = {"proxy_networks": ["10.0.0.0/24"], "trusted_networks": ["203.0.113.0/24"]}
NO_WAIT = {"wait": {"enabled": False}}
V1 = f"PROXY TCP4 {CLIENT} 192.0.2.1 4321 25\r\n".encode()
LOCAL_V2 = SIGNATURE + struct.pack("!BBH", 0x20, 0x00, 0)
LISTED = reject(Reason.LISTED, 554, "5.7.1", "You are on a list", close=True)
TOO_FAST = defer(Reason.RATE_LIMITED, 421, "4.7.1", "Too much at once", close=True)


def a_ban(subject: str = f"{CLIENT}/32", *, until: float = 0.0, close_all: bool = False) -> Ban:
    """Return a ban."""
    return Ban(subject, OffenceKind.UNKNOWN_USER, "x@example.com", 0, until, close_all=close_all)


# -- who it is

BAD = "421 4.3.5 Bad PROXY header"
STEPS: Mapping[str, tuple[str, list[bytes | None], str, State, str]] = {
    # peer, what comes (None: the end), what is told, state, client
    "a header": (PROXY, [V1], "", State.GONE, CLIENT),
    "in pieces": (PROXY, [V1[:3], V1[3:20], V1[20:]], "", State.GONE, CLIENT),
    "its own connection": (PROXY, [b"PROXY UNKNOWN\r\n"], "", State.GONE, PROXY),
    "its own connection, v2": (PROXY, [LOCAL_V2], "", State.GONE, PROXY),
    "nothing yet": (PROXY, [], "", State.HEADER, ""),
    "half of it": (PROXY, [V1[:10]], "", State.HEADER, ""),
    "no header": (PROXY, [b"EHLO client.example.net\r\n"], BAD, State.LEAVING, ""),
    "nonsense": (PROXY, [b"PROXY nonsense\r\n"], BAD, State.LEAVING, ""),
    "too long": (PROXY, [b"PROXY " + b"x" * 200], BAD, State.LEAVING, ""),
    "the end": (PROXY, [None], BAD, State.LEAVING, ""),
    "the end within": (PROXY, [V1[:10], None], BAD, State.LEAVING, ""),
    "a proxy as client": (
        PROXY, [b"PROXY TCP4 10.0.0.2 192.0.2.1 1 25\r\n"],
        "421 4.3.5 The PROXY header names a proxy", State.LEAVING, "",
    ),
    "a node of the cluster": (
        NODE, [], "421 4.3.5 A PROXY header was expected from here", State.LEAVING, "",
    ),
    "a stranger": (CLIENT, [], "", State.GONE, CLIENT),
}  # fmt: skip


@pytest.mark.parametrize("case", STEPS)
async def test_who_it_is(world: MakeWorld, case: str) -> None:
    peer, comes, told, state, client = STEPS[case]
    w = world(relay=PROXIES, edge=NO_WAIT)
    visit = w.connect(peer)
    for data in comes:
        if data is None:
            assert visit.gate.eof_received()
        else:
            visit.gate.data_received(data)
    assert (visit.told, visit.gate.state) == (told, state)
    assert visit.gate.client == (ip_address(client) if client else None)
    if state is State.LEAVING:
        # what a proxy does wrong is held against nobody
        (record,) = w.keeper.notes
        assert record.decision.reason is Reason.BAD_PROXY
        assert record.envelope.session.client_ip == ""
        assert record.envelope.session.proxy_ip == peer
        assert w.sample("refusals_total", phase="connect", reason="bad-proxy-header") == 1
        assert w.edge.asked == []
    assert len(w.house.sessions) == (state is State.GONE)


async def test_a_header_must_not_take_long(
    world: MakeWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PROXY_SECONDS", 0.01)
    visit = world(relay=PROXIES).connect(PROXY)
    monkeypatch.setattr(module, "GRACE_SECONDS", 0.02)
    visit.gate.data_received(V1[:10])
    await asyncio.sleep(0.02)
    assert visit.gate.state is State.HEADER  # what came while we were late is still read
    await asyncio.sleep(0.04)
    assert visit.told == "421 4.3.5 No PROXY header in time"


async def test_a_stranger_with_a_header_is_no_early_talker(world: MakeWorld) -> None:
    w = world(relay=PROXIES)
    visit = w.connect(CLIENT)
    visit.gate.data_received(V1)
    assert visit.told == "421 4.3.5 You are no proxy of ours"
    assert w.sample("refusals_total", phase="connect", reason="early-talker") == 0


async def test_who_has_gone_already_is_nobody(world: MakeWorld) -> None:
    w = world()
    visit = w.connect("")
    assert visit.pipe.did == ["abort"]
    visit.gate.connection_lost(None)
    assert (len(w.house.sessions), len(w.lobby.gates)) == (0, 0)


# -- bans


async def test_the_banned_are_told_and_counted_and_nobody_is_asked(world: MakeWorld) -> None:
    w = world()
    w.edge.deployed = ("reputation",)
    w.bans.put(a_ban(until=w.clock.now() + 60))
    visits = [w.connect(CLIENT) for _ in range(3)]
    assert {visit.told for visit in visits} == {"421 4.7.0 Your network is banned for now (P)"}
    assert {visit.gate.state for visit in visits} == {State.LEAVING}
    assert w.bans.counts[f"{CLIENT}/32"].count == 3
    assert (w.checks, len(w.house.sessions)) == ([], 0)
    assert w.keeper.notes[0].decision.detail == "x@example.com"
    w.clock.advance(60)
    w.connect(CLIENT)
    assert len(w.checks) == 1
    await w.checked()


@pytest.mark.parametrize(
    ("subject", "peer", "header", "sections", "banned"),
    [
        (f"{CLIENT}/32", CLIENT, b"", {}, True),
        ("198.51.100.0/24", PROXY, V1, {}, True),
        ("10.0.0.0/24", PROXY, V1, {}, False),  # it is the client that counts
        ("10.0.0.0/24", PROXY, LOCAL_V2, {}, False),  # a probe
        (f"{CLIENT}/32", CLIENT, b"", {"trusted_networks": [CLIENT]}, False),
        (f"{CLIENT}/32", "198.51.100.8", b"", {}, False),
    ],
)
@pytest.mark.parametrize("listener", list(Listener))
async def test_whom_a_ban_is_for(
    world: MakeWorld,
    subject: str,
    peer: str,
    header: bytes,
    sections: Mapping[str, Any],
    banned: bool,
    listener: Listener,
) -> None:
    w = world(relay={**PROXIES, **sections}, edge=NO_WAIT)
    w.bans.put(a_ban(subject))
    visit = w.connect(peer, listener)
    if header:
        visit.gate.data_received(header)
    assert (visit.gate.state is State.LEAVING) is banned
    assert w.sample("refusals_total", phase="connect", reason="banned") == banned


async def test_an_allow_of_any_kind_beats_a_ban(world: MakeWorld) -> None:
    w = world(edge=NO_WAIT)
    w.edge.deployed = ("reputation",)
    w.bans.put(a_ban("198.51.100.0/24"))
    w.bans.take("a", make_entry("allow", CLIENT))
    assert w.connect(CLIENT).gate.state is State.CHECKING
    # one that only the edge can know, as by the client's name, counts while it is remembered
    other = "198.51.100.9"
    w.bans.remove(ban_key("198.51.100.0/24"))
    w.edge.says = Screened(None, ClientFacts(allowed=True), valid_seconds=60)
    w.connect(other)
    await w.checked()
    w.bans.put(a_ban("198.51.100.0/24"))
    assert w.connect(other).gate.state is State.CHECKING
    w.clock.advance(60)
    assert w.connect(other).gate.state is State.LEAVING
    await w.checked()


# -- what the edge says


async def test_the_listed_are_told_and_remembered(world: MakeWorld) -> None:
    w = world()
    w.edge.deployed = ("reputation",)
    outcome = Outcome("reputation", Status.HIT, reason=Reason.LISTED)
    w.edge.says = Screened(LISTED, STRANGER, (outcome,), 60.0)
    first = w.connect()
    assert (first.gate.state, len(w.house.sessions)) == (State.CHECKING, 1)
    await w.checked()
    assert (first.gate.state, len(w.house.sessions)) == (State.LEAVING, 0)
    assert first.told == "554 5.7.1 You are on a list"
    again = w.connect()
    assert (again.gate.state, again.told, len(w.edge.asked)) == (State.LEAVING, first.told, 1)
    assert w.keeper.notes[0].checks == (outcome,)
    w.clock.advance(60)
    assert w.connect().gate.state is State.CHECKING
    await w.checked()
    assert len(w.edge.asked) == 2


async def test_who_is_allowed_since_it_was_refused_is_asked_about_anew(world: MakeWorld) -> None:
    w = world(edge=NO_WAIT)
    w.edge.deployed = ("reputation",)
    w.edge.says = Screened(LISTED, STRANGER, (), 60.0)
    w.connect()
    await w.checked()
    w.bans.take("a", make_entry("allow", CLIENT))
    w.edge.says = Screened(None, ClientFacts(allowed=True), (), 60.0)
    visit = w.connect()
    await w.checked()
    assert visit.gate.state is State.GONE
    assert w.edge.asked[1][1] is None
    w.connect()
    await w.checked()
    assert w.edge.asked[2][1] is w.edge.says


async def test_what_is_remembered_of_a_client_is_told_to_the_edge(world: MakeWorld) -> None:
    w = world(edge=NO_WAIT)
    w.edge.deployed = ("reputation",)
    good = Screened(None, ClientFacts(known=True), (), 60.0)
    w.edge.says = good
    w.connect()
    await w.checked()
    w.edge.says = Screened(TOO_FAST, good.client, (), 60.0)
    assert w.connect().gate.state is State.CHECKING
    await w.checked()
    assert [remembered for _, remembered in w.edge.asked] == [None, good]


async def test_what_came_of_a_rate_is_not_remembered(world: MakeWorld) -> None:
    w = world()
    w.edge.deployed = ("reputation", "ratelimit")
    w.edge.says = Screened(TOO_FAST, STRANGER, (), 60.0)
    visit = w.connect()
    await w.checked()
    assert visit.told == "421 4.7.1 Too much at once"
    assert w.connect().gate.state is State.CHECKING
    await w.checked()
    assert w.edge.asked[1][1] == replace(w.edge.says, decision=None)


async def test_a_list_says_nothing_of_our_users(world: MakeWorld) -> None:
    w = world()
    w.edge.deployed = ("reputation",)
    w.edge.says = Screened(LISTED, STRANGER, (), 60.0)
    w.connect()
    await w.checked()
    w.edge.says = Screened(None, STRANGER)
    user = w.connect(listener=Listener.SUBMISSION)
    await w.checked()
    assert user.gate.state is State.GONE
    assert w.edge.asked[1][1] is None


async def test_the_trusted_and_a_proxys_own_are_not_asked_about(world: MakeWorld) -> None:
    w = world(relay=PROXIES)
    w.edge.deployed = ("reputation",)
    assert w.connect("203.0.113.9").gate.state is State.GONE
    own = w.connect(PROXY)
    own.gate.data_received(LOCAL_V2)
    assert own.gate.state is State.GONE
    assert w.checks == []


async def test_a_fault_within_ends_that_connection_alone(world: MakeWorld) -> None:
    w = world()
    w.edge.deployed = ("reputation",)
    w.edge.says = RuntimeError("a fault")
    visit = w.connect()
    await w.checked()
    assert visit.told.startswith("451 4.3.0")
    assert (visit.gate.state, len(w.house.sessions)) == (State.LEAVING, 0)


@pytest.mark.parametrize("listener", list(Listener))
async def test_the_session_begins_where_the_gate_ends(world: MakeWorld, listener: Listener) -> None:
    w = world(relay=PROXIES, session={"reject_early_talkers": False})
    w.edge.deployed = ("reputation",)
    facts = ClientFacts(known=True, suspicion=1.0)
    outcome = Outcome("reputation", Status.OK)
    w.edge.says = Screened(None, facts, (outcome,))
    visit = w.connect(PROXY, listener)
    visit.gate.data_received(V1 + b"EHLO x\r\n")
    visit.gate.data_received(b"NOOP\r\n")
    w.clock.advance(0.5)
    await w.checked()
    link = visit.pipe.protocol
    assert isinstance(link, Connection)
    assert bytes(link.input.pending) == b"EHLO x\r\nNOOP\r\n"
    guest = visit.gate._guest
    ((session, _),) = w.edge.asked
    assert guest.id == session.id
    assert (guest.facts, guest.outcomes) == (facts, (outcome,))
    assert (session.client_ip, session.client_port, session.proxy_ip) == (CLIENT, 4321, PROXY)
    assert session.listener is listener
    assert (visit.pipe.written, len(w.house.sessions), len(w.lobby.gates)) == (b"", 1, 0)


async def test_who_ended_its_part_gets_a_session_that_knows(world: MakeWorld) -> None:
    w = world(edge=NO_WAIT)
    w.edge.deployed = ("reputation",)
    visit = w.connect()
    assert visit.gate.eof_received()
    await w.checked()
    link = visit.pipe.protocol
    assert isinstance(link, Connection)
    assert link.input.ended


# -- room


async def test_without_room_nobody_is_asked(world: MakeWorld) -> None:
    w = world(session={"sessions": 1}, edge=NO_WAIT)
    w.connect("198.51.100.1")
    visit = w.connect()
    assert visit.told == "421 4.3.2 Too many sessions, please come again"
    assert visit.pipe.did == ["close"]  # at once: room is what there is too little of
    assert len(w.house.sessions) == 1


async def test_one_client_takes_no_more_than_its_part(world: MakeWorld) -> None:
    w = world(session={"sessions_per_client": 2})
    for _ in range(2):
        assert w.connect().gate.state is State.CHECKING
    assert w.connect().told == "421 4.7.0 Too many sessions from your network"
    assert w.connect("198.51.100.8").gate.state is State.CHECKING
    await w.checked()


# -- waiting


async def test_who_is_unknown_waits_and_is_let_in(world: MakeWorld) -> None:
    w = world(identity={"hostname": "mx.example.com"}, edge={"wait": {"seconds": 0.02}})
    visit = w.connect()
    await w.checked()
    assert (visit.gate.state, w.lobby.waiting) == (State.WAITING, 1)
    assert visit.pipe.written == b"220-mx.example.com is getting ready\r\n"
    await asyncio.sleep(0.04)
    assert (visit.gate.state, w.lobby.waiting) == (State.GONE, 0)
    assert visit.gate._guest.teased
    assert w.sample("waits_total", outcome="passed") == 1
    # and has a pass from then on
    again = w.connect()
    await w.checked()
    assert (again.gate.state, again.pipe.written) == (State.GONE, b"")


@pytest.mark.parametrize("listener", [Listener.SUBMISSION, Listener.SUBMISSIONS])
async def test_our_users_do_not_wait(world: MakeWorld, listener: Listener) -> None:
    assert world().connect(listener=listener).gate.state is State.GONE


@pytest.mark.parametrize("peer", ["127.0.0.1", "203.0.113.9"])
async def test_the_near_and_the_trusted_do_not_wait(world: MakeWorld, peer: str) -> None:
    assert world(relay=PROXIES).connect(peer).gate.state is State.GONE


async def test_without_a_teaser_nothing_is_said_while_waiting(world: MakeWorld) -> None:
    w = world(edge={"wait": {"teaser": False}})
    visit = w.connect()
    await w.checked()
    assert (visit.gate.state, visit.pipe.written) == (State.WAITING, b"")
    assert not visit.gate._guest.teased


@pytest.mark.parametrize("waits", [True, False])
@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (b"EHLO x\r\n", "early-talker"),
        (b"GET / HTTP/1.1\r\n", "http-verb"),
        (b"\n", "early-talker"),
    ],
)
async def test_who_talks_before_the_banner_is_sent_away(
    world: MakeWorld, waits: bool, words: bytes, reason: str
) -> None:
    w = world()
    visit = w.connect()
    if waits:
        await w.checked()
    visit.gate.data_received(words)
    assert (visit.gate.state, w.lobby.waiting) == (State.LEAVING, 0)
    lines = visit.pipe.written.splitlines()
    assert [line[:4] for line in lines] == ([b"220-"] if waits else []) + [b"554 "]
    assert w.sample("refusals_total", phase="connect", reason=reason) == 1
    assert w.sample("waits_total", outcome="talked") == waits
    assert len(w.house.sessions) == 0
    await w.checked()  # what was still being asked changes nothing
    assert visit.gate.state is State.LEAVING
    assert not await w.house.passes.holds(ip_address(CLIENT))


async def test_who_is_tolerated_may_talk_and_has_its_words_kept(world: MakeWorld) -> None:
    w = world(session={"reject_early_talkers": False})
    visit = w.connect()
    await w.checked()
    visit.gate.data_received(b"EHLO x\r\n")
    visit.gate.data_received(b"x" * HIGH_WATER_BYTES)
    visit.gate.data_received(b"y")
    assert visit.pipe.did == ["pause"]
    visit.gate._has_waited()
    link = visit.pipe.protocol
    assert isinstance(link, Connection)
    assert bytes(link.input.pending).startswith(b"EHLO x\r\n")
    assert "resume" in visit.pipe.did


async def test_who_leaves_while_waiting_has_no_pass(world: MakeWorld) -> None:
    w = world()
    visit = w.connect()
    await w.checked()
    assert not visit.gate.eof_received()
    visit.gate.connection_lost(None)
    assert (w.lobby.waiting, len(w.house.sessions), len(w.lobby.gates)) == (0, 0, 0)
    assert w.sample("waits_total", outcome="left") == 1
    assert not await w.house.passes.holds(ip_address(CLIENT))


async def test_who_leaves_while_being_looked_at_leaves_nothing(world: MakeWorld) -> None:
    w = world()
    w.edge.deployed = ("reputation",)
    visit = w.connect()
    visit.gate.connection_lost(ConnectionResetError())
    await w.checked()
    assert (visit.gate.state, len(w.house.sessions)) == (State.GONE, 0)
    assert visit.pipe.protocol is None


async def test_who_says_no_more_does_not_wait(world: MakeWorld) -> None:
    w = world()
    visit = w.connect()
    visit.gate.eof_received()
    await w.checked()
    assert visit.pipe.did == ["close"]
    assert w.lobby.waiting == 0


async def test_only_so_many_wait_and_the_known_come_in(world: MakeWorld) -> None:
    w = world(session={"sessions": 4})
    for n in range(2):
        w.connect(f"198.51.100.{n}")
    await w.checked()
    third = w.connect("198.51.100.3")
    await w.checked()
    assert third.told == "421 4.3.2 Too many sessions, please come again"
    assert w.lobby.waiting == 2
    w.house.passes.grant(ip_address("198.51.100.4"), 60)
    known = w.connect("198.51.100.4")
    await w.checked()
    assert known.gate.state is State.GONE


# -- leaving


async def test_who_was_turned_away_may_read_why(
    world: MakeWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LINGER_SECONDS", 0.02)
    w = world()
    w.bans.put(a_ban())
    visit = w.connect()
    assert visit.pipe.did == ["eof"]  # our direction is closed, theirs is read: no reset
    visit.gate.data_received(b"EHLO x\r\n" * 10)
    assert visit.pipe.did == ["eof"]
    assert not visit.gate.eof_received()  # the transport closes
    await asyncio.sleep(0.04)
    assert visit.pipe.did == ["eof", "close"]
    visit.gate.connection_lost(None)
    assert (w.lobby.leaving, len(w.lobby.gates)) == (0, 0)


async def test_who_goes_on_talking_is_cut_off(world: MakeWorld) -> None:
    w = world()
    w.bans.put(a_ban())
    visit = w.connect()
    for _ in range(LINGER_BYTES // 65_536 + 1):
        visit.gate.data_received(b"x" * 65_536)
    assert visit.pipe.did == ["eof", "abort"]


async def test_only_so_many_may_take_their_time(
    world: MakeWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_LEAVING", 2)
    w = world()
    w.bans.put(a_ban())
    visits = [w.connect() for _ in range(3)]
    assert [visit.pipe.did for visit in visits] == [["eof"], ["eof"], ["close"]]
    for visit in visits:
        visit.gate.connection_lost(None)
    assert w.lobby.leaving == 0


async def test_where_tls_is_expected_words_would_make_no_sense(world: MakeWorld) -> None:
    w = world()
    w.bans.put(a_ban())
    visit = w.connect(listener=Listener.SUBMISSIONS)
    assert (visit.pipe.written, visit.pipe.did) == (b"", ["close"])
    assert w.sample("refusals_total", phase="connect", reason="banned") == 1


@pytest.mark.parametrize("waits", [True, False])
async def test_a_drain_turns_away_who_is_not_in_yet(world: MakeWorld, waits: bool) -> None:
    w = world()
    w.edge.deployed = ("reputation",)
    visit = w.connect()
    if waits:
        await w.checked()
    assert await w.house.sessions.drain(1) == 0
    assert visit.told.endswith("421 4.3.2 Shutting down, please come again")
    await w.checked()
    visit.gate.expire(SHUTTING_DOWN)  # once more changes nothing
    assert visit.pipe.did == ["close"]
    assert w.connect().told == "421 4.3.2 Shutting down, please come again"


async def test_the_end_breaks_off_what_is_left(world: MakeWorld) -> None:
    w = world(relay=PROXIES)
    silent = w.connect(PROXY)
    checked = w.connect()
    w.lobby.cut()
    assert [silent.pipe.did, checked.pipe.did] == [["abort"], ["abort"]]
    await w.checked()


def test_a_gate_holds_little(world: MakeWorld) -> None:
    assert not hasattr(module.Gate(world().lobby, None), "__dict__")  # type: ignore[arg-type]


# -- while there is too much to do


async def test_a_stranger_is_told_to_come_again(world: MakeWorld) -> None:
    w = world(edge=NO_WAIT)
    w.lobby.house = replace(w.house, lets_in=lambda: False)
    visit = w.connect()
    await w.checked()
    assert visit.told == "421 4.3.2 Too busy now, please come again"
    assert len(w.house.sessions) == 0
    assert w.sample("refusals_total", phase="connect", reason="overloaded") == 1


async def test_one_that_has_waited_for_the_banner_too(world: MakeWorld) -> None:
    w = world(edge={"wait": {"seconds": 0.01, "teaser": False}})
    w.lobby.house = replace(w.house, lets_in=lambda: False)
    visit = w.connect()
    await w.checked()
    assert visit.told == ""
    await asyncio.sleep(0.1)
    assert visit.told == "421 4.3.2 Too busy now, please come again"
    assert w.lobby.waiting == 0


async def test_one_that_is_known_comes_in(world: MakeWorld) -> None:
    w = world(edge=NO_WAIT)
    w.edge.deployed, w.edge.says = ("reputation",), Screened(None, ClientFacts(known=True))
    w.lobby.house = replace(w.house, lets_in=lambda: False)
    visit = w.connect()
    await w.checked()
    assert visit.gate.state is State.GONE
    assert len(w.house.sessions) == 1


async def test_a_stranger_is_turned_away_before_it_waits(world: MakeWorld) -> None:
    w = world(edge={"wait": {"seconds": 30}})
    w.edge.deployed = ("reputation",)
    w.lobby.house = replace(w.house, lets_in=lambda: False)
    visit = w.connect()
    await w.checked()
    assert visit.told == "421 4.3.2 Too busy now, please come again"
    assert w.lobby.waiting == 0
