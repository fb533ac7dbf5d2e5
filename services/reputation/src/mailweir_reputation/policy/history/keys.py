"""By what a client and its mail are remembered.

A name that the client was authorised for (SPF, or a signature) and the same name without proof are two keys:
who borrows a name shares nothing with its owner. A sender without proof counts together with the network that
it came from. Of IPv6 a /64 is one client; the /56 and /48 around it only note which of their parts are bad.
"""

from base64 import b32encode
from dataclasses import dataclass
from enum import StrEnum
from hashlib import blake2b
from ipaddress import ip_network
from typing import Final

from mailweir_core.items import address_key
from mailweir_core.net import Address, client_network, parse_ip, parse_network

MAX_HELO: Final = 255
WIDER: Final = (56, 48)
"""Prefixes of IPv6 that a /64 escalates to."""


class Kind(StrEnum):
    """What a key stands for."""

    IP = "ip"
    NET = "net"
    ASN = "asn"
    SENDER = "sender"
    DOMAIN = "domain"
    HELO = "helo"


@dataclass(frozen=True, slots=True)
class Key:
    """One key; `proven` where the client was authorised for the name."""

    kind: Kind
    text: str
    proven: bool = False

    @property
    def stored(self) -> str:
        """Return the key in the bucket: fixed in length and alphabet, and no register of addresses."""
        said = f"{'proven' if self.proven else ''} {self.text}".encode(errors="surrogatepass")
        return f"h.{self.kind}.{digest(said)}"


def digest(said: bytes) -> str:
    """Return 24 characters that stand for a text."""
    return b32encode(blake2b(said, digest_size=15).digest()).decode().lower()


def client_keys(address: Address, asn: int = 0) -> tuple[Key, ...]:
    """Return the keys of a client, the closest first."""
    closest = str(address if address.version == 4 else client_network(address))
    own = (Key(Kind.IP, closest), *map(_net, wider(address)))
    return (*own, Key(Kind.ASN, str(asn))) if asn else own


def wider(address: Address) -> tuple[str, ...]:
    """Return the networks around a client, the closest first."""
    if address.version == 4:
        return (str(client_network(address)),)
    return tuple(str(ip_network((address, prefix), strict=False)) for prefix in WIDER)


def around(key: Key) -> Key | None:
    """Return the key of the IPv6 network around one, which notes whether it is bad; None where none does."""
    if key.kind not in (Kind.IP, Kind.NET) or ":" not in key.text:
        return None
    network = parse_network(key.text)
    prefix = next((prefix for prefix in WIDER if prefix < network.prefixlen), None)
    return None if prefix is None else _net(str(network.supernet(new_prefix=prefix)))


def sender_keys(sender: str, address: Address, *, proven: bool) -> tuple[Key, ...]:
    """Return the keys of a sender; none for the null sender, which is nobody's."""
    key = address_key(sender)
    domain = key.rpartition("@")[2]
    if "@" not in key or not domain:
        return ()
    whom = key if proven else f"{key} {client_network(address)}"
    return Key(Kind.SENDER, whom, proven), Key(Kind.DOMAIN, domain, proven)


def helo_keys(helo: str) -> tuple[Key, ...]:
    """Return the key of a HELO name; nobody proves it."""
    return (Key(Kind.HELO, helo.lower()[:MAX_HELO]),) if helo else ()


def subject_keys(subject: str) -> tuple[Key, ...]:
    """Return the keys that somebody may ask about; empty for what is nobody.

    A subject is an address, a network, `local@domain`, a domain or an `AS64500`.
    """
    text = subject.strip()
    address = parse_ip(text)
    if address is not None:
        return client_keys(address)
    if "/" in text:
        return _network_keys(text)
    if text[:2].upper() == "AS" and text[2:].isascii() and text[2:].isdigit():
        return (Key(Kind.ASN, str(int(text[2:12]))),)
    key = address_key(text if "@" in text else f"x@{text}")
    domain = key.rpartition("@")[2]
    if not domain:
        return ()
    names = [Key(Kind.DOMAIN, domain, proven) for proven in (True, False)]
    if "@" in text:
        return Key(Kind.SENDER, key, proven=True), *names
    return (*names, *helo_keys(domain))


def _network_keys(text: str) -> tuple[Key, ...]:
    try:
        network = parse_network(text)
    except ValueError:
        return ()
    whole = network.version == 6 and network.prefixlen == 64
    return (Key(Kind.IP if whole else Kind.NET, str(network)),)


def _net(text: str) -> Key:
    return Key(Kind.NET, text)


def pair_key(user: str, correspondent: str) -> str:
    """Return the key in the bucket that says that `user` wrote to `correspondent`."""
    said = f"{address_key(user)} {address_key(correspondent)}"
    return f"w.{digest(said.encode(errors='surrogatepass'))}"
