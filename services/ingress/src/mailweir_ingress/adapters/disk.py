"""The disk that the broker stores on, where that is a disk of this machine."""

import os
from pathlib import Path
from typing import Protocol


class Disk(Protocol):
    """Says whether there is room for one more message."""

    @property
    def has_room(self) -> bool:
        """Say whether mail may be taken in."""
        ...


class ElsewhereDisk:
    """A disk that the broker looks after by itself."""

    has_room = True


class OwnDisk:
    """A disk of which some is left free: for what must be written to get mail out again."""

    def __init__(self, directory: Path, least_free_bytes: int) -> None:
        """Take a directory on it, and what is left free."""
        self._directory = directory
        self._least = least_free_bytes

    @property
    def has_room(self) -> bool:
        """Ask the system, which takes microseconds; a disk that cannot be asked has no room."""
        try:
            found = os.statvfs(self._directory)
        except OSError:
            return False
        return found.f_bavail * found.f_frsize >= self._least
