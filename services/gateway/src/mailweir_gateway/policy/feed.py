"""Banned networks as a feed: none twice, none within another one."""

from collections.abc import Iterable

from mailweir_core.net import Network, joined, parse_network


def feed(subjects: Iterable[str]) -> list[Network]:
    """Return the networks, IPv4 first, each kind in order; raises ValueError for what is none."""
    return joined(map(parse_network, subjects))
