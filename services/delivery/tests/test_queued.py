"""Stream messages and values."""

from hypothesis import given, strategies as st

from mailweir.common.v1 import common_pb2
from mailweir.events.v1 import events_pb2
from mailweir_delivery.adapters.queued import (
    Undecodable,
    read_mail,
    read_progress,
    write_notice,
    write_progress,
)
from mailweir_delivery.policy.notice import Notice, build
from mailweir_delivery.policy.progress import Progress, Recipient, State
from mailweir_runtime import convert
from mailweir_testkit.events import envelope, ref_of

addresses = st.from_regex(r"[a-zü]{1,8}@[a-z]{1,8}\.example", fullmatch=True)
recipients = st.builds(
    Recipient,
    address=addresses,
    state=st.sampled_from(State),
    next_hop=st.just("mx:25"),
    reply=st.text(st.characters(codec="utf-8"), max_size=50),
    enhanced=st.sampled_from(["2.0.0", "4.2.0", ""]),
    at=st.floats(0, 2e9),
    attempt=st.integers(0, 100),
)
progresses = st.builds(
    Progress,
    ref=st.just(ref_of(1)),
    release=st.integers(0, 10),
    recipients=st.lists(recipients, max_size=5).map(tuple),
    attempts=st.integers(0, 1000),
    next_attempt_at=st.floats(0, 2e9),
    at=st.floats(0, 2e9),
)


@given(progresses)
def test_progress_comes_back_as_it_went(progress: Progress) -> None:
    payload = write_progress(progress)
    assert read_progress(payload) == progress
    assert events_pb2.DeliveryProgress.FromString(payload).finished == progress.finished


def test_a_state_of_the_future_counts_as_not_tried() -> None:
    person = events_pb2.RecipientProgress(address="a@b")
    person.status = 99  # type: ignore[assignment]  # as a newer version may write
    payload = events_pb2.DeliveryProgress(ref="x", recipients=[person]).SerializeToString()
    assert read_progress(payload).recipients[0].state is State.WAITING


def test_mail_inline_and_elsewhere() -> None:
    mail = events_pb2.QueuedMail(
        envelope=envelope(ref_of(1)), content=b"x", release=2, reason="clean"
    )
    queued = read_mail(mail.SerializeToString())
    assert (queued.ref, queued.content, queued.release) == (ref_of(1), b"x", 2)
    assert not queued.owns_body
    mail.ClearField("content")
    mail.body.CopyFrom(common_pb2.BodyRef(key="mail/x", bytes=7))
    queued = read_mail(mail.SerializeToString())
    assert (queued.content, queued.body_key, queued.body_bytes) == (None, "mail/x", 7)
    assert queued.owns_body


def test_addresses_beyond_ascii_are_welcome() -> None:
    people = ("ju\u00a0ergen@example.com", '"a b>"@example.com', "postmaster")
    mail = events_pb2.QueuedMail(envelope=envelope(ref_of(1), recipients=people), content=b"x")
    assert read_mail(mail.SerializeToString()).envelope.recipients == people


@given(st.binary(max_size=200))
def test_noise_is_undecodable_or_a_message(payload: bytes) -> None:
    try:
        queued = read_mail(payload)
    except Undecodable:
        return
    assert queued.envelope.recipients


def test_a_notification_is_mail_like_any_other() -> None:
    about = convert.envelope_from_proto(envelope(ref_of(1)))
    lost = Recipient("b@example.com", State.FAILED, "mx:25", "550 no", "5.0.0", 1.0, 1)
    notice = Notice(
        ref_of(2), ref_of(1), "gw.example", "postmaster@example.com", about.sender, (lost,), 1.0, 2.0, b""
    )  # fmt: skip
    queued = read_mail(write_notice(notice, build(notice), about))
    assert queued.envelope.sender == ""
    assert queued.envelope.recipients == (about.sender,)
    assert (queued.ref, queued.about) == (ref_of(2), ref_of(1))
    assert queued.envelope.received_at == 2.0
    assert not queued.envelope.smtputf8
