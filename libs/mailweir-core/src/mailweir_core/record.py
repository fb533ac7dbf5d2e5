"""Who sent what to whom: the facts of a session and of an envelope, as every part sees them."""

from dataclasses import dataclass
from enum import StrEnum


class Listener(StrEnum):
    """Which door a session came in by."""

    MX = "mx"  # port 25: mail from other servers
    SUBMISSION = "submission"  # port 587: our users, STARTTLS before AUTH
    SUBMISSIONS = "submissions"  # port 465: our users, TLS from the first byte


@dataclass(frozen=True, slots=True)
class Session:
    """An SMTP session's facts. `client_ip` is the true client also behind a PROXY header."""

    id: str
    listener: Listener
    client_ip: str
    client_port: int = 0
    proxy_ip: str = ""
    helo: str = ""
    esmtp: bool = False
    tls_version: str = ""
    tls_cipher: str = ""
    auth_user: str = ""
    trusted: bool = False
    connected_at: float = 0.0

    @property
    def is_foreign(self) -> bool:
        """Say whether it carries mail of others, neither of our users nor of a trusted network."""
        return self.listener is Listener.MX and not self.trusted and not self.auth_user


@dataclass(frozen=True, slots=True)
class Envelope:
    """One transaction: its reference, return path and recipients (as `local@domain`), declared options."""

    ref: str
    session: Session
    sender: str
    recipients: tuple[str, ...]
    received_at: float
    eight_bit: bool = False
    smtputf8: bool = False
    tenant: str = "default"
