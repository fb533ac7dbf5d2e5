"""API keys in memory, for unit tests."""

from mailweir_gateway.ports import StoredKey
from mailweir_runtime.sql import SqlError, SqlRefused


class MemoryKeys:
    """See `ports.Keys`. Set `outage` to an exception to have every call raise it."""

    def __init__(self) -> None:
        """Begin empty."""
        self.outage: SqlError | None = None
        self._by_name: dict[str, StoredKey] = {}

    def _check(self) -> None:
        if self.outage is not None:
            raise self.outage

    async def by_digest(self, digest: str) -> StoredKey | None:
        """Return the key with this digest, or None."""
        self._check()
        return next((key for key in self._by_name.values() if key.digest == digest), None)

    async def by_name(self, name: str) -> StoredKey | None:
        """Return the key of this name, or None."""
        self._check()
        return self._by_name.get(name)

    async def put(self, key: StoredKey) -> None:
        """Store a key; one of the same name is replaced."""
        self._check()
        same = await self.by_digest(key.digest)
        if same is not None and same.name != key.name:
            raise SqlRefused("the digest is another key's")
        self._by_name[key.name] = key
