"""Whom a message may be signed for."""

from collections.abc import Sequence
from typing import Any

import pytest

from mailweir_core.asking import drive
from mailweir_core.record import Envelope, Listener, Session
from mailweir_ingress.policy.rules import Rules, compile_rules
from mailweir_ingress.policy.signing import (
    adapted,
    author_domain,
    is_ours,
    seal_of,
    signatures,
    signing_keys,
)
from mailweir_mail.auth.arc import ArcStatus, validate
from mailweir_mail.auth.dkim import KeyType, SigningKey, make_private_key, txt_record, verify
from mailweir_policy import policy_from
from mailweir_testkit.zones import Zones

PRIVATE = make_private_key(KeyType.ED25519)
KEY = SigningKey("example.com", "s", PRIVATE)
ZONES = Zones({"s._domainkey.example.com": {"TXT": [txt_record(PRIVATE)]}})
NOW = 1_700_000_000.0


def keys_of(domain: str) -> Sequence[SigningKey]:
    """Know one domain."""
    return [KEY] if domain == "example.com" else []


def rules(**signing: Any) -> Rules:
    """Return rules with a signing policy."""
    relay = {"trusted_networks": ["192.0.2.0/24"]}
    return compile_rules(policy_from({"signing": signing, "relay": relay}), "v.1")


def envelope(
    sender: str = "anna@example.com", *, user: str = "", ip: str = "192.0.2.1"
) -> Envelope:
    """Return an envelope."""
    session = Session("S", Listener.SUBMISSION, ip, auth_user=user)
    return Envelope("S-1", session, sender, ("x@y.example",), 1.0)


def mail(author: str) -> bytes:
    """Return a message from somebody."""
    return f"From: {author}\r\nSubject: x\r\n\r\nhello\r\n".encode()


@pytest.mark.parametrize(
    ("user", "ip", "ours"),
    [
        ("anna", "203.0.113.1", True),
        ("", "192.0.2.7", True),
        ("", "203.0.113.1", False),
        ("", "not an address", False),
    ],
)
def test_ours_is_who_logged_in_or_is_trusted(user: str, ip: str, ours: bool) -> None:
    assert is_ours(envelope(user=user, ip=ip), rules()) is ours


@pytest.mark.parametrize(
    ("author", "domain"),
    [
        ("anna@example.com", "example.com"),
        ("Anna <ANNA@Example.COM.>", "example.com"),
        ("a@example.com, b@example.com", "example.com"),
        ("a@example.com, b@other.example", ""),
        ("a@example.com\r\nFrom: b@other.example", ""),
        ("nobody", ""),
        ("a@b\u00fccher.example", "xn--bcher-kva.example"),
    ],
)
def test_the_author_is_in_one_domain_or_in_none(author: str, domain: str) -> None:
    assert author_domain(mail(author)) == domain


@pytest.mark.parametrize(
    ("author", "sender", "user", "signs"),
    [
        ("anna@example.com", "anna@example.com", "anna", True),
        ("anna@example.com", "bob@example.com", "anna", True),
        ("anna@example.com", "anna@other.example", "anna", False),
        ("anna@example.com", "", "anna", False),
        ("anna@example.com", "bounce@other.example", "", True),
        ("anna@example.com", "", "", True),
        ("anna@shop.example.com", "anna@shop.example.com", "anna", True),
        ("anna@other.example", "anna@other.example", "anna", False),
        ("anna@notexample.com", "anna@notexample.com", "anna", False),
        ("x@com", "x@com", "", False),
    ],
)
def test_who_is_signed_for(author: str, sender: str, user: str, signs: bool) -> None:
    found = signing_keys(envelope(sender, user=user), mail(author), rules(), keys_of)
    assert bool(found) is signs


def test_the_policy_can_name_the_domains_and_switch_off() -> None:
    def signs(**signing: Any) -> bool:
        return bool(signing_keys(envelope(), mail("a@example.com"), rules(**signing), keys_of))

    assert signs()
    assert not signs(enabled=False)
    assert signs(domains=["example.com"])
    assert not signs(domains=["other.example"])


def test_a_key_signs_as_the_policy_says() -> None:
    policy = rules(more_headers=["Feedback-ID"], expiry_days=7).policy
    content = b"Feedback-ID: 1\r\n" + mail("a@example.com")
    field = signatures(content, [adapted(KEY, policy)], NOW)
    assert b"feedback-id" in field
    assert f"x={int(NOW) + 7 * 86_400};".encode() in field
    (held,) = drive(verify(field + content, NOW), ZONES.answer)
    assert held.passed
    assert adapted(KEY, rules().policy).expiry is None


def test_signatures_stand_on_top_each_by_itself() -> None:
    content = mail("a@example.com")
    fields = signatures(content, [KEY, KEY], NOW)
    assert fields.count(b"DKIM-Signature:") == 2
    assert [r.passed for r in drive(verify(fields + content, NOW), ZONES.answer)] == [True, True]


@pytest.mark.parametrize("results", ["mx; spf=pass; arc=none", "mx; spf=pass", "mx; none"])
def test_a_seal_tells_what_our_results_tell(results: str) -> None:
    content = mail("a@other.example")
    headers = [("X-Spam-Flag", "NO"), ("authentication-Results", results)]
    fields = seal_of(content, headers, KEY, NOW)
    chain = drive(validate(fields + content, NOW), ZONES.answer)
    assert (chain.status, chain.instance, chain.results) == (ArcStatus.PASS, 1, (results,))


@pytest.mark.parametrize("headers", [[], [("Authentication-Results", "")], [("X", "mx; arc=none")]])
def test_without_results_nothing_is_sealed(headers: list[tuple[str, str]]) -> None:
    assert seal_of(mail("a@other.example"), headers, KEY, NOW) == b""


@pytest.mark.parametrize(
    ("results", "status"),
    [
        ("mx; spf=pass; arc=pass (all is well)", ArcStatus.PASS),
        ("mx; arc=fail", ArcStatus.FAIL),
        ("mx; spf=pass", None),
        ("mx; arc=none", None),
        ("mx; arc=odd", None),
        ('mx; spf=pass smtp.helo="x; arc=pass"', None),
        ("mx; spf=pass (why not; arc=pass)", None),
    ],
)
def test_a_chain_that_is_there_is_gone_on_with_only_if_it_was_judged(
    results: str, status: ArcStatus | None
) -> None:
    content = mail("a@other.example")
    content = seal_of(content, [("Authentication-Results", "mx; none")], KEY, NOW) + content
    fields = seal_of(content, [("Authentication-Results", results)], KEY, NOW)
    assert bool(fields) is (status is not None)
    if status is not None:
        assert f"cv={status}".encode() in fields
        assert drive(validate(fields + content, NOW), ZONES.answer).status is status
