"""Submission accounts from the bucket `accounts`; and accounts in memory."""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from mailweir_core.passwords import PasswordHash, decoy, verify
from mailweir_ingress.ports import Account, AccountsUnavailable
from mailweir_runtime.bus.ports import Bus, BusError, Entry
from mailweir_runtime.bus.topology import ACCOUNTS
from mailweir_runtime.logs import get_logger

CHECKS_AT_ONCE: Final = 2
"""Each takes 32 MiB and a core for a tenth of a second."""
CHECK_SECONDS: Final = 10.0
"""How long a login waits for its turn."""
RETRY_SECONDS: Final = 1.0
MAX_SENDERS: Final = 1000

_log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Stored:
    account: Account
    password: PasswordHash
    disabled: bool


class BusAccounts:
    """Follows the bucket; a login is checked against what it said last."""

    def __init__(self, bus: Bus) -> None:
        """Know nobody yet: logins are unavailable until the bucket was read."""
        self._bus = bus
        self._by_login: Mapping[str, _Stored] | None = None
        self._by_key: dict[str, _Stored] = {}
        self._turn = asyncio.Semaphore(CHECKS_AT_ONCE)
        self._decoy = decoy()

    async def follow(self) -> None:
        """Read the bucket and follow its changes; runs until cancelled."""
        while True:
            try:
                bucket = await self._bus.bucket(ACCOUNTS)
                for entry in await bucket.entries():
                    self._take(entry)
                self._publish()
                async for entry in bucket.watch():
                    self._take(entry)
                    self._publish()
            except BusError as error:
                _log.warning("accounts_not_read", detail=str(error)[:200])
            await asyncio.sleep(RETRY_SECONDS)

    async def login(self, login: str, password: str) -> Account | None:
        """Return the account, or None. Raises AccountsUnavailable."""
        if self._by_login is None:
            raise AccountsUnavailable("the accounts have not been read yet")
        stored = self._by_login.get(login.casefold())
        known = stored is not None and not stored.disabled
        against = stored.password if stored is not None and known else self._decoy
        good = await self._verify(password, against)
        return stored.account if stored is not None and known and good else None

    async def _verify(self, password: str, against: PasswordHash) -> bool:
        try:
            async with asyncio.timeout(CHECK_SECONDS), self._turn:
                return await asyncio.to_thread(verify, password, against)
        except TimeoutError:
            raise AccountsUnavailable("too many logins wait for their turn") from None

    def _take(self, entry: Entry) -> None:
        self._by_key.pop(entry.key, None)
        if entry.value is None:
            return
        try:
            self._by_key[entry.key] = read_account(entry.value)
        except ValueError as error:
            _log.error("account_unreadable", key=entry.key, detail=str(error)[:200])

    def _publish(self) -> None:
        self._by_login = {stored.account.login: stored for stored in self._by_key.values()}


def read_account(data: bytes) -> _Stored:
    """Return an account in its stored form (JSON); raises ValueError for anything else."""
    document = json.loads(data)
    if not isinstance(document, dict):
        raise ValueError("not an object")
    login, senders = document.get("login"), document.get("senders", [])
    if not isinstance(login, str) or not login:
        raise ValueError("login must be a text")
    if not isinstance(senders, list) or len(senders) > MAX_SENDERS:
        raise ValueError("senders must be a list, and not too long")
    scrypt = document.get("scrypt")
    if not isinstance(scrypt, dict):
        raise ValueError("scrypt must be an object")
    return _Stored(
        Account(login.casefold(), frozenset(str(sender).casefold() for sender in senders)),
        PasswordHash.from_dict(scrypt),
        document.get("disabled") is not False if "disabled" in document else False,
    )


class MemoryAccounts:
    """Accounts by login, with their passwords as they are."""

    def __init__(self, accounts: Mapping[str, tuple[str, frozenset[str]]] | None = None) -> None:
        """Take login → (password, senders). Set `outage` to have logins be unavailable."""
        self._accounts = {login.casefold(): both for login, both in (accounts or {}).items()}
        self.outage = False

    async def login(self, login: str, password: str) -> Account | None:
        """Return the account, or None. Raises AccountsUnavailable."""
        if self.outage:
            raise AccountsUnavailable("as the test wants")
        key = login.casefold()
        found = self._accounts.get(key)
        return Account(key, found[1]) if found is not None and found[0] == password else None
