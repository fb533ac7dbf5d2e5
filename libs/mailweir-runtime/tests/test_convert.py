"""Core values to protobuf and back: nothing lost, nothing from a newer peer breaks us."""

from typing import TypeVar

import pytest
from hypothesis import given, strategies as st

from mailweir.common.v1 import common_pb2 as pb
from mailweir_core.client import ClientClass, ClientFacts
from mailweir_core.outcome import Advice, Lookup, Outcome, Signal, Status
from mailweir_core.reasons import Reason
from mailweir_core.record import Envelope, Listener, Session
from mailweir_runtime import convert

T = TypeVar("T")
text = st.text(st.characters(codec="utf-8"), max_size=20)
anything = st.text(st.characters(), max_size=50)  # surrogates too
number = st.floats(allow_nan=False, allow_infinity=False)

signals = st.builds(Signal, text, number, text, text, text)
lookups = st.builds(Lookup, text, text, text, number)
outcomes = st.builds(
    Outcome,
    check=text,
    status=st.sampled_from(Status),
    signals=st.lists(signals, max_size=3).map(tuple),
    advice=st.sampled_from(Advice),
    reason=st.none() | st.sampled_from(Reason),
    detail=text,
    lookups=st.lists(lookups, max_size=3).map(tuple),
    seconds=number,
)
clients = st.builds(
    ClientFacts,
    client_class=st.sampled_from(ClientClass),
    host=text,
    asn=st.integers(0, 2**32 - 1),
    spf=text,
    spf_domain=text,
    suspicion=number,
    known=st.booleans(),
    allowed=st.booleans(),
)
sessions = st.builds(
    Session,
    id=text,
    listener=st.sampled_from(Listener),
    client_ip=text,
    client_port=st.integers(0, 65535),
    proxy_ip=text,
    helo=text,
    esmtp=st.booleans(),
    tls_version=text,
    tls_cipher=text,
    auth_user=text,
    trusted=st.booleans(),
    connected_at=number,
)
envelopes = st.builds(
    Envelope,
    ref=text,
    session=sessions,
    sender=text,
    recipients=st.lists(text, max_size=3).map(tuple),
    received_at=number,
    eight_bit=st.booleans(),
    smtputf8=st.booleans(),
    tenant=text.filter(bool),
)


@given(signals)
def test_signals_come_back(value: Signal) -> None:
    assert convert.signal_from_proto(convert.signal_to_proto(value)) == value


@given(lookups)
def test_lookups_come_back(value: Lookup) -> None:
    assert convert.lookup_from_proto(convert.lookup_to_proto(value)) == value


@given(outcomes)
def test_outcomes_come_back_over_the_wire(value: Outcome) -> None:
    wire = convert.outcome_to_proto(value).SerializeToString()
    assert convert.outcome_from_proto(pb.Outcome.FromString(wire)) == value


@given(sessions)
def test_sessions_come_back(value: Session) -> None:
    assert convert.session_from_proto(convert.session_to_proto(value)) == value


@given(envelopes)
def test_envelopes_come_back_over_the_wire(value: Envelope) -> None:
    wire = convert.envelope_to_proto(value).SerializeToString()
    assert convert.envelope_from_proto(pb.Envelope.FromString(wire)) == value


@pytest.mark.parametrize("status", Status)
def test_every_status_has_a_number(status: Status) -> None:
    assert convert.status_from_proto(convert.status_to_proto(status)) is status


@pytest.mark.parametrize("value", [pb.STATUS_UNSPECIFIED, 99, -1])
def test_an_unknown_status_is_an_error_of_the_check(value: int) -> None:
    assert convert.status_from_proto(value) is Status.TEMPERROR


def test_a_newer_peer_is_understood_as_far_as_possible() -> None:
    message = pb.Outcome(check="new", status=pb.STATUS_HIT, advice="pray", reason="new-reason")
    message.MergeFromString(b"\x10\x63")  # status = 99, which this side has no name for

    outcome = convert.outcome_from_proto(message)

    assert outcome == Outcome("new", Status.TEMPERROR, advice=Advice.NONE, reason=None)


def test_an_unknown_listener_has_the_fewest_rights() -> None:
    assert convert.session_from_proto(pb.Session(listener="gopher")).listener is Listener.MX


def test_an_empty_message_is_a_value() -> None:
    assert convert.envelope_from_proto(pb.Envelope()).tenant == "default"
    assert convert.outcome_from_proto(pb.Outcome()).status is Status.TEMPERROR


@pytest.mark.parametrize("score", [float("nan"), float("inf"), float("-inf")])
def test_a_score_that_is_no_number_counts_nothing(score: float) -> None:
    assert convert.signal_from_proto(pb.Signal(name="X", score=score)).score == 0.0


@given(anything)
def test_any_text_becomes_one_that_protobuf_takes(value: str) -> None:
    taken = convert.text(value)
    assert pb.Signal(name=taken).name == taken
    if not any(0xD800 <= ord(c) <= 0xDFFF for c in value):
        assert taken == value


def test_bytes_that_were_no_utf8_stay_readable() -> None:
    session = Session(
        "S", Listener.MX, "192.0.2.1", helo=b"caf\xe9".decode(errors="surrogateescape")
    )

    assert convert.session_to_proto(session).helo == r"caf\udce9"


@given(st.builds(Signal, anything, number, anything, anything, anything))
def test_hostile_text_never_stops_a_verdict(value: Signal) -> None:
    message = convert.signal_to_proto(value)
    assert pb.Signal.FromString(message.SerializeToString()) == message


@given(clients)
def test_clients_come_back_over_the_wire(value: ClientFacts) -> None:
    wire = convert.client_to_proto(value).SerializeToString()
    assert convert.client_from_proto(pb.ClientFacts.FromString(wire)) == value


def test_of_a_client_of_whom_nothing_is_said_nothing_is_known() -> None:
    assert convert.client_from_proto(pb.ClientFacts()) == ClientFacts()


def test_a_newer_class_of_clients_is_none() -> None:
    assert convert.client_from_proto(pb.ClientFacts(client_class="superb")) == ClientFacts()


@pytest.mark.parametrize("suspicion", [float("nan"), float("inf"), -float("inf")])
def test_a_suspicion_that_is_no_number_counts_nothing(suspicion: float) -> None:
    assert convert.client_from_proto(pb.ClientFacts(suspicion=suspicion)).suspicion == 0.0


@given(anything)
def test_a_hostile_name_of_a_client_can_be_sent(name: str) -> None:
    sent = convert.client_to_proto(ClientFacts(host=name, spf=name, spf_domain=name))
    assert pb.ClientFacts.FromString(sent.SerializeToString()) == sent
