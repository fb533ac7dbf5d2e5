"""The URL of a database as a setting: SQLite by default, PostgreSQL in a cluster."""

from typing import Annotated, Final

from pydantic import AfterValidator, Field
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

DRIVERS: Final = ("sqlite+aiosqlite", "postgresql+asyncpg")


def _database_url(value: str) -> str:
    try:
        url = make_url(value)
    except ArgumentError as error:
        raise ValueError("not a database URL") from error  # the text may hold a password
    if url.drivername not in DRIVERS:
        raise ValueError(f"the URL must begin with {' or '.join(f'{d}://' for d in DRIVERS)}")
    if not url.database or url.database == ":memory:":
        raise ValueError("the URL names no database")
    return value


DatabaseUrl = Annotated[
    str,
    AfterValidator(_database_url),
    Field(examples=["sqlite+aiosqlite:////var/lib/mailweir/quarantine.db"]),
]
"""A settings field: `sqlite+aiosqlite:///path` or `postgresql+asyncpg://user:password@host/database`."""
