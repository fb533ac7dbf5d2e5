"""Which mail is signed."""

from typing import Any

import pytest

from mailweir_policy import InvalidPolicyError, policy_from
from mailweir_policy.signing import SigningPolicy


def test_by_default_who_has_a_key_is_signed_for_and_nothing_is_sealed() -> None:
    signing = policy_from({}).signing
    assert signing == SigningPolicy()
    assert (signing.enabled, signing.domains, signing.seal_domain) == (True, frozenset(), None)
    assert signing.expiry_days == 0


def test_domains_are_names_in_one_form() -> None:
    signing = policy_from(
        {"signing": {"domains": ["Example.COM."], "seal_domain": "B\u00fccher.example"}}
    ).signing
    assert signing.domains == {"example.com"}
    assert signing.seal_domain == "xn--bcher-kva.example"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("domains", ["not a domain"]),
        ("seal_domain", ""),
        ("more_headers", ["X:Y"]),
        ("more_headers", [""]),
        ("more_headers", ["X"] * 51),
        ("expiry_days", -1),
        ("expiry_days", 366),
        ("key", "secret"),
    ],
)
def test_what_cannot_be_is_refused_with_its_place(field: str, value: Any) -> None:
    with pytest.raises(InvalidPolicyError, match=f"signing.{field}"):
        policy_from({"signing": {field: value}})
