"""Notifications: read back by the standard library, as a sender's program would."""

from dataclasses import replace
from email.message import EmailMessage, Message
from email.parser import BytesParser
from email.policy import default
from typing import Any

import pytest
from hypothesis import given, strategies as st

from mailweir_core.ids import is_ref
from mailweir_delivery.policy.notice import (
    MAX_LINE_BYTES,
    MAX_LISTED,
    MAX_RETURNED_BYTES,
    Notice,
    build,
    header_of,
    notice_id,
    notice_ref,
    wants_notice,
)
from mailweir_delivery.policy.progress import Recipient, State

REF = "01ARZ3NDEKTSV4RRFFQ69G5FAV-1"
NOW = 1_750_000_000.0
ORIGINAL = b"From: a@example.org\r\nSubject: hi\r\nMessage-ID: <1@x>\r\n\r\nsecret body\r\n"
UNKNOWN = Recipient(
    "bob@far.example", State.FAILED, "mx.far.example:25", "550 5.1.1 no such user", "5.1.1", NOW, 1
)
TIMED_OUT = Recipient(
    "carol@far.example", State.EXPIRED, "mx.far.example:25", "connection lost at connect: refused",
    "4.4.7", NOW, 9,
)  # fmt: skip


def notice(**fields: Any) -> Notice:
    usual: dict[str, Any] = {
        "ref": notice_ref(REF, 0, 1, NOW), "about": REF, "hostname": "gateway.example",
        "postmaster": "postmaster@example.com", "sender": "alice@example.org", "lost": (UNKNOWN,),
        "arrived_at": NOW - 60, "at": NOW, "original": ORIGINAL,
    }  # fmt: skip
    return Notice(**(usual | fields))


def parse(content: bytes) -> EmailMessage:
    message = BytesParser(policy=default).parsebytes(content)
    assert isinstance(message, EmailMessage)
    return message


def parts(content: bytes) -> tuple[str, list["Message[str, str]"], str]:
    """Return explanation, blocks of the delivery status, and the returned header."""
    message = parse(content)
    assert message.get_content_type() == "multipart/report"
    assert message.get_param("report-type") == "delivery-status"
    assert not message.defects
    text, status, header = message.iter_parts()
    assert [p.get_content_type() for p in (text, status, header)] == [
        "text/plain", "message/delivery-status", "text/rfc822-headers",
    ]  # fmt: skip
    blocks = status.get_payload()
    assert isinstance(blocks, list)
    explanation, returned = (part.get_content().replace("\r\n", "\n") for part in (text, header))
    return explanation, blocks, returned  # type: ignore[return-value]  # stubs know no list of parts


def test_the_header_says_what_it_is() -> None:
    message = parse(build(notice()))
    assert message["From"] == "Mail Delivery System <postmaster@example.com>"
    assert message["To"] == "alice@example.org"
    assert message["Auto-Submitted"] == "auto-replied"
    assert message["Date"] == "Sun, 15 Jun 2025 15:06:40 +0000"
    assert message["Message-ID"] == f"<{notice().ref}@gateway.example>"
    assert message["X-Mailweir-Id"] == notice().ref


def test_the_status_of_each_recipient() -> None:
    _, (whole, first, second), _ = parts(build(notice(lost=(UNKNOWN, TIMED_OUT))))
    assert whole["Reporting-MTA"] == "dns; gateway.example"
    assert whole["X-Mailweir-Id"] == REF
    assert whole["Arrival-Date"] == "Sun, 15 Jun 2025 15:05:40 +0000"
    assert dict(first.items()) == {
        "Final-Recipient": "rfc822; bob@far.example",
        "Action": "failed",
        "Status": "5.1.1",
        "Remote-MTA": "dns; mx.far.example",
        "Diagnostic-Code": "smtp; 550 5.1.1 no such user",
        "Last-Attempt-Date": "Sun, 15 Jun 2025 15:06:40 +0000",
    }
    assert second["Status"] == "4.4.7"
    assert second["Remote-MTA"] is None
    assert second["Diagnostic-Code"] == "X-Mailweir; connection lost at connect: refused"


def test_the_explanation_is_for_people() -> None:
    text, _, _ = parts(build(notice(lost=(UNKNOWN, TIMED_OUT))))
    assert "<bob@far.example>\n    mx.far.example:25 said: 550 5.1.1 no such user" in text
    assert "could not be delivered in time" in text
    assert REF in text
    assert "postmaster@example.com" in text


def test_the_header_comes_back_but_not_the_content() -> None:
    content = build(notice())
    _, _, header = parts(content)
    assert header == "From: a@example.org\nSubject: hi\nMessage-ID: <1@x>\n"
    assert b"secret body" not in content


def test_addresses_beyond_ascii_stand_in_their_ascii_form() -> None:
    person = Recipient(
        "jü+r\\g@münchen.example", State.FAILED, "mx:25", "550 nein, ü", "5.1.1", NOW, 1
    )
    content = build(notice(lost=(person,)))
    text, (_, block), _ = parts(content)
    assert block["Final-Recipient"] == "utf-8; j\\x{FC}\\x{2B}r\\x{5C}g@m\\x{FC}nchen.example"
    assert block["Diagnostic-Code"] == "smtp; 550 nein, ?"
    assert "<jü+r\\g@münchen.example>" in text
    assert content.isascii()


def test_a_sender_beyond_ascii_is_addressed_as_he_is() -> None:
    content = build(notice(sender="jürgen@example.org"))
    assert "\r\nTo: <jürgen@example.org>\r\n".encode() in content


def test_a_long_list_is_cut() -> None:
    crowd = tuple(replace(UNKNOWN, address=f"r{n}@far.example") for n in range(MAX_LISTED + 7))
    text, blocks, _ = parts(build(notice(lost=crowd)))
    assert len(blocks) == MAX_LISTED + 1
    assert "and 7 more." in text


def test_a_maildir_is_no_remote_mta() -> None:
    person = Recipient("a@b.example", State.FAILED, "/var/mail", "no space left", "5.3.1", NOW, 1)
    _, (_, block), _ = parts(build(notice(lost=(person,))))
    assert block["Remote-MTA"] is None


@pytest.mark.parametrize(
    ("original", "expected"),
    [
        (b"A: 1\r\nB: 2\r\n\r\nbody", b"A: 1\nB: 2\n"),
        (b"A: 1\nB: 2\n\nbody", b"A: 1\nB: 2\n"),
        (b"A: 1\r\nB: 2", b"A: 1\nB: 2\n"),
        (b"A: 1\rB: 2\r\n\r\n", b"A: 1 B: 2\n"),
        (b"", b"\n"),
    ],
)
def test_what_counts_as_header(original: bytes, expected: bytes) -> None:
    assert header_of(original) == expected


def test_a_huge_header_is_cut_at_a_line() -> None:
    header = header_of(b"X: " + b"y" * 100 + b"\r\n" + (b"Z: " + b"z" * 70 + b"\r\n") * 2000)
    assert len(header) <= MAX_RETURNED_BYTES
    assert header.endswith(b"z\n")


@given(
    st.binary(max_size=3000),
    st.text(st.characters(codec="utf-8", exclude_categories=["Cc"]), max_size=300),
)
def test_whatever_came_in_the_notification_is_well_formed(original: bytes, reply: str) -> None:
    person = Recipient("a@b.example", State.FAILED, "mx:25", reply, "5.0.0", NOW, 1)
    content = build(notice(original=original, lost=(person,)))
    assert content.isascii()
    assert content.count(b"\n") == content.count(b"\r\n") == content.count(b"\r")
    assert max(map(len, content.split(b"\r\n"))) <= MAX_LINE_BYTES
    _, blocks, _ = parts(content)
    assert len(blocks) == 2


def test_the_reference_follows_from_the_failure() -> None:
    one = notice_ref(REF, 0, 1, NOW)
    assert is_ref(one)
    assert one == notice_ref(REF, 0, 1, NOW)
    others = {
        notice_ref(REF, 1, 1, NOW),
        notice_ref(REF, 0, 2, NOW),
        notice_ref(REF[:-1] + "2", 0, 1, NOW),
    }
    assert one not in others
    assert len(others) == 3
    assert notice_id(REF, 0, 2) == f"dsn-{REF}-0.2"


@pytest.mark.parametrize(
    ("sender", "about", "enabled", "expected"),
    [
        ("alice@example.org", "", True, True),
        ("", "", True, False),
        ("alice@example.org", REF, True, False),
        ("alice@example.org", "", False, False),
    ],
)
def test_who_is_told(sender: str, about: str, enabled: bool, expected: bool) -> None:
    assert wants_notice(sender, about, enabled=enabled) is expected
