"""No input costs more than in proportion to its length, whatever it is made of.

Each trap is parsed at one length and at four times that length, every accessor touched. In proportion the
cost grows fourfold, quadratically sixteenfold; the bound lies between. Both are CPU time of the same run, so
a slow or busy machine does not matter; what takes no time at all passes.
"""

import base64
import time
from collections.abc import Callable

import pytest

from mailweir_mail import (
    DefectKind,
    claims_authserv_id,
    count_received,
    first_header,
    parse,
    prepend_headers,
    without_headers,
)
from mailweir_testkit.mail import touch

Make = Callable[[int], bytes]
TIMES = 4
BOUND = 10.0
NOTHING = 0.03  # seconds; below it the clock and the allocator are measured
pytestmark = pytest.mark.timeout(120)


def header(start: bytes, piece: bytes, end: bytes = b"") -> Make:
    """Repeat a piece in a header field."""
    return lambda count: start + piece * count + end + b"\n\nbody"


def body(kind: bytes, piece: bytes, start: bytes = b"") -> Make:
    """Repeat a piece in a body; `kind` are the header's fields."""
    return lambda count: kind + b"\n\n" + start + piece * count


def numbered(kind: bytes, piece: bytes, start: bytes = b"", end: bytes = b"") -> Make:
    """Repeat a piece with a number in it."""
    return lambda count: kind + b"\n\n" + start + b"".join(piece % n for n in range(count)) + end


PLAIN = b"Content-Type: text/plain"
HTML = b"Content-Type: text/html"
MIXED = b"Content-Type: multipart/mixed; boundary=b"
BASE64 = PLAIN + b"\nContent-Transfer-Encoding: base64"
QUOTED = PLAIN + b"\nContent-Transfer-Encoding: quoted-printable"
UU = PLAIN + b"\nContent-Transfer-Encoding: x-uuencode"


def encoded_messages(count: int) -> bytes:
    raw = b"A: b\n\n" + b"x" * count
    for _ in range(6):
        fields = b"Content-Type: message/rfc822\nContent-Transfer-Encoding: base64\n\n"
        raw = fields + base64.encodebytes(raw)
    return raw


def multiparts(count: int) -> bytes:
    field = b"Content-Type: multipart/mixed; boundary=%d-\n\n--%d-\n"
    return b"".join(field % (number, number) for number in range(count))


HEADERS: dict[str, tuple[Make, int]] = {
    "many fields": (header(b"", b"A: b\n"), 20_000),
    "one field of many lines": (header(b"A:", b"\n x"), 20_000),
    "one long line": (header(b"A: ", b"x" * 50), 5_000),
    "no colon": (header(b"", b"a" * 50), 5_000),
    "blanks before the colon": (header(b"a", b" " * 50), 5_000),
    "junk": (header(b"", b"junk\n"), 20_000),
    "junk and fields": (header(b"", b"A: b\njunk\n"), 10_000),
    "begun words": (header(b"Subject: ", b"=?a?q?"), 2_500),
    "words that never end": (header(b"Subject: ", b"=?"), 7_000),
    "words in words": (header(b"Subject: ", b"=?utf-8?q?", b"?="), 1_500),
    "question marks": (header(b"Subject: =?utf-8?b?", b"?"), 15_000),
    "commas": (header(b"To: ", b","), 15_000),
    "open brackets": (header(b"To: ", b"<"), 15_000),
    "open quotations": (header(b"To: ", b'"\\'), 8_000),
    "open comments": (header(b"To: ", b"("), 15_000),
    "groups": (header(b"To: ", b"a:"), 8_000),
    "at signs": (header(b"To: ", b"a@"), 8_000),
    "letters before no at sign": (header(b"To: @", b"a"), 15_000),
    "blanks in an address": (header(b"To: a", b" ", b"b@c"), 15_000),
    "brackets and quotations": (header(b"To: ", b'<"'), 8_000),
    "addresses": (header(b"To: ", b"a@b.test, "), 1_600),
    "parameters": (header(b"Content-Type: text/plain", b"; a=b"), 3_000),
    "escapes in a parameter": (header(b"Content-Type: text/plain; a=", b'"\\'), 8_000),
    "comments in a type": (header(b"Content-Type: text/plain; ", b"("), 15_000),
    "equal signs": (header(b"Content-Type: text/plain; ", b"="), 15_000),
    "blanks in a parameter": (header(b"Content-Type: text/plain; a=b", b" ", b"x"), 15_000),
    "words in a parameter": (header(b"Content-Type: text/plain; a=b", b" c"), 8_000),
    "hops": (header(b"", b"Received: from a by b\n"), 5_000),
    "comments in a hop": (header(b"Received: from a by b; ", b"("), 15_000),
    "colons in a hop": (header(b"Received: from a (1", b":", b") by b"), 15_000),
    "numbers in a hop": (header(b"Received: from a (", b"1.2.3.4-", b") by b"), 2_000),
    "closing comments in a hop": (header(b"Received: from a ", b")("), 8_000),
    "blanks in a date": (header(b"Date: Fri, 1", b" ", b"Mar 2024 12:00:00"), 15_000),
    "ids": (header(b"References: ", b"<"), 15_000),
}
BODIES: dict[str, tuple[Make, int]] = {
    "one line": (body(PLAIN, b"x" * 100), 10_000),
    "parts": (body(MIXED, b"--b\n\nx\n"), 20_000),
    "parts without an empty line": (body(MIXED, b"--b\nA: b\n"), 20_000),
    "delimiters alone": (body(MIXED, b"--b\n"), 50_000),
    "what looks like delimiters": (body(MIXED, b"--x\n", b"--b\n\n"), 100_000),
    "what begins like delimiters": (body(MIXED, b"--bx\n", b"--b\n\n"), 50_000),
    "multiparts in multiparts": (multiparts, 2_000),
    "one boundary again and again": (lambda n: (MIXED + b"\n\n--b\n") * n, 5_000),
    "messages in messages": (lambda n: b"Content-Type: message/rfc822\n\n" * n, 10_000),
    "messages and multiparts": (
        lambda n: (b"Content-Type: message/rfc822\n\n" + MIXED + b"\n\n--b\n") * n,
        4_000,
    ),
    "encoded messages": (encoded_messages, 100_000),
    "padding": (body(BASE64, b"QQ=="), 50_000),
    "padding alone": (body(BASE64, b"="), 200_000),
    "foreign characters": (body(BASE64, b"Q!=\xff"), 50_000),
    "soft breaks": (body(QUOTED, b"=3D=\n"), 50_000),
    "equal signs": (body(QUOTED, b"="), 200_000),
    "blanks after an equal sign": (body(QUOTED, b" ", b"="), 200_000),
    "equal signs and blanks": (body(QUOTED, b"= "), 100_000),
    "uuencoded lines": (body(UU, b"M\n", b"begin 644 a\n"), 20_000),
    "begin lines": (body(UU, b"begin 644 a\n"), 20_000),
    "octets of no charset": (body(PLAIN, b"\xff\xfe\x80"), 50_000),
    "halves of characters": (body(PLAIN + b"; charset=utf-8", b"\xc3"), 100_000),
    "shifts": (body(PLAIN + b"; charset=utf-7", b"+"), 100_000),
    "escapes": (body(PLAIN + b"; charset=iso-2022-jp", b"\x1b$B"), 50_000),
    "schemes": (body(PLAIN, b"http://"), 30_000),
    "brackets after a link": (body(PLAIN, b")", b"http://a.test/"), 100_000),
    "links": (body(PLAIN, b"http://a.test/ "), 10_000),
    "colons and slashes": (body(PLAIN, b"://"), 50_000),
    "www": (body(PLAIN, b"www."), 50_000),
    "markup at a file's begin": (body(b"Content-Type: application/x", b"<!--x-->"), 10_000),
    "directories": (
        body(b"Content-Type: x/y", b"W\0o\0", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"),
        50_000,
    ),
}
DOCUMENTS: dict[str, tuple[Make, int]] = {
    "nesting": (body(HTML, b"<div>"), 3_000),
    "nesting in paragraphs": (body(HTML, b"<p><div>"), 1_500),
    "formatting left open": (numbered(HTML, b"<font color=%d><p>x"), 1_500),
    "attributes": (numbered(HTML, b"a%d ", b"<p ", b">"), 20_000),
    "quoted brackets": (numbered(HTML, b'a%d="<>" ', b"<p ", b">"), 5_000),
    "attributes without blanks": (numbered(HTML, b'a%d="1"', b"<p ", b">"), 10_000),
    "open quotations": (body(HTML, b'<a b="'), 10_000),
    "two kinds of quotation": (lambda n: HTML + b"\n\n" + b"<a b='" * n + b'<a b="' * n, 5_000),
    "brackets": (body(HTML, b"<"), 50_000),
    "names without an end": (body(HTML, b"<a"), 30_000),
    "comments": (body(HTML, b"<!--x-->"), 10_000),
    "open comments": (body(HTML, b"<!--"), 30_000),
    "rules": (body(HTML, b"a{color:red}", b"<style>"), 5_000),
    "braces": (body(HTML, b"a{", b"<style>"), 20_000),
    "style elements": (body(HTML, b"<style>"), 10_000),
    "scripts": (body(HTML, b"<script>"), 10_000),
    "scripts with an end": (body(HTML, b"<script></script>"), 5_000),
    "anchors": (body(HTML, b"<a href=x>"), 5_000),
    "anchors with an end": (body(HTML, b"<a href=x>y</a>"), 5_000),
    "ampersands": (body(HTML, b"&#"), 50_000),
    "tables": (body(HTML, b"<table><tr><td>"), 1_500),
    "styles": (numbered(HTML, b'<p style="color:#%06x">x'), 1_500),
    "declarations": (body(HTML, b";color:", b'<p style="'), 20_000),
    "open style comments": (body(HTML, b"/*", b'<p style="'), 20_000),
    "pictures in a style": (body(HTML, b"url(", b'<p style="background:'), 20_000),
    "images": (body(HTML, b"<img src=x>"), 5_000),
    "crossing elements": (body(HTML, b"<b><i></b></i>"), 2_000),
    "blanks": (body(HTML, b"a \n"), 50_000),
    "slashes": (body(HTML, b"/", b"<a"), 100_000),
}


def cost(raw: bytes) -> float:
    """Return the CPU seconds of parsing and touching everything, the better of two tries."""
    tries = []
    for _ in range(2):
        start = time.process_time()
        touch(parse(raw))
        tries.append(time.process_time() - start)
    return min(tries)


def check_growth(make: Make, count: int) -> None:
    long = cost(make(count * TIMES))
    if long > NOTHING:
        assert long / cost(make(count)) <= BOUND


@pytest.mark.parametrize("name", HEADERS)
def test_headers(name: str) -> None:
    check_growth(*HEADERS[name])


@pytest.mark.parametrize("name", BODIES)
def test_bodies(name: str) -> None:
    check_growth(*BODIES[name])


@pytest.mark.parametrize("name", DOCUMENTS)
def test_documents(name: str) -> None:
    check_growth(*DOCUMENTS[name])


@pytest.mark.parametrize(
    "line", [b"A: b\n", b"Received : x\n", b"Received\t\n", b" \n", b"X-Spam-A:\n b\n", b"a"]
)
def test_editing(line: bytes) -> None:
    def edit(raw: bytes) -> float:
        start = time.process_time()
        count_received(raw)
        first_header(raw, "X-Last")
        clean = without_headers(raw, ["b"], prefixes=["x-spam-"], matching=claims_authserv_id("mx"))
        prepend_headers(clean, [("X", "y")])
        return time.process_time() - start

    short, long = line * 50_000, line * 50_000 * TIMES
    spent = min(edit(long), edit(long))
    if spent > NOTHING:
        assert spent / min(edit(short), edit(short)) <= BOUND


def test_folding_a_long_value() -> None:
    def fold(words: int) -> float:
        start = time.process_time()
        prepend_headers(b"\n", [("X", "word " * words + "x" * words)])
        return time.process_time() - start

    spent = min(fold(200_000), fold(200_000))
    assert spent / max(min(fold(50_000), fold(50_000)), 1e-3) <= BOUND


@pytest.mark.parametrize(
    ("raw", "kind"),
    [
        (PLAIN + b"\n\n" + b"x" * 10_000_000, DefectKind.TEXT_LIMIT),
        (HTML + b"\n\n" + b"<div>" * 2_000_000, DefectKind.HTML_TREE_LIMIT),
        (MIXED + b"\n\n" + b"--b\n\nx\n" * 100_000 + b"--b--\n", DefectKind.PARTS_LIMIT),
        (multiparts(10_000), DefectKind.DEPTH_LIMIT),
        (b"Content-Type: message/rfc822\n\n" * 10_000, DefectKind.DEPTH_LIMIT),
        (b"A: b\n" * 1_000_000 + b"\n", DefectKind.HEADER_LINES_LIMIT),
        (b"A: " + b"b" * 1_000_000 + b"\n\n", DefectKind.HEADER_BYTES_LIMIT),
    ],
    ids=[
        "10 MB line",
        "2e6 tags",
        "1e5 parts",
        "1e4 multiparts",
        "1e4 messages",
        "1e6 fields",
        "1 MB field",
    ],
)
def test_monsters_have_a_view_and_a_defect(raw: bytes, kind: DefectKind) -> None:
    message = parse(raw)
    touch(message)
    assert kind in {defect.kind for defect in message.defects}
