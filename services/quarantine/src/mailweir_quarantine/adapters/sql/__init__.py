"""The record store in SQL."""

from pathlib import Path
from typing import Final

from mailweir_quarantine.adapters.sql.store import SqlRecords

SCHEMA: Final = "mailweir_quarantine"
"""The PostgreSQL schema that this service owns."""
MIGRATIONS: Final = Path(__file__).parent / "alembic"

__all__ = ["MIGRATIONS", "SCHEMA", "SqlRecords"]
