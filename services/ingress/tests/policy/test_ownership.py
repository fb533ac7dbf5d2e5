"""Whose sender addresses are."""

import pytest

from mailweir_core.address import EnvelopeAddress
from mailweir_ingress.policy.ownership import owns

SENDERS = frozenset({"anna@example.com", "@shop.example"})


@pytest.mark.parametrize(
    ("local", "domain", "owned"),
    [
        ("anna", "example.com", True),
        ("Anna", "example.com", True),
        ("anna+news", "example.com", True),
        ("whoever", "shop.example", True),
        ("berta", "example.com", False),
        ("annabel", "example.com", False),
        ("+anna", "example.com", False),
        ("", "", False),
        ("anna", "sub.example.com", False),
        ("x", "sub.shop.example", False),
    ],
)
def test_an_account_has_its_addresses_and_domains(local: str, domain: str, owned: bool) -> None:
    assert owns(SENDERS, EnvelopeAddress(local, domain)) is owned


def test_an_account_without_addresses_owns_none() -> None:
    assert not owns(frozenset(), EnvelopeAddress("anna", "example.com"))
