"""Records and replies of clients that are turned away: few of them, whatever comes."""

from ipaddress import ip_address
from itertools import pairwise
from typing import Any

import pytest

from mailweir_core.decision import Decision
from mailweir_core.ids import is_ref
from mailweir_core.outcome import Outcome, Status
from mailweir_core.reasons import Reason
from mailweir_core.record import Listener
from mailweir_ingress.policy.entry import NO_PROXY_HEADER
from mailweir_ingress.policy.phases import EARLY_TALKER, SESSIONS_FULL
from mailweir_ingress.ports import Record, RecordKind
from mailweir_ingress.smtp import turned_away as module
from mailweir_ingress.smtp.guest import Caller

MakeWorld = Any  # see conftest.py


def a_caller(ip: str = "198.51.100.7", proxy: str = "") -> Caller:
    """Return who calls."""
    return Caller(Listener.MX, ip_address(ip), ip, 4321, proxy, key=ip)


def ref_of(reply: bytes) -> str:
    """Return the reference in a reply."""
    assert reply.endswith(b"]\r\n")
    found = reply.decode().rpartition("[")[2].rstrip("]\r\n")
    assert is_ref(found)
    return found


def test_the_first_is_recorded_at_once_with_the_reference_it_was_told(world: MakeWorld) -> None:
    w = world()
    outcome = Outcome("reputation", Status.HIT)
    reply = w.lobby.turned_away.reply(a_caller(proxy="10.0.0.1"), EARLY_TALKER, (outcome,), "why")
    (record,) = w.keeper.notes
    assert reply.startswith(b"554 5.5.1 You spoke before your turn [")
    assert record.envelope.ref == record.envelope.session.id == ref_of(reply)
    assert record.reply.encode() + b"\r\n" == reply
    assert (record.kind, record.decision.reason) == (RecordKind.SESSION, Reason.EARLY_TALKER)
    assert (record.count, record.checks, record.decision.detail) == (1, (outcome,), "why")
    session = record.envelope.session
    assert (session.client_ip, session.client_port) == ("198.51.100.7", 4321)
    assert (session.proxy_ip, session.connected_at) == ("10.0.0.1", w.clock.now())
    assert w.sample("refusals_total", phase="connect", reason="early-talker") == 1
    assert w.sample("replies_total", **{"class": "5xx"}) == 1


def test_the_others_of_a_minute_share_one_record(world: MakeWorld) -> None:
    w = world()
    ledger = w.lobby.turned_away
    first = ref_of(ledger.reply(a_caller(), EARLY_TALKER))
    others = {ref_of(ledger.reply(a_caller(), EARLY_TALKER)) for _ in range(500)}
    assert len(others) == 1
    assert first not in others
    w.clock.advance(module.WINDOW_SECONDS - 1)
    ledger.sweep()
    assert len(w.keeper.notes) == 1
    w.clock.advance(1)
    ledger.sweep()
    assert len(w.keeper.notes) == 2
    record: Record = w.keeper.notes[1]
    assert {record.envelope.ref} == others
    assert record.count == 500
    assert record.decision.detail == "500 connections in 60 s"
    assert w.sample("refusals_total", phase="connect", reason="early-talker") == 501


def test_never_more_than_one_record_a_minute(world: MakeWorld) -> None:
    w = world()
    for _ in range(600):
        w.lobby.turned_away.reply(a_caller(), EARLY_TALKER)
        w.clock.advance(1)
        w.lobby.turned_away.sweep()
    assert 10 <= len(w.keeper.notes) <= 11
    times = [record.judged_at for record in w.keeper.notes]
    assert all(b - a >= module.WINDOW_SECONDS for a, b in pairwise(times))


def test_who_does_not_come_again_is_forgotten(world: MakeWorld) -> None:
    w = world()
    w.lobby.turned_away.reply(a_caller(), EARLY_TALKER)
    w.clock.advance(module.WINDOW_SECONDS)
    w.lobby.turned_away.sweep()
    assert len(w.lobby.turned_away) == 0
    assert len(w.keeper.notes) == 1


@pytest.mark.parametrize(
    ("caller", "decision"),
    [(a_caller("198.51.100.8"), EARLY_TALKER), (a_caller(), SESSIONS_FULL)],
)
def test_clients_and_reasons_are_told_apart(
    world: MakeWorld, caller: Caller, decision: Decision
) -> None:
    w = world()
    w.lobby.turned_away.reply(a_caller(), EARLY_TALKER)
    w.lobby.turned_away.reply(caller, decision)
    assert len(w.keeper.notes) == 2


def test_under_a_flood_of_clients_records_come_later_and_memory_stays(
    world: MakeWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_ENTRIES", 100)
    w = world()
    ledger = w.lobby.turned_away
    for n in range(1000):
        ledger.reply(a_caller(str(ip_address("198.18.0.0") + n)), EARLY_TALKER)
    assert len(ledger) == 100
    assert len(w.keeper.notes) == module.RECORDS_AT_ONCE
    assert w.sample("turned_away_unrecorded_total") == 1000 - 100 - module.RECORDS_AT_ONCE
    w.clock.advance(module.WINDOW_SECONDS)
    ledger.sweep()
    assert len(w.keeper.notes) == 2 * module.RECORDS_AT_ONCE
    w.clock.advance(2)
    ledger.sweep()
    assert len(w.keeper.notes) == 2 * module.RECORDS_AT_ONCE + 2 * module.RECORDS_A_SECOND
    assert w.sample("refusals_total", phase="connect", reason="early-talker") == 1000


def test_at_the_end_what_is_left_is_recorded_or_counted(world: MakeWorld) -> None:
    w = world()
    ledger = w.lobby.turned_away
    for _ in range(7):
        ledger.reply(a_caller(), EARLY_TALKER)
    for n in range(module.RECORDS_AT_ONCE):
        ledger.reply(a_caller(str(ip_address("198.18.0.0") + n)), EARLY_TALKER)
    ledger.flush()
    assert len(ledger) == 0
    recorded = sum(record.count for record in w.keeper.notes)
    assert recorded + w.sample("turned_away_unrecorded_total") == module.RECORDS_AT_ONCE + 7


def test_a_proxys_mistake_names_the_proxy_and_no_client(world: MakeWorld) -> None:
    w = world()
    w.lobby.turned_away.reply(Caller(Listener.MX, None, "", 0, "10.0.0.1"), NO_PROXY_HEADER)
    (record,) = w.keeper.notes
    assert record.envelope.session.client_ip == ""
    assert record.envelope.session.proxy_ip == "10.0.0.1"
