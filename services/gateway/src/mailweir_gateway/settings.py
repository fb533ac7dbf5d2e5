"""What the process is told by its environment (`MAILWEIR_GATEWAY_…`)."""

from pathlib import Path

from pydantic import Field

from mailweir_runtime.listen import OptionalListen, TcpListen
from mailweir_runtime.settings import CommaList, OptionalPath, ServiceSettings, settings_config
from mailweir_runtime.sql import DatabaseUrl


class Settings(ServiceSettings):
    """Settings of the gateway's process."""

    model_config = settings_config("GATEWAY")

    listen: TcpListen = "127.0.0.1:8080"
    """Where REST is served over HTTP; TLS is the job of what stands in front."""
    health_listen: OptionalListen = ""
    """Where gRPC's health check is served, for probes: `host:port` or `unix:/path`; empty for nowhere."""
    quarantine_target: str = "127.0.0.1:9040"
    """Where the quarantine serves gRPC: `unix:/path`, `host:port` or `dns:///name:port`. Without it, and
    without the next three, REST for them answers 503; empty says that a service is not deployed."""
    reputation_target: str = "127.0.0.1:9010"
    """Where reputation serves gRPC."""
    greylist_target: str = "127.0.0.1:9020"
    """Where greylisting serves gRPC."""
    ratelimit_target: str = "127.0.0.1:9030"
    """Where limits and bans are served over gRPC."""
    database_url: DatabaseUrl = "sqlite+aiosqlite:///gateway.db"
    """SQLite file or PostgreSQL database of the API keys."""
    initial_policy_file: OptionalPath = None
    """Policy document (JSON) to put in force at the first start; empty takes the defaults."""
    key_file: Path = Path("admin.key")
    """Where the admin key is written at the first start, mode 0600; a key that is there already is taken."""
    demo_password_file: OptionalPath = None
    """Where the password of demo@example.com is written at the first start; empty makes no such account."""
    store_limit_bytes: int = Field(0, ge=0)
    """Bytes that the bus's servers may hold together, for the metrics; 0 where nobody knows."""
    services: CommaList = (
        "ingress", "reputation", "greylist", "ratelimit", "scoring", "delivery", "quarantine", "gateway",
    )  # fmt: skip
    """Services that are to be there, by commas; one that is silent is shown as `down`."""
