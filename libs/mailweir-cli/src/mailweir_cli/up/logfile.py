"""The log of a child: a file it appends to by itself, kept within bounds from outside."""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

MOST_BYTES: Final = 16 * 1024 * 1024
"""At this size a log is copied to `<name>.log.1` and emptied."""
_TAIL_BYTES: Final = 16_384


@dataclass(frozen=True, slots=True)
class LogFile:
    """A log. The child holds it open for appending, so it can be emptied under its hands."""

    path: Path

    def size(self) -> int:
        """Return its size in bytes; 0 where there is none."""
        return self.path.stat().st_size if self.path.exists() else 0

    def trim(self, most_bytes: int = MOST_BYTES) -> bool:
        """Set it aside if it has grown too big; returns whether it was."""
        if self.size() < most_bytes:
            return False
        shutil.copyfile(self.path, self.path.with_suffix(".log.1"))
        with self.path.open("r+b") as log:
            log.truncate()
        return True

    def last_words(self, since: int) -> list[str]:
        """Return the lines for people (not JSON) at the end of what was written from byte `since` on."""
        with self.path.open("rb") as log:
            size = log.seek(0, 2)
            log.seek(max(since if since <= size else 0, size - _TAIL_BYTES))
            text = log.read().decode("utf-8", "replace")
        return list(_ending(text.splitlines()))


def _ending(lines: list[str]) -> Iterator[str]:
    words = []
    for line in reversed(lines):
        if line.startswith("{"):
            break
        if line.strip():
            words.append(line.strip())
    yield from reversed(words)
