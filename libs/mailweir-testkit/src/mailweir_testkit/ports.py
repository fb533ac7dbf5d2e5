"""Ports for servers that are told where to listen before they start."""

from typing import Final

from mailweir_runtime.listen import LOOPBACK, Reservation

_KEPT: Final[list[Reservation]] = []


def port_for_later() -> int:
    """Return a port on loopback where nothing listens, kept for who is told it while this process lives."""
    _KEPT.append(Reservation(LOOPBACK))
    return _KEPT[-1].address.port
