"""Verification: what passes, what fails, and why (RFC 6376 §6)."""

import base64
import re
from dataclasses import replace
from hashlib import sha256
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st

from mailweir_core.asking import drive
from mailweir_core.dns import DnsQuestion, RecordType
from mailweir_mail.auth.dkim import (
    Canon,
    DkimLimits,
    DkimStatus,
    KeyCache,
    KeyType,
    SigningKey,
    make_private_key,
    sign,
    txt_record,
    verify,
)
from mailweir_mail.auth.dkim.canonical import BODY, chosen, section
from mailweir_mail.auth.dkim.sign import signed_field
from mailweir_testkit.zones import Zones

World = Any  # see conftest.py
PASS, FAIL = DkimStatus.PASS, DkimStatus.FAIL
PERMERROR, POLICY = DkimStatus.PERMERROR, DkimStatus.POLICY


def retagged(world: World, old: str, new: str, message: bytes | None = None) -> bytes:
    """Return a message whose signature claims something else, and is one of that claim."""
    raw = message or world.message
    text = re.sub(rb"\r\n\tb=.*", b"", sign(raw, world.rsa, world.now), flags=re.DOTALL).decode()
    assert old in text
    tags = [
        tuple(part.strip().split("=", 1))
        for part in text.replace(old, new).partition(":")[2].split(";")
        if part.strip()
    ]
    names = dict(tags).get("h", "")
    found = section(raw)
    signed = [name.strip().lower().encode() for name in names.split(":")]
    data = chosen(found, signed, world.rsa.header)
    clean = [(key, re.sub(r"\s", "", value)) for key, value in tags]
    return signed_field("DKIM-Signature", clean, data, world.rsa) + raw


def test_what_is_not_signed_has_no_result_and_costs_no_question(world: World) -> None:
    zones = world.zones
    for raw in (b"", b"\r\n", world.message, b"no header\r\n", b"X: dkim-signature\r\n\r\n"):
        assert world.check(raw, zones) == ()
    assert zones.asked == []


def test_a_result_tells_all_about_the_signature(world: World) -> None:
    result = world.one(world.signed(world.rsa))
    assert result.passed
    assert result == replace(
        result,
        result=PASS,
        domain="example.com",
        selector="r",
        identity="@example.com",
        algorithm="rsa-sha256",
        key_bits=2048,
        testing=False,
        signed_length=None,
        covered_all=True,
        detail="",
    )
    assert len(result.header_b) == 8
    assert f"b={result.header_b}".encode() in world.signed(world.rsa)


def test_bare_line_feeds_verify_as_well(world: World) -> None:
    assert world.one(world.signed().replace(b"\r\n", b"\n")).passed


@pytest.mark.parametrize(
    ("old", "new", "detail"),
    [
        (b"noon", b"one", "body"),
        (b"Lunch", b"Dinner", "header"),
        (b"Anna <anna", b"Eve <anna", "header"),
        (b"; t=", b"; q=dns/txt; t=", "header"),
        (b"Subject:", b"Subject: Spam!\r\nSubject:", "header"),
        (b"Date:", b"Content-Type: text/html\r\nDate:", "header"),
    ],
)
def test_what_was_changed_fails(world: World, old: bytes, new: bytes, detail: str) -> None:
    raw = world.signed()
    raw = raw.replace(b";\r\n\tt=", b"; t=") if old == b"; t=" else raw
    assert old in raw
    result = world.one(raw.replace(old, new, 1))
    assert (result.result, detail in result.detail) == (FAIL, True)
    assert result.key_bits == 256


def test_a_second_from_is_not_vouched_for(world: World) -> None:
    key = replace(world.rsa, oversigned=())
    raw = retagged(world, "h=from:from", "h=from")
    assert world.one(raw).passed
    assert world.one(b"From: eve@example.org\r\n" + raw).result is POLICY
    assert world.one(b"From: eve@example.org\r\n" + world.signed(key)).result is FAIL


@pytest.mark.parametrize(
    ("old", "new", "status", "detail"),
    [
        ("v=1", "v=2", PERMERROR, "v="),
        ("a=rsa-sha256", "a=rsa-sha1", PERMERROR, "historic"),
        ("a=rsa-sha256", "a=rsa-sha512", PERMERROR, "algorithm"),
        ("a=rsa-sha256", "a=ed25519-sha256", PERMERROR, "the key is for rsa"),
        ("c=relaxed/relaxed", "c=nofws", PERMERROR, "canonicalisation"),
        ("c=relaxed/relaxed", "c=relaxed/", PERMERROR, "canonicalisation"),
        ("d=example.com", "d=com", PERMERROR, "d="),
        ("d=example.com", "d=", PERMERROR, "d="),
        ("s=r", "s=", PERMERROR, "s="),
        ("s=r", "s=none", PERMERROR, "no key"),
        ("s=r", "s=" + ".".join(["a" * 60] * 4), PERMERROR, "too long"),
        ("h=from:from", "h=fromm", PERMERROR, "From"),
        ("t=1700000000", "t=170000000x", PERMERROR, "t="),
        ("t=1700000000", "t=1700000000; x=1700000000", PERMERROR, "x="),
        ("t=1700000000", "t=1700000000; l=99999", PERMERROR, "l="),
        ("t=1700000000", "q=dns/txt:other", PASS, ""),
        ("t=1700000000", "q=http", PERMERROR, "DNS"),
        ("t=1700000000", "i=anna@example.com", PASS, ""),
        ("t=1700000000", "i=anna@news.example.com", PASS, ""),
        ("t=1700000000", "i=a=40b@example.com", PASS, ""),
        ("t=1700000000", "i=anna@badexample.com", PERMERROR, "i="),
        ("t=1700000000", "i=@com", PERMERROR, "i="),
        ("t=1700000000", "i=anna", PERMERROR, "i="),
        ("t=1700000000", "i=", PERMERROR, "i="),
        ("t=1700000000", "zz=unknown", PASS, ""),
    ],
)
def test_each_tag_is_checked(
    world: World, old: str, new: str, status: DkimStatus, detail: str
) -> None:
    result = world.one(retagged(world, old, new))
    assert (result.result, detail in result.detail) == (status, True), result


@pytest.mark.parametrize("tag", ["v", "a", "b", "bh", "d", "h", "s"])
def test_no_needed_tag_may_be_missing(world: World, tag: str) -> None:
    raw = re.sub(
        rb"([;:]\s*)" + tag.encode() + rb"=[^;]*?(;|\r\n(?!\t))",
        rb"\1zz=1\2",
        world.signed(),
        count=1,
    )
    result = world.one(raw)
    assert result.result is PERMERROR, result


def test_identity_is_decoded(world: World) -> None:
    assert world.one(retagged(world, "t=1700000000", "i=a=2Bb@news.example.com")).identity == (
        "a+b@news.example.com"
    )


@pytest.mark.parametrize(
    ("made", "expiry", "now", "status"),
    [
        (0, 100, 50, PASS),
        (0, 100, 100 + 299, PASS),
        (0, 100, 100 + 301, FAIL),
        (0, None, 10**9, PASS),
        (299, None, 0, PASS),
        (301, None, 0, FAIL),
    ],
)
def test_time_has_a_beginning_and_an_end(
    world: World, made: int, expiry: int | None, now: int, status: DkimStatus
) -> None:
    key = replace(world.ed25519, expiry=expiry)
    raw = sign(world.message, key, world.now + made) + world.message
    zones = world.zones
    assert world.one(raw, zones, now=world.now + now).result is status
    assert len(zones.asked) == (status is PASS)  # no key is needed to say that it is too late


@pytest.mark.parametrize(
    ("record", "status", "detail"),
    [
        ("v=DKIM1; p=", PERMERROR, "revoked"),
        ("v=DKIM1; t=s; p={p}", PASS, ""),
        ("v=DKIM1; t=y; p={p}", PASS, ""),
        ("v=DKIM1; h=sha1; p={p}", PERMERROR, "sha256"),
        ("v=DKIM1; h=sha1:sha256; p={p}", PASS, ""),
        ("v=DKIM1; s=other; p={p}", PERMERROR, "mail"),
        ("v=DKIM1; g=; p={p}", PASS, ""),
        ("v=spf1 -all", PERMERROR, "version"),
        ("nothing of the kind", PERMERROR, "tag list"),
    ],
)
def test_the_record_decides_with_it(
    world: World, record: str, status: DkimStatus, detail: str
) -> None:
    p = txt_record(world.rsa.key).partition("p=")[2]
    result = world.one(world.signed(world.rsa), world.with_record(record.format(p=p)))
    assert (result.result, detail in result.detail) == (status, True), result
    assert result.testing == ("t=y" in record)


def test_a_strict_key_is_for_its_domain_alone(world: World) -> None:
    strict = world.with_record(txt_record(world.rsa.key).replace("k=rsa", "k=rsa; t=s"))
    below = retagged(world, "t=1700000000", "i=a@news.example.com")
    assert world.one(below).passed
    assert world.one(below, strict).result is PERMERROR
    assert world.one(retagged(world, "t=1700000000", "i=a@example.com"), strict).passed


@pytest.mark.parametrize(
    ("zone", "status"),
    [
        ("TIMEOUT", DkimStatus.TEMPERROR),
        ("SERVFAIL", DkimStatus.TEMPERROR),
        ("NXDOMAIN", PERMERROR),
        ("NODATA", PERMERROR),
    ],
)
def test_dns_decides_when_there_is_no_key(world: World, zone: str, status: DkimStatus) -> None:
    assert world.one(world.signed(), Zones({"e._domainkey.example.com": zone})).result is status


def test_any_of_several_records_will_do_but_not_of_many(world: World) -> None:
    other = txt_record(make_private_key(KeyType.ED25519))
    own = txt_record(world.ed25519.key)
    name = "e._domainkey.example.com"
    raw = world.signed()
    assert world.one(raw, Zones({name: {"TXT": ["v=spf1", other, own]}})).passed
    assert world.one(raw, Zones({name: {"TXT": [other, own]}})).passed
    assert world.one(raw, Zones({name: {"TXT": [other] * 3 + [own]}})).result is FAIL


def test_weak_and_endless_keys_are_not_believed(world: World) -> None:
    raw = world.signed(world.rsa)
    weak = world.one(raw, limits=DkimLimits(least_rsa_bits=4096))
    assert (weak.result, "weak" in weak.detail) == (POLICY, True)
    long = world.one(raw, limits=DkimLimits(most_rsa_bits=1024))
    assert (long.result, "long" in long.detail) == (POLICY, True)


def test_all_keys_are_asked_for_at_once_and_each_once(world: World) -> None:
    zones = world.zones
    raw = world.signed(world.rsa, world.signed(world.ed25519, world.signed(world.rsa)))
    assert [r.passed for r in world.check(raw, zones)] == [True] * 3
    assert zones.rounds == 1
    assert zones.asked == [
        DnsQuestion(f"{s}._domainkey.example.com", RecordType.TXT) for s in ("r", "e")
    ]


def test_one_bad_signature_does_not_harm_another(world: World) -> None:
    raw = b"DKIM-Signature: junk\r\n" + world.signed()
    assert [r.result for r in world.check(raw)] == [PERMERROR, PASS]


def test_of_many_signatures_only_the_first_are_checked(world: World) -> None:
    zones = world.zones
    field = sign(world.message, world.ed25519, world.now)
    other = field.replace(b"s=e;", b"s=x;")
    raw = field + other * 10_000 + world.message
    limits = DkimLimits(signatures=2, listed=5)
    results = world.check(raw, zones, limits=limits)
    assert [r.result for r in results] == [PASS, PERMERROR, POLICY, POLICY, POLICY]
    assert results[4].detail == "not checked: more than 2 signatures"
    assert (results[4].domain, results[4].selector) == ("example.com", "x")
    assert len(zones.asked) == 2
    assert len(world.check(raw)) == DkimLimits().listed


def test_signing_in_part_is_told(world: World) -> None:

    body = BODY[world.rsa.body](section(world.message).body)
    whole = re.search(r"bh=(\S+?);", sign(world.message, world.rsa, world.now).decode())
    assert whole
    for length, covered in ((0, False), (3, False), (len(body), True)):
        digest = base64.b64encode(sha256(body[:length]).digest()).decode()
        raw = retagged(world, whole[0], f"l={length}; bh={digest};")
        result = world.one(raw)
        assert (result.result, result.signed_length, result.covered_all) == (PASS, length, covered)
        longer = world.one(raw + b"Buy this\r\n")
        assert (longer.result, longer.covered_all) == (PASS, False)


def test_a_cache_of_keys_changes_no_result(world: World) -> None:
    cache = KeyCache()
    raw = world.signed(world.rsa, world.signed())
    first = world.check(raw, keys=cache)
    assert world.check(raw, keys=cache) == first == world.check(raw)
    assert len(cache) == 2


TEXTS = st.text(st.characters(codec="ascii", exclude_characters="\r\n"), max_size=40)
MESSAGES = st.builds(
    lambda subject, to, body: (
        f"From: a@example.com\r\nTo: {to}\r\nSubject: {subject}\r\n\r\n".encode() + body
    ),
    TEXTS,
    TEXTS,
    st.binary(max_size=200),
)


@given(
    raw=MESSAGES,
    header=st.sampled_from(["simple", "relaxed"]),
    body=st.sampled_from(["simple", "relaxed"]),
)
def test_whatever_is_signed_verifies(world: World, raw: bytes, header: str, body: str) -> None:
    key = replace(world.ed25519, header=Canon(header), body=Canon(body))
    assert world.one(sign(raw, key, world.now) + raw).passed


@given(raw=MESSAGES, at=st.integers(0, 10_000), octet=st.integers(1, 255))
def test_one_octet_changed_in_the_simple_form_never_passes(
    world: World, raw: bytes, at: int, octet: int
) -> None:
    key = replace(world.ed25519, header=Canon.SIMPLE, body=Canon.SIMPLE)
    raw = raw.replace(b"\r", b"").replace(b"\n", b"") if b"\r\n\r\n" not in raw else raw
    head, _, body = raw.partition(b"\r\n\r\n")
    raw = head + b"\r\n\r\n" + body.replace(b"\r", b"").replace(b"\n", b"") + b".\r\n"
    start = len(head) + 4
    place = start + at % (len(raw) - start - 2)
    changed = bytearray(raw)
    changed[place] ^= octet
    if changed[place] in b"\r\n":
        return
    field = sign(raw, key, world.now)
    assert world.one(field + raw).passed
    assert world.one(field + bytes(changed)).result is FAIL


@settings(max_examples=200)
@given(st.binary(max_size=300), st.binary(max_size=100))
def test_no_octets_raise(world: World, value: bytes, rest: bytes) -> None:
    for raw in (value, b"DKIM-Signature:" + value, b"DKIM-Signature:" + value + b"\r\n\r\n" + rest):
        for result in world.check(raw):
            assert not result.passed


TAGS = st.dictionaries(
    st.sampled_from([*"vabdhsctxliqz", "bh"]),
    st.sampled_from(
        [
            "1",
            "rsa-sha256",
            "ed25519-sha256",
            "example.com",
            "e",
            "from",
            "",
            "=",
            ":",
            "AAAA",
            "simple/relaxed",
            "9" * 12,
            "@",
            "\xff",
        ]
    ),
)


@settings(max_examples=300)
@given(TAGS)
def test_no_tags_raise(world: World, tags: dict[str, str]) -> None:
    value = "; ".join(f"{name}={text}" for name, text in tags.items()).encode("latin-1")
    results = drive(
        verify(b"DKIM-Signature: " + value + b"\r\nFrom: a\r\n\r\n", 0.0), world.zones.answer
    )
    assert all(not result.passed for result in results)


@pytest.mark.parametrize("names", [b"from:fr om", b"from:a(b;", b"from:\x80"])
def test_what_is_no_field_name_cannot_be_signed(world: World, names: bytes) -> None:
    raw = world.signed().replace(b"h=from:from", b"h=" + names)
    assert world.one(raw).result is PERMERROR


def test_a_key_of_another_domain_is_no_pass(world: World) -> None:
    thief = SigningKey("example.com", "e", make_private_key(KeyType.ED25519))
    assert world.one(world.signed(thief)).result is FAIL
