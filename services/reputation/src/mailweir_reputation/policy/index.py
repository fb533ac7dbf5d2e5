"""An immutable index of list entries: which of them speak of a client's address, its name, or a sender.

A look-up by address costs one probe per length of prefix that is in use, one by name a probe per label,
however many entries there are. With a million entries: 0.42 kB and 32 µs to build
each, 3 µs for a look-up by address, 4 µs by sender, 2 ms for a changed copy (`python tests/bench/entries.py`,
one core of two).
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, TypeVar

from mailweir_core.entries import EntryKind, ListEntry, Owner, OwnerKind, parse_owner
from mailweir_core.items import HOST, Item, ItemKind, address_key, parse_item
from mailweir_core.net import Address
from mailweir_reputation.policy.table import Table

K = TypeVar("K", bound=int | str)

WHOLE: Final = 1000
"""Rank of what names exactly one: an address, a confirmed name, a sender."""
DOMAIN: Final = 500
MAX_LABELS: Final = 127


@dataclass(frozen=True, slots=True)
class Terms:
    """What many entries have in common, kept once: what they are for and for whom."""

    kind: EntryKind
    owner: Owner
    recipients: tuple[str, ...] = ()

    @property
    def for_all(self) -> bool:
        """Say whether they hold for all mail, so that no recipient need be known."""
        return self.owner.kind is OwnerKind.SYSTEM and not self.recipients


@dataclass(frozen=True, slots=True)
class Row:
    """One entry as the index keeps it."""

    id: str
    item: str
    terms: Terms
    expires: float = 0.0

    def holds(self, now: float) -> bool:
        """Say whether it has not expired."""
        return not self.expires or now < self.expires


@dataclass(frozen=True, slots=True)
class Match:
    """An entry that speaks of somebody. `by_name`: of the sender, who could have made that up.

    `rank` is higher the more closely the entry names whom it names; ranks of clients and senders do not
    compare.
    """

    row: Row
    by_name: bool
    rank: int


Rows = Row | tuple[Row, ...]  # nearly always one: a tuple for each would cost a million tuples


class EntryIndex:
    """Entries by what they name. `changed` returns another index; this one stays as it is."""

    __slots__ = ("_hosts", "_names", "_networks", "_rows")

    def __init__(self) -> None:
        """Begin empty."""
        self._rows: Table[str, Row] = Table()
        self._networks: dict[tuple[int, int], Table[int, Rows]] = {}  # by version and host bits
        self._names: Table[str, Rows] = Table()
        self._hosts = 0

    def __len__(self) -> int:
        """Return how many entries there are."""
        return len(self._rows)

    @property
    def hosts_matter(self) -> bool:
        """Say whether any entry names clients by their confirmed names."""
        return self._hosts > 0

    def ids(self) -> set[str]:
        """Return the ids of all entries."""
        return set(self._rows)

    def get(self, entry_id: str) -> Row | None:
        """Return an entry by its id."""
        return self._rows.get(entry_id)

    def changed(self, changes: Mapping[str, ListEntry | None]) -> "EntryIndex":
        """Return the index after changes by id; None takes an entry away."""
        new = EntryIndex()
        new._rows, new._names, new._hosts = self._rows.copy(), self._names.copy(), self._hosts
        new._networks = {key: table.copy() for key, table in self._networks.items()}
        for entry_id, entry in changes.items():
            new._remove(entry_id)
            if entry is not None:
                new._add(entry)
        return new

    def of_address(self, address: Address) -> Iterator[Match]:
        """Yield what speaks of a client's address."""
        number, version = int(address), address.version
        for (of_version, shift), table in self._networks.items():
            if of_version == version and (found := table.get(number >> shift)) is not None:
                rank = WHOLE if shift == 0 else address.max_prefixlen - shift
                yield from _matches(found, rank, by_name=False)

    def of_host(self, name: str) -> Iterator[Match]:
        """Yield what speaks of a client by its confirmed name; nothing where it has none."""
        name = name.lower().removesuffix(".")
        if not name:
            return
        yield from self._named(f"{HOST}{name}", WHOLE, by_name=False)
        for below, labels in _parents(name):
            yield from self._named(f"{HOST}*.{below}", labels - WHOLE, by_name=False)

    def of_sender(self, sender: str) -> Iterator[Match]:
        """Yield what speaks of a sender; nothing for the null sender."""
        key = address_key(sender)
        domain = key.rpartition("@")[2]
        if "@" not in key or not domain:
            return
        yield from self._named(key, WHOLE, by_name=True)
        yield from self._named(f"@{domain}", DOMAIN, by_name=True)
        yield from self._named(f"@.{domain}", domain.count(".") + 1, by_name=True)
        for above, labels in _parents(domain):
            yield from self._named(f"@.{above}", labels, by_name=True)

    def _named(self, key: str, rank: int, *, by_name: bool) -> Iterator[Match]:
        found = self._names.get(key)
        if found is not None:
            yield from _matches(found, rank, by_name=by_name)

    def _add(self, entry: ListEntry) -> None:
        item = parse_item(entry.item)
        row = Row(
            entry.id, item.text, _terms(entry.kind, entry.owner, entry.recipients), entry.expires
        )
        self._rows.put(row.id, row)
        self._hosts += item.kind is ItemKind.HOST
        if item.kind is not ItemKind.NETWORK:
            _put(self._names, item.text, row)
        for key, number in _network_keys(item):
            _put(self._networks.setdefault(key, Table()), number, row)

    def _remove(self, entry_id: str) -> None:
        row = self._rows.get(entry_id)
        if row is None:
            return
        self._rows.drop(entry_id)
        item = parse_item(row.item)
        self._hosts -= item.kind is ItemKind.HOST
        if item.kind is not ItemKind.NETWORK:
            _take(self._names, item.text, row)
        for key, number in _network_keys(item):
            _take(self._networks[key], number, row)
            if not self._networks[key]:
                del self._networks[key]


def index_of(entries: Iterable[ListEntry]) -> EntryIndex:
    """Return an index of entries."""
    return EntryIndex().changed({entry.id: entry for entry in entries})


@lru_cache(maxsize=4096)
def _terms(kind: EntryKind, owner: str, recipients: tuple[str, ...]) -> Terms:
    """Return the terms; nearly all entries of an imported list share one value."""
    return Terms(kind, parse_owner(owner), recipients)


def _network_keys(item: Item) -> Iterator[tuple[tuple[int, int], int]]:
    for network in item.networks:
        shift = network.max_prefixlen - network.prefixlen
        yield (network.version, shift), int(network.network_address) >> shift


def _put(table: Table[K, Rows], key: K, row: Row) -> None:
    there = table.get(key)
    table.put(key, row if there is None else (*_tuple(there), row))


def _take(table: Table[K, Rows], key: K, row: Row) -> None:
    there: Rows | None = table.get(key)
    left = tuple(each for each in _tuple(there or ()) if each is not row)
    if left:
        table.put(key, left[0] if len(left) == 1 else left)
    else:
        table.drop(key)


def _tuple(rows: Rows) -> tuple[Row, ...]:
    return rows if isinstance(rows, tuple) else (rows,)


def _matches(rows: Rows, rank: int, *, by_name: bool) -> Iterator[Match]:
    for row in _tuple(rows):
        yield Match(row, by_name, rank)


def _parents(name: str) -> Iterator[tuple[str, int]]:
    """Yield the names above one, the longest first, with their number of labels."""
    labels = name.split(".", MAX_LABELS)
    for at in range(1, len(labels)):
        yield ".".join(labels[at:]), len(labels) - at
