"""Who is never banned: proxies, trusted networks, what the policy names, allow lists, machines of ours."""

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import IPv4Network, IPv6Network
from types import MappingProxyType
from typing import Final

from mailweir_core.net import Address, Network, joined, parse_network
from mailweir_policy import Policy

INTERNAL: Final = (
    "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "169.254.0.0/16", "127.0.0.0/8",
    "fc00::/7", "fe80::/10", "::1/128",
)  # fmt: skip
"""Addresses that nobody on the Internet has: of machines of ours, or of what stands before us."""


class Protection(StrEnum):
    """Why a network is not banned."""

    PROXY = "proxy"
    TRUSTED = "trusted"
    NEVER = "never"
    INTERNAL = "internal"
    ALLOWED = "allowed"


WORDS: Final = MappingProxyType(
    {
        Protection.PROXY: "a proxy of ours (relay.proxy_networks)",
        Protection.TRUSTED: "a trusted network (relay.trusted_networks)",
        Protection.NEVER: "never to be banned (ratelimit.intrusion.never)",
        Protection.INTERNAL: "an address of our own networks, and there are proxies (relay.proxy_networks)",
        Protection.ALLOWED: "on an allow list, which beats a ban",
    }
)


class Ranges:
    """Networks as ranges that do not overlap: one binary search finds what overlaps a network."""

    __slots__ = ("_bounds",)

    def __init__(self, networks: Iterable[Network]) -> None:
        """Take networks in any order; they may overlap."""
        nets = joined(networks)
        self._bounds = {kind: _bounds(nets, kind) for kind in (4, 6)}

    def overlaps(self, network: Network) -> bool:
        """Say whether the network has an address in common with one of them."""
        starts, ends = self._bounds[network.version]
        last = bisect_right(starts, int(network.broadcast_address)) - 1
        return last >= 0 and ends[last] >= int(network.network_address)

    def __contains__(self, address: Address) -> bool:
        """Say whether an address lies in one of them."""
        starts, ends = self._bounds[address.version]
        last = bisect_right(starts, int(address)) - 1
        return last >= 0 and ends[last] >= int(address)


def _bounds(networks: Iterable[Network], version: int) -> tuple[list[int], list[int]]:
    nets = [net for net in networks if net.version == version]
    starts = [int(net.network_address) for net in nets]
    return starts, [int(net.broadcast_address) for net in nets]


@dataclass(frozen=True, slots=True)
class Protected:
    """The networks that are not banned, by the reason for it, in the order in which they are asked."""

    ranges: tuple[tuple[Protection, Ranges], ...]
    networks: tuple[tuple[Protection, tuple[Network, ...]], ...]

    def of(self, address: Address) -> Protection | None:
        """Return why an address is not banned, None where it may be."""
        return next((why for why, ranges in self.ranges if address in ranges), None)

    def overlapping(self, network: Network) -> Protection | None:
        """Return why a network is not banned as a whole, None where it may be."""
        return next((why for why, ranges in self.ranges if ranges.overlaps(network)), None)

    def carve(self, network: Network) -> list[Network]:
        """Return what is left of a network without the protected ones in it, in order."""
        parts = [network]
        for (why, networks), (_, ranges) in zip(self.networks, self.ranges, strict=True):
            # a ban of internal addresses was made by hand, knowingly
            if why is not Protection.INTERNAL and ranges.overlaps(network):
                for net in networks:
                    parts = [left for part in parts for left in _without(part, net)]
        return parts

    def refusal(self, network: Network) -> str:
        """Return the sentence with which a ban by hand is refused; empty where it is not.

        An allow list beats a ban where it is looked at, so a ban may hold allowed addresses but not be one.
        """
        for why, networks in self.networks:
            hit = next((net for net in networks if net.overlaps(network)), None)
            if hit is None or why is Protection.INTERNAL:
                continue
            if why is not Protection.ALLOWED or _covers(hit, network):
                return f"{network} is not banned: {hit} is {WORDS[why]}"
        return ""


def _without(network: Network, taken: Network) -> list[Network]:
    if not network.overlaps(taken):
        return [network]
    if _covers(taken, network):
        return []
    match network, taken:  # the checker wants one kind in each branch
        case (IPv4Network(), IPv4Network()):
            return sorted(network.address_exclude(taken))
        case (IPv6Network(), IPv6Network()):
            return sorted(network.address_exclude(taken))
    return [network]


def _covers(outer: Network, inner: Network) -> bool:
    return outer.prefixlen <= inner.prefixlen and outer.overlaps(inner)


def protect(policy: Policy, allowed: Sequence[Network] = ()) -> Protected:
    """Return who is not banned by a policy and the networks on the system's allow lists."""
    relay, never = policy.relay, policy.ratelimit.intrusion.never
    networks = (
        (Protection.PROXY, _parsed(relay.proxy_networks)),
        (Protection.TRUSTED, _parsed(relay.trusted_networks)),
        (Protection.NEVER, _parsed(never)),
        # a proxy that forgets its header, and a cluster that hides the sender, lend everybody such an address
        (Protection.INTERNAL, _parsed(INTERNAL) if relay.proxy_networks else ()),
        (Protection.ALLOWED, tuple(allowed)),
    )
    return Protected(tuple((why, Ranges(nets)) for why, nets in networks), networks)


def _parsed(texts: Iterable[str]) -> tuple[Network, ...]:
    return tuple(parse_network(text) for text in texts)
