"""Wanted mail as it looks today, made from a table of texts: from persons, firms, shops, newsletters.

Each kind has the headers, the parts and the markup that the programs of such senders write: signatures,
ids at the sender's own domain, ways to leave a newsletter. All domains are reserved ones.
"""

import tomllib
from base64 import encodebytes
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from email.header import Header
from html import escape
from pathlib import Path
from typing import Final

KINDS: Final = ("personal", "business", "invoice", "newsletter", "receipt")
_DATE: Final = "Mon, 02 Mar 2026 09:41:12 +0100"
_PDF: Final = (
    b"%PDF-1.7\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n2 0 obj<</Type/Pages/Count 0>>endobj\n"
)


@dataclass(frozen=True, slots=True)
class Genuine:
    """One mail: ISO 639-1 code of its language, kind, and the octets with CRLF."""

    language: str
    kind: str
    raw: bytes

    def __str__(self) -> str:
        """Return what test ids show."""
        return f"{self.language}-{self.kind}"


@dataclass(frozen=True, slots=True)
class _Text:
    language: str
    kind: str
    name: str
    subject: str
    body: str

    @property
    def domain(self) -> str:
        return f"{self.language}-{self.kind}.example"


def read(table: Path) -> Iterator[Genuine]:
    """Yield the mails of a table: by language `names`, as KINDS, and `[subject, text]` by kind."""
    for language, texts in tomllib.loads(table.read_text("utf-8")).items():
        for kind, name in zip(KINDS, texts["names"], strict=True):
            subject, body = texts[kind]
            text = _Text(language, kind, name, subject, body)
            lines = "\n".join((*_common(text), *_BUILDERS[kind](text)))
            yield Genuine(language, kind, lines.replace("\n", "\r\n").encode())


def _common(text: _Text) -> Iterator[str]:
    domain = text.domain
    local = {"personal": "h.w", "business": "einkauf"}.get(text.kind, "info")
    host = f"mail.{domain}"
    yield f"Return-Path: <{local}@{domain}>"
    yield (
        f"Received: from {host} ({host} [192.0.2.25])\n\tby mx.example.com (Postfix)"
        f" with ESMTPS id 4ZkQ2x1pTz\n\tfor <jens@example.com>; {_DATE}"
    )
    yield (
        f"DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed; d={domain}; s=s1;\n\th=from:to:subject:date"
        ":message-id; bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;\n\tb=" + "Ab3+" * 40
    )
    yield f"From: {_word(text.name)} <{local}@{domain}>"
    yield "To: jens@example.com"
    yield f"Subject: {_word(text.subject)}"
    yield f"Date: {_DATE}"
    yield f"Message-ID: <20260302084112.7f3a1c@{host}>"
    yield "MIME-Version: 1.0"


def _word(text: str) -> str:
    return text if text.isascii() else Header(text, "utf-8", 75).encode(linesep="\n")


def _coded(text: str) -> str:
    return encodebytes(text.encode()).decode()


def _part(kind: str, text: str) -> str:
    return f"Content-Type: text/{kind}; charset=utf-8\nContent-Transfer-Encoding: base64\n\n{_coded(text)}"


def _personal(text: _Text) -> Iterator[str]:
    yield "In-Reply-To: <CAF3x1q9@mail.example.com>"
    yield "References: <CAF3x1q9@mail.example.com>"
    yield "X-Mailer: Apple Mail (2.3826.400.131)"
    quoted = "\n".join(f"> {line}" for line in text.subject.split(": ", 1)[1:])
    yield _part("plain", f"{text.body}\n\n{quoted}\n")


def _business(text: _Text) -> Iterator[str]:
    yield f"Content-Language: {text.language}"
    yield "X-Mailer: Microsoft Outlook 16.0"
    yield "Thread-Index: AdyKZ4mV6g0V2w2cQ2mXhXb0n5a1ow=="
    paragraphs = "".join(f"<p class=MsoNormal>{escape(p)}</p>" for p in text.body.split("\n\n"))
    link = f"<p><a href='https://www.{text.domain}/'>www.{text.domain}</a></p>"
    boundary = "----=_NextPart_000_0012_01DC8A67.8995EA00"
    html = f"<html><body lang={text.language}>{paragraphs}{link}</body></html>"
    yield from _alternative(boundary, f"{text.body}\n\nwww.{text.domain}\n", html)


def _invoice(text: _Text) -> Iterator[str]:
    name = "rechnung-2026-02.pdf" if text.language == "de" else "2026-02.pdf"
    yield "Auto-Submitted: auto-generated"
    yield 'Content-Type: multipart/mixed; boundary="b1_5c2f"\n'
    yield f"--b1_5c2f\n{_part('plain', text.body)}"
    yield (
        f'--b1_5c2f\nContent-Type: application/pdf; name="{name}"\nContent-Transfer-Encoding: base64\n'
        f'Content-Disposition: attachment; filename="{name}"\n\n'
        f"{encodebytes(_PDF * 40).decode()}--b1_5c2f--\n"
    )


def _newsletter(text: _Text) -> Iterator[str]:
    leave = f"https://news.{text.domain}/leave/8Qk2/1"
    yield f"List-Unsubscribe: <{leave}>, <mailto:leave@{text.domain}>"
    yield "List-Unsubscribe-Post: List-Unsubscribe=One-Click"
    yield f"List-Id: <news.{text.domain}>"
    yield "Feedback-ID: 118:2026-03:news:mailer"
    yield from _page(text, f"https://news.{text.domain}/c/8Qk2", leave)


def _receipt(text: _Text) -> Iterator[str]:
    yield "Auto-Submitted: auto-generated"
    yield from _page(
        text, f"https://www.{text.domain}/account/orders", f"https://www.{text.domain}/"
    )


def _page(text: _Text, read: str, other: str) -> Iterator[str]:
    picture = f"https://img.{text.domain}"
    cells = "".join(f"<tr><td>{escape(p)}</td></tr>" for p in text.body.split("\n\n"))
    html = (
        f"<!doctype html><html lang={text.language}><head><title>{escape(text.subject)}</title></head><body>"
        f"<div style='display:none'>{escape(text.body[:60])}</div><table>"
        f"<tr><td><img src='{picture}/logo.png' alt='{escape(text.name)}' width=200 height=60></td></tr>"
        f"{cells}"
        f"<tr><td><a href='{read}'>{escape(text.subject)}</a></td></tr>"
        f"<tr><td>{escape(text.name)} · <a href='{other}'>{text.domain}</a></td></tr></table>"
        f"<img src='{picture}/o/8Qk2.gif' width=1 height=1></body></html>"
    )
    plain = f"{text.body}\n\n{text.subject}: {read}\n\n{text.name} · {other}\n"
    yield from _alternative("b2_9d41", plain, html)


def _alternative(boundary: str, plain: str, html: str) -> Iterator[str]:
    yield f'Content-Type: multipart/alternative; boundary="{boundary}"\n'
    yield f"--{boundary}\n{_part('plain', plain)}"
    yield f"--{boundary}\n{_part('html', html)}--{boundary}--\n"


_BUILDERS: Final[dict[str, Callable[[_Text], Iterator[str]]]] = {
    "personal": _personal,
    "business": _business,
    "invoice": _invoice,
    "newsletter": _newsletter,
    "receipt": _receipt,
}
