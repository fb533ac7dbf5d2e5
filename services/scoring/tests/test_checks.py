"""What the tables cannot say of the checks: helpers at their edges, and that nothing makes them raise."""

import re

import pytest
from hypothesis import given, settings, strategies as st

from mailweir_policy import MessageLimits
from mailweir_scoring.policy.checks.common import owner_of
from mailweir_scoring.policy.checks.html import DIFFER_WORDS, common_share, split_words
from mailweir_scoring.policy.checks.targets import Target, target_of
from mailweir_scoring.policy.facts import Facts
from mailweir_scoring.policy.pipeline import Stage, symbols_of
from mailweir_scoring.policy.reading import read_message, shown_texts, texts_of
from mailweir_scoring.policy.stages import STAGES
from mailweir_scoring.policy.verdict import clean

OWN = [stage for stage in STAGES if isinstance(stage, Stage)]

KNOWN = symbols_of(STAGES)


@pytest.mark.parametrize(
    ("domain", "owner"),
    [
        ("example.com", "example.com"),
        ("www.mail.example.com", "example.com"),
        ("WWW.Example.Com.", "example.com"),
        ("www.example.co.uk", "example.co.uk"),
        ("example.co.uk", "example.co.uk"),
        ("a.example.com.br", "example.com.br"),
        ("www.example.de", "example.de"),
        ("localhost", "localhost"),
        ("192.0.2.1", "192.0.2.1"),
        ("", ""),
    ],
)
def test_the_owner_of_a_domain(domain: str, owner: str) -> None:
    assert owner_of(domain) == owner


@pytest.mark.parametrize(
    ("href", "target"),
    [
        ("https://www.example.org/x", Target("www.example.org", False, None)),
        (" HTTP://WWW.Example.ORG:8080 ", Target("www.example.org", False, 8080)),
        ("www.example.org/x", Target("www.example.org", False, None)),
        ("https://bank.example@shop.example.org/", Target("shop.example.org", True, None)),
        ("https://example.org/?at=a@b", Target("example.org", False, None)),
        ("http://[2001:db8::1]/", Target("2001:db8::1", False, None)),
        ("http://", None),
        ("http://[::1", None),
        ("http://x:99999/", None),
        ("mailto:ann@example.net", None),
        ("javascript:void(0)", None),
        ("#top", None),
        ("", None),
    ],
)
def test_where_a_link_leads(href: str, target: Target | None) -> None:
    found = target_of(href)
    assert (found and (found.host, found.userinfo, found.port)) == (
        target and (target.host, target.userinfo, target.port)
    )


def test_the_share_of_words_is_of_the_shorter_text() -> None:
    words = [f"word{chr(97 + n)}" for n in range(DIFFER_WORDS)]
    text = " ".join(words)
    assert common_share(text, text) == 1.0
    assert common_share(text, text.upper() + " and quite some other ones") == 1.0
    half = " ".join([*words[:10], *(f"none{w}" for w in words[10:])])
    assert common_share(text, half) == 0.5
    assert common_share(text, " ".join(words[:-1])) is None
    assert common_share("", "") is None


def message_of(*parts: tuple[str, str]) -> bytes:
    body = "".join(f"--a\r\nContent-Type: {kind}\r\n\r\n{text}\r\n" for kind, text in parts)
    return f"Content-Type: multipart/mixed; boundary=a\r\n\r\n{body}--a--\r\n".encode()


def test_what_a_client_shows_is_what_is_scanned() -> None:
    raw = message_of(
        ("text/plain", "one"),
        ("text/html", "<p>two</p>"),
        ('text/plain; name="a.txt"\r\nContent-Disposition: attachment', "three"),
        ("message/rfc822", "Subject: x\r\n\r\nfour"),
        ("image/png", "five"),
    )
    message = read_message(raw, MessageLimits(), 1000)
    assert [p.text.strip() for p in shown_texts(message)] == ["one", "<p>two</p>"]


def test_the_first_text_is_scanned_whatever_its_size() -> None:
    message = read_message(message_of(("text/plain", "x" * 500)), MessageLimits(), 100)
    (part,) = texts_of(message, 100)
    assert len(part.text) == 100


def test_texts_are_scanned_in_order_until_the_bound() -> None:
    raw = message_of(*[("text/plain", c * 60) for c in "abcd"])
    message = read_message(raw, MessageLimits(), 100)
    assert [p.text[0] for p in texts_of(message, 100)] == ["a", "b"]
    assert len(texts_of(message, 10_000)) == 4


def test_where_no_stage_runs_the_tree_is_not_built() -> None:
    raw = message_of(("text/plain", "x"))
    message = read_message(raw, MessageLimits(), 1000, header_only=True)
    assert "_split" in message.headers.__dict__
    assert "_tree" not in message.__dict__
    assert "_tree" in read_message(raw, MessageLimits(), 1000).__dict__


@pytest.mark.parametrize(
    ("text", "places"),
    [
        ("plain ascii", 0),
        ("vi\u200bag\u2060ra", 2),
        ("a\u200bb\u200bc", 2),  # one letter ends a place and begins the next
        ("a" + "\u200b" * 8 + "b", 1),
        ("a" + "\u200b" * 9 + "b", 0),
        ("\u200bab\u200b", 0),
        ("1\u200ba \u200bb\u200b2", 0),
        ("é\u200bé", 0),  # Persian and Indic scripts need joiners
        ("a\u200b\u034f\u200fb", 1),
        ("sof\u00adt", 0),
    ],
)
def test_places_where_a_word_is_split(text: str, places: int) -> None:
    assert split_words(text) == places


def test_the_policy_s_limits_hold() -> None:
    limits = MessageLimits(parts=3, depth=2, header_lines=10)
    message = read_message(message_of(*[("text/plain", "x")] * 9), limits, 1000)
    assert (message.limits.parts, message.limits.depth) == (3, 2)
    assert message.limits.header_lines == 10
    assert len(list(message.parts())) <= 4


PIECES = [
    b"From: ",
    b"To: ",
    b"Subject: ",
    b"Date: ",
    b"Message-ID: <",
    b"Received: from ",
    b"Reply-To: ",
    b"X-Mailer: ",
    b"Content-Type: multipart/mixed; boundary=a",
    b"Content-Type: text/html; charset=",
    b"Content-Transfer-Encoding: ",
    b"base64",
    b"quoted-printable",
    b"=?utf-8?B?",
    b"?=",
    b"\r\n",
    b"\r\n\r\n",
    b"--a",
    b"--a--",
    b"<a href=",
    b"http://",
    b"<form action=",
    b"@",
    b"<",
    b">",
    b'"',
    b"(",
    b",",
    b":;",
    b"example.org",
    b"192.0.2.1",
    b"\xff\xfe",
    b"\0",
    b"=",
    b"&#",
    b'filename="a.pdf.exe"',
    b"Content-Disposition: attachment; ",
    b"message/rfc822",
    "\u200b".encode(),
    b" ",
    b"\t",
]
soup = st.lists(st.one_of(st.sampled_from(PIECES), st.binary(max_size=6)), max_size=60).map(
    b"".join
)


@settings(max_examples=300)
@given(soup, st.integers(1, 2000))
def test_no_message_makes_a_check_raise(raw: bytes, scan_bytes: int) -> None:
    message = read_message(raw, MessageLimits(), scan_bytes)
    facts = Facts(message, texts_of(message, scan_bytes), 1_750_000_000.0)
    for stage in OWN:
        for hit in stage.run(facts):
            assert hit.symbol in KNOWN
            assert hit.weight == 1.0
            assert not re.search(r"[\x00-\x1f\x7f]", clean(hit.evidence))
