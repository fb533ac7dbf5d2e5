"""What the process is told by its environment (`MAILWEIR_GREYLIST_*`)."""

from pydantic import Field

from mailweir_runtime.listen import Listen
from mailweir_runtime.settings import ServiceSettings, settings_config


class Settings(ServiceSettings):
    """Process settings of the greylist service."""

    model_config = settings_config("GREYLIST")

    listen: Listen = "127.0.0.1:9000"
    """Where gRPC is served: `host:port` or `unix:/path`."""
    batch_items: int = Field(512, ge=1, le=10_000)
    """Most transactions in one call; a call with more is refused."""
    index_entries: int = Field(200_000, ge=1000, le=5_000_000)
    """Most entries that the list is made of; of more the newest are listed. Each takes about half a KiB."""
