"""The disk that everything lies on: how much of it stays free, and what a full one leaves behind."""

import shutil
from pathlib import Path
from typing import Final

RESERVE_BYTES: Final = 1024**3
RESERVE_SHARE: Final = 8
"""New mail is put off while less than this is free: 1 GiB, or an eighth of a small disk. Getting mail out
again needs room too: for the records, the databases, and the Maildir if it is on the same disk."""
STARVED_BYTES: Final = 1024**2
"""With less free than this, writes have failed or soon will."""


def reserve(data: Path) -> int:
    """Return how many bytes stay free on the disk of an existing directory."""
    return min(RESERVE_BYTES, shutil.disk_usage(data).total // RESERVE_SHARE)


class Starvation:
    """Notices that the disk was full and no longer is.

    A nats-server gives up a stream that it could not write to, until it is started again; nobody but us
    can know when that makes sense.
    """

    def __init__(self, data: Path) -> None:
        """Watch the disk of a directory."""
        self._data = data
        self._starved = False

    def is_over(self) -> bool:
        """Look; return True once when there is room again after there was none."""
        free = shutil.disk_usage(self._data).free
        if free < STARVED_BYTES:
            self._starved = True
        elif self._starved and free >= reserve(self._data) // 2:
            self._starved = False
            return True
        return False
