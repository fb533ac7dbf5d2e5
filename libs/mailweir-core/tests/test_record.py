"""Sessions and envelopes."""

import dataclasses

import pytest

from mailweir_core.record import Envelope, Listener, Session


def test_a_session_begins_without_claims() -> None:
    session = Session("S", Listener.MX, "192.0.2.1")

    assert (session.helo, session.auth_user, session.tls_version) == ("", "", "")
    assert not session.trusted


def test_an_envelope_belongs_to_the_default_tenant() -> None:
    envelope = Envelope("S-1", Session("S", Listener.MX, "192.0.2.1"), "", ("a@example.com",), 1.0)

    assert envelope.tenant == "default"
    assert hash(envelope) == hash(dataclasses.replace(envelope))


def test_facts_do_not_change() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        Session("S", Listener.MX, "192.0.2.1").trusted = True  # type: ignore[misc]  # what is tried here


FOREIGN = Session("S", Listener.MX, "192.0.2.9")


@pytest.mark.parametrize(
    ("session", "expected"),
    [
        (FOREIGN, True),
        (dataclasses.replace(FOREIGN, trusted=True), False),
        (Session("S", Listener.SUBMISSION, "192.0.2.9", auth_user="ann@example.com"), False),
        (Session("S", Listener.SUBMISSION, "192.0.2.9"), False),
        (dataclasses.replace(FOREIGN, auth_user="ann@example.com"), False),
    ],
)
def test_mail_of_others_is_foreign(session: Session, expected: bool) -> None:
    assert session.is_foreign is expected
