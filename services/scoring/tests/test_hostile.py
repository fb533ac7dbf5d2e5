"""Messages that are made to cost: bounded work, and a verdict for each.

What is asserted is the growth within one run, not a time: twice the input must not cost much more than twice
the work. Where a limit stops the work, it must cost next to nothing more.
"""

import base64
import time
from collections.abc import Callable

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
