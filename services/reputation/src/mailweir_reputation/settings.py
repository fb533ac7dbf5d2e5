"""What the process is told by its environment (`MAILWEIR_REPUTATION_*`)."""

from pydantic import Field

from mailweir_runtime.dns import NameServersText
from mailweir_runtime.listen import Listen
from mailweir_runtime.settings import OptionalPath, ServiceSettings, settings_config


class Settings(ServiceSettings):
    """Process settings of the reputation service."""

    model_config = settings_config("REPUTATION")

    listen: Listen = "127.0.0.1:9000"
    """Where gRPC is served: `host:port` or `unix:/path`."""
    dns: NameServersText = ""
    """Recursive name servers as `address:port`, several with commas. Empty: no look-up is made, so there are
    no DNS lists, no names and no SPF. Lists do not serve public resolvers: name one of your own."""
    list_keys_dir: OptionalPath = None
    """Directory with a file for each key of a DNS list; a policy names the file (`key_secret`)."""
    asn_file: OptionalPath = None
    """Which network belongs to which autonomous system: one `prefix,number` a line (comma or tab), read at
    the start. Without it histories do not count by provider."""
    batch_items: int = Field(256, ge=1, le=10_000)
    """Most items in one call; a call with more is refused."""
    reply_seconds: float = Field(0.05, ge=0, le=10)
    """Kept back from a call's deadline for writing the answer, in seconds."""
