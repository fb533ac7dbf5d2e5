"""What the process is told by its environment (`MAILWEIR_QUARANTINE_…`)."""

from mailweir_runtime.listen import Listen
from mailweir_runtime.settings import ServiceSettings, settings_config
from mailweir_runtime.sql import DatabaseUrl


class Settings(ServiceSettings):
    """Settings of the quarantine's process."""

    model_config = settings_config("QUARANTINE")

    listen: Listen = "127.0.0.1:9040"
    """Where gRPC is served: `host:port` or `unix:/path`."""
    database_url: DatabaseUrl = "sqlite+aiosqlite:///quarantine.db"
    """SQLite file or PostgreSQL database of records and held mail."""
