"""The autonomous system that an address belongs to, by a table of prefixes.

The table is flat: sorted starts of ranges and a number for each, so that a look-up is one bisection and half
a million prefixes take a few megabytes. Of IPv6 the first 64 bits count; longer prefixes are not announced.
"""

from array import array
from bisect import bisect_right
from collections.abc import Iterable
from typing import Final

from mailweir_core.net import Address, Network

V6_BITS: Final = 64
MAX_ASN: Final = 2**32 - 1


class AsnTable:
    """Immutable. 0 stands for an address that is in no prefix."""

    __slots__ = ("_ranges",)

    def __init__(self, prefixes: Iterable[tuple[Network, int]] = ()) -> None:
        """Take prefixes and numbers; the longer prefix holds, of two equal ones the later."""
        by_version: dict[int, dict[tuple[int, int], int]] = {4: {}, 6: {}}
        for network, asn in prefixes:
            if network.version == 4 or network.prefixlen <= V6_BITS:
                by_version[network.version][_span(network)] = asn
        self._ranges = {version: _flat(spans) for version, spans in by_version.items()}

    def of(self, address: Address) -> int:
        """Return the number of an address' autonomous system, 0 where it is not known."""
        starts, numbers = self._ranges[address.version]
        at = bisect_right(starts, _point(address)) - 1
        return numbers[at] if at >= 0 else 0

    def __len__(self) -> int:
        """Return the number of ranges."""
        return sum(len(starts) for starts, _ in self._ranges.values())


def _point(address: Address) -> int:
    return int(address) if address.version == 4 else int(address) >> V6_BITS


def _span(network: Network) -> tuple[int, int]:
    """Return first and one past last, the wider span of two that begin together being the first in order."""
    first, last = _point(network.network_address), _point(network.broadcast_address)
    return first, -last


def _flat(spans: dict[tuple[int, int], int]) -> tuple["array[int]", "array[int]"]:
    """Return where another number begins to hold, and which, with nested spans laid over each other."""
    starts, numbers = array("Q"), array("L")
    around: list[
        tuple[int, int]
    ] = []  # the spans that are open, from the widest: last address, number

    def begin(at: int, asn: int) -> None:
        if starts and starts[-1] == at:
            numbers[-1] = asn
        elif not numbers or numbers[-1] != asn:
            starts.append(at)
            numbers.append(asn)

    def close(before: int | None) -> None:
        while around and (before is None or around[-1][0] < before):
            last, _ = around.pop()
            begin(last + 1, around[-1][1] if around else 0)

    for first, last in sorted(spans):
        close(first)
        around.append((-last, spans[first, last]))
        begin(first, spans[first, last])
    close(None)
    return starts, numbers
