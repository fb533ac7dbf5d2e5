"""SQL for the services that keep a schema of their own; needs the extra `mailweir-runtime[sql]`."""

from mailweir_runtime.sql.database import (
    Database,
    SqlError,
    SqlRefused,
    SqlUnavailable,
    open_database,
)
from mailweir_runtime.sql.migrate import migrate
from mailweir_runtime.sql.room import Room
from mailweir_runtime.sql.url import DatabaseUrl

__all__ = [
    "Database",
    "DatabaseUrl",
    "Room",
    "SqlError",
    "SqlRefused",
    "SqlUnavailable",
    "migrate",
    "open_database",
]
