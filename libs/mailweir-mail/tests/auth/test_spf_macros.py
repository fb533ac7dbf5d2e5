"""Macros of SPF (RFC 7208 §7): the examples of §7.4 and the corners."""

from ipaddress import ip_address

import pytest

from mailweir_mail.auth.spf.macros import (
    SpfSyntaxError,
    Values,
    asks_for_name,
    expand,
    parse_domain_spec,
    parse_macros,
)

EXAMPLE = Values(
    "strong-bad",
    "email.example.com",
    "email.example.com",
    ip_address("192.0.2.3"),
    "mail.example.com",
    "mx.example.org",
    "mail.email.example.com",
    1234,
)
SIX = Values("a", "b.example", "b.example", ip_address("2001:db8::cb01"), "h.example")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("%{s}", "strong-bad@email.example.com"),
        ("%{o}", "email.example.com"),
        ("%{d}", "email.example.com"),
        ("%{d4}", "email.example.com"),
        ("%{d3}", "email.example.com"),
        ("%{d2}", "example.com"),
        ("%{d1}", "com"),
        ("%{d999999999999999999}", "email.example.com"),
        ("%{dr}", "com.example.email"),
        ("%{d2r}", "example.email"),
        ("%{l}", "strong-bad"),
        ("%{l-}", "strong.bad"),
        ("%{lr}", "strong-bad"),
        ("%{lr-}", "bad.strong"),
        ("%{l1r-}", "strong"),
        ("%{ir}.%{v}._spf.%{d2}", "3.2.0.192.in-addr._spf.example.com"),
        ("%{lr-}.lp._spf.%{d2}", "bad.strong.lp._spf.example.com"),
        ("%{h} %{p} %{c} %{r} %{t}", "mail.example.com mail.email.example.com 192.0.2.3 mx.example.org 1234"),
        ("%%%_%-", "% %20"),
        ("%{S}", "strong-bad%40email.example.com"),
        ("%{D2R}", "example.email"),
    ],
)  # fmt: skip
def test_expansion(text: str, expected: str) -> None:
    assert expand(parse_macros(text, explanation=True), EXAMPLE) == expected


def test_an_ipv6_address_is_written_nibble_by_nibble() -> None:
    found = expand(parse_macros("%{ir}.%{v}._spf.%{d2}"), SIX)
    assert found == (
        "1.0.B.C.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.B.D.0.1.0.0.2.ip6._spf.b.example"
    )


@pytest.mark.parametrize(
    "text", ["%{d", "%", "%{d0}", "%{x}", "%{c}", "%{d2x}", "a b", "\x00", "ä", "%{dr2}"]
)
def test_what_is_no_macro_string(text: str) -> None:
    with pytest.raises(SpfSyntaxError):
        parse_macros(text)


@pytest.mark.parametrize("text", ["a.%%", "%{d}", "x.%{d}", "a.b-c", "a.b.", "a:b/c.example"])
def test_domain_specs(text: str) -> None:
    assert parse_domain_spec(text)


@pytest.mark.parametrize("text", ["", "a", "a.", "a.1", "a.b-", "%{d}b", "a..", "a.b:25"])
def test_what_is_no_domain_spec(text: str) -> None:
    with pytest.raises(SpfSyntaxError):
        parse_domain_spec(text)


def test_only_p_asks_for_the_name_of_the_client() -> None:
    assert asks_for_name(parse_macros("a.%{P}"))
    assert not asks_for_name(parse_macros("p.%{d}"))
