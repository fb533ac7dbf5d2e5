"""How often the same message has come: what a client resends after a 451 is the same in all that counts."""

import hashlib
from collections import OrderedDict
from collections.abc import Iterable
from typing import Final

MAX_REMEMBERED: Final = 10_000


def fingerprint(client: str, sender: str, recipients: Iterable[str], content: bytes) -> bytes:
    """Return what stays the same when a client network sends the same message to the same people again."""
    envelope = "\0".join((client, sender, *sorted(recipients)))
    return hashlib.sha256(hashlib.sha256(content).digest() + envelope.encode()).digest()


class Attempts:
    """Counts comings by fingerprint; the one that was seen longest ago is forgotten first."""

    def __init__(self, most: int = MAX_REMEMBERED) -> None:
        """Remember at most so many messages."""
        self._most = most
        self._seen: OrderedDict[bytes, int] = OrderedDict()

    def count(self, key: bytes) -> int:
        """Count one more coming; returns how many there have been."""
        count = self._seen.pop(key, 0) + 1
        self._seen[key] = count
        if len(self._seen) > self._most:
            self._seen.popitem(last=False)
        return count
