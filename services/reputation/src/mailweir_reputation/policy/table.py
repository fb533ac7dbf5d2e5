"""A big table of which cheap changed copies can be made: a copy shares all parts but those that change."""

from collections.abc import Iterator
from typing import Final, Generic, TypeVar

K = TypeVar("K", bound=int | str)
V = TypeVar("V")

PARTS: Final = 256
"""Of a million keys, a change copies some four thousand."""


class Table(Generic[K, V]):
    """Keys and values. Only who made a copy may change it, and only before anybody else sees it."""

    __slots__ = ("_own", "_parts", "_size")

    def __init__(self) -> None:
        """Begin empty."""
        self._parts: list[dict[K, V]] = [{}] * PARTS
        self._own: set[int] = set()
        self._size = 0

    def __len__(self) -> int:
        """Return the number of keys."""
        return self._size

    def __iter__(self) -> Iterator[K]:
        """Yield the keys."""
        for part in self._parts:
            yield from part

    def get(self, key: K) -> V | None:
        """Return a key's value, or None where there is none."""
        return self._parts[hash(key) % PARTS].get(key)

    def copy(self) -> "Table[K, V]":
        """Return a table that may be changed while this one stays as it is."""
        new: Table[K, V] = Table()
        new._parts, new._size = list(self._parts), self._size
        return new

    def put(self, key: K, value: V) -> None:
        """Set a key's value."""
        part = self._part(key)
        self._size += key not in part
        part[key] = value

    def drop(self, key: K) -> None:
        """Take a key away; no error where there is none."""
        if self.get(key) is not None:
            del self._part(key)[key]
            self._size -= 1

    def _part(self, key: K) -> dict[K, V]:
        at = hash(key) % PARTS
        if at not in self._own:
            self._own.add(at)
            self._parts[at] = dict(self._parts[at])
        return self._parts[at]
