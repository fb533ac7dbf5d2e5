"""The one syntax of what a bypass, allow or block list names.

| item | names |
| --- | --- |
| `192.0.2.1`, `192.0.2.0/24`, `2001:db8::/32` | clients by address |
| `192.0.2.1-192.0.2.9` | clients by range, kept as the networks it is made of |
| `host:mail.example.net` | the client whose confirmed name that is (it leads back to the address) |
| `host:*.example.net` | clients with a confirmed name below `example.net`; not `example.net` itself |
| `user@example.com` | a sender |
| `@example.com` | the senders of a domain |
| `@.example.com` | the senders of a domain and of every domain below it |

Names are kept in lower case and in A-labels (RFC 5890); an internationalised one may be written either way.
"""

import re
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import IPv4Network, IPv6Network, summarize_address_range
from typing import Final

from mailweir_core.net import Network, parse_ip

HOST: Final = "host:"
MAX_ITEM: Final = 400
MAX_NAME: Final = 253  # octets of a name as text (RFC 1035 §2.3.4 counts 255 on the wire)
MAX_LOCAL: Final = 64  # octets of a local part (RFC 5321 §4.5.3.1.1)

_LABEL: Final = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?")
_MAPPED: Final = IPv6Network("::ffff:0:0/96")
_CONTROLS: Final = re.compile(r"[\x00-\x20\x7f-\xa0\u2028\u2029]")


class ItemKind(StrEnum):
    """What an item is compared with."""

    NETWORK = "network"  # the client's address
    HOST = "host"  # the client's confirmed name
    ADDRESS = "address"  # the sender
    DOMAIN = "domain"  # the sender's domain


@dataclass(frozen=True, slots=True)
class Item:
    """An item as it was understood: `text` is its normal form.

    `networks` are set for a network, `name` for the others; of a host or a domain `below` takes what lies
    below the name too (of a host: only that).
    """

    kind: ItemKind
    text: str
    networks: tuple[Network, ...] = ()
    name: str = ""
    below: bool = False

    @property
    def by_name(self) -> bool:
        """Say whether a sender could claim to be this: it counts only with proof."""
        return self.kind in (ItemKind.ADDRESS, ItemKind.DOMAIN)


def parse_item(text: str) -> Item:
    """Return what an item names; raises ValueError with one sentence for people."""
    text = text.strip()
    if not text:
        raise ValueError("the item is empty")
    if len(text) > MAX_ITEM:
        raise ValueError(f"the item is longer than {MAX_ITEM} characters")
    if text[: len(HOST)].lower() == HOST:
        return _host(text[len(HOST) :])
    if "@" in text:
        return _sender(text)
    if "-" in text and parse_ip(text.partition("-")[0].strip()) is not None:
        return _range(text)
    return _network(text)


def domain_name(text: str) -> str:
    """Return a domain in lower case and A-labels, without a dot at the end; raises ValueError."""
    name = _a_labels(text.strip().removesuffix(".")).lower()
    labels = name.split(".")
    if len(name) > MAX_NAME or not all(map(_LABEL.fullmatch, labels)) or labels[-1].isdigit():
        raise ValueError(f"{_shown(text)} is no domain name")
    return name


def address_key(address: str) -> str:
    """Return the form in which lists compare an address: lower case, the domain in A-labels.

    What is no address comes back in lower case: it equals no item.
    """
    local, at, domain = address.rpartition("@")
    if not at:
        return address.casefold()
    if domain.isascii():  # the common case: nothing to convert
        return f"{local.casefold()}@{domain.lower().removesuffix('.')}"
    try:
        return f"{local.casefold()}@{domain_name(domain)}"
    except ValueError:
        return address.casefold()


def _host(text: str) -> Item:
    below = text.startswith("*.")
    name = domain_name(text[2:] if below else text)
    if below and "." not in name:
        raise ValueError(f"{HOST}{_shown(text)} takes in a whole top-level domain")
    return Item(ItemKind.HOST, f"{HOST}{'*.' if below else ''}{name}", name=name, below=below)


def _sender(text: str) -> Item:
    local, _, domain = text.rpartition("@")
    if not local:
        below = domain.startswith(".")
        name = domain_name(domain[1:] if below else domain)
        return Item(ItemKind.DOMAIN, f"@{'.' if below else ''}{name}", name=name, below=below)
    loose = "@" in local and not (local[0] == local[-1] == '"')
    if loose or len(local.encode(errors="replace")) > MAX_LOCAL or _CONTROLS.search(local):
        raise ValueError(f"{_shown(text)} is no mail address")
    if "*" in local:
        raise ValueError("a sender has no wildcard; @example.com takes every sender of a domain")
    key = f"{local.casefold()}@{domain_name(domain)}"
    return Item(ItemKind.ADDRESS, key, name=key)


def _range(text: str) -> Item:
    first, _, last = text.partition("-")
    low, high = parse_ip(first.strip()), parse_ip(last.strip())
    if low is None or high is None or low.version != high.version:
        raise ValueError(f"{_shown(text)} is no range of addresses")
    if int(low) > int(high):
        raise ValueError(f"{_shown(text)} ends before it begins")
    networks: tuple[Network, ...] = tuple(summarize_address_range(low, high))
    return _of_networks(f"{low}-{high}" if len(networks) > 1 else _written(networks[0]), networks)


def _network(text: str) -> Item:
    address, slash, prefix = text.partition("/")
    ip = parse_ip(address)
    if ip is None or (slash and not (prefix.isascii() and prefix.isdigit())):
        raise ValueError(_not_understood(text))
    bits = int(prefix) if slash and len(prefix) <= 3 else ip.max_prefixlen
    if ":" in address and ip.version == 4 and slash:
        bits -= _MAPPED.prefixlen  # an IPv4 network in IPv6's notation
    if (slash and len(prefix) > 3) or not 0 <= bits <= ip.max_prefixlen:
        raise ValueError(f"/{prefix[:5]} is no length of a prefix")
    kind = IPv4Network if ip.version == 4 else IPv6Network
    network = kind((int(ip), bits), strict=False)
    if network.network_address != ip:
        raise ValueError(f"{text} has bits beyond its prefix; write {network}")
    return _of_networks(_written(network), (network,))


def _of_networks(text: str, networks: tuple[Network, ...]) -> Item:
    if any(network.prefixlen == 0 for network in networks):
        raise ValueError("a list entry cannot take in every address there is")
    return Item(ItemKind.NETWORK, text, networks)


def _written(network: Network) -> str:
    whole = network.prefixlen == network.max_prefixlen
    return str(network.network_address) if whole else str(network)


def _a_labels(text: str) -> str:
    if text.isascii():
        return text
    if len(text) > MAX_NAME:  # the encoder's time grows with the square of the length
        raise ValueError("the domain name is too long")
    try:
        return text.encode("idna").decode("ascii")
    except UnicodeError:
        raise ValueError(f"{_shown(text)} is no domain name") from None


def _not_understood(text: str) -> str:
    try:
        name = domain_name(text)
    except ValueError:
        name = ""
    if "." in name:
        return f"write @{name} for senders of that domain, or {HOST}{name} for the client's name"
    return f"{_shown(text)} is no address, network, range, host:name, sender or @domain"


def _shown(text: str) -> str:
    return f"{text[:60].strip()!r}"
