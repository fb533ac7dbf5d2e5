"""What a session keeps to: our name, how long it waits, how it encrypts."""

import ssl
from dataclasses import dataclass

from mailweir_delivery.policy.routing import Tls
from mailweir_policy import Policy


@dataclass(frozen=True, slots=True)
class Terms:
    """What a session keeps to, from the policy; times in seconds (RFC 5321 §4.5.3.2)."""

    hello: str
    connect_seconds: float
    command_seconds: float
    data_end_seconds: float

    @classmethod
    def of(cls, policy: Policy) -> "Terms":
        """Return the terms of a policy."""
        delivery = policy.delivery
        return cls(
            policy.identity.hostname,
            delivery.connect_seconds,
            delivery.command_seconds,
            delivery.data_end_seconds,
        )


@dataclass(frozen=True, slots=True)
class TlsContexts:
    """How to encrypt: without looking at the certificate, and with its verification."""

    opportunistic: ssl.SSLContext
    required: ssl.SSLContext

    @classmethod
    def load(cls, ca_file: str = "") -> "TlsContexts":
        """Make both; `ca_file` adds authorities to the system's. Raises OSError for a bad file."""
        required = ssl.create_default_context()
        if ca_file:
            required.load_verify_locations(cafile=ca_file)
        blind = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        blind.check_hostname = False
        blind.verify_mode = ssl.CERT_NONE
        return cls(blind, required)

    def of(self, tls: Tls) -> ssl.SSLContext:
        """Return the context for a level of TLS."""
        return self.required if tls is Tls.REQUIRED else self.opportunistic
