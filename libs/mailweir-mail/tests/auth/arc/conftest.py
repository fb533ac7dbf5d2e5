"""Keys of two relays, the DNS they are published in, and a message on its way."""

from dataclasses import dataclass
from typing import Any

import pytest

from mailweir_core.asking import drive
from mailweir_mail.auth.arc import ArcResult, seal, validate
from mailweir_mail.auth.dkim import KeyType, SigningKey, make_private_key, txt_record
from mailweir_testkit.zones import Zones

NOW = 1_700_000_000.0
MESSAGE = (
    b"From: Anna <anna@example.com>\r\nTo: list@lists.example\r\nSubject: Lunch\r\n"
    b"Date: Mon, 23 Nov 2026 12:00:00 +0000\r\n\r\nAt noon?\r\n"
)
RESULTS = "mx.example; spf=pass smtp.mailfrom=example.com; dkim=pass header.d=example.com"


@dataclass(frozen=True)
class Chain:
    """Relays that seal one after the other."""

    keys: tuple[SigningKey, SigningKey]
    table: dict[str, Any]
    now: float = NOW
    message: bytes = MESSAGE
    results: str = RESULTS

    @property
    def zones(self) -> Zones:
        """Return DNS with nothing asked yet."""
        return Zones(self.table)

    def check(self, raw: bytes, zones: Zones | None = None, **options: Any) -> ArcResult:
        """Validate."""
        now = options.pop("now", self.now)
        return drive(validate(raw, now, **options), (zones or self.zones).answer)

    def once_more(self, raw: bytes, number: int = 0) -> bytes:
        """Add a set by one of the relays."""
        fields = seal(raw, self.results, self.check(raw), self.keys[number % 2], self.now)
        return fields + raw

    def of(self, sets: int) -> bytes:
        """Return the message with that many sets."""
        raw = self.message
        for number in range(sets):
            raw = self.once_more(raw, number)
        return raw


@pytest.fixture(scope="session")
def chain() -> Chain:
    """Make the keys once."""
    rsa = SigningKey("lists.example", "r", make_private_key(KeyType.RSA))
    ed = SigningKey("relay.example", "e", make_private_key(KeyType.ED25519))
    table = {f"{k.selector}._domainkey.{k.domain}": {"TXT": [txt_record(k.key)]} for k in (rsa, ed)}
    return Chain((rsa, ed), table)
