"""Envelope addresses: what RFC 5321 and 6531 allow, and that nothing a client sends raises."""

import pytest
from hypothesis import example, given, strategies as st

from mailweir_core.address import (
    MAX_LOCAL_OCTETS,
    MAX_PATH_OCTETS,
    AddressError,
    EnvelopeAddress,
    parse_path,
)

anything = st.text(st.characters())  # surrogates too: bytes that were no UTF-8


@pytest.mark.parametrize(
    ("path", "local", "domain"),
    [
        ("<user@example.com>", "user", "example.com"),
        ("<User.Name+tag@Example.COM>", "User.Name+tag", "example.com"),
        ("<user@example.com.>", "user", "example.com"),
        ("<!#$%&'*+-/=?^_`{|}~@example.com>", "!#$%&'*+-/=?^_`{|}~", "example.com"),
        ('<"john doe"@example.com>', '"john doe"', "example.com"),
        (r'<"a\"b\\c"@example.com>', r'"a\"b\\c"', "example.com"),
        ('<""@example.com>', '""', "example.com"),
        ('<"a@b"@example.com>', '"a@b"', "example.com"),
        ('<"a>b"@example.com>', '"a>b"', "example.com"),
        ("<user@localhost>", "user", "localhost"),
        ("<user@a_b.example>", "user", "a_b.example"),
        ("<user@xn--bcher-kva.example>", "user", "xn--bcher-kva.example"),
        ("<user@[192.0.2.1]>", "user", "[192.0.2.1]"),
        ("<user@[IPv6:2001:db8::1]>", "user", "[IPv6:2001:db8::1]"),
        ("<user@[ipv6:::1]>", "user", "[ipv6:::1]"),
        ("<postmaster>", "postmaster", ""),
        ("<PostMaster>", "PostMaster", ""),
        (f"<{'x' * MAX_LOCAL_OCTETS}@example.com>", "x" * MAX_LOCAL_OCTETS, "example.com"),
    ],
)
def test_reads(path: str, local: str, domain: str) -> None:
    assert parse_path(path) == EnvelopeAddress(local, domain)


@pytest.mark.parametrize(
    "path",
    [
        "",
        "<",
        "<>",
        "user@example.com",
        "<user@example.com",
        "user@example.com>",
        " <user@example.com>",
        "<<user@example.com>>",
        "<user>",
        "<@>",
        "<user@>",
        "<us er@example.com>",
        "<.user@example.com>",
        "<user.@example.com>",
        "<us..er@example.com>",
        "<user@@example.com>",
        "<user@exa mple.com>",
        "<user@-example.com>",
        "<user@example-.com>",
        "<user@.example.com>",
        "<user@example..com>",
        "<user@example.com..>",
        "<user@[192.0.2.256]>",
        "<user@[1.2.3.4.5]>",
        "<user@[.......]>",
        "<user@[IPv6:2001:db8:::1]>",
        "<user@[IPv6:192.0.2.1]>",
        "<user@[192.0.2.1>",
        "<user@[x]>",
        '<"unfinished@example.com>',
        '<"a"b@example.com>',
        "<us\x00er@example.com>",
        "<us\rer@example.com>",
        "<user@example.com\n>",
        "<us\ner@example.com>",
        "<user@example.com>\n",
        "<a,b@example.com>",
        "<(comment)user@example.com>",
        "<postmaster@>",
    ],
)
def test_refuses(path: str) -> None:
    assert parse_path(path) in (AddressError.SYNTAX, AddressError.ROUTE)


@pytest.mark.parametrize(
    "path", ["<@a.example:user@example.com>", "<@a.example,@b.example:u@c.example>"]
)
def test_source_routes_are_named(path: str) -> None:
    assert parse_path(path) is AddressError.ROUTE


def test_the_null_sender_is_allowed_where_it_may_be() -> None:
    null = parse_path("<>", allow_null=True)

    assert isinstance(null, EnvelopeAddress)
    assert null.is_null
    assert str(null) == ""
    assert parse_path("<>") is AddressError.SYNTAX


@pytest.mark.parametrize(
    "path",
    [
        f"<{'x' * (MAX_LOCAL_OCTETS + 1)}@example.com>",
        f"<user@{'x.' * 130}com>",
        f"<{'é' * 40}@example.com>",  # 80 octets
    ],
)
def test_too_long_is_named(path: str) -> None:
    assert parse_path(path, smtputf8=True) is AddressError.TOO_LONG


def test_the_limit_counts_octets_with_the_brackets() -> None:
    labels = "x" * (MAX_PATH_OCTETS - 5)
    assert isinstance(parse_path(f"<ab@{labels}>"), EnvelopeAddress)
    assert parse_path(f"<abc@{labels}>") is AddressError.TOO_LONG


@pytest.mark.parametrize("path", ["<jörg@example.com>", "<user@bücher.example>"])
def test_utf8_must_be_asked_for(path: str) -> None:
    assert parse_path(path) is AddressError.NEEDS_UTF8
    assert isinstance(parse_path(path, smtputf8=True), EnvelopeAddress)


@pytest.mark.parametrize("character", ["\x80", "\x85", "\x9f", "\u2028", "\u2029"])
@pytest.mark.parametrize("path", ["<a{}b@example.com>", '<"a{}b"@example.com>', "<a@b{}c.example>"])
def test_no_line_end_beyond_ascii_is_taken(path: str, character: str) -> None:
    assert parse_path(path.format(character), smtputf8=True) is AddressError.SYNTAX


def test_a_look_alike_is_not_the_postmaster() -> None:
    assert parse_path("<po\u017ftmaster>", smtputf8=True) is AddressError.SYNTAX


def test_bytes_that_are_no_utf8_are_refused() -> None:
    path = b"<caf\xe9@example.com>".decode(errors="surrogateescape")

    assert parse_path(path, smtputf8=True) is AddressError.SYNTAX


def test_lists_compare_without_case() -> None:
    address = parse_path("<User@EXAMPLE.com>")

    assert isinstance(address, EnvelopeAddress)
    assert address.key == "user@example.com"
    assert str(address) == "User@example.com"


@given(anything, st.booleans(), st.booleans())
@example("<\ud800@example.com>", True, False)
def test_nothing_raises(text: str, smtputf8: bool, allow_null: bool) -> None:
    for path in (
        text,
        f"<{text}>",
        f"<{text}@example.com>",
        f"<user@{text}>",
        f'<"{text}"@x.example>',
    ):
        result = parse_path(path, smtputf8=smtputf8, allow_null=allow_null)
        assert isinstance(result, EnvelopeAddress | AddressError)


@given(anything, st.booleans())
def test_what_is_taken_is_one_printable_line_that_reads_back(text: str, smtputf8: bool) -> None:
    address = parse_path(f"<{text}>", smtputf8=smtputf8)
    if isinstance(address, EnvelopeAddress):
        assert len(str(address).splitlines()) == 1
        assert parse_path(f"<{address}>", smtputf8=smtputf8) == address


@given(
    st.text("abcXYZ019!#+-_", min_size=1, max_size=20),
    st.lists(st.text("abcXYZ019", min_size=1, max_size=10), min_size=1, max_size=4),
)
def test_every_plain_address_is_taken(local: str, labels: list[str]) -> None:
    domain = ".".join(labels)

    assert parse_path(f"<{local}@{domain}>") == EnvelopeAddress(local, domain.lower())
