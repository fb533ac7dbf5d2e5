"""Banned networks as a feed: none twice, none within another one."""

from collections.abc import Iterable
from ipaddress import IPv4Network, IPv6Network, collapse_addresses

from mailweir_core.net import Network, parse_network


def feed(subjects: Iterable[str]) -> list[Network]:
    """Return the networks, IPv4 first, each kind in order; raises ValueError for what is none."""
    networks = [parse_network(subject) for subject in subjects]
    four = (network for network in networks if isinstance(network, IPv4Network))
    six = (network for network in networks if isinstance(network, IPv6Network))
    return [*collapse_addresses(four), *collapse_addresses(six)]
