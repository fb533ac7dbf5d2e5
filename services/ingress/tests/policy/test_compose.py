"""The message as it goes on, and its shape."""

import pytest
from hypothesis import given, strategies as st

from mailweir_ingress.policy.compose import cleaned, composed, look_at
from mailweir_mail.edit import fold

TRACE = b"Received: from x\r\n"


@pytest.mark.parametrize(
    "field",
    [
        b"X-Spam-Flag: NO\r\n",
        b"x-spam-score: -100\r\n",
        b"X-SPAM-Status: No,\r\n\tscore=-5\r\n",
        b"X-Spam-Anything: x\r\n",
        b"X-Mailweir-Id: forged\r\n",
        b"X-Mailweir-Version : 9\r\n",
        b"Authentication-Results: mx.example.com; spf=pass\r\n",
        b"Authentication-Results: (c) MX.example.com 1; spf=pass\r\n",
    ],
)
def test_what_only_we_may_say_is_taken_out(field: bytes) -> None:
    content = b"From: a@b\r\n" + field + b"Subject: x\r\n\r\n" + field + b"body\r\n"
    assert look_at(content, bare_newline=False, line_lengths=False).claims
    assert (
        cleaned(content, "mx.example.com")
        == b"From: a@b\r\nSubject: x\r\n\r\n" + field + b"body\r\n"
    )


@pytest.mark.parametrize(
    "field",
    [
        b"Authentication-Results: other.example; spf=pass\r\n",
        b"X-Spammer: no\r\n",
        b"Subject: X-Spam-Flag: YES\r\n",
    ],
)
def test_what_others_say_stays(field: bytes) -> None:
    content = field + b"To: b@example.com\r\n\r\nbody\r\n"
    assert cleaned(content, "mx.example.com") == content


def test_a_message_without_claims_says_so() -> None:
    content = b"From: a@b\r\n\r\nX-Spam-Flag: in the body\r\n"
    assert not look_at(content, bare_newline=False, line_lengths=False).claims


def test_ours_is_on_top_and_in_order() -> None:
    headers = (("X-Spam-Flag", "YES"), ("X-Spam-Score", "7.3"))
    whole = composed(b"From: a@b\r\n\r\nhello\r\n", TRACE, "S-1", "1.2.3", headers)
    assert whole == (
        b"Received: from x\r\n"
        b"X-Mailweir-Id: S-1\r\n"
        b"X-Mailweir-Version: 1.2.3\r\n"
        b"X-Spam-Flag: YES\r\n"
        b"X-Spam-Score: 7.3\r\n"
        b"From: a@b\r\n\r\nhello\r\n"
    )


def test_a_verdict_cannot_end_the_header_section() -> None:
    whole = composed(b"\r\nhello\r\n", TRACE, "S-1", "1", (("X-Spam-Report", "a\r\n\r\nb"),))
    assert whole.endswith(b"X-Spam-Report: a\r\n\tb\r\n\r\nhello\r\n")


@given(st.sampled_from(["X-Spam-Flag", "X-Spam-Report"]), st.text(max_size=100))
def test_a_plain_field_is_written_as_any_other(name: str, value: str) -> None:
    assert composed(b"", b"", "r", "1", ((name, value),)).endswith(fold(name, value))


def test_the_shape_counts_header_lines_hops_and_bytes() -> None:
    content = b"Received: a\r\n\tb\r\nreceived: c\r\nSubject: x\r\n\r\nReceived: no\r\n"
    shape = look_at(content, bare_newline=True, line_lengths=True)
    assert (shape.bytes, shape.header_lines, shape.hops) == (len(content), 4, 2)
    assert shape.longest_line == len(b"Received: no")
    assert shape.bare_newline
    assert look_at(content, bare_newline=False, line_lengths=False).longest_line == 0


@pytest.mark.parametrize("content", [b"", b"\r\n", b"no header at all\r\n", b"\r\nbody\r\n"])
def test_odd_messages_have_a_shape_too(content: bytes) -> None:
    shape = look_at(content, bare_newline=False, line_lengths=True)
    assert (shape.bytes, shape.hops) == (len(content), 0)
    assert composed(content, TRACE, "S-1", "1", ()).endswith(content)
