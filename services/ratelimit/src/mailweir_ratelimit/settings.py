"""What the process is told by its environment (`MAILWEIR_RATELIMIT_*`)."""

from pydantic import Field

from mailweir_runtime.listen import Listen
from mailweir_runtime.settings import ServiceSettings, settings_config


class Settings(ServiceSettings):
    """Process settings of the ratelimit service."""

    model_config = settings_config("RATELIMIT")

    listen: Listen = "127.0.0.1:9000"
    """Where gRPC is served: `host:port` or `unix:/path`."""
    quarantine_target: str = ""
    """Where the quarantine serves gRPC: `unix:/path`, `host:port` or `dns:///name:port`. Empty: what is held
    for an outbound limit waits for an admin."""
    count_seconds: float = Field(0.5, gt=0, le=10)
    """Longest that one count may wait for the bus, in seconds; what takes longer is not limited."""
    remembered_keys: int = Field(20_000, ge=100, le=10_000_000)
    """Counters whose last state is kept in memory, about 500 bytes each: one round trip, not two."""
    batch_items: int = Field(256, ge=1, le=10_000)
    """Most questions in one call; a call with more is refused."""
    waiting_seconds: float = Field(10.0, gt=0, le=3600)
    """How often it is looked whether held mail fits its sender's limit by now, in seconds."""
