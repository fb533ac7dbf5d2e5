"""Stream messages to values: nothing hostile gets through, nothing of ours is lost."""

import math
import zlib

import pytest
from hypothesis import given, strategies as st

from mailweir.events.v1 import events_pb2
from mailweir_quarantine.adapters import events
from mailweir_quarantine.adapters.events import (
    Undecodable,
    mail_from,
    progress_from,
    progress_to,
    record_from,
    release_in,
    released,
    unpacked,
)
from mailweir_quarantine.policy import text
from mailweir_quarantine.policy.text import clean, finite, is_storable_ref, time_of
from mailweir_quarantine.values import Outgoing
from mailweir_runtime.bus.ports import StoredBody
from mailweir_testkit.events import (
    NOW,
    envelope,
    held_elsewhere,
    held_mail,
    judged,
    progress,
    ref_of,
)


@given(st.binary(max_size=400))
def test_any_bytes_are_read_or_undecodable(payload: bytes) -> None:
    for read in (record_from, mail_from, progress_from):
        try:
            read(payload)
        except Undecodable:
            continue


@pytest.mark.parametrize("ref", ["", "x y", "../up", "a/b", "R" * 65, "é", "a.b", "a*", "a>"])
def test_a_reference_that_is_no_key_is_refused(ref: str) -> None:
    with pytest.raises(Undecodable, match="reference"):
        record_from(judged(ref or "", of=envelope("x")).SerializeToString())
    with pytest.raises(Undecodable, match="reference"):
        progress_from(progress(ref).SerializeToString())
    with pytest.raises(Undecodable, match="reference"):
        mail_from(held_mail("x", of=envelope(ref)).SerializeToString())


@pytest.mark.parametrize("ref", [ref_of(1), "01JXT21Q000000000000000000", "dsn-01JXT21Q00-2"])
def test_references_of_other_services_are_kept(ref: str) -> None:
    assert is_storable_ref(ref)


def test_a_record_is_packed_and_comes_back_whole() -> None:
    event = judged(ref_of(1), subject="x" * 300)
    payload = event.SerializeToString()
    record = record_from(payload)
    assert unpacked(record.judged) == event
    assert len(record.judged) < len(payload)


@pytest.mark.parametrize("packed", [b"", b"nonsense", zlib.compress(b"\xff\xff\xff")])
def test_a_damaged_record_is_undecodable_not_a_crash(packed: bytes) -> None:
    if packed == b"":
        assert unpacked(packed) == events_pb2.Judged()
        return
    with pytest.raises(Undecodable):
        unpacked(packed)


def test_unpacking_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "MAX_UNPACKED_BYTES", 100)
    with pytest.raises(Undecodable):
        unpacked(zlib.compress(judged(ref_of(1), subject="x" * 5000).SerializeToString()))


def test_lengths_are_those_of_the_columns() -> None:
    event = judged(
        ref_of(1),
        action="a" * 99,
        reason="r" * 99,
        subject="s" * 9999,
        of=envelope(ref_of(1), sender="x" * 999, recipients=["y" * 999] * 1500, client_ip="9" * 99),
    )
    event.envelope.session.helo = "h" * 999
    for _ in range(1500):
        event.refused.add(address="z" * 999)
    record = record_from(event.SerializeToString())
    facts = record.facts
    assert len(facts.action) == len(facts.reason) == text.MAX_WORD
    assert len(record.subject) == text.MAX_SUBJECT
    assert len(facts.sender) == text.MAX_ADDRESS
    assert len(facts.client_ip) == text.MAX_IP
    assert len(facts.helo) == text.MAX_HELO
    assert len(facts.recipients) == len(record.refused) == text.MAX_RECIPIENTS
    assert {len(a) for a in facts.recipients + record.refused} == {text.MAX_ADDRESS}


@pytest.mark.parametrize("at", [math.nan, math.inf, 0.0])
def test_without_a_time_the_reference_tells(at: float) -> None:
    event = judged(ref_of(1), of=envelope(ref_of(1), received_at=at))
    event.judged_at = math.nan
    assert record_from(event.SerializeToString()).facts.received_at == NOW


def test_an_unknown_kind_is_a_message() -> None:
    event = judged(ref_of(1))
    for kind in (0, 77):
        event.kind = kind  # type: ignore[assignment]
        assert record_from(event.SerializeToString()).kind == events_pb2.JUDGED_KIND_MESSAGE
    event.kind = events_pb2.JUDGED_KIND_SESSION
    assert record_from(event.SerializeToString()).kind == events_pb2.JUDGED_KIND_SESSION


def test_mail_inline_and_elsewhere() -> None:
    inline = mail_from(held_mail(ref_of(1), b"content").SerializeToString())
    assert (inline.content, inline.stored, inline.facts.bytes) == (b"content", None, 7)
    far = mail_from(held_elsewhere(ref_of(1), "mail/1", b"content").SerializeToString())
    assert far.stored is not None
    assert (far.content, far.stored.key, far.facts.bytes) == (b"", "mail/1", 7)


def test_a_released_message_is_the_held_one_by_reference() -> None:
    original = held_mail(ref_of(1), b"content", envelope(ref_of(1), recipients=["a@b", "c@d"]))
    arrived = mail_from(original.SerializeToString())
    assert b"content" not in arrived.mail
    body = StoredBody("held/1", 7, "ab" * 32)
    mail = events_pb2.QueuedMail.FromString(
        released(Outgoing(ref_of(1), 3, body, "s0", arrived.mail))
    )
    assert mail.envelope == original.envelope
    assert (mail.release, mail.content) == (3, b"")
    assert (mail.body.key, mail.body.bytes, mail.body.sha256) == ("held/1", 7, "ab" * 32)
    assert (mail.action, mail.reason, mail.score) == ("hold", "spam", 9.0)
    assert release_in(mail.SerializeToString()) == 3


def test_the_release_of_what_is_not_there_is_before_all() -> None:
    assert release_in(None) == -1
    assert release_in(held_mail(ref_of(1)).SerializeToString()) == 0


def test_progress_there_and_back() -> None:
    event = progress(ref_of(1), attempts=3, release=2)
    assert progress_to(progress_from(event.SerializeToString())) == event


def test_a_status_of_a_newer_delivery_is_kept_as_untried() -> None:
    event = progress(ref_of(1), 99)  # type: ignore[arg-type]
    [recipient] = progress_from(event.SerializeToString()).recipients
    assert not recipient.status.is_final


@given(st.text(max_size=50), st.integers(1, 40))
def test_clean_text_fits(dirty: str, most: int) -> None:
    cleaned = clean(dirty, most)
    assert len(cleaned) <= most
    assert "\0" not in cleaned
    assert clean(cleaned, most) == cleaned


@given(st.floats())
def test_finite_numbers_are_left_alone(number: float) -> None:
    assert finite(number, 7.0) == (number if math.isfinite(number) else 7.0)


def test_the_time_in_a_reference() -> None:
    assert time_of(ref_of(1, NOW + 0.25), 0.0) == NOW + 0.25
    assert time_of("short", 5.0) == 5.0
    assert time_of("u" * 26, 5.0) == 5.0
