"""The networks on the system's allow lists: a copy of those entries of the bucket `lists`."""

import math

from mailweir_core.entries import SYSTEM, EntryKind, ListEntry, load_entry
from mailweir_core.items import ItemKind, parse_item
from mailweir_core.net import Network
from mailweir_runtime.bus.ports import Bus, Entry
from mailweir_runtime.bus.topology import LISTS
from mailweir_runtime.logs import get_logger

_log = get_logger(__name__)


class ListedNetworks:
    """Networks that the system allows for all recipients; other owners allow for themselves alone."""

    def __init__(self) -> None:
        """Begin with none."""
        self._entries: dict[str, ListEntry] = {}
        self._networks: tuple[Network, ...] = ()
        self._stale_at = math.inf

    async def follow(self, bus: Bus) -> None:
        """Keep the copy up to date; runs until cancelled."""
        bucket = await bus.bucket(LISTS)
        async for entry in bucket.watch():
            self.take(entry)

    def take(self, stored: Entry) -> None:
        """Take in an entry as the bucket has it now."""
        entry = _allowing(stored)
        if entry is not None:
            self._entries[stored.key] = entry
        elif self._entries.pop(stored.key, None) is None:
            return
        self._stale_at = 0.0

    def current(self, now: float) -> tuple[Network, ...]:
        """Return the networks that are allowed; the same object as long as nothing has changed."""
        if now >= self._stale_at:
            live = [entry for entry in self._entries.values() if entry.holds(now)]
            self._networks = tuple(net for one in live for net in parse_item(one.item).networks)
            self._stale_at = min((one.expires for one in live if one.expires), default=math.inf)
        return self._networks


def _allowing(stored: Entry) -> ListEntry | None:
    if stored.value is None:
        return None
    try:
        entry = load_entry(stored.value)
    except ValueError as error:
        _log.warning("list_entry_unreadable", key=stored.key, error=str(error))
        return None
    wanted = entry.kind is EntryKind.ALLOW and entry.owner == SYSTEM and not entry.recipients
    return entry if wanted and parse_item(entry.item).kind is ItemKind.NETWORK else None
