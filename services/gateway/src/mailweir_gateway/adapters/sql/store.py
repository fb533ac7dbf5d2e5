"""API keys on SQLite or PostgreSQL."""

from sqlalchemy import ColumnElement, delete, insert, select

from mailweir_gateway.adapters.sql.tables import api_keys
from mailweir_gateway.ports import StoredKey
from mailweir_runtime.sql import Database


class SqlKeys:
    """See `ports.Keys`."""

    def __init__(self, database: Database) -> None:
        """Take an open database with the newest schema."""
        self._db = database

    async def by_digest(self, digest: str) -> StoredKey | None:
        """Return the key with this digest, or None."""
        return await self._find(api_keys.c.digest == digest)

    async def by_name(self, name: str) -> StoredKey | None:
        """Return the key of this name, or None."""
        return await self._find(api_keys.c.name == name)

    async def put(self, key: StoredKey) -> None:
        """Store a key; one of the same name is replaced."""
        values = {"name": key.name, "digest": key.digest, "created_at": key.created_at}
        async with self._db.writing() as connection:
            await connection.execute(delete(api_keys).where(api_keys.c.name == key.name))
            await connection.execute(insert(api_keys), values)

    async def _find(self, condition: ColumnElement[bool]) -> StoredKey | None:
        async with self._db.reading() as connection:
            row = (await connection.execute(select(api_keys).where(condition))).first()
        return None if row is None else StoredKey(row.name, row.digest, row.created_at)
