"""Lists as text: one item a line, as block lists are handed around."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from mailweir_core.entries import ListEntry

MAX_LINES: Final = 10_000
_COMMENTS: Final = ("#", ";")


@dataclass(frozen=True, slots=True)
class Read:
    """What a text holds: an entry for each line that names one, (line, sentence) of each that is wrong."""

    entries: tuple[ListEntry, ...]
    errors: tuple[tuple[int, str], ...]


def read_lines(text: str, entry_of: Callable[[str], ListEntry]) -> Read:
    """Read a text; a comment begins with `#` or `;`, an empty line is none. `entry_of` raises ValueError."""
    entries: list[ListEntry] = []
    errors: list[tuple[int, str]] = []
    for number, line in enumerate(text.splitlines(), 1):
        item = _item(line)
        if not item:
            continue
        if len(entries) + len(errors) == MAX_LINES:
            errors.append((number, f"an import has at most {MAX_LINES} items"))
            break
        try:
            entries.append(entry_of(item))
        except ValueError as error:
            errors.append((number, str(error)))
    return Read(tuple(entries), tuple(errors))


def _item(line: str) -> str:
    """Return a line without its comment; within a word the marks are part of it."""
    words = []
    for word in line.split():
        if word.startswith(_COMMENTS):
            break
        words.append(word)
    return " ".join(words)
