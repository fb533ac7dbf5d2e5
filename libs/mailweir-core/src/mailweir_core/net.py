"""IP addresses and networks: parsing, membership, and the network that stands for a client."""

from collections.abc import Iterable
from functools import lru_cache
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
    summarize_address_range,
)
from typing import Final

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network


@lru_cache(maxsize=4096)
def parse_ip(text: str) -> Address | None:
    """Return the address in `text`, an IPv4-mapped IPv6 one as IPv4, or None where it is none."""
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address


def parse_network(text: str) -> Network:
    """Return the network in `text` (`192.0.2.0/24`, `2001:db8::/32`, or one address).

    Raises ValueError with a sentence for host bits that are set or a text that is no network.
    """
    return ip_network(text.strip(), strict=True)


def client_network(address: Address) -> Network:
    """Return what counts as one client: IPv4 /24, IPv6 /64 (one subscriber owns a whole /64)."""
    return ip_network((address, 24 if address.version == 4 else 64), strict=False)


@lru_cache(maxsize=4096)
def is_public(address: Address) -> bool:
    """Say whether an address may be a stranger's, which can be asked about.

    The networks for documentation count as public: nobody is there, and examples behave as the real thing.
    """
    return (address.is_global or address in _DOCUMENTATION) and not address.is_multicast


def joined(networks: Iterable[Network]) -> list[Network]:
    """Return the fewest networks that hold the same addresses, IPv4 first, each kind in order.

    A hundred thousand that have nothing to do with each other take well under a second, for which the
    standard library's way takes several.
    """
    found: list[Network] = []
    spans: list[tuple[int, int, int, Network]] = sorted(map(_span, networks), key=_by_place)
    place = 0
    while place < len(spans):
        version, first, last, network = spans[place]
        alone = True
        place += 1
        while place < len(spans) and spans[place][0] == version and spans[place][1] <= last + 1:
            alone = alone and spans[place][2] <= last  # it lies within the first
            last = max(last, spans[place][2])
            place += 1
        found.extend((network,) if alone else _networks_of(version, first, last))
    return found


def _span(network: Network) -> tuple[int, int, int, Network]:
    first = int(network.network_address)
    size = 1 << (network.max_prefixlen - network.prefixlen)
    return network.version, first, first + size - 1, network


def _by_place(span: tuple[int, int, int, Network]) -> tuple[int, int, int]:
    version, first, last, _ = span
    return version, first, -last


def _networks_of(version: int, first: int, last: int) -> Iterable[Network]:
    if version == 4:
        return summarize_address_range(IPv4Address(first), IPv4Address(last))
    return summarize_address_range(IPv6Address(first), IPv6Address(last))


class NetworkSet:
    """An immutable set of networks; membership costs one look-up per distinct prefix length."""

    __slots__ = ("_v4", "_v6")

    def __init__(self, networks: Iterable[Network | str] = ()) -> None:
        """Take networks or their text; raises ValueError as `parse_network` does."""
        by_shift: dict[int, dict[int, set[int]]] = {4: {}, 6: {}}
        for item in networks:
            net = parse_network(item) if isinstance(item, str) else item
            shift = net.max_prefixlen - net.prefixlen
            prefixes = by_shift[net.version].setdefault(shift, set())
            prefixes.add(int(net.network_address) >> shift)
        self._v4 = tuple(by_shift[4].items())
        self._v6 = tuple(by_shift[6].items())

    def __contains__(self, address: object) -> bool:
        """Say whether an address lies in one of the networks."""
        # Asked several times for every connection: no closure, and nothing at all where there is no network.
        if isinstance(address, IPv6Address):
            address = address.ipv4_mapped or address  # the same client by another notation
        if isinstance(address, IPv4Address):
            tables = self._v4
        elif isinstance(address, IPv6Address):
            tables = self._v6
        else:
            return False
        if tables:
            number = int(address)
            for shift, prefixes in tables:
                if number >> shift in prefixes:
                    return True
        return False

    def __bool__(self) -> bool:
        """Say whether there is any network."""
        return bool(self._v4 or self._v6)


_DOCUMENTATION: Final = NetworkSet(
    ("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "2001:db8::/32")  # RFC 5737, RFC 3849
)
