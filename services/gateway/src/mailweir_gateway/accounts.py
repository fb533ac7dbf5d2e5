"""Submission accounts in the bucket `accounts`, which the ingress follows."""

import asyncio
from collections.abc import Sequence
from typing import Final

from mailweir_core.passwords import PasswordHash, hash_password
from mailweir_gateway.policy.accounts import (
    Account,
    UnreadableAccount,
    bucket_key,
    decode,
    encode,
)
from mailweir_runtime.bus.ports import Bus
from mailweir_runtime.bus.topology import ACCOUNTS
from mailweir_runtime.logs import get_logger

HASHES_AT_ONCE: Final = 1
"""Each takes 32 MiB and a core for a tenth of a second."""

_log = get_logger(__name__)


class Accounts:
    """Reads and writes accounts. Every method raises BusError."""

    def __init__(self, bus: Bus) -> None:
        """Take a bus."""
        self._bus = bus
        self._turn = asyncio.Semaphore(HASHES_AT_ONCE)

    async def all(self) -> list[Account]:
        """Return every account by login; one that cannot be read is left out and logged."""
        bucket = await self._bus.bucket(ACCOUNTS)
        found = []
        for entry in await bucket.entries():
            try:
                found.append(decode(entry.value or b""))
            except UnreadableAccount as error:
                _log.error("account_unreadable", key=entry.key, detail=str(error))
        return sorted(found, key=lambda account: account.login)

    async def get(self, login: str) -> Account | None:
        """Return an account, or None where there is none or it cannot be read."""
        bucket = await self._bus.bucket(ACCOUNTS)
        entry = await bucket.get(bucket_key(login))
        if entry is None or entry.value is None:
            return None
        try:
            return decode(entry.value)
        except UnreadableAccount as error:
            _log.error("account_unreadable", key=entry.key, detail=str(error))
            return None

    async def put(self, account: Account) -> None:
        """Store an account over whatever was there."""
        bucket = await self._bus.bucket(ACCOUNTS)
        await bucket.put(bucket_key(account.login), encode(account))

    async def delete(self, login: str) -> bool:
        """Remove an account; say whether there was one."""
        bucket = await self._bus.bucket(ACCOUNTS)
        key = bucket_key(login)
        entry = await bucket.get(key)
        await bucket.delete(key)
        return entry is not None and entry.value is not None

    async def changed(
        self, login: str, password: str | None, senders: Sequence[str], *, disabled: bool
    ) -> Account | None:
        """Store what an account is to be and return it; None where a new one has no password."""
        hashed = await self._hash(password) if password is not None else None
        known = await self.get(login) if hashed is None else None
        kept = known.password if known is not None else hashed
        if kept is None:
            return None
        account = Account(login.lower(), kept, tuple(dict.fromkeys(senders)), disabled)
        await self.put(account)
        return account

    async def _hash(self, password: str) -> PasswordHash:
        async with self._turn:
            return await asyncio.to_thread(hash_password, password)
