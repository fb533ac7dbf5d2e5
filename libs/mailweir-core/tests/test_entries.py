"""Entries of allow and block lists as they are kept."""

import json
from typing import Any

import pytest
from hypothesis import given, strategies as st

from mailweir_core.entries import (
    EntryKind,
    ListEntry,
    Owner,
    OwnerKind,
    dump_entry,
    load_entry,
    make_entry,
    parse_owner,
    parse_recipient,
)


def test_an_entry_is_kept_in_normal_form() -> None:
    entry = make_entry(
        "block", " User@Bücher.example ", owner="domain:Example.COM", recipients=("Example.com",),
        expires=2_000_000_000, note="seen twice", by="admin", at=1_750_000_000,
    )  # fmt: skip
    assert entry.kind is EntryKind.BLOCK
    assert entry.item == "user@xn--bcher-kva.example"
    assert entry.owner == "domain:example.com"
    assert entry.recipients == ("@example.com",)
    assert (entry.note, entry.by) == ("seen twice", "admin")
    assert load_entry(dump_entry(entry)) == entry


def test_the_same_said_twice_is_one_entry() -> None:
    one = make_entry("allow", "192.0.2.0-192.0.2.255", note="a", by="x", at=1.0)
    two = make_entry("allow", "192.0.2.0/24", note="b", by="y", at=2.0)
    other = make_entry("block", "192.0.2.0/24")
    assert one.id == two.id != other.id
    order = [("@a.example", "@b.example"), ("@b.example", "@a.example")]
    ids = {make_entry("block", "192.0.2.1", recipients=recipients).id for recipients in order}
    assert len(ids) == 1


def test_an_id_may_be_given() -> None:
    assert make_entry("allow", "192.0.2.1", id="01J-x_=").id == "01J-x_="
    for bad in ("a.b", "a b", "x" * 65, "ä"):
        with pytest.raises(ValueError, match="an id has"):
            make_entry("allow", "192.0.2.1", id=bad)


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"kind": "grey"}, "kind is allow or block"),
        ({"item": "0.0.0.0/0"}, "every address"),
        ({"owner": "everybody"}, "owner is system"),
        ({"owner": "system:x"}, "owner is system"),
        ({"owner": "tenant:a b"}, "owner is system"),
        ({"owner": "domain:"}, "no domain name"),
        ({"owner": "user:@example.com"}, "owner is system"),
        ({"owner": "user:a@example.com", "recipients": ("b@example.com",)}, "not for user:a@"),
        ({"owner": "domain:example.com", "recipients": ("b@example.net",)}, "not for domain:"),
        ({"owner": "domain:example.com", "recipients": ("@.example.com",)}, "not for domain:"),
        ({"recipients": ("192.0.2.1",)}, "no domain name"),
        ({"recipients": ("host:example.com",)}, "no domain name"),
        ({"recipients": ("a@example.com",) * 101}, "at most 100"),
        ({"expires": -1.0}, "expires must be a time"),
        ({"expires": float("nan")}, "expires must be a time"),
        ({"note": "x" * 501}, "note is longer"),
        ({"by": "x" * 201}, "by is longer"),
    ],
)
def test_what_is_wrong_is_said_in_a_sentence(fields: dict[str, Any], sentence: str) -> None:
    arguments: dict[str, Any] = {"kind": "allow", "item": "192.0.2.1"} | fields
    kind, item = arguments.pop("kind"), arguments.pop("item")
    with pytest.raises(ValueError, match=r".") as raised:
        make_entry(kind, item, **arguments)
    assert sentence in str(raised.value)


@pytest.mark.parametrize(
    "document",
    [
        b"", b"[]", b"null", b"\xff", b'{"kind": "allow"}', b'{"item": "192.0.2.1"}',
        b'{"kind": "allow", "item": 7}', b'{"kind": "allow", "item": "192.0.2.1", "recipients": "x"}',
        b'{"kind": "allow", "item": "192.0.2.1", "expires": "soon"}',
        b'{"kind": "allow", "item": "192.0.2.1", "expires": true}',
    ],
)  # fmt: skip
def test_what_is_no_entry_is_a_value_error(document: bytes) -> None:
    with pytest.raises(ValueError, match=r".*"):
        load_entry(document)


def test_unknown_fields_do_no_harm() -> None:
    stored = json.loads(dump_entry(make_entry("block", "@example.net"))) | {"colour": "red"}
    assert load_entry(json.dumps(stored).encode()).item == "@example.net"


@pytest.mark.parametrize(
    ("owner", "recipient", "tenant", "covered"),
    [
        ("system", "a@example.com", "t", True),
        ("tenant:t", "a@example.com", "t", True),
        ("tenant:t", "a@example.com", "u", False),
        ("domain:example.com", "a@example.com", "t", True),
        ("domain:example.com", "a@sub.example.com", "t", False),
        ("user:a@example.com", "a@example.com", "t", True),
        ("user:a@example.com", "b@example.com", "t", False),
    ],
)
def test_whose_mail_an_owner_judges(owner: str, recipient: str, tenant: str, covered: bool) -> None:
    assert parse_owner(owner).covers(recipient, tenant) is covered


def test_owners_read_back() -> None:
    for text in ("system", "tenant:t-1", "domain:example.com", "user:a@example.com"):
        assert str(parse_owner(text)) == text
    assert parse_owner("user: A@Example.com") == Owner(OwnerKind.USER, "a@example.com")


def test_recipients_are_addresses_or_domains() -> None:
    assert parse_recipient("example.com").text == "@example.com"
    assert parse_recipient("@.example.com").below
    with pytest.raises(ValueError, match=r"."):
        parse_recipient("host:a.example@")


def test_expiry() -> None:
    entry = make_entry("allow", "192.0.2.1", expires=100.0)
    assert entry.holds(99.0)
    assert not entry.holds(100.0)
    assert make_entry("allow", "192.0.2.1").holds(1e12)


@given(
    st.sampled_from(["allow", "block"]),
    st.ip_addresses().filter(lambda address: int(address) > 0),
    st.floats(0, 1e11),
    st.text(max_size=50),
)
def test_every_entry_reads_back(kind: str, address: object, expires: float, note: str) -> None:
    entry = make_entry(kind, str(address), expires=expires, note=note)
    assert isinstance(entry, ListEntry)
    assert load_entry(dump_entry(entry)) == entry
