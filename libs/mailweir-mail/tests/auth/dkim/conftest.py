"""Keys, the DNS they are published in, and messages."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from mailweir_core.asking import drive
from mailweir_mail.auth.dkim import (
    DkimResult,
    KeyType,
    SigningKey,
    make_private_key,
    sign,
    txt_record,
    verify,
)
from mailweir_testkit.zones import Zones

NOW = 1_700_000_000.0
MESSAGE = (
    b"Received: from x by y; Mon, 23 Nov 2026 12:00:00 +0000\r\n"
    b"From: Anna <anna@example.com>\r\nTo: bob@example.net,\r\n\tcarl@example.net\r\n"
    b"Subject:  Lunch  today? \r\nDate: Mon, 23 Nov 2026 12:00:00 +0000\r\nMessage-ID: <1@example.com>\r\n"
    b"\r\nAt  noon?\t\r\n \r\nAnna\r\n\r\n\r\n"
)


@dataclass(frozen=True)
class World:
    """Two keys of example.com, and what DNS says."""

    rsa: SigningKey
    ed25519: SigningKey
    table: dict[str, Any]
    now: float = NOW
    message: bytes = MESSAGE

    @property
    def zones(self) -> Zones:
        """Return DNS with nothing asked yet."""
        return Zones(self.table)

    def with_record(self, text: str, selector: str = "r") -> Zones:
        """Return DNS with another record at a selector."""
        return Zones({**self.table, f"{selector}._domainkey.example.com": {"TXT": [text]}})

    def signed(self, key: SigningKey | None = None, message: bytes = MESSAGE) -> bytes:
        """Return a signed message."""
        return sign(message, key or self.ed25519, self.now) + message

    def check(
        self, raw: bytes, zones: Zones | None = None, **options: Any
    ) -> tuple[DkimResult, ...]:
        """Verify."""
        now = options.pop("now", self.now)
        return drive(verify(raw, now, **options), (zones or self.zones).answer)

    def one(self, raw: bytes, zones: Zones | None = None, **options: Any) -> DkimResult:
        """Verify the only signature."""
        (result,) = self.check(raw, zones, **options)
        return result

    def dkimpy_dns(self, zones: Zones | None = None) -> Callable[..., bytes]:
        """Return DNS as dkimpy asks it."""
        table: Any = (zones or self.zones).table

        def answer(name: bytes, timeout: int = 5) -> bytes:
            zone = table.get(name.decode().rstrip("."), {})
            return "".join(zone.get("TXT", [])).encode()

        return answer


@pytest.fixture(scope="session")
def world() -> World:
    """Make the keys once."""
    rsa = SigningKey("example.com", "r", make_private_key(KeyType.RSA))
    ed = SigningKey("example.com", "e", make_private_key(KeyType.ED25519))
    table = {
        f"{k.selector}._domainkey.example.com": {"TXT": [txt_record(k.key)]} for k in (rsa, ed)
    }
    return World(rsa, ed, table)
