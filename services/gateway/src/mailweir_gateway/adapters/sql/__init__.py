"""API keys in SQL."""

from pathlib import Path
from typing import Final

from mailweir_gateway.adapters.sql.store import SqlKeys

SCHEMA: Final = "mailweir_gateway"
"""The PostgreSQL schema that this service owns."""
MIGRATIONS: Final = Path(__file__).parent / "alembic"

__all__ = ["MIGRATIONS", "SCHEMA", "SqlKeys"]
