"""Whose a domain is."""

import pytest
from hypothesis import given, strategies as st

from mailweir_mail.auth.suffix import is_public_suffix, organizational_domain


@pytest.mark.parametrize(
    ("domain", "owner"),
    [
        ("example.com", "example.com"),
        ("A.B.Example.COM.", "example.com"),
        ("mail.example.co.uk", "example.co.uk"),
        ("co.uk", "co.uk"),
        ("com", "com"),
        ("a.b.unlisted-top", "b.unlisted-top"),
        ("a.www.ck", "www.ck"),  # an exception to *.ck
        ("a.b.c.ck", "b.c.ck"),
        ("user.github.io", "user.github.io"),
        ("a.bücher.example.de", "example.de"),
        ("www.食狮.公司.cn", "xn--85x722f.xn--55qx5d.cn"),
        ("192.0.2.1", "192.0.2.1"),
        ("2001:db8::1", "2001:db8::1"),
        ("a..b", "a..b"),
        ("", ""),
    ],
)
def test_organizational_domain(domain: str, owner: str) -> None:
    assert organizational_domain(domain) == owner


@pytest.mark.parametrize(
    ("domain", "public"),
    [
        ("co.uk", True),
        ("github.io", True),
        ("example.com", False),
        ("", False),
        ("10.0.0.1", False),
    ],
)
def test_public_suffixes(domain: str, public: bool) -> None:
    assert is_public_suffix(domain) is public


@given(st.text(max_size=300))
def test_it_never_raises_and_has_nothing_to_add(domain: str) -> None:
    owner = organizational_domain(domain)
    assert organizational_domain(owner) == owner
