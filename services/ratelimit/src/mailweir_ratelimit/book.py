"""A copy of all bans at hand: who falls under which, what there is, sorted."""

import heapq
from collections.abc import Iterable, Mapping

from mailweir_core.bans import Ban, ban_key
from mailweir_core.net import Address, parse_network

Prefix = tuple[int, int]
"""IP version and number of host bits."""


class BanBook:
    """Bans by key and by network; asking costs one look-up per prefix length in use."""

    def __init__(self, bans: Iterable[Ban] = ()) -> None:
        """Begin with some bans."""
        self._bans: dict[str, Ban] = {}
        self._networks: dict[Prefix, dict[int, str]] = {}
        for ban in bans:
            self.put(ban)

    def __len__(self) -> int:
        """Return how many there are, those that have just ended included."""
        return len(self._bans)

    def put(self, ban: Ban) -> None:
        """Take in a ban."""
        key = ban_key(ban.subject)
        self._bans[key] = ban
        where = _place(ban)
        if where is not None:
            prefix, number = where
            self._networks.setdefault(prefix, {})[number] = key

    def remove(self, key: str) -> Ban | None:
        """Forget the ban of a key; returns it."""
        ban = self._bans.pop(key, None)
        where = None if ban is None else _place(ban)
        if where is not None:
            prefix, number = where
            numbers = self._networks[prefix]
            numbers.pop(number, None)
            if not numbers:
                del self._networks[prefix]
        return ban

    def of(self, address: Address, now: float) -> Ban | None:
        """Return the widest ban in force that an address falls under."""
        number, version = int(address), address.version
        found: tuple[int, Ban] | None = None
        for (at_version, bits), numbers in self._networks.items():
            key = numbers.get(number >> bits) if at_version == version else None
            ban = None if key is None else self._bans[key]
            if ban is not None and ban.holds(now) and (found is None or bits > found[0]):
                found = bits, ban
        return None if found is None else found[1]

    def drop_ended(self, now: float) -> None:
        """Forget the bans that have ended; the store tells of most, but not of one that it lost."""
        for key in [key for key, ban in self._bans.items() if not ban.holds(now)]:
            self.remove(key)

    def in_force(self, now: float) -> list[Ban]:
        """Return the bans in force, in no order."""
        return [ban for ban in self._bans.values() if ban.holds(now)]

    def page(self, now: float, text: str, after: str, most: int) -> list[Ban]:
        """Return the first bans in force in which a text occurs, by subject, behind the subject `after`."""
        wanted = text.casefold()
        live = (ban for ban in self._bans.values() if ban.subject > after and ban.holds(now))
        found = (ban for ban in live if not wanted or wanted in _shown(ban))
        return heapq.nsmallest(most, found, key=lambda ban: ban.subject)

    def reconcile(self, before: Mapping[str, Ban], stored: Iterable[Ban]) -> None:
        """Forget the bans of `before`, a copy made before `stored` was read, that are stored no more."""
        present = {ban_key(ban.subject) for ban in stored}
        for key, ban in before.items():
            if key not in present and self._bans.get(key) is ban:
                self.remove(key)

    def copy(self) -> dict[str, Ban]:
        """Return the bans by key."""
        return dict(self._bans)

    def count(self, now: float, *, accounts: bool) -> int:
        """Return how many bans are in force, of accounts or of networks; safe from another thread."""
        return sum(bool(b.account) is accounts and b.holds(now) for b in tuple(self._bans.values()))


def _place(ban: Ban) -> tuple[Prefix, int] | None:
    if ban.account:
        return None
    network = parse_network(ban.subject)
    bits = network.max_prefixlen - network.prefixlen
    return (network.version, bits), int(network.network_address) >> bits


def _shown(ban: Ban) -> str:
    return "\n".join((ban.subject, ban.kind, ban.evidence, ban.by)).casefold()
