"""What a limit counts by."""

import pytest
from hypothesis import given, strategies as st

from mailweir_core.net import parse_ip
from mailweir_policy.ratelimit import RateLimit, Selector, Unit
from mailweir_ratelimit.policy.selectors import (
    Facts,
    decoded,
    domain_of,
    encoded,
    key_of,
    subject_of,
    values_of,
)
from mailweir_runtime.bus.matching import check_key

FACTS = Facts(
    parse_ip("192.0.2.77"), 64500, "Mail.Example.NET", "Ann@Example.net", "Bob@example.com",
    "Carl@Example.com",
)  # fmt: skip


def limit(*by: Selector, name: str = "some") -> RateLimit:
    return RateLimit(name=name, unit=Unit.RECIPIENTS, by=by, count=1, seconds=1)


@pytest.mark.parametrize(
    ("selector", "value", "words"),
    [
        (Selector.IP, "192.0.2.77", "from 192.0.2.77"),
        (Selector.NET, "192.0.2.0/24", "from 192.0.2.0/24"),
        (Selector.ASN, "as64500", "from as64500"),
        (Selector.HELO, "mail.example.net", "greeting as mail.example.net"),
        (Selector.FROM, "ann@example.net", "of the sender ann@example.net"),
        (Selector.FROM_DOMAIN, "example.net", "of senders in example.net"),
        (Selector.TO, "bob@example.com", "to bob@example.com"),
        (Selector.TO_DOMAIN, "example.com", "to example.com"),
        (Selector.USER, "carl@example.com", "of the user carl@example.com"),
        (Selector.USER_DOMAIN, "example.com", "of users in example.com"),
    ],
)
def test_each_selector(selector: Selector, value: str, words: str) -> None:
    values = values_of(limit(selector), FACTS)
    assert values == (value,)
    assert subject_of(limit(selector), values) == words
    assert values_of(limit(selector), Facts()) == ()


def test_a_v6_client_is_its_64() -> None:
    facts = Facts(parse_ip("2001:db8::1:2:3:4"))
    assert values_of(limit(Selector.NET), facts) == ("2001:db8::/64",)
    assert values_of(limit(Selector.NET), Facts(parse_ip("2001:db8::ffff"))) == ("2001:db8::/64",)
    assert values_of(limit(Selector.NET), Facts(parse_ip("2001:db8:0:1::1"))) != ("2001:db8::/64",)


def test_a_mapped_address_is_the_same_client() -> None:
    assert values_of(limit(Selector.IP), Facts(parse_ip("::ffff:192.0.2.77"))) == ("192.0.2.77",)


def test_several_selectors_need_all_of_their_values() -> None:
    both = limit(Selector.IP, Selector.TO)
    assert subject_of(both, values_of(both, FACTS)) == "from 192.0.2.77 to bob@example.com"
    assert values_of(both, Facts(parse_ip("192.0.2.77"))) == ()


def test_keys_differ_by_limit_and_value() -> None:
    one = key_of(limit(Selector.IP), ("192.0.2.1",))
    assert one != key_of(limit(Selector.IP), ("192.0.2.2",))
    assert one != key_of(limit(Selector.IP, name="other"), ("192.0.2.1",))
    pair = limit(Selector.FROM, Selector.TO)
    assert key_of(pair, ("a@b", "c@d")) != key_of(pair, ("c@d", "a@b"))


@given(st.lists(st.text(min_size=1, max_size=400), min_size=1, max_size=4))
def test_any_value_makes_a_key_that_the_bus_takes(values: list[str]) -> None:
    by = (Selector.FROM, Selector.TO, Selector.HELO, Selector.USER)[: len(values)]
    key = key_of(limit(*by), values)
    assert check_key(key) == key
    assert len(key) < 500


@given(st.text(min_size=1, max_size=30), st.text(min_size=1, max_size=30))
def test_two_values_are_two_keys(one: str, other: str) -> None:
    assert (encoded(one) == encoded(other)) == (one == other)


@given(st.text(alphabet=st.characters(codec="utf-8"), min_size=1, max_size=16))
def test_what_is_not_too_long_can_be_read_back(value: str) -> None:
    assert decoded(encoded(value)) == value


@pytest.mark.parametrize("part", ["-abc", "!", "a", encoded("x" * 500)])
def test_what_cannot_be_read_back_is_empty(part: str) -> None:
    assert decoded(part) == ""


@pytest.mark.parametrize(
    ("address", "domain"),
    [("a@B.c", "b.c"), ('"x@y"@z', "z"), ("nobody", ""), ("", ""), ("a@", "")],
)
def test_domain(address: str, domain: str) -> None:
    assert domain_of(address) == domain
