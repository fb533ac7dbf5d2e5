"""Our Received field."""

from dataclasses import replace
from email.utils import parsedate_to_datetime

import pytest
from hypothesis import given, strategies as st

from mailweir_core.record import Envelope, Listener, Session
from mailweir_ingress.policy.trace import protocol, received, rfc5322_date

SESSION = Session(
    id="S", listener=Listener.MX, client_ip="192.0.2.9", helo="mail.example.net", esmtp=True
)
ENVELOPE = Envelope("S-1", SESSION, "anna@example.net", ("bob@example.com",), 1_750_000_000.9)


def test_a_plain_session() -> None:
    assert received(ENVELOPE, "mx.example.com") == (
        b"Received: from mail.example.net ([192.0.2.9])\r\n"
        b"\tby mx.example.com (Mailweir) with ESMTP id S-1\r\n"
        b"\tfor <bob@example.com>; Sun, 15 Jun 2025 15:06:40 +0000\r\n"
    )


def test_tls_is_told() -> None:
    session = replace(SESSION, tls_version="TLSv1.3", tls_cipher="TLS_AES_256_GCM_SHA384")
    text = received(replace(ENVELOPE, session=session), "mx.example.com")
    assert b"\r\n\t(using TLSv1.3 with cipher TLS_AES_256_GCM_SHA384)\r\n" in text
    assert b" with ESMTPS id " in text


def test_recipients_do_not_learn_of_each_other() -> None:
    both = replace(ENVELOPE, recipients=("bob@example.com", "carol@example.com"))
    text = received(both, "mx.example.com")
    assert b"bob" not in text
    assert b"id S-1;\r\n\tSun, 15 Jun 2025" in text


def test_who_authenticated_stays_with_us() -> None:
    session = replace(SESSION, auth_user="secret-login")
    assert b"secret-login" not in received(replace(ENVELOPE, session=session), "mx.example.com")


@pytest.mark.parametrize(
    ("esmtp", "tls", "user", "utf8", "expected"),
    [
        (False, False, False, False, "SMTP"),
        (True, False, False, False, "ESMTP"),
        (True, True, False, False, "ESMTPS"),
        (True, False, True, False, "ESMTPA"),
        (True, True, True, False, "ESMTPSA"),
        (True, False, False, True, "UTF8SMTP"),
        (True, True, True, True, "UTF8SMTPSA"),
    ],
)
def test_the_protocol_has_the_registered_name(
    esmtp: bool, tls: bool, user: bool, utf8: bool, expected: str
) -> None:
    session = replace(
        SESSION,
        esmtp=esmtp,
        tls_version="TLSv1.3" if tls else "",
        auth_user="anna" if user else "",
    )
    assert protocol(session, smtputf8=utf8) == expected


@pytest.mark.parametrize(
    ("helo", "expected"),
    [
        ("", b"from unknown ([192.0.2.9])\r\n"),
        ("[192.0.2.9]", b"from [192.0.2.9] ([192.0.2.9])\r\n"),
        ("a(b);c", b"from unknown ([192.0.2.9]) (HELO a?b??c)\r\n"),
        ("x" * 300, b"from unknown ([192.0.2.9]) (HELO " + b"x" * 100 + b")\r\n"),
    ],
)
def test_a_strange_name_cannot_break_the_field(helo: str, expected: bytes) -> None:
    text = received(replace(ENVELOPE, session=replace(SESSION, helo=helo)), "mx.example.com")
    assert text.startswith(b"Received: " + expected)


def test_ipv6_is_written_as_rfc_5321_wants_it() -> None:
    session = replace(SESSION, client_ip="2001:db8::9")
    assert b"([IPv6:2001:db8::9])" in received(replace(ENVELOPE, session=session), "mx")
    gone = replace(SESSION, client_ip="")
    assert b"([unknown])" in received(replace(ENVELOPE, session=gone), "mx")


def test_a_utf8_recipient_is_written_as_it_is() -> None:
    envelope = replace(ENVELOPE, recipients=("jürgen@example.com",), smtputf8=True)
    assert "for <jürgen@example.com>;".encode() in received(envelope, "mx")


@given(st.text(max_size=300))
def test_whatever_a_client_calls_itself_it_is_one_field(helo: str) -> None:
    text = received(replace(ENVELOPE, session=replace(SESSION, helo=helo)), "mx.example.com")
    lines = text.split(b"\r\n")
    assert lines[-1] == b""
    assert all(line.startswith(b"\t") for line in lines[1:-1])
    assert b"\n" not in text.replace(b"\r\n", b"")
    assert all(len(line) < 400 for line in lines)


@given(st.integers(0, 4_000_000_000))
def test_the_date_is_read_back_by_others(timestamp: int) -> None:
    assert parsedate_to_datetime(rfc5322_date(timestamp)).timestamp() == timestamp
