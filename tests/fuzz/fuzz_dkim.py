"""Fuzz DKIM and ARC: `python tests/fuzz/fuzz_dkim.py [--minutes 10] [--engine …]`.

Engines and options are those of `fuzz_mail.py`.
"""

import runpy
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from mailweir_mail.auth.dkim import SigningKey

SEEDS: Final = Path(__file__).with_name("seeds") / "dkim"
NOW: Final = 1_700_000_000.0
TOKENS: Final = (
    b"DKIM-Signature: ", b"ARC-Seal: ", b"ARC-Message-Signature: ", b"ARC-Authentication-Results: ",
    b"v=1; ", b"a=rsa-sha256; ", b"a=ed25519-sha256; ", b"c=simple/relaxed; ", b"d=example.com; ", b"s=e; ",
    b"h=from:", b"bh=", b"b=", b"l=0; ", b"x=1; ", b"t=9; ", b"i=1; ", b"i=@example.com; ", b"cv=none; ",
    b"cv=pass; ", b"cv=fail; ", b"q=dns/txt; ", b"\r\n\t", b"\r\n", b"\n", b"\r", b";", b"=", b":", b" ",
    b"From: ", b"\r\n\r\n", b"\0", b"\xff", b"AAAA", b"=41",
)  # fmt: skip


def check(data: bytes) -> None:
    """Hold verifier, validator and signer to their promises on one input.

    It is judged as a message, read as a key record, and signed: what we sign must verify, if it has a header
    that a field can be put on.
    """
    from mailweir_core.asking import drive
    from mailweir_mail.auth.arc import seal, validate
    from mailweir_mail.auth.dkim import sign, txt_record, verify
    from mailweir_testkit.zones import Zones

    key = _key()
    name = f"{key.selector}._domainkey.{key.domain}"
    drive(verify(data, NOW), Zones({name: {"TXT": [data[:2000].decode("latin-1")]}}).answer)
    zones = Zones({name: {"TXT": [txt_record(key.key)]}})
    drive(verify(data, NOW), zones.answer)
    chain = drive(validate(data, NOW), zones.answer)
    assert zones.rounds <= 2, "each asks once at most"
    fields = seal(data, "mx.example; none", chain, key, NOW)
    assert bool(fields) is not (chain.closed or chain.instance >= 50)
    if not data.startswith((b" ", b"\t", b"\r", b"\n")) and b"\r\n\r\n" in data:
        results = drive(verify(sign(data, key, NOW) + data, NOW), zones.answer)
        assert results[0].passed, results[0]


@lru_cache(maxsize=1)
def _key() -> "SigningKey":
    """Make the key once: making it anew would be most of the time."""
    from mailweir_mail.auth.dkim import KeyType, SigningKey, make_private_key

    return SigningKey("example.com", "e", make_private_key(KeyType.ED25519))


def main() -> int:
    """Fuzz for the time given, or check the files named."""
    mail = runpy.run_path(str(Path(__file__).with_name("fuzz_mail.py")))
    status: int = mail["main"](mail["Target"](check, SEEDS, TOKENS), __doc__)
    return status


if __name__ == "__main__":
    raise SystemExit(main())
