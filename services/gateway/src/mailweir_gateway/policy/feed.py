"""Banned networks as a feed: none twice, none within another one."""

from collections.abc import Iterable

from mailweir_core.net import joined, parse_network


def feed(subjects: Iterable[str]) -> str:
    """Return the networks, one CIDR a line, IPv4 first; raises ValueError for what is none."""
    return "".join(f"{network}\n" for network in joined(map(parse_network, subjects)))
