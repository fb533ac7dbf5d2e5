"""The tables in tests/rules: for each message exactly the symbols that it must have.

A case is a head, an empty line, and the message; a line of `=====` ends it. The head's lines:

    # why the case is there
    expect: SYMBOL SYMBOL        (or `-` for none)
    param: NAME VALUE            (repeated as needed)

Fields that every message has (From, To, Subject, Date, Message-ID) are added where a case does not have
them, so that it shows what matters alone, and a text may stand without any. Parameters: `bare` adds nothing;
`live` says that the message came by SMTP just now; `helo`, `sender`, `recipient`, `auth`, `trusted`,
`smtputf8` and `now` (ISO time) say how. `languages` and `forbidden` (charsets) are the policy's lists.
"""

import re
from base64 import encodebytes
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from email.utils import format_datetime
from io import BytesIO
from pathlib import Path
from urllib.parse import quote
from zipfile import ZIP_DEFLATED, ZIP_STORED, ZipFile

import pytest

from mailweir_core.record import Envelope, Listener, Session
from mailweir_policy import MessageLimits, ScoringPolicy
from mailweir_scoring.policy.facts import Facts, Identity
from mailweir_scoring.policy.pipeline import Stage, symbols_of
from mailweir_scoring.policy.reading import read_message, texts_of
from mailweir_scoring.policy.stages import STAGES

FIELD = re.compile(rb"[!-9;-~]+:")
FOLDER = Path(__file__).parent / "rules"
SCAN_BYTES = 50_000
NOW = datetime.fromisoformat("2026-03-02T10:00:00+00:00")
USUAL = {
    "from": "Ann Other <ann@example.net>",
    "to": "bob@example.com",
    "subject": "Lunch on Friday",
    "date": format_datetime(NOW),
    "message-id": "<1@example.net>",
}
LIVE = {"live", "helo", "sender", "recipient", "auth", "trusted", "smtputf8", "now"}


@dataclass(frozen=True)
class Case:
    file: str
    line: int
    expect: frozenset[str]
    params: dict[str, str] = field(default_factory=dict)
    message: bytes = b""

    def __str__(self) -> str:
        return f"{self.file}:{self.line}" if self.line else self.file


def read_cases() -> Iterator[Case]:
    for path in sorted(FOLDER.glob("*.test")):
        line = 1
        for block in re.split(rb"(?m)^=====\n", path.read_bytes()):
            if block.strip():
                yield read_case(path.name, line, block)
            line += block.count(b"\n") + 1


def read_case(file: str, line: int, block: bytes) -> Case:
    head, _, message = block.partition(b"\n\n")
    expect: frozenset[str] | None = None
    params: dict[str, str] = {}
    for text in head.decode().splitlines():
        key, _, value = text.partition(":")
        if text.startswith("#"):
            continue
        if key == "expect":
            expect = frozenset(value.split()) - {"-"}
        elif key == "param":
            name, _, rest = value.strip().partition(" ")
            params[name] = rest
        else:
            raise ValueError(f"{file}:{line}: {text!r}")
    if expect is None or not params.keys() <= LIVE | {"bare", "languages", "forbidden"}:
        raise ValueError(f"{file}:{line}: no `expect`, or an unknown parameter")
    return Case(file, line, expect, params, with_usual(message, bare="bare" in params))


def with_usual(message: bytes, *, bare: bool) -> bytes:
    if not FIELD.match(message):  # a text without fields of its own
        message = b"\n" + message
    header = message.partition(b"\n\n")[0].lower()
    present = set(re.findall(rb"(?m)^([!-9;-~]+):", header))
    added = [f"{n}: {v}\n" for n, v in USUAL.items() if n.encode() not in present]
    return ("" if bare else "".join(added)).encode() + message


def facts_of(case: Case) -> Facts:
    params, raw = case.params, case.message.replace(b"\n", b"\r\n")
    now = datetime.fromisoformat(params.get("now") or NOW.isoformat())
    identity = Identity("mx.example.com", frozenset({"example.com"}))
    policy = ScoringPolicy(
        languages=tuple(filter(None, params.get("languages", "").split(","))),
        forbidden_charsets=tuple(filter(None, params.get("forbidden", "").split(","))),
    )
    if not params.keys() & LIVE:
        message = read_message(raw, MessageLimits(), SCAN_BYTES)
        return Facts(
            message,
            texts_of(message, SCAN_BYTES),
            now.timestamp(),
            identity=identity,
            policy=policy,
        )
    helo = params.get("helo") or "mail.example.net"
    way = f"from {helo} ([192.0.2.7]) by mx.example.com with ESMTP id 1"
    received = f"Received: {way}; {format_datetime(now)}"
    session = Session(
        id="S", listener=Listener.MX, client_ip="192.0.2.7", helo=helo,
        auth_user=params.get("auth", ""), trusted="trusted" in params,
    )  # fmt: skip
    envelope = Envelope(
        ref="S-1", session=session, sender=params.get("sender", "ann@example.net"),
        recipients=(params.get("recipient", "bob@example.com"),), received_at=now.timestamp(),
        smtputf8="smtputf8" in params,
    )  # fmt: skip
    message = read_message(f"{received}\r\n".encode() + raw, MessageLimits(), SCAN_BYTES)
    texts = texts_of(message, SCAN_BYTES)
    return Facts(message, texts, now.timestamp(), envelope, identity=identity)


def made_cases() -> Iterator[Case]:
    """Yield the cases that are too large to be written down."""

    def case(name: str, expect: str, message: str, *, bare: bool = False) -> Case:
        params = {"bare": ""} if bare else {}
        return Case(
            name, 0, frozenset(expect.split()), params, with_usual(message.encode(), bare=bare)
        )

    def multipart(parts: Iterable[str]) -> str:
        body = "".join(f"--a\nContent-Type: {part}\n" for part in parts)
        return f"MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=a\n\n{body}--a--\n"

    few, many = (", ".join(f"u{n}@example.com" for n in range(c)) for c in (50, 51))
    yield case("fifty recipients", "", f"To: {few}\n\nHello\n")
    yield case("a crowd of recipients", "TO_MANY", f"To: {many}\n\nHello\n")
    fillers = "".join(f"X-Filler-{n}: {n}\n" for n in range(1001))
    # what lies beyond the limit is not missing
    yield case(
        "headers", "HEADER_EXCESSIVE", f"{fillers}From: ann@example.net\n\nHello\n", bare=True
    )
    parts = (f"text/plain\n\n{n}" for n in range(1001))
    yield case("more parts than are looked at", "MIME_EXCESSIVE MIME_UNCLOSED", multipart(parts))
    texts = [f"text/html\n\n<p>{'x' * 999}</p>"] * 60
    remarks = f"<p>Hello Bob</p><!-- {'amber basket candle ' * 150} -->"
    page = f"Content-Type: text/html\n\n{remarks}\n"
    yield case("remarks for filters", "HTML_COMMENTS HTML_ONLY", page)
    yield case("more text than is scanned", "MIME_EXCESSIVE HTML_ONLY", multipart(texts))


def zip_of(*entries: tuple[str, bytes], deflate: bool = False) -> bytes:
    made = BytesIO()
    with ZipFile(made, "w", ZIP_DEFLATED if deflate else ZIP_STORED) as archive:
        for name, data in entries:
            archive.writestr(name, data)
    return made.getvalue()


def locked(archive: bytes) -> bytes:
    """Set the flag of encryption in the directory of an archive of one file."""
    at = archive.index(b"PK\x01\x02") + 8
    return archive[:at] + bytes([archive[at] | 1]) + archive[at + 1 :]


FILES = {
    "a locked archive": ("a.zip", locked(zip_of(("a.txt", b"x"))), "ARCHIVE_ENCRYPTED"),
    "a plain archive": ("a.zip", zip_of(("a.txt", b"x")), ""),
    "a program in an archive": ("a.zip", zip_of(("a.pdf.js", b"x")), "ARCHIVE_PROGRAM"),
    "an archive in an archive": ("a.zip", zip_of(("b.zip", b"x")), "ARCHIVE_NESTED"),
    "a bomb": ("a.zip", zip_of(("a.txt", bytes(120_000_000)), deflate=True), "ARCHIVE_BOMB"),
    "a document": ("a.docx", zip_of(("word/document.xml", b"x")), ""),
    "a document with macros": (
        "a.docm",
        zip_of(("word/document.xml", b"x"), ("word/vbaProject.bin", b"x")),
        "OFFICE_MACRO",
    ),
    "an old document with macros": (
        "a.doc",
        b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + "WordDocument _VBA_PROJECT".encode("utf-16-le"),
        "OFFICE_MACRO",
    ),
    "a disk image": ("a.pdf.zip", bytes(32_769) + b"CD001" + bytes(99), "DISK_IMAGE"),
    "a page with a password": (
        "a.html",
        b"<html><form action=x><input type=password></form></html>",
        "PAGE_FORM ATTACHMENT_PAGE",
    ),
    "a page that unpacks itself": (
        "a.html",
        b"<html><script>document.write(atob('eA=='))</script></html>",
        "PAGE_DECODES ATTACHMENT_PAGE",
    ),
    "a page": ("a.html", b"<html><p>Hello</p></html>", "ATTACHMENT_PAGE"),
    "a picture with a script": (
        "a.svg",
        b"<svg xmlns='x'><script>alert(1)</script></svg>",
        "SVG_SCRIPT ATTACHMENT_PAGE",
    ),
    "a picture": ("a.svg", b"<svg xmlns='x'><path d='M0 0'/></svg>", "ATTACHMENT_PAGE"),
    "a PDF that starts something": ("a.pdf", b"%PDF-1.7 /OpenAction /Launch", "PDF_ACTIVE"),
    "a PDF that is a link": (
        "a.pdf",
        b"%PDF-1.7 /Type /Page /URI (https://www.example.org)",
        "PDF_LINK_ONLY",
    ),
    "a PDF": ("a.pdf", b"%PDF-1.7 /Type /Page", ""),
    "a name that turns": ("\u202efdp.txt", b"Hello Bob", "ATTACHMENT_NAME_HIDDEN"),
}  # fmt: skip


def file_cases() -> Iterator[Case]:
    """Yield the cases of attached files, each by what is in it."""
    for name, (filename, content, expect) in FILES.items():
        coded = encodebytes(content).decode()
        field = f"attachment; filename*=utf-8''{quote(filename)}"
        message = (
            "MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=a\n\n--a\n\nThe file\n--a\n"
            f"Content-Type: application/octet-stream\nContent-Disposition: {field}\n"
            f"Content-Transfer-Encoding: base64\n\n{coded}\n--a--\n"
        )
        raw = with_usual(message.encode(), bare=False)
        yield Case(name, 0, frozenset(expect.split()), {}, raw)


CASES = [*file_cases(), *read_cases(), *made_cases()]
OWN = [s for s in STAGES if isinstance(s, Stage) and s.name != "statistics"]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_case(case: Case) -> None:
    found = {hit.symbol for stage in OWN for hit in stage.run(facts_of(case))}
    assert found == case.expect


def test_every_symbol_has_a_case_that_hits() -> None:
    assert symbols_of(OWN) - {s for c in CASES for s in c.expect} == set()


def test_every_check_keeps_to_its_symbols() -> None:
    for case in CASES:
        facts = facts_of(case)
        for stage in OWN:
            for check in stage.checks:
                assert {h.symbol for h in check.run(facts)} <= check.symbols


def test_no_symbol_belongs_to_two_checks() -> None:
    owned = [s for stage in OWN for check in stage.checks for s in check.symbols]
    assert len(owned) == len(set(owned))
