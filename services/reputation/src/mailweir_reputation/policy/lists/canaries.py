"""By what a list is tested: the entries of RFC 5782 §5, and names that nobody ever asked for."""

from typing import Final

from mailweir_policy.lists import ListKind
from mailweir_policy.reputation import EdgeZone

_MAPPED: Final = ".".join("f" * 4 + "0" * 20)
"""::ffff:0:0/96 with its nibbles in reverse, behind those of an IPv4 address."""


def _mapped(address: str) -> str:
    """Return the nibbles of an IPv4 address in IPv6, reversed (RFC 5782 §5: ::FFFF:7F00:2)."""
    nibbles = "".join(f"{int(octet):02x}" for octet in address.split("."))
    return ".".join((*reversed(nibbles), _MAPPED))


LISTED: Final = {
    ListKind.IP4: "2.0.0.127",
    ListKind.IP6: _mapped("127.0.0.2"),
    ListKind.DOMAIN: "test",
}
UNLISTED: Final = {
    ListKind.IP4: "1.0.0.127",
    ListKind.IP6: _mapped("127.0.0.1"),
    ListKind.DOMAIN: "invalid",
}


def family_of(zone: EdgeZone) -> ListKind:
    """Return the kind by which a list of several kinds is tested."""
    order = (ListKind.IP4, ListKind.IP6, ListKind.DOMAIN, ListKind.HASH)
    return next(kind for kind in order if kind in zone.kinds)


def stranger_of(family: ListKind, chance: bytes) -> str:
    """Return a name that no list has, made of random octets, of which it takes at least four.

    For addresses one of 127/8, which is nobody's, outside of the small ones that lists use for tests.
    """
    if family is ListKind.DOMAIN:
        return f"{chance.hex()}.invalid"
    if family is ListKind.HASH:
        return chance.hex().ljust(40, "0")
    address = f"127.{chance[0] % 254 + 1}.{chance[1]}.{chance[2]}"
    if family is ListKind.IP6:
        return _mapped(address)
    return ".".join(reversed(address.split(".")))
