"""Process settings of delivery: environment variables `MAILWEIR_DELIVERY_*`."""

from pydantic import Field

from mailweir_runtime.dns import NameServersText
from mailweir_runtime.listen import OptionalListen
from mailweir_runtime.settings import OptionalPath, ServiceSettings, settings_config


class Settings(ServiceSettings):
    """What a delivery process needs to know before it has a policy."""

    model_config = settings_config("DELIVERY")

    health_listen: OptionalListen = ""
    """Where gRPC's health check is served, for probes: `host:port` or `unix:/path`; empty for nowhere."""
    dns: NameServersText = ""
    """Name servers as `address:port`, separated by commas; empty takes the system's."""
    tls_ca_file: OptionalPath = None
    """Certificate authorities (PEM) that required TLS trusts beside the system's."""
    workers: int = Field(256, ge=1, le=10_000)
    """Messages worked on at once; one that waits for a slow next hop keeps a worker."""
    body_memory_bytes: int = Field(268_435_456, ge=1_048_576)
    """Bytes of big messages (over 512 KiB) in memory at once; more wait."""
