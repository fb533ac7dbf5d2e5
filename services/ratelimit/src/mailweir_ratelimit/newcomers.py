"""Connections of clients that come once: most of a flood, and nobody needs to count these together.

A first connection is kept back until the second one comes within the rule's time, and goes with it then.
So a client that comes once costs no write. Of one that spreads over several processes each keeps one
connection back: its ban comes so many connections later at most.
"""

import math
from collections import OrderedDict
from typing import Final

REMEMBERED: Final = 50_000
"""Clients of which the first connection is remembered; the one that came first goes first."""


class Newcomers:
    """Says how many connections are to be reported."""

    def __init__(self, remembered: int = REMEMBERED) -> None:
        """Begin with none."""
        self._remembered = remembered
        self._first: OrderedDict[str, tuple[float, bool]] = OrderedDict()

    def due(self, client: str, now: float, seconds: float) -> int:
        """Return what to report of a connection at `now`: nothing, it and the one before, or it alone."""
        at, reported = self._first.get(client, (-math.inf, False))
        if now - at > seconds:
            self._first[client] = (now, False)
            self._first.move_to_end(client)
            if len(self._first) > self._remembered:
                self._first.popitem(last=False)
            return 0
        self._first[client] = (now, True)
        self._first.move_to_end(client)
        return 1 if reported else 2
