"""Messages that are made to cost: bounded work, and a verdict for each.

What is asserted is the growth within one run, not a time: twice the input must not cost much more than twice
the work. Where a limit stops the work, it must cost next to nothing more.
"""

import base64
import time
import tracemalloc
from collections.abc import Callable
from io import BytesIO
from zipfile import ZIP_DEFLATED, ZipFile

import pytest

from mailweir_policy import Policy
from mailweir_runtime.config import PolicySnapshot
from mailweir_scoring.cli.inputs import Source
from mailweir_scoring.cli.scorer import Scored, Scorer

HEAD = (
    b"From: a@example.net\r\nTo: b@example.com\r\nSubject: s\r\nMIME-Version: 1.0\r\n"
    b"Date: Mon, 02 Mar 2026 10:00:00 +0000\r\nMessage-ID: <1@example.net>\r\n"
)
MARKUP = b"<p>hello <b>world</b> <a href='http://203.0.113.5/x'>http://bank.example/</a></p>\r\n"
CURRENT = PolicySnapshot(Policy(), "default")


def html(body: bytes) -> bytes:
    return HEAD + b"Content-Type: text/html; charset=utf-8\r\n\r\n" + body


def multi(part: bytes, count: int) -> bytes:
    body = b"".join(b"--q\r\n" + part + b"\r\n" for _ in range(count))
    return HEAD + b"Content-Type: multipart/mixed; boundary=q\r\n\r\n" + body + b"--q--\r\n"


def file_of(size: int) -> bytes:
    head = b"Content-Type: text/csv; name=a.csv\r\nContent-Transfer-Encoding: base64\r\n\r\n"
    return multi(head + base64.encodebytes(b"1,2,3\n" * (size // 8)).replace(b"\n", b"\r\n"), 1)


def zip_of(count: int) -> bytes:
    made = BytesIO()
    with ZipFile(made, "w") as archive:
        for number in range(count):
            archive.writestr(f"{number}.js", b"x")
    return made.getvalue()


def zipped(content: bytes, name: bytes = b"a.zip") -> bytes:
    head = b"Content-Type: application/octet-stream; name=" + name
    head += b"\r\nContent-Transfer-Encoding: base64\r\n\r\n"
    return multi(head + base64.encodebytes(content).replace(b"\n", b"\r\n"), 1)


TAR_ENTRY = b"a".ljust(124, b"\0") + b"0".ljust(133, b"\0") + b"ustar".ljust(255, b"\0")
CASES: dict[str, Callable[[int], bytes]] = {
    "one line": lambda n: HEAD + b"\r\n" + b"x" * n,
    "one header": lambda n: b"X-A: " + b"a" * n + b"\r\n" + HEAD + b"\r\nhi",
    "received": lambda n: (
        b"Received: from a (b [1.2.3.4]) by c; Mon, 02 Mar 2026 10:00:00 +0000\r\n" * (n // 72)
        + HEAD + b"\r\nhi"
    ),
    "subject": lambda n: b"Subject: " + b"re: " * (n // 4) + b"\r\n" + HEAD + b"\r\nhi",
    "names": lambda n: b'From: "' + b"a@" * (n // 2) + b'" <a@b.c>\r\n' + HEAD + b"\r\nhi",
    "message id": lambda n: b"Message-ID: <" + b"a" * n + b"\r\n" + HEAD + b"\r\nhi",
    "html": lambda n: html(MARKUP * (n // len(MARKUP))),
    "html in parts": lambda n: multi(b"Content-Type: text/html\r\n\r\n" + MARKUP * 50, n // 4600),
    "parts": lambda n: multi(b"Content-Type: text/plain\r\n\r\nhi", n // 40),
    "inputs": lambda n: html(b"<input " * (n // 7)),
    "blanks": lambda n: html(b"<input type=          " * (n // 22)),
    "no width": lambda n: html(("a\u200b\u200b" * (n // 7)).encode()),
    "links": lambda n: HEAD + b"\r\n" + b"http://a.b/ " * (n // 12),
    "link text": lambda n: html(b"<a href=http://x.example>" + b"www." * (n // 4) + b"</a>"),
    "file": file_of,
    "spaced letters": lambda n: HEAD + b"\r\n" + b"a-" * (n // 2),
    "spaced words": lambda n: HEAD + b"\r\n" + b"V-I-A-G-R-A " * (n // 12),
    "leet": lambda n: HEAD + b"\r\n" + b"a1" * (n // 2) + b"@",
    "consonants": lambda n: HEAD + b"\r\n" + b"bcdfg" * (n // 5),
    "empty lines": lambda n: HEAD + b"\r\n" + b"\r\n" * (n // 2) + b"x",
    "quotes": lambda n: HEAD + b"\r\n" + b"wrote \r\n" * (n // 8),
    "blanks before a colon": lambda n: HEAD + b"\r\n" + b"wrote" + b" " * n,
    "wallets": lambda n: HEAD + b"\r\n" + b"1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNb " * (n // 35),
    "entities": lambda n: html(b"&#72;" * (n // 5)),
    "remarks": lambda n: html(b"<!-- x -->" * (n // 10)),
    "look-alikes": lambda n: html("\u0430a".encode() * (n // 3)),
    "styled": lambda n: html("\U0001d400".encode() * (n // 4)),
    "hosts": lambda n: HEAD + b"\r\n" + b"".join(b"http://h%d.top/ " % i for i in range(n // 18)),
    "escaped link": lambda n: html(b"<a href='https:" + b"/" * n + b"'>x</a>"),
    "onward link": lambda n: html(b"<a href='https://a.example/?" + b"http://" * (n // 7) + b"'>x</a>"),
    "long host": lambda n: html(b"<a href='https://" + b"a." * (n // 2) + b"com/'>x</a>"),
    "signatures": lambda n: b"DKIM-Signature: d=a.example; x\r\n" * (n // 32) + HEAD + b"\r\nhi",
    "one signature": lambda n: b"DKIM-Signature: " + b"; " * (n // 2) + b"\r\n" + HEAD + b"\r\nhi",
    "references": lambda n: b"References: " + b"<a@b> " * (n // 6) + b"\r\n" + HEAD + b"\r\nhi",
    "subject gap": lambda n: b"Subject: a" + b" " * n + b"b\r\n" + HEAD + b"\r\nhi",
    "date": lambda n: HEAD.replace(b"+0000", b"+0000 (" + b"(" * n) + b"\r\nhi",
    "zip": lambda n: zipped(zip_of(n // 100)),
    "zip that lies": lambda n: zipped(zip_of(n // 100).replace(b"PK\x01\x02", b"PK\x01\x03")),
    "rar": lambda n: zipped(b"Rar!\x1a\x07\x00" + b"\0\0\x74\0\x80\x20\0" * (n // 7)),
    "rar5": lambda n: zipped(b"Rar!\x1a\x07\x01\x00" + b"\0\0\0\0\x02\x02\x00" * (n // 7)),
    "tar": lambda n: zipped(TAR_ENTRY * (n // 512)),
    "page": lambda n: zipped(b"<html><script>" + b"on" * (n // 2), b"a.html"),
    "pdf": lambda n: zipped(b"%PDF-1.7 " + b"/Type /Page" * (n // 11), b"a.pdf"),
}  # fmt: skip


def cost(raw: bytes) -> float:
    """Return the least CPU seconds of three runs."""
    best = float("inf")
    for _ in range(3):
        begun = time.process_time()
        (result,) = Scorer(CURRENT).score([Source("-", content=raw)])
        best = min(best, time.process_time() - begun)
        assert isinstance(result, Scored)
        assert result.judgement.detail == ""
    return best


@pytest.mark.timeout(60)
@pytest.mark.parametrize("name", CASES)
def test_the_cost_grows_no_faster_than_the_message(name: str) -> None:
    small, large = (cost(CASES[name](n)) for n in (150_000, 1_200_000))
    floor = 0.02  # what setting up costs, and the grain of the clock
    assert large <= 8 * 1.5 * max(small, floor)


@pytest.mark.timeout(60)
def test_many_small_html_parts_cost_no_more_than_one_that_is_as_large() -> None:
    one = cost(html(MARKUP * (4_000_000 // len(MARKUP))))
    many = cost(multi(b"Content-Type: text/html\r\n\r\n" + MARKUP * 50, 900))
    assert many <= 4 * max(one, 0.1)


def signals(raw: bytes) -> dict[str, float]:
    (result,) = Scorer(CURRENT).score([Source("-", content=raw)])
    assert isinstance(result, Scored)
    assert result.judgement.detail == ""
    return {s.name: s.score for s in result.judgement.verdict.signals}


def bomb() -> bytes:
    made = BytesIO()
    with ZipFile(made, "w", ZIP_DEFLATED) as archive:
        archive.writestr("a.txt", bytes(200_000_000))
    return zipped(made.getvalue())


def nested(depth: int) -> bytes:
    opening = b"".join(
        b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (n, n)
        for n in range(depth)
    )
    return HEAD + opening + b"\r\nhi"


@pytest.mark.timeout(120)
@pytest.mark.parametrize(
    ("name", "made", "symbol"),
    [
        ("a line of 10 MB", lambda: HEAD + b"\r\n" + b"=?utf-8?q?" * 1_000_000, ""),
        (
            "100,000 parts",
            lambda: multi(b"Content-Type: text/plain\r\n\r\nhi", 100_000),
            "MIME_EXCESSIVE",
        ),
        ("10,000 levels", lambda: nested(10_000), "MIME_EXCESSIVE"),
        (
            "a header of 1 MB",
            lambda: b"X-A: a\r\n" * 131_072 + HEAD + b"\r\nhi",
            "HEADER_EXCESSIVE",
        ),
        ("a zip bomb", bomb, "ARCHIVE_BOMB"),
        ("a million tags", lambda: html(b"<b>" * 1_000_000 + b"x"), "HTML_ONLY"),
    ],
)
def test_a_bomb_gets_a_verdict_and_a_signal(
    name: str, made: Callable[[], bytes], symbol: str
) -> None:
    raw = made()
    tracemalloc.start()
    try:
        found = signals(raw)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert symbol in found or not symbol
    assert peak <= 8 * len(raw) + 64_000_000
