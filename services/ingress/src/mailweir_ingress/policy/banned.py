"""Who is banned: networks and accounts in a form that every connection can afford to ask."""

from collections.abc import Iterable
from ipaddress import IPv6Address
from typing import Final, Generic, Protocol, TypeVar

from mailweir_core.bans import Ban
from mailweir_core.net import Address, Network, parse_network

MAX_BANS: Final = 100_000
"""Bans that a process keeps at hand; what comes beyond is not enforced."""
_MAPPED_BITS: Final = 96


class Passing(Protocol):
    """Something that may end by itself."""

    def holds(self, now: float) -> bool:
        """Say whether it is in force."""
        ...


T = TypeVar("T", bound=Passing)


class NetworkTable(Generic[T]):
    """What holds for networks: an address is looked up once per distinct prefix length."""

    __slots__ = ("_by_shift", "_networks")

    def __init__(self) -> None:
        """Begin empty."""
        self._by_shift: dict[int, dict[int, dict[int, tuple[tuple[str, T], ...]]]] = {4: {}, 6: {}}
        self._networks: dict[str, tuple[Network, ...]] = {}

    def __len__(self) -> int:
        """Return how many keys there are."""
        return len(self._networks)

    def keys(self) -> tuple[str, ...]:
        """Return all keys."""
        return tuple(self._networks)

    def put(self, key: str, networks: Iterable[Network], value: T) -> None:
        """Have `value` hold for networks, in place of what the key had."""
        self.remove(key)
        self._networks[key] = tuple(networks)
        for network in self._networks[key]:
            version, shift, prefix = _place(network)
            table = self._by_shift[version].setdefault(shift, {})
            table[prefix] = (*table.get(prefix, ()), (key, value))

    def remove(self, key: str) -> None:
        """Forget what a key has; no error where it has nothing."""
        for network in self._networks.pop(key, ()):
            version, shift, prefix = _place(network)
            table = self._by_shift[version][shift]
            table[prefix] = tuple(both for both in table[prefix] if both[0] != key)
            if not table[prefix]:
                del table[prefix]
            if not table:
                del self._by_shift[version][shift]

    def of(self, address: Address, now: float) -> T | None:
        """Return something that holds for an address, or None."""
        number = int(address)
        for shift, table in self._by_shift[address.version].items():
            for _, value in table.get(number >> shift, ()):
                if value.holds(now):
                    return value
        return None


class BanIndex:
    """The bans in force, by network and by account."""

    __slots__ = ("_accounts", "_bans", "_networks")

    def __init__(self) -> None:
        """Begin empty."""
        self._bans: dict[str, Ban] = {}
        self._accounts: dict[str, Ban] = {}
        self._networks: NetworkTable[Ban] = NetworkTable()

    def __len__(self) -> int:
        """Return how many bans there are."""
        return len(self._bans)

    def get(self, key: str) -> Ban | None:
        """Return the ban of a key."""
        return self._bans.get(key)

    def keys(self) -> tuple[str, ...]:
        """Return the keys of all bans."""
        return tuple(self._bans)

    def put(self, key: str, ban: Ban) -> bool:
        """Take a ban in, in place of what the key had; False where there is no room for it."""
        self.remove(key)
        if len(self._bans) >= MAX_BANS:
            return False
        self._bans[key] = ban
        if ban.account:
            self._accounts[ban.account] = ban
        else:
            self._networks.put(key, (parse_network(ban.subject),), ban)
        return True

    def remove(self, key: str) -> None:
        """Lift a ban; no error where there is none."""
        ban = self._bans.pop(key, None)
        if ban is not None and ban.account:
            self._accounts.pop(ban.account, None)
        self._networks.remove(key)

    def drop_ended(self, now: float) -> None:
        """Forget bans that have ended by themselves."""
        for key in [key for key, ban in self._bans.items() if not ban.holds(now)]:
            self.remove(key)

    def of(self, client: Address, now: float) -> Ban | None:
        """Return a ban that an address falls under."""
        return self._networks.of(client, now)

    def account(self, login: str, now: float) -> Ban | None:
        """Return the ban of an account."""
        ban = self._accounts.get(login)
        return ban if ban is not None and ban.holds(now) else None


def _place(network: Network) -> tuple[int, int, int]:
    """Return version, shift and prefix of a network; IPv4 in IPv6's notation is IPv4, as addresses are."""
    address, length = network.network_address, network.prefixlen
    if isinstance(address, IPv6Address) and address.ipv4_mapped and length >= _MAPPED_BITS:
        address, length = address.ipv4_mapped, length - _MAPPED_BITS
    shift = address.max_prefixlen - length
    return address.version, shift, int(address) >> shift
