"""Mails for tests: whole messages as bytes, written out rather than composed, so that every byte is known."""

import base64
import random
from collections.abc import Mapping
from typing import Final

_TEXT_BYTES: Final = 4000
_WORDS: Final = ("meeting", "invoice", "report", "garden", "train", "answer", "river", "printer")


def mail(
    subject: str = "Minutes of the meeting",
    body: str = "Hello,\r\n\r\nplease find the minutes below.\r\n",
    *,
    sender: str = "Anna Sender <anna@example.net>",
    to: str = "Bob <bob@example.com>",
    headers: Mapping[str, str] | None = None,
    message_id: str = "<1@example.net>",
) -> bytes:
    """Return a plain text message with CRLF line ends; `headers` come behind the usual ones."""
    fields = {
        "From": sender,
        "To": to,
        "Subject": subject,
        "Date": "Mon, 01 Sep 2025 10:00:00 +0000",
        "Message-ID": message_id,
        "MIME-Version": "1.0",
        "Content-Type": "text/plain; charset=utf-8",
        "Content-Transfer-Encoding": "8bit",
        **(headers or {}),
    }
    head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    return f"{head}\r\n{body}".encode()


def mail_of_size(size: int, number: int = 0) -> bytes:
    """Return a well-formed message of exactly `size` bytes (≥ 2,000): up to 4 kB of text, then an attachment.

    The same `number` gives the same bytes.
    """
    chance = random.Random(number)  # noqa: S311 - test data that comes out the same each time
    boundary = f"=_part_{number}"
    head = _multipart_head(number, boundary)
    tail = f"\r\n--{boundary}--\r\n"
    if size > _TEXT_BYTES * 2:
        room = size - _TEXT_BYTES - len(head) - len(tail)
        # 57 bytes make a line of 76 characters and CRLF
        tail = _attachment(boundary, chance.randbytes(room // 78 * 57)) + tail
    missing = size - len(head) - len(tail)
    if missing < 0:
        raise ValueError(f"a message of {size} bytes is too small to build")
    return (head + _text(chance, missing) + tail).encode()


def _multipart_head(number: int, boundary: str) -> str:
    return (
        "From: Anna Sender <anna@example.net>\r\n"
        "To: Bob <bob@example.com>\r\n"
        f"Subject: Report number {number}\r\n"
        "Date: Mon, 01 Sep 2025 10:00:00 +0000\r\n"
        f"Message-ID: <report-{number}@example.net>\r\n"
        "MIME-Version: 1.0\r\n"
        f'Content-Type: multipart/mixed; boundary="{boundary}"\r\n\r\n'
        f"--{boundary}\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n"
    )


def _text(chance: random.Random, count: int) -> str:
    """Return exactly `count` characters of words in lines."""
    lines: list[str] = []
    length = 0
    while length < count:
        lines.append(" ".join(chance.choices(_WORDS, k=9)) + "\r\n")
        length += len(lines[-1])
    # the last line is cut short; a cut between CR and LF would leave a bare CR
    text = "".join(lines)[:count]
    return text[:-1] + "." if text.endswith("\r") else text


def _attachment(boundary: str, content: bytes) -> str:
    encoded = base64.encodebytes(content).decode().replace("\n", "\r\n")
    return (
        f"\r\n--{boundary}\r\nContent-Type: application/octet-stream\r\n"
        'Content-Disposition: attachment; filename="report.bin"\r\n'
        f"Content-Transfer-Encoding: base64\r\n\r\n{encoded}"
    )
