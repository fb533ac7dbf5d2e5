"""Ports for servers that are told where to listen before they start."""

import atexit

from mailweir_runtime.listen import LOOPBACK, Reservation


def port_for_later() -> int:
    """Return a port on loopback where nothing listens, kept for who is told it while this process lives."""
    kept = Reservation(LOOPBACK)
    atexit.register(kept.close)
    return kept.address.port
