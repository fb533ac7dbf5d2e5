"""The registry of sessions."""

import asyncio
from ipaddress import ip_address

from mailweir_core.clock import ManualClock
from mailweir_core.decision import Decision
from mailweir_core.net import Address
from mailweir_core.reasons import Reason
from mailweir_ingress.policy.rules import compile_rules
from mailweir_ingress.smtp.pulse import TOO_LONG, Pulse
from mailweir_ingress.smtp.sessions import Sessions, client_key
from mailweir_policy import policy_from


class Fake:
    """A session that leaves when it is told to, if it does."""

    def __init__(
        self, sessions: Sessions, *, in_data: bool = False, stubborn: bool = False
    ) -> None:
        self.pulse = Pulse()
        self.in_data = in_data
        self.client: Address | None = None
        self.login = ""
        self.allowed = False
        self.told: list[Decision] = []
        self.was_cut = False
        self._sessions = sessions
        self._stubborn = stubborn
        sessions.enter(self)

    def expire(self, decision: Decision) -> None:
        self.told.append(decision)
        if not self._stubborn:
            self._sessions.leave(self)

    def cut(self) -> None:
        self.was_cut = True


def a_registry() -> tuple[Sessions, ManualClock]:
    """Return a registry and the clock that it goes by."""
    clock = ManualClock()
    clock.advance(1000)
    rules = compile_rules(policy_from({"session": {"idle_seconds": 60}}), "v.1")
    return Sessions(lambda: rules, clock), clock


def test_sessions_are_counted_in_all_and_by_client() -> None:
    sessions, _ = a_registry()
    one, two, three = Fake(sessions), Fake(sessions), Fake(sessions)
    assert len(sessions) == 3
    assert sessions.count_client(one, ip_address("192.0.2.9")) == 1
    assert sessions.count_client(two, ip_address("192.0.2.9")) == 2
    assert sessions.count_client(three, ip_address("192.0.2.10")) == 1
    sessions.leave(one)
    four = Fake(sessions)
    assert sessions.count_client(four, ip_address("192.0.2.9")) == 2
    assert len(sessions) == 3


def test_a_client_that_has_gone_already_counts_for_nobody() -> None:
    sessions, _ = a_registry()
    one = Fake(sessions)
    assert sessions.count_client(one, None) == 1
    sessions.leave(one)
    assert len(sessions) == 0


def test_a_seat_is_handed_over_with_its_client() -> None:
    sessions, _ = a_registry()
    gate = Fake(sessions)
    sessions.count_client(gate, ip_address("192.0.2.9"))
    talk = Fake(sessions)
    sessions.leave(talk)
    sessions.hand_over(gate, talk)
    assert len(sessions) == 1
    assert sessions.count_client(Fake(sessions), ip_address("192.0.2.9")) == 2
    sessions.leave(talk)
    assert sessions.count_client(Fake(sessions), ip_address("192.0.2.9")) == 2


def test_those_that_are_meant_are_ended() -> None:
    sessions, _ = a_registry()
    anna, bob = Fake(sessions), Fake(sessions)
    anna.login = "anna"
    assert sessions.end(lambda member: member.login == "anna", TOO_LONG) == 1
    assert (anna.told, bob.told) == ([TOO_LONG], [])
    assert len(sessions) == 1


def test_an_ipv6_client_is_its_64() -> None:
    assert client_key(ip_address("2001:db8::1")) == client_key(ip_address("2001:db8::ffff"))
    assert client_key(ip_address("2001:db8::1")) != client_key(ip_address("2001:db8:0:1::1"))
    assert client_key(ip_address("192.0.2.1")) != client_key(ip_address("192.0.2.2"))


def test_a_sweep_ends_those_that_wait_too_long() -> None:
    sessions, clock = a_registry()
    idle, busy, fresh = Fake(sessions), Fake(sessions), Fake(sessions)
    idle.pulse.waiting_since = clock.monotonic()
    clock.advance(50)
    fresh.pulse.waiting_since = clock.monotonic()
    clock.advance(11)
    sessions.sweep()
    assert [d.reason for d in idle.told] == [Reason.TIMEOUT]
    assert busy.told == fresh.told == []


async def test_a_drain_tells_the_idle_and_waits_for_data() -> None:
    sessions, _ = a_registry()
    idle, in_data = Fake(sessions), Fake(sessions, in_data=True)
    async with asyncio.TaskGroup() as tasks:
        drain = tasks.create_task(sessions.drain(5))
        await asyncio.sleep(0.02)
        assert sessions.draining
        assert [d.reason for d in idle.told] == [Reason.SHUTTING_DOWN]
        assert in_data.told == []
        assert not drain.done()
        sessions.leave(in_data)
    assert drain.result() == 0


async def test_a_drain_ends_in_time_and_says_who_is_left() -> None:
    sessions, _ = a_registry()
    stubborn = Fake(sessions, stubborn=True)
    assert await sessions.drain(0.02) == 1
    sessions.cut()
    assert stubborn.was_cut


async def test_with_nobody_there_a_drain_is_over_at_once() -> None:
    sessions, _ = a_registry()
    assert await sessions.drain(60) == 0
