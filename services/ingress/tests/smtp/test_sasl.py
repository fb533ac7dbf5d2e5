"""PLAIN and LOGIN."""

import base64

import pytest
from hypothesis import given, strategies as st

from mailweir_ingress.smtp.sasl import MAX_LOGIN, Credentials, credentials, decode, plain


def b64(text: str) -> bytes:
    """Return a text in base64."""
    return base64.b64encode(text.encode())


@pytest.mark.parametrize(
    ("response", "expected"),
    [
        (b64("\0anna\0secret"), Credentials("anna", "secret")),
        (b64("anna\0anna\0secret"), Credentials("anna", "secret")),
        (b64("\0änna\0gehüim"), Credentials("änna", "gehüim")),
        (b64("berta\0anna\0secret"), None),
        (b64("anna\0secret"), None),
        (b64("\0anna\0sec\0ret"), None),
        (b64("\0\0secret"), None),
        (b64("\0anna\0"), None),
        (b64("\0" + "a" * (MAX_LOGIN + 1) + "\0secret"), None),
        (b"=", None),
        (b"", None),
        (b"not base64", None),
        (base64.b64encode(b"\0anna\0\xff"), None),
    ],
)
def test_plain(response: bytes, expected: Credentials | None) -> None:
    assert plain(response) == expected


def test_login_needs_both_halves() -> None:
    assert credentials("anna", "secret") == Credentials("anna", "secret")
    assert credentials(None, "secret") is None
    assert credentials("anna", None) is None
    assert credentials("", "secret") is None


def test_a_response_is_base64_of_text() -> None:
    assert decode(b64("anna")) == "anna"
    assert decode(b"=") == ""
    assert decode(b"!!") is None
    assert decode("bücher".encode()) is None


def test_a_password_never_shows() -> None:
    assert "secret" not in repr(Credentials("anna", "secret"))


@given(st.binary(max_size=200))
def test_no_response_makes_it_raise(response: bytes) -> None:
    plain(response)
    plain(base64.b64encode(response))
