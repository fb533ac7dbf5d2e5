"""The one syntax of what a list names."""

from ipaddress import IPv4Address, ip_address, ip_network

import pytest
from hypothesis import given, strategies as st

from mailweir_core.items import ItemKind, address_key, domain_name, parse_item


@pytest.mark.parametrize(
    ("text", "kind", "normal"),
    [
        (" 192.0.2.1 ", ItemKind.NETWORK, "192.0.2.1"),
        ("192.0.2.1/32", ItemKind.NETWORK, "192.0.2.1"),
        ("192.0.2.0/24", ItemKind.NETWORK, "192.0.2.0/24"),
        ("2001:DB8::/32", ItemKind.NETWORK, "2001:db8::/32"),
        ("2001:db8::1/128", ItemKind.NETWORK, "2001:db8::1"),
        ("::ffff:192.0.2.1", ItemKind.NETWORK, "192.0.2.1"),
        ("::ffff:192.0.2.0/120", ItemKind.NETWORK, "192.0.2.0/24"),
        ("192.0.2.1-192.0.2.9", ItemKind.NETWORK, "192.0.2.1-192.0.2.9"),
        ("192.0.2.1 - 192.0.2.9", ItemKind.NETWORK, "192.0.2.1-192.0.2.9"),
        ("192.0.2.0-192.0.2.255", ItemKind.NETWORK, "192.0.2.0/24"),
        ("192.0.2.7-192.0.2.7", ItemKind.NETWORK, "192.0.2.7"),
        ("host:Mail.Example.NET.", ItemKind.HOST, "host:mail.example.net"),
        ("HOST:*.example.net", ItemKind.HOST, "host:*.example.net"),
        ("User@Example.COM", ItemKind.ADDRESS, "user@example.com"),
        ("@example.com", ItemKind.DOMAIN, "@example.com"),
        ("@.Example.com", ItemKind.DOMAIN, "@.example.com"),
        ("@bücher.example", ItemKind.DOMAIN, "@xn--bcher-kva.example"),
        ("Jürgen@BÜCHER.example", ItemKind.ADDRESS, "jürgen@xn--bcher-kva.example"),
        ("host:bücher.example", ItemKind.HOST, "host:xn--bcher-kva.example"),
        ('"a@b"@example.com', ItemKind.ADDRESS, '"a@b"@example.com'),
    ],
)
def test_an_item_has_one_normal_form(text: str, kind: ItemKind, normal: str) -> None:
    item = parse_item(text)
    assert (item.kind, item.text) == (kind, normal)
    assert parse_item(item.text) == item


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "empty"),
        ("   ", "empty"),
        ("x" * 401, "longer than 400"),
        ("192.0.2.1/24", "bits beyond its prefix; write 192.0.2.0/24"),
        ("192.0.2.0/33", "no length of a prefix"),
        ("192.0.2.0/0000", "no length of a prefix"),
        ("::ffff:0.0.0.0/90", "no length of a prefix"),
        ("192.0.2.0/x", "no address, network"),
        ("192.0.2.300", "no address, network"),
        ("192.0.2.9-192.0.2.1", "ends before it begins"),
        ("192.0.2.1-2001:db8::1", "no range"),
        ("192.0.2.1-9", "no range"),
        ("0.0.0.0/0", "every address there is"),
        ("::/0", "every address there is"),
        ("0.0.0.0-255.255.255.255", "every address there is"),
        ("host:", "no domain name"),
        ("host:*", "no domain name"),
        ("host:*.net", "whole top-level domain"),
        ("host:a..b", "no domain name"),
        ("host:*.*.example.net", "no domain name"),
        ("@", "no domain name"),
        ("@exa mple.com", "no domain name"),
        ("@-example.com", "no domain name"),
        ("us er@example.com", "no mail address"),
        ("a@b@example.com", "no mail address"),
        ("x\u2028y@example.com", "no mail address"),
        ("x" * 65 + "@example.com", "no mail address"),
        ("*@example.com", "@example.com takes every sender"),
        ("example.com", "write @example.com for senders of that domain, or host:example.com"),
        ("viagra", "no address, network"),
        ("@" + "ü" * 300, "too long"),
        ("@\udc80.example", "no domain name"),
    ],
)
def test_what_is_wrong_is_said_in_a_sentence(text: str, sentence: str) -> None:
    with pytest.raises(ValueError, match=r".") as raised:
        parse_item(text)
    assert sentence in str(raised.value)
    assert len(str(raised.value)) < 400


def test_a_range_is_kept_as_its_networks() -> None:
    networks = parse_item("192.0.2.1-192.0.2.9").networks
    inside = {address for network in networks for address in network}
    assert inside == {IPv4Address(f"192.0.2.{last}") for last in range(1, 10)}


@given(st.ip_addresses(v=4), st.ip_addresses(v=4), st.ip_addresses(v=4))
def test_a_range_holds_what_lies_between_its_ends(a: object, b: object, other: object) -> None:
    low, high = sorted((ip_address(str(a)), ip_address(str(b))), key=int)
    if int(high) - int(low) == 2**32 - 1:
        return
    networks = parse_item(f"{low}-{high}").networks
    probe = ip_address(str(other))
    assert any(probe in network for network in networks) == (int(low) <= int(probe) <= int(high))
    assert all(end in networks[at] for end, at in ((low, 0), (high, -1)))


@given(st.ip_addresses(network=ip_network("2001:db8::/32")), st.integers(1, 128))
def test_every_network_reads_back(address: object, prefix: int) -> None:
    network = ip_network(f"{address}/{prefix}", strict=False)
    assert parse_item(str(network)).networks == (network,)


@given(st.text(max_size=80))
def test_anything_else_is_a_value_error_or_an_item(text: str) -> None:
    try:
        item = parse_item(text)
    except ValueError:
        return
    assert parse_item(item.text) == item


def test_which_items_a_sender_could_claim_to_be() -> None:
    claimed = {text: parse_item(text).by_name for text in ("a@b.example", "@b.example")}
    proven = {text: parse_item(text).by_name for text in ("192.0.2.1", "host:b.example")}
    assert all(claimed.values())
    assert not any(proven.values())


@pytest.mark.parametrize(
    ("address", "key"),
    [
        ("User@Example.COM", "user@example.com"),
        ("user@example.com.", "user@example.com"),
        ("user@bücher.example", "user@xn--bcher-kva.example"),
        ("postmaster", "postmaster"),
        ("", ""),
        ("a@ü..x", "a@ü..x"),
    ],
)
def test_an_address_is_compared_in_one_form(address: str, key: str) -> None:
    assert address_key(address) == key


def test_a_domain_is_kept_in_a_labels() -> None:
    assert domain_name("Straße.Example.") == "strasse.example"
    with pytest.raises(ValueError, match="no domain name"):
        domain_name("exam_ple..com")
