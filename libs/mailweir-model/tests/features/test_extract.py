import time

import numpy as np
import pytest
from hypothesis import given, strategies as st

from mailweir_mail import parse
from mailweir_model import Features, View, extract
from mailweir_model.features.header import header_facts
from mailweir_model.features.links import link_facts, target_of
from mailweir_model.features.markup import html_facts
from mailweir_model.features.names import ending_of, is_address, owner_of, service_of

PLAIN = (
    b"From: Bob <bob@example.com>\r\nTo: ann@example.org\r\nSubject: Lunch on Friday\r\n"
    b"Message-ID: <abc123@example.com>\r\nDate: Mon, 2 Mar 2026 10:00:00 +0000\r\n\r\n"
    b"Hi Ann,\r\n\r\nshall we have lunch on Friday? See https://menu.example.com/day/3\r\n"
)
MARKED = (
    b"From: x@example.net\r\nSubject: Sale\r\nMIME-Version: 1.0\r\nContent-Type: text/html\r\n\r\n"
    b'<html><body><table width="600"><tr><td style="color:red">Buy</td></tr></table>'
    b'<a href="http://1.2.3.4/a">Click here</a><img src="http://x.example/p.gif" width=1></body></html>'
)


def same(one: Features, other: Features) -> bool:
    return all(a.tolist() == b.tolist() for a, b in zip(one.views, other.views, strict=True))


@pytest.mark.parametrize("raw", [PLAIN, MARKED, b"", b"\r\n", b"no header at all"])
def test_the_same_message_has_the_same_features(raw: bytes) -> None:
    assert same(extract(parse(raw)), extract(parse(raw)))


@given(st.binary(max_size=400))
def test_no_octets_raise(raw: bytes) -> None:
    found = extract(parse(raw))
    assert len(found.views) == len(View)
    for view in found.views:
        assert view.dtype == np.uint32
        assert (view[1:] > view[:-1]).all()


@given(st.text(max_size=200), st.text(max_size=60))
def test_no_text_raises(text: str, subject: str) -> None:
    raw = f"Subject: {subject}\nContent-Type: text/html; charset=utf-8\n\n<p>{text}</p>"
    extract(parse(raw.encode("utf-8", "replace")))


def test_a_links_host_is_no_feature_its_shape_is() -> None:
    other = PLAIN.replace(b"menu.example.com", b"food.another.com")
    assert extract(parse(PLAIN)).views[View.LINKS].tolist() != []
    facts = set(link_facts(parse(other).links, "example.com"))
    assert not any("another" in fact for fact in facts)


def test_traffic_fields_are_no_features() -> None:
    listed = (
        b"List-Id: <x.example>\r\nPrecedence: list\r\nX-BeenThere: x\r\nReceived: from a by b\r\n"
        + PLAIN
    )
    assert same(extract(parse(PLAIN)), extract(parse(listed)))


def test_charsets_and_countries_are_no_features() -> None:
    one = PLAIN.replace(b"\r\n\r\n", b"\r\nContent-Type: text/plain; charset=koi8-r\r\n\r\n", 1)
    two = PLAIN.replace(b"\r\n\r\n", b"\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n", 1)
    assert same(extract(parse(one)), extract(parse(two)))
    assert ending_of("example.ru") == ending_of("example.de") == "country"


def test_header_facts() -> None:
    facts = set(header_facts(parse(PLAIN)))
    assert {"has subject", "order from to", "type text/plain"} <= facts
    assert not any("bob" in fact for fact in facts)


def test_html_facts() -> None:
    facts = set(html_facts(parse(MARKED)))
    assert {"html True", "tag table", "attribute width", "style color", "tracking picture"} <= facts
    assert set(html_facts(parse(PLAIN))) == {"html False"}


def test_link_facts() -> None:
    facts = set(link_facts(parse(MARKED).links, "example.net"))
    assert {"host address", "link says click here", "sender among owners False"} <= facts
    assert set(link_facts((), "")) == {"links 0", "images 0", "mailto False"}


def test_targets() -> None:
    link = next(iter(parse(MARKED).links))
    target = target_of(link)
    assert target is not None
    assert (target.scheme, target.host, target.path) == ("http", "1.2.3.4", "/a")


@pytest.mark.parametrize(
    ("domain", "owner"),
    [
        ("www.example.com", "example.com"),
        ("a.b.example.co.uk", "example.co.uk"),
        ("1.2.3.4", "1.2.3.4"),
        ("", ""),
        ("localhost", "localhost"),
    ],
)
def test_owner(domain: str, owner: str) -> None:
    assert owner_of(domain) == owner


def test_kinds_of_hosts() -> None:
    assert is_address("[::1]")
    assert not is_address("example.com")
    assert (service_of("bit.ly"), service_of("a.web.app"), service_of("example.com")) == (
        "shortener",
        "hosting",
        "",
    )
    assert ending_of("a.com") == "com"
    assert ending_of("a.xyz") == "new"


HOSTILE = {
    "one long word": b"a" * 1_000_000,
    "no white space, many marks": b"@://" * 250_000,
    "quotes": b"> " * 500_000,
    "blanks": b" " * 1_000_000 + b"x",
    "links": b"http://a.b/c " * 80_000,
    "tags": b"<a href=http://x/>" * 50_000,
    "headers": b"X: y\n" * 200_000,
    "subject": b"Subject: " + b"Re: " * 200_000,
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_message_is_bounded(name: str) -> None:
    head = b"" if name in ("headers", "subject") else b"Content-Type: text/html\n\n"
    message = parse(head + HOSTILE[name])
    _ = message.rendered, message.links  # the parser's time is the parser's
    begun = time.process_time()
    extract(message)
    assert time.process_time() - begun < 0.5
