"""The view of whole messages: headers, texts, links, and that nothing raises."""

import time

import pytest
from hypothesis import given, strategies as st

from mailweir_mail import parse
from mailweir_spamassassin.evals import EVALS
from mailweir_spamassassin.view.api import EvalContext
from mailweir_spamassassin.view.message import Envelope, View
from mailweir_spamassassin.view.site import Site

SITE = Site(
    {
        "util_rb_tld": ("com example org uk",),
        "util_rb_2tld": ("co.uk",),
        "redirector_pattern": (r"/^https?:\/\/r\.example\.com\/\?u=(.*)/i",),
        "freemail_domains": ("free.example",),
    }
)


def view(raw: bytes, **told: str) -> View:
    return View(parse(raw), site=SITE, envelope=Envelope(**told) if told else None)  # type: ignore[arg-type]


MAIL = (
    b"Received: from h.example.com (h.example.com [192.0.2.1]) by mx (Postfix) with ESMTP id ABCD\r\n"
    b"From: =?utf-8?q?J=C3=BCrgen?= <j@a.example.com>, Other <o@b.co.uk>\r\n"
    b"To: <x@y.org>\r\nCc: z@y.org\r\nSubject: =?iso-8859-1?q?Gr=FC=DFe?=\r\n =?iso-8859-1?q?_dir?=\r\n"
    b"Message-ID: <1@a.example.com>\r\n\r\n"
    b"First line\r\nsecond.\r\n\r\nSee www.foo.com or https://r.example.com/?u=http://bar.example/x\r\n"
)


@pytest.mark.parametrize(
    ("name", "modifier", "value"),
    [
        ("Subject", "", "Grüße dir\n".encode()),
        ("Subject", "raw", b" =?iso-8859-1?q?Gr=FC=DFe?=\n =?iso-8859-1?q?_dir?=\n"),
        ("From", "addr", b"j@a.example.com\no@b.co.uk"),
        ("From", "addr:first", b"j@a.example.com\no@b.co.uk"),
        ("From", "name", "Jürgen\nOther".encode()),
        ("From", "addr:domain", b"example.com\nb.co.uk"),
        ("From", "addr:host", b"a.example.com\nb.co.uk"),
        ("ToCc", "", b"<x@y.org>\nz@y.org\n"),
        ("MESSAGEID", "", b"<1@a.example.com>\n"),
        ("Reply-To", "", None),
        ("X-Spam-Relays-Trusted", "", b""),
        ("Received", "ip", b"192.0.2.1"),
        ("Received", "revip", b"1.2.0.192"),
    ],
)
def test_headers(name: str, modifier: str, value: bytes | None) -> None:
    assert view(MAIL).header(name, modifier) == value


def test_all_headers() -> None:
    found = view(MAIL).header("ALL")
    assert found is not None
    assert found.startswith(b"Received: from h.example.com")
    assert found.endswith(b"Message-ID: <1@a.example.com>\n")


def test_the_body_begins_with_the_subject() -> None:
    assert view(MAIL).body[:2] == ("Grüße dir\n".encode(), b"First line second.\n")


def test_the_whole_message_has_plain_line_ends() -> None:
    assert b"\r" not in view(MAIL).full


def test_links_in_all_forms() -> None:
    assert set(view(MAIL).uris) == {
        b"http://www.foo.com",
        b"https://r.example.com/?u=http://bar.example/x",
        b"http://bar.example/x",
        b"http://h.example.com",
    } - {b"http://h.example.com"}


@pytest.mark.parametrize(
    ("html", "form"),
    [
        ("http://%77ww.foo.com/", b"http://www.foo.com/"),
        ("http://0x7f.0.0.1/", b"http://127.0.0.1/"),
        ("http://2130706433/", b"http://127.0.0.1/"),
        ("http:\\\\www.foo.com\\x", b"http://www.foo.com/x"),
        ("http://user:pass@foo.com/", b"http://user:pass@foo.com/"),
        ("https://foo.com:443/x", b"https://foo.com/x"),
        ("mailto:a@foo.com?subject=x", b"mailto:a@foo.com"),
        ("http://foo.com?x", b"http://foo.com/?x"),
        ("http://ww&#119;.foo.com", b"http://www.foo.com"),
    ],
)
def test_tricks_with_addresses(html: str, form: bytes) -> None:
    raw = b'Content-Type: text/html\n\n<a href="' + html.encode() + b'">x</a>'
    assert form in view(raw).uris


def test_the_body_is_cut_at_its_limit() -> None:
    raw = b"Subject: s\n\n" + b"word " * 100_000
    assert 50_000 <= sum(map(len, view(raw).body)) < 52_000
    assert max(map(len, view(raw).body)) <= 2048


def test_blocks_of_the_raw_body() -> None:
    blocks = view(b"Subject: s\n\n" + b"a line of text\n" * 1000).rawbody
    assert all(2048 <= len(block) <= 4097 for block in blocks[:-1])
    assert b"".join(blocks) == b"a line of text\n" * 1000


def test_parts_are_decoded_and_attachments_left_out() -> None:
    raw = (
        b"Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Transfer-Encoding: base64\n\naGVsbG8=\n"
        b"--b\nContent-Type: application/pdf\n\n%PDF\n--b--\n"
    )
    assert view(raw).body == (b"\n", b"hello ") or b"hello" in b"".join(view(raw).body)
    assert view(raw).rawbody == (b"hello",)


def test_what_smtp_told_comes_before_what_fields_tell() -> None:
    found = view(MAIL, client_ip="198.51.100.7", helo="h", sender="s@t.org", our_name="mx.example")
    assert found.header("EnvelopeFrom") == b"s@t.org"
    untrusted = found.header("X-Spam-Relays-Untrusted")
    assert untrusted is not None
    assert untrusted.startswith(b"[ ip=198.51.100.7 rdns= helo=h by=mx.example ")


def test_mime_headers() -> None:
    raw = b"Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: text/x-a\nX-P: 1\n\nx\n--b--\n"
    assert view(raw).mimeheader("Content-Type")[-1] == b"text/x-a\n"
    assert view(raw).mimeheader("X-P", "raw") == (b" 1\n",)
    assert view(raw).mimeheader("X-None") == ()


def everything(raw: bytes) -> None:
    """Ask a view for all it has, and run all eval tests."""
    found = view(raw)
    for name in (
        "From",
        "To",
        "ALL",
        "ALL-TRUSTED",
        "ALL-EXTERNAL",
        "ToCc",
        "EnvelopeFrom",
        "MESSAGEID",
        "Received",
    ):
        for modifier in ("", "raw", "addr", "name", "host", "addr:domain", "ip", "last:addr"):
            found.header(name, modifier)
    assert found.full == raw.replace(b"\r\n", b"\n")
    found.mimeheader("ALL")
    context = EvalContext(found, SITE.settings)
    for function in EVALS.values():
        for arguments in ((), ("0",), ("a", "0", "1"), ("all", "1", "2", "3", "4")):
            assert function(context, arguments) >= 0
    assert len(found.body) + len(found.rawbody) + len(found.uris) + len(found.visible) >= 0


@given(st.binary(max_size=400))
def test_nothing_raises_on_any_octets(raw: bytes) -> None:
    everything(raw)


PIECES = st.sampled_from(
    [
        b"From: ",
        b"To: ",
        b"Received: from a (b [1.2.3.4]) by c ",
        b"Subject: =?utf-8?b?4pyT?=",
        b"\n",
        b"\r\n",
        b"\n\n",
        b"Content-Type: text/html\n",
        b"Content-Type: multipart/mixed; boundary=b\n",
        b"--b\n",
        b"--b--\n",
        b"<a href='http://a.com/",
        b"'>",
        b"<font color=white>",
        b"</font>",
        b"http://www.a.com/%41",
        b"a@b.com",
        b"\xff",
        b"\0",
        b"&#x41;",
        b"=41=\n",
        b"<",
        b">",
        b'"',
        b"(",
        b")",
        b",",
        b" ",
        b"Message-ID: <1@2>\n",
        b"Date: Tue, 27 Aug 2002 00:18:22 -0400\n",
        b"Content-Transfer-Encoding: base64\n",
        b"AAAA",
    ]
)


@given(st.lists(PIECES, max_size=40))
def test_nothing_raises_on_what_looks_like_mail(pieces: list[bytes]) -> None:
    everything(b"".join(pieces))


@pytest.mark.parametrize(
    "raw",
    [
        b"Subject: x\n\n" + b"a" * 10_000_000,
        b"Subject: x\n\n" + b" " * 10_000_000,
        b"Subject: x\n\n" + b"http://a.com/ " * 100_000,
        b"Content-Type: text/html\n\n" + b"<a href=http://a.com/1>" * 100_000,
        b"Content-Type: text/html\n\n"
        + b"".join(b"<a href=http://a%d.com/>x" % n for n in range(50_000)),
        b"To: " + b"a@b.com, " * 110_000 + b"\n\nx",
        b"".join(b"X-H%d: y\n" % n for n in range(80_000)) + b"\nx",
        b"Subject: " + b"=?utf-8?q?a?= " * 70_000 + b"\n\nx",
        b"Received: from a\n" * 50_000 + b"\nx",
        b"Content-Transfer-Encoding: quoted-printable\n\n" + b"= \n" * 500_000,
        b"Subject: x\n\n" + b"\n" * 3_000_000,
        b"Subject: x\n\n" + b"www." * 100_000 + b" " + b"a@" * 100_000 + b"(" * 100_000,
    ],
    ids=range(12),
)
@pytest.mark.timeout(120)
def test_hostile_messages_take_bounded_time(raw: bytes) -> None:
    begin = time.process_time()
    everything(raw)
    assert time.process_time() - begin < 20
