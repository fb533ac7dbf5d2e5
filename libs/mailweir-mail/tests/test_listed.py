"""What lists are asked about, as the DNS has it."""

from ipaddress import ip_address

import pytest

from mailweir_mail.listed import digest_of, domain_of, reversed_address


@pytest.mark.parametrize(
    ("address", "name"),
    [
        ("192.0.2.99", "99.2.0.192"),
        ("2001:db8:1:2:3:4:567:89ab", "b.a.9.8.7.6.5.0.4.0.0.0.3.0.0.0.2.0.0.0.1.0.0.0.8.b.d.0.1.0.0.2"),
    ],
)  # fmt: skip
def test_the_examples_of_rfc_5782(address: str, name: str) -> None:
    assert reversed_address(ip_address(address)) == name


def test_a_name_is_its_owners_domain() -> None:
    assert domain_of("Mail.Example.co.uk.") == "example.co.uk"
    assert domain_of("[192.0.2.1]") == ""
    assert domain_of("x" * 2000) == ""


def test_a_digest_does_not_depend_on_case() -> None:
    assert digest_of("Ann@Example.org") == digest_of("ann@example.org")
    assert len(digest_of("\ud800@example.org")) == 40
