"""The comparison ignores what the gateway adds, and nothing else."""

import pytest

from mailweir_testkit.builders import mail
from mailweir_testkit.fidelity import crlf, fingerprint, reference, stripped

HOST = b"mx.example.com"


def test_line_ends_become_crlf() -> None:
    assert crlf(b"a\nb\rc\r\nd") == b"a\r\nb\r\nc\r\nd\r\n"
    assert crlf(b"\n") == b"\r\n"
    assert crlf(b"") == b""


@pytest.mark.parametrize(
    "added",
    [
        b"Received: from a (b [192.0.2.1])\r\n\tby mx.example.com with ESMTPS\r\n\tid 1; now\r\n",
        b"Received: from a\r\n\tby\r\n\tmx.example.com; now\r\n",
        b"x-spam-flag: YES\r\n",
        b"X-Spam-Report: one\r\n\ttwo\r\n three\r\n",
        b"X-Mailweir-Id: 1\r\nX-Mailweir-Version: 2\r\n",
        b"Authentication-Results: MX.example.com;\r\n spf=none\r\n",
    ],
)
def test_what_the_gateway_adds_does_not_count(added: bytes) -> None:
    assert stripped(added + mail(), HOST) == mail()
    assert fingerprint(added + mail(), HOST) == fingerprint(mail(), HOST)


@pytest.mark.parametrize(
    "changed",
    [
        mail(body="other\r\n"),
        mail(headers={"X-Other": "1"}),
        mail(headers={"X-Spammer": "1"}),
        mail(headers={"Received": "from a by mail.other.example; now"}),
        mail(headers={"Authentication-Results": "other.example; none"}),
        mail(body="Hello,\r\nX-Spam-Flag: YES\r\n"),
        mail() + b"\r\n",
    ],
)
def test_everything_else_counts(changed: bytes) -> None:
    assert fingerprint(changed, HOST) != fingerprint(mail(), HOST)


def test_a_message_without_header_or_without_body() -> None:
    added = b"X-Mailweir-Id: 1\r\n"
    assert stripped(added + b"\r\nbody\r\n", HOST) == b"\r\nbody\r\n"
    assert stripped(added + b"From: a\r\n", HOST) == b"From: a\r\n"
    assert stripped(b"", HOST) == b""


def test_the_reference_stands_in_the_header_only() -> None:
    assert reference(b"X-Mailweir-Id: 01AB-2\r\n\r\n") == "01AB-2"
    assert reference(b"x-mailweir-id:  01AB\r\n" + mail()) == "01AB"
    assert reference(b"From: a\r\n\r\nX-Mailweir-Id: 01AB\r\n") == ""
