"""Names as DNS is asked for them."""

import pytest
from hypothesis import given, strategies as st

from mailweir_mail.auth.names import ask_name, is_name


@pytest.mark.parametrize(
    ("domain", "name"),
    [
        ("Example.COM.", "example.com"),
        ("bücher.example", "xn--bcher-kva.example"),
        ("_dmarc.example.com", "_dmarc.example.com"),
        ("a" * 63 + ".b", "a" * 63 + ".b"),
        ("a" * 64 + ".b", None),
        ("ab." * 84 + "c", "ab." * 84 + "c"),
        ("ab." * 84 + "cd", None),
        ("a..b", None),
        (".a", None),
        ("a\x00b", None),
        ("\udcff.example", None),
        ("", None),
        (".", None),
    ],
)
def test_names(domain: str, name: str | None) -> None:
    assert ask_name(domain) == name


@given(st.text(max_size=300))
def test_no_text_raises_and_what_comes_back_can_be_asked_for(domain: str) -> None:
    found = ask_name(domain)
    assert found is None or (is_name(found) and ask_name(found) == found)
