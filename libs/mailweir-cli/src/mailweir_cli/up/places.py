"""Where things lie in the data directory."""

import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from mailweir_runtime.listen import MAX_UNIX_PATH_BYTES

_LONGEST_SOCKET: Final = "/quarantine.sock"


@dataclass(frozen=True, slots=True)
class Places:
    """Paths under the data directory; `sockets` may lie elsewhere."""

    data: Path
    sockets: Path

    @property
    def lock(self) -> Path:
        """The lock that keeps a second `up` out."""
        return self.data / "up.lock"

    @property
    def state(self) -> Path:
        """What runs where at the moment, as JSON."""
        return self.data / "up.json"

    @property
    def logs(self) -> Path:
        """One log per process."""
        return self.data / "logs"

    @property
    def nats(self) -> Path:
        """The nats-server's store and configuration."""
        return self.data / "nats"

    @property
    def prometheus(self) -> Path:
        """Prometheus' configuration and what it has stored."""
        return self.data / "prometheus"

    @property
    def certificate(self) -> Path:
        """The certificate of the submission port."""
        return self.data / "tls" / "cert.pem"

    @property
    def certificate_key(self) -> Path:
        """Its private key."""
        return self.data / "tls" / "key.pem"

    @property
    def signing_keys(self) -> Path:
        """Keys that mail of our users is signed with: `<domain>/<selector>.pem`."""
        return self.data / "dkim"

    @property
    def patterns(self) -> Path:
        """What is made of SpamAssassin's rules, for a fast start; lost, it is made again."""
        return self.data / "cache" / "spamassassin"

    @property
    def first_policy(self) -> Path:
        """The policy that the gateway takes at its first start."""
        return self.data / "first-policy.json"

    @property
    def admin_key(self) -> Path:
        """The API key that the gateway makes at its first start."""
        return self.data / "admin.key"

    @property
    def demo_password(self) -> Path:
        """The password of the demo account, made at the first start."""
        return self.data / "demo.password"

    def database(self, service: str) -> str:
        """Return the URL of a service's database file."""
        return f"sqlite+aiosqlite:///{self.data / service}.db"

    def socket(self, service: str) -> str:
        """Return a service's gRPC address."""
        return f"unix:{self.sockets / service}.sock"

    def forget_sockets(self) -> None:
        """Remove the sockets' folder."""
        shutil.rmtree(self.sockets, ignore_errors=True)


def make_places(data: Path) -> Places:
    """Make the folders and return where they are; raises OSError.

    A unix socket's path is bounded (108 bytes on Linux), so a deep data directory has its sockets in a
    temporary folder.
    """
    data.mkdir(parents=True, exist_ok=True, mode=0o700)
    sockets = data / "run"
    if len(str(sockets).encode()) + len(_LONGEST_SOCKET) > MAX_UNIX_PATH_BYTES:
        sockets = Path(tempfile.mkdtemp(prefix="mailweir-", dir="/tmp"))
    places = Places(data, sockets)
    folders = (sockets, places.logs, places.nats, places.certificate.parent, places.signing_keys)
    for folder in folders:
        folder.mkdir(exist_ok=True, mode=0o700)
    return places
