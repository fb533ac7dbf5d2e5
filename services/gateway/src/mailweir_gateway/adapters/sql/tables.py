"""The tables."""

from typing import Final

from sqlalchemy import Column, Double, MetaData, String, Table, UniqueConstraint

METADATA: Final = MetaData(
    naming_convention={"pk": "pk_%(table_name)s", "uq": "uq_%(table_name)s_%(column_0_name)s"}
)

api_keys: Final = Table(
    "api_keys",
    METADATA,
    Column("name", String(64), primary_key=True),
    Column("digest", String(64), nullable=False),  # SHA-256 of the key, never the key
    Column("created_at", Double, nullable=False),
    UniqueConstraint("digest"),
)
