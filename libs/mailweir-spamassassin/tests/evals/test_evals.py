"""Eval tests, each on a message made for it."""

import base64
import struct
from email.utils import formatdate

import pytest

from mailweir_mail import parse
from mailweir_spamassassin.evals import EVALS, UNSUPPORTED_EVALS
from mailweir_spamassassin.evals.dates import parse_date
from mailweir_spamassassin.evals.globs import Globs
from mailweir_spamassassin.evals.images import dimensions
from mailweir_spamassassin.view.api import EvalContext
from mailweir_spamassassin.view.message import View
from mailweir_spamassassin.view.site import Site

SETTINGS = {
    "util_rb_tld": ("com example org",),
    "freemail_domains": ("free.example *.gratis.example",),
    "welcomelist_from": ("*@friend.example boss@work.example",),
    "unwelcomelist_from": ("boss@work.example",),
    "welcomelist_from_rcvd": ("*@bank.example relay.example",),
    "blocklist_from": ("bad?@*.example",),
    "blocklist_to": ("trap@x.example",),
    "enlist_addrlist": ("(PAY) *@pay.example",),
    "enlist_uri_host": ("(SHORT) sh.example !ok.sh.example", "(OTHER) other.com"),
    "welcomelist_bounce_relays": ("out*.mine.example",),
    "welcomelist_subject": ("*newsletter*",),
}
SITE = Site(SETTINGS)


def hits(name: str, raw: bytes, *arguments: str, target: str = "header", **told: object) -> int:
    view = View(parse(raw), site=SITE, **told)  # type: ignore[arg-type]
    return EVALS[name](EvalContext(view, SETTINGS, target=target), arguments)


def mail(header: str, body: str = "text") -> bytes:
    return (header + "\n\n" + body).encode()


def page(html: str) -> bytes:
    return mail("Content-Type: text/html\nSubject: s", html)


def received(text: str) -> str:
    place = "by mx.example (Postfix) with ESMTP id ABCD"
    return f"Received: from {text} {place}; Tue, 27 Aug 2002 12:00:00 +0000"


@pytest.mark.parametrize(
    ("name", "raw", "arguments", "expected"),
    [
        ("html_test", page("<b>x</b>"), ("html",), 1),
        ("html_test", mail("Subject: s"), ("html",), 0),
        ("html_tag_exists", page("<center>x"), ("center",), 1),
        ("html_tag_exists", page("x<b>"), ("center",), 0),
        ("html_tag_balance", page("<body>x"), ("body", "!= 0"), 1),
        ("html_tag_balance", page("<body>x</body>"), ("body", "!= 0"), 0),
        ("html_eval", page("short"), ("length", "< 384"), 1),
        ("html_range", page("<font size=7>x"), ("max_size", "6", "inf"), 1),
        ("html_range", page("<font size=6>x"), ("max_size", "6", "inf"), 0),
        ("html_text_match", page("<!-- saved from url=(0014) -->x"), ("comment", r"url=\(\d{4}\)"), 1),
        ("html_text_match", page("x<b>"), ("comment", "("), 0),
        ("html_image_only", page("<img src=x>"), ("0", "400"), 1),
        ("html_image_ratio", page("<img src=x width=200 height=200>ab"), ("0.000", "0.002"), 1),
        ("html_title_subject_ratio", page("<title>a long title</title>"), ("3.5",), 1),
        ("check_iframe_src", page("<iframe src='http://a.com/'>"), (), 1),
        ("check_https_http_mismatch", page("<a href='http://a.com/'>https://b.com/</a>"), ("1", "10"), 1),
        ("check_https_http_mismatch", page("<a href='http://a.com/'>https://www.a.com/</a>"), ("1", "10"), 0),
        ("check_https_ip_mismatch", page("<a href='http://192.0.2.1/'>https://b.com/</a>"), (), 1),
        ("check_uri_truncated", page(f"<a href='http://a.com/{'x' * 9000}'>y"), (), 1),
    ],
)  # fmt: skip
def test_html(name: str, raw: bytes, arguments: tuple[str, ...], expected: int) -> None:
    assert hits(name, raw, *arguments) == expected


@pytest.mark.parametrize(
    ("name", "raw", "arguments", "expected"),
    [
        ("check_illegal_chars", b"Subject: \xe9\xe8\xea\n\nx", ("Subject", "0.00", "2"), 1),
        ("check_illegal_chars", "Subject: éèê\n\nx".encode(), ("Subject", "0.00", "2"), 0),
        ("subject_is_all_caps", mail("Subject: Re: BUY THIS NOW"), (), 1),
        ("subject_is_all_caps", mail("Subject: Buy THIS NOW"), (), 0),
        ("subject_is_all_caps", mail("Subject: SINGLEWORDONLY"), (), 0),
        ("check_for_missing_to_header", mail("Subject: x"), (), 1),
        ("check_for_missing_to_header", mail("To: a@b.com"), (), 0),
        ("check_header_count_range", mail("Subject: a\nSubject: b"), ("Subject", "2", "999"), 1),
        ("check_header_count_range", mail("Subject: a\nSubject: a"), ("Subject", "2", "999"), 0),
        ("check_unresolved_template", mail("X-Mailer: %RND_TEXT"), (), 1),
        ("check_unresolved_template", mail("Subject: %RND_TEXT"), (), 0),
        (
            "check_ratware_name_id",
            mail(f'From: "A" <a@b.com>\nMessage-Id: <{"A" * 28}.a@b.com>'),
            (),
            1,
        ),
        ("check_outlook_message_id", mail("Message-ID: <000a00000001$00000000$00000000@x>"), (), 1),
        ("gated_through_received_hdr_remover", mail("Subject: x"), (), 1),
        ("check_equal_from_domains", mail("Return-Path: <a@x.com>\nFrom: a@y.com"), (), 1),
        ("check_equal_from_domains", mail("Return-Path: <a@m.x.com>\nFrom: a@x.com"), (), 0),
        (
            "check_for_matching_env_and_hdr_from",
            mail("Return-Path: <A@x.com>\nFrom: a@x.com"),
            (),
            1,
        ),
        ("check_for_to_in_subject", mail("To: joe@x.com\nSubject: joe, look"), ("user",), 1),
        ("check_for_to_in_subject", mail("To: joe@x.com\nSubject: for joe@x.com"), ("address",), 1),
        (
            "check_ratware_envelope_from",
            mail("Return-Path: <x.com.joe@y.com>\nTo: joe@x.com"),
            (),
            1,
        ),
        ("sorted_recipients", mail("To: " + ", ".join(f"{c}@x.com" for c in "abcdefg")), (), 1),
        ("sorted_recipients", mail("To: " + ", ".join(f"{c}@x.com" for c in "gbcdefa")), (), 0),
        (
            "similar_recipients",
            mail("To: " + ", ".join(f"joe{n}@x.com" for n in range(6))),
            ("0.65", "undef"),
            1,
        ),
    ],
)
def test_headers(name: str, raw: bytes, arguments: tuple[str, ...], expected: int) -> None:
    assert hits(name, raw, *arguments) == expected


@pytest.mark.parametrize(
    ("hours", "low", "high"), [(5, "3", "6"), (-5, "-6", "-3"), (200, "96", "undef")]
)
def test_dates_that_do_not_fit_the_relays(hours: int, low: str, high: str) -> None:
    sent = formatdate(1030449600 + hours * 3600)  # the time in `received`, shifted
    raw = mail(f"{received('a (a.com [192.0.2.1])')}\nDate: {sent}")
    assert hits("check_for_shifted_date", raw, low, high) == 1
    assert hits("check_for_shifted_date", raw, "-1", "1") == 0


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Tue, 27 Aug 2002 12:00:00 +0000", 1030449600),
        ("27 Aug 02 14:00:00 CEST", 1030449600),
        ("Tue Aug 27 12:00:00 2002", 1030406400),
        ("27 Aug 2002 12:00:00 -0100", 1030453200),
        ("31 Feb 2002 00:00:00 +0000", 1014940800),
        ("nonsense", None),
    ],
)
def test_reading_dates(text: str, expected: float | None) -> None:
    assert parse_date(text) == expected


@pytest.mark.parametrize(
    ("name", "header", "expected"),
    [
        ("check_all_trusted", received("a (a.lan [10.0.0.1])"), 1),
        ("check_all_trusted", received("a (a.com [192.0.2.1])"), 0),
        ("check_no_relays", "Subject: x", 1),
        ("check_relays_unparseable", "Received: from nowhere", 1),
        ("helo_ip_mismatch", received("198.51.100.9 (a.com [203.0.113.1])"), 1),
        ("check_for_no_rdns_dotcom_helo", received("yahoo.com (unknown [203.0.113.1])"), 1),
        ("check_for_no_rdns_dotcom_helo", received("a.com (unknown [203.0.113.1])"), 0),
        (
            "check_mailfrom_matches_rcvd",
            "Return-Path: <u@a.com>\n" + received("h (m.a.com [203.0.113.1])"),
            1,
        ),
        ("check_for_forged_gmail_received_headers", "From: a@gmail.com", 1),
        (
            "check_for_forged_yahoo_received_headers",
            "From: a@yahoo.com\n" + received("h (m.a.com [203.0.113.1])"),
            1,
        ),
        (
            "check_for_forged_yahoo_received_headers",
            "From: a@yahoo.com\n" + received("h (m.mail.yahoo.com [203.0.113.1])"),
            0,
        ),
        (
            "check_for_no_hotmail_received_headers",
            "From: a@hotmail.com\n" + received("h (m.a.com [203.0.113.1])"),
            1,
        ),
        (
            "check_for_forged_hotmail_received_headers",
            "From: a@a.com\n" + received("x.hotmail.com (m.a.com [203.0.113.1])"),
            1,
        ),
        (
            "check_for_forged_juno_received_headers",
            "From: a@juno.com\n" + received("h (m.a.com [203.0.113.1])"),
            1,
        ),
        (
            "check_for_forged_eudoramail_received_headers",
            "From: a@eudoramail.com\n" + received("h (m.a.com [203.0.113.1])"),
            1,
        ),
    ],
)
def test_relays(name: str, header: str, expected: int) -> None:
    assert hits(name, mail(header)) == expected


MIXED = (
    'Content-Type: multipart/{kind}; boundary="b"\n\n--b\nContent-Type: {first}\n\n{a}\n'
    "--b\nContent-Type: {second}\n\n{c}\n--b--\n"
)


def parts(kind: str, first: str, a: str, second: str, c: str) -> bytes:
    return MIXED.format(kind=kind, first=first, a=a, second=second, c=c).encode()


@pytest.mark.parametrize(
    ("name", "raw", "arguments", "expected"),
    [
        (
            "check_for_mime",
            mail("Content-Transfer-Encoding: base64", "eA=="),
            ("mime_base64_count",),
            1,
        ),
        (
            "check_for_mime",
            mail("Content-Transfer-Encoding: base64", "eA=="),
            ("mime_base64_encoded_text",),
            1,
        ),
        (
            "check_for_mime",
            mail("Content-Transfer-Encoding: quoted-printable", "x" * 90),
            ("mime_qp_long_line",),
            1,
        ),
        ("check_for_mime_html", page("x"), (), 1),
        ("check_for_mime_html_only", page("x"), (), 1),
        (
            "check_for_mime_html_only",
            parts("alternative", "text/plain", "x", "text/html", "y"),
            (),
            0,
        ),
        (
            "check_mime_multipart_ratio",
            parts("alternative", "text/plain", "x", "text/html", "y" * 500),
            ("0.00", "0.01"),
            1,
        ),
        ("check_for_ascii_text_illegal", b"Content-Type: text/plain\n\n\xe9", (), 1),
        ("check_abundant_unicode_ratio", mail("Subject: x", "&#x0414;&#x0414; a"), ("0.02",), 1),
        ("check_ma_non_text", parts("alternative", "text/plain", "x", "image/gif", "y"), (), 1),
        ("check_ma_non_text", parts("alternative", "text/plain", "x", "text/html", "y"), (), 0),
        ("check_base64_length", mail("Content-Transfer-Encoding: base64", "A" * 100), ("79",), 1),
        (
            "check_msg_parse_flags",
            parts("mixed", "a/b", "x", "c/d", "y") + b"after\n",
            ("mime_epilogue_exists",),
            1,
        ),
        (
            "check_msg_parse_flags",
            parts("mixed", "a/b", "x", "c/d", "y"),
            ("mime_epilogue_exists",),
            0,
        ),
        ("check_msg_parse_flags", mail("X: " + "a" * 9000), ("truncated_header",), 1),
        (
            "check_for_uppercase",
            mail("Subject: x", "SHOUTING ALL THE TIME " * 20),
            ("75", "100"),
            1,
        ),
        ("check_for_uppercase", mail("Subject: x", "quiet all the time " * 20), ("25", "50"), 0),
        (
            "multipart_alternative_difference",
            parts("alternative", "text/plain", "one two", "text/html", "three four"),
            ("99", "100"),
            1,
        ),
        (
            "multipart_alternative_difference_count",
            parts("alternative", "text/plain", "a b c d e f g h", "text/html", "x y"),
            ("3", "1"),
            1,
        ),
        ("check_blank_line_ratio", mail("Subject: x", "\n\n\n\nx\n"), ("70", "90", "4"), 1),
        ("tvd_vertical_words", mail("Subject: x", "a b c d e f g h i j"), ("90", "100"), 1),
        (
            "check_stock_info",
            mail("Subject: x", "Company: Foo\nSymbol: FOO\nTarget: 5\n"),
            ("2",),
            1,
        ),
        ("check_body_length", mail("Subject: x", "short"), ("256",), 1),
        ("check_body_length", mail("Subject: x", "x" * 300), ("256",), 0),
        ("have_any_bounce_relays", mail("Subject: x"), (), 1),
        (
            "check_welcomelist_bounce_relays",
            mail("Subject: x", "Received: from out3.mine.example by z\n"),
            (),
            1,
        ),
        (
            "check_welcomelist_bounce_relays",
            mail("Subject: x", "Received: from a.b.com by z\n"),
            (),
            0,
        ),
    ],
)
def test_bodies(name: str, raw: bytes, arguments: tuple[str, ...], expected: int) -> None:
    assert hits(name, raw, *arguments, target="body") == expected


GIF = b"GIF89a" + struct.pack("<HH", 600, 400) + b"\0\0\0"
PNG = (
    b"\x89PNG\r\n\x1a\n"
    + struct.pack(">I", 13)
    + b"IHDR"
    + struct.pack(">II", 600, 400)
    + b"\x08\x06\0\0\0"
)
JPEG = b"\xff\xd8\xff\xe0\x00\x04ab\xff\xc0\x00\x11\x08" + struct.pack(">HH", 400, 600) + b"\x03"


@pytest.mark.parametrize(("kind", "data"), [("gif", GIF), ("png", PNG), ("jpeg", JPEG)])
def test_pictures(kind: str, data: bytes) -> None:
    assert dimensions(kind, data) == (400, 600)
    assert dimensions(kind, data[:8]) == (0, 0)
    header = f"Content-Type: image/{kind}; name=a.{kind}\nContent-Transfer-Encoding: base64"
    raw = mail(header, base64.encodebytes(data).decode())
    assert hits("image_count", raw, kind, "1", "1") == 1
    assert hits("image_count", raw, "all", "2") == 0
    assert hits("pixel_coverage", raw, kind, "180000", "475000") == 1
    assert hits("image_size_exact", raw, kind, "400", "600") == 1
    assert hits("image_size_range", raw, kind, "300", "500", "400", "600") == 1
    assert hits("image_size_range", raw, kind, "401", "500") == 0
    assert hits("image_named", raw, f"a.{kind}") == 1


@pytest.mark.parametrize(
    ("name", "header", "arguments", "expected"),
    [
        ("check_from_in_welcomelist", "From: a@friend.example", (), 1),
        ("check_from_in_welcomelist", "From: boss@work.example", (), 0),
        (
            "check_from_in_welcomelist",
            "From: a@bank.example\n" + received("h (m.relay.example [192.0.2.1])"),
            (),
            1,
        ),
        (
            "check_from_in_welcomelist",
            "From: a@bank.example\n" + received("h (m.other.example [192.0.2.1])"),
            (),
            0,
        ),
        ("check_from_in_blocklist", "From: bad1@x.example", (), 1),
        ("check_from_in_blocklist", "From: bad12@x.example", (), 0),
        ("check_to_in_blocklist", "To: trap@x.example", (), 1),
        ("check_from_in_list", "From: a@pay.example", ("PAY",), 1),
        ("check_from_in_list", "From: a@pay.example", ("NONE",), 0),
        ("check_replyto_in_list", "Reply-To: a@pay.example", ("PAY",), 1),
        ("check_subject_in_welcomelist", "Subject: Our Newsletter 5", (), 1),
        ("check_freemail_from", "From: a@free.example", (), 1),
        ("check_freemail_from", "From: info@free.example", (), 0),
        ("check_freemail_from", "From: a@x.gratis.example", (), 1),
        ("check_freemail_header", "Reply-To: joe7@free.example", ("Reply-To", r"\d@"), 1),
        ("check_freemail_header", "Reply-To: joe@free.example", ("Reply-To", r"\d@"), 0),
        (
            "check_freemail_replyto",
            "From: a@free.example\nReply-To: b@x.gratis.example",
            ("replyto",),
            1,
        ),
        (
            "check_freemail_replyto",
            "From: a@free.example\nReply-To: a@free.example",
            ("replyto",),
            0,
        ),
    ],
)
def test_lists(name: str, header: str, arguments: tuple[str, ...], expected: int) -> None:
    assert hits(name, mail(header), *arguments) == expected


def test_a_free_address_in_the_text_unlike_that_of_the_sender() -> None:
    raw = mail("From: a@free.example", "write to b@free.example please")
    assert hits("check_freemail_replyto", raw, "reply") == 1
    assert hits("check_freemail_body", raw) == 1


@pytest.mark.parametrize(
    ("url", "name", "expected"),
    [
        ("http://sh.example/x", "SHORT", 1),
        ("http://a.sh.example/x", "SHORT", 1),
        ("http://ok.sh.example/x", "SHORT", 0),
        ("http://sh.example/x", "OTHER", 0),
        ("http://other.com/", "OTHER", 1),
    ],
)
def test_listed_hosts(url: str, name: str, expected: int) -> None:
    assert hits("check_uri_host_listed", mail("Subject: x", f"see {url} now"), name) == expected


@pytest.mark.parametrize(
    ("low", "high", "probability", "expected"),
    [
        ("0.00", "0.01", 0.0, 1),
        ("0.99", "1.00", 1.0, 1),
        ("0.40", "0.60", 0.5, 1),
        ("0.40", "0.60", 0.4, 0),
    ],
)
def test_bands_of_a_probability(low: str, high: str, probability: float, expected: int) -> None:
    assert hits("check_bayes", mail("Subject: x"), low, high, probability=probability) == expected
    assert hits("check_bayes", mail("Subject: x"), low, high) == 0


@pytest.mark.parametrize(
    ("name", "kind", "result"),
    [
        ("check_for_spf_pass", "spf", "pass"),
        ("check_for_spf_helo_fail", "spf-helo", "fail"),
        ("check_dkim_valid", "dkim", "pass"),
        ("check_dkim_signed", "dkim", "fail"),
        ("check_arc_valid", "arc", "pass"),
        ("check_dmarc_reject", "dmarc", "fail-reject"),
    ],
)
def test_authentication_is_what_the_caller_found(name: str, kind: str, result: str) -> None:
    assert hits(name, mail("Subject: x"), results={kind: result}) == 1
    assert hits(name, mail("Subject: x"), results={kind: "none"}) == 0
    assert hits(name, mail("Subject: x")) == 0


def test_globs() -> None:
    globs = Globs(["*@a.example", "b?@c.example", "d@e.example"])
    assert globs.match("X@A.example")
    assert globs.match("b1@c.example")
    assert not globs.match("b12@c.example")
    assert globs.match("d@e.example")
    assert not Globs([])


def test_a_name_is_supported_or_not() -> None:
    assert not EVALS.keys() & UNSUPPORTED_EVALS.keys()
    assert all(reason for reason in UNSUPPORTED_EVALS.values())
