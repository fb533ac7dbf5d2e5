"""What the process is told by its environment (`MAILWEIR_SCORING_*`)."""

from pydantic import Field

from mailweir_runtime.dns import NameServersText
from mailweir_runtime.listen import Listen, OptionalListen
from mailweir_runtime.settings import CommaList, OptionalPath, ServiceSettings, settings_config


class Settings(ServiceSettings):
    """Process settings of the scoring service."""

    model_config = settings_config("SCORING")

    listen: Listen = "127.0.0.1:9000"
    """Where gRPC is served: `host:port` or `unix:/path`."""
    rules_dir: OptionalPath = None
    """Directory of `*.toml` rule files in place of the shipped ones; empty for those."""
    spamassassin_dir: CommaList = ()
    """Directories of SpamAssassin's rule files (`*.cf`), separated by commas, later ones over earlier; empty:
    there are none. They are read at the start; a wrong line ends it, see `mailweir rules check`."""
    spamassassin_cache_dir: OptionalPath = None
    """Where what is made of them is kept, which makes the next start fast. It is run as it is, so only this
    service may write there. Empty: nothing is kept."""
    clamd: OptionalListen = ""
    """Where the virus scanner clamd listens: `host:port` or `unix:/path`; empty: mail is not scanned."""
    dns: NameServersText = ""
    """Recursive name servers as `address:port`, several with commas. Empty: no look-up is made, so there is
    no SPF, DKIM, DMARC, ARC and no DNS list. Lists do not serve public resolvers: name one of your own."""
    list_keys_dir: OptionalPath = None
    """Directory with a file for each key of a DNS list; a policy names the file (`key_secret`)."""
    threads: int = Field(2, ge=1, le=64)
    """Threads for messages over `inline_bytes`."""
    inline_bytes: int = Field(65_536, ge=0, le=268_435_456)
    """Messages up to this size in bytes are judged on the event loop itself."""
    batch_items: int = Field(256, ge=1, le=10_000)
    """Most messages in one call; a call with more is refused."""
    reply_seconds: float = Field(0.05, ge=0, le=10)
    """Kept back from a call's deadline for writing the answer, in seconds."""
