"""Reading SPF records: the grammar of RFC 7208 §4.6.1, §5, §6, §7.1."""

import pytest
from hypothesis import given, strategies as st

from mailweir_mail.auth.spf import Mechanism, SpfRecord, SpfStatus, parse_record
from mailweir_mail.auth.spf.model import MAX_RECORD


def record(text: str) -> SpfRecord:
    found = parse_record(text)
    assert isinstance(found, SpfRecord), found
    return found


def mechanism(term: str) -> Mechanism:
    (found,) = record(f"v=spf1 {term}").mechanisms
    return found


def test_a_whole_record() -> None:
    found = record(
        "V=SPF1 +a MX/24 ~ip4:192.0.2.0/24 ?include:_spf.example.com -all exp=why.%{d} x=%%"
    )
    assert [m.name for m in found.mechanisms] == ["a", "mx", "ip4", "include", "all"]
    assert [str(m.result) for m in found.mechanisms] == [
        "pass",
        "pass",
        "softfail",
        "neutral",
        "fail",
    ]
    assert found.exp is not None
    assert found.redirect is None


@pytest.mark.parametrize(
    ("term", "four", "six"),
    [
        ("a", 32, 128),
        ("a/0", 0, 128),
        ("a//0", 32, 0),
        ("a:example.com/24//64", 24, 64),
        ("mx:foo/bar.example.com/8", 8, 128),
    ],
)
def test_prefix_lengths(term: str, four: int, six: int) -> None:
    found = mechanism(term)
    assert (found.four, found.six) == (four, six)


def test_networks_are_kept_as_numbers() -> None:
    assert mechanism("ip4:192.0.2.129/24").network == (192 << 16) + (0 << 8) + 2
    assert mechanism("ip6:2001:db8::1/32").network == 0x20010DB8
    assert mechanism("-IP4:192.0.2.1").result is SpfStatus.FAIL


@pytest.mark.parametrize(
    "term",
    [
        "a/", "a/33", "a/024", "a//129", "a/24/", "a/24/64", "a//", "a:", "a:/24", "a:example", "a:1.2.3.4",
        "a:example.-com", "a:example.com-", "a:exa mple.com", "all:x.example", "all/8", "all.", "ptr/8",
        "ptr:", "exists", "exists:", "exists:a.example/8", "include", "include:", "ip4", "ip4:", "ip4:1.2.3",
        "ip4:01.2.3.4", "ip4:1.2.3.4/33", "ip4:1.2.3.4//8", "ip4:1.2.3.4/", "ip4:1.2.3.4:25", "ip6:1.2.3.4",
        "ip6:::1/129", "ip6:::1//8", "ip6:fe80::1%eth0", "ip6:::1/01", "foo", "+redirect=a.example",
        "redirect:a.example", "redirect=", "exp=", "=x", "1x=y", "a=%", "x=%{}", "x=%{d",
        "exists:%{d0}.example", "exists:%{x}.example", "exists:%{c}.example", "exists:%(d).example",
        "exists:%{d}example",
        "exp=a.example exp=b.example", "redirect=a.example redirect=a.example", "--all",
        "\tall", "a:\x7f.example",
    ],
)  # fmt: skip
def test_what_is_no_term_makes_the_record_invalid(term: str) -> None:
    assert isinstance(parse_record(f"v=spf1 {term}"), str)
    assert isinstance(parse_record(f"v=spf1 -all {term}"), str)


@pytest.mark.parametrize(
    "text", ["", "v=spf1.", "v=spf10", " v=spf1", "v=spf1\t-all", "v=spf1 a:ä.example"]
)
def test_what_is_no_record(text: str) -> None:
    assert isinstance(parse_record(text), str)


def test_a_record_over_the_limit_is_invalid() -> None:
    terms = " ip4:192.0.2.1" * (MAX_RECORD // 14 - 1)
    assert isinstance(parse_record("v=spf1" + terms), SpfRecord)
    assert "longer" in str(parse_record("v=spf1" + terms + terms))


@given(st.text(max_size=200), st.sampled_from(["a:", "exists:%{", "ip6:", "x=", "mx/", ""]))
def test_no_text_raises(text: str, prefix: str) -> None:
    assert isinstance(parse_record(f"v=spf1 {prefix}{text}"), SpfRecord | str)


@given(st.text(alphabet="%{}slodiphcrtv0123456789r.-+,/_= aA:", max_size=60))
def test_no_macro_string_raises(text: str) -> None:
    assert isinstance(parse_record(f"v=spf1 exists:{text}"), SpfRecord | str)
