"""Sealing (RFC 8617 §5.1), with another program as judge."""

from typing import Any

import dkim
import pytest

from mailweir_mail.auth.arc import ArcStatus
from mailweir_mail.auth.dkim.private import to_pem

Chain = Any  # see conftest.py


def dns(chain: Chain) -> Any:
    """Return DNS as dkimpy asks it."""

    def answer(name: bytes, timeout: int = 5) -> bytes:
        zone = chain.table.get(name.decode().rstrip("."), {})
        return "".join(zone.get("TXT", [])).encode()

    return answer


def all_rsa(chain: Chain, sets: int) -> bytes:
    """Return a chain by the first relay alone: dkimpy knows only RSA in ARC."""
    raw: bytes = chain.message
    for _ in range(sets):
        raw = chain.once_more(raw, 0)
    return raw


@pytest.mark.parametrize("sets", [1, 2, 4])
def test_dkimpy_believes_our_seals(chain: Chain, sets: int) -> None:
    raw = all_rsa(chain, sets)
    status, found, _ = dkim.ARC(raw).verify(dnsfunc=dns(chain))
    assert status == b"pass"
    assert [one["instance"] for one in found] == list(range(sets, 0, -1))
    status, _, _ = dkim.ARC(raw.replace(b"noon", b"once")).verify(dnsfunc=dns(chain))
    assert status != b"pass"


def test_we_believe_dkimpys_seals_and_it_ours_on_top(chain: Chain) -> None:
    key = chain.keys[0]
    results = b"Authentication-Results: mx.example; spf=pass smtp.mailfrom=example.com\r\n"
    raw = results + chain.message
    fields = dkim.ARC(raw).sign(
        key.selector.encode(),
        key.domain.encode(),
        to_pem(key.key),
        b"mx.example",
        timestamp=1_700_000_000,
    )
    raw = b"".join(fields) + raw
    result = chain.check(raw)
    assert (result.status, result.instance) == (ArcStatus.PASS, 1), result
    assert "spf=pass" in result.results[0]
    raw = chain.once_more(raw, 0)
    assert chain.check(raw).status is ArcStatus.PASS
    assert dkim.ARC(raw).verify(dnsfunc=dns(chain))[0] == b"pass"


def test_the_fields_are_folded_and_in_order(chain: Chain) -> None:
    raw = chain.of(1)
    fields = raw.removesuffix(chain.message)
    lines = fields.removesuffix(b"\r\n").split(b"\r\n")
    heads = [line.partition(b":")[0] for line in lines if line[:1] not in b" \t"]
    assert heads == [b"ARC-Seal", b"ARC-Message-Signature", b"ARC-Authentication-Results"]
    assert max(map(len, lines)) <= 78
    assert b"authentication-results" not in fields.partition(b"h=")[2].partition(b";")[0]


def test_the_messages_own_signatures_are_covered(chain: Chain) -> None:
    raw = chain.once_more(b"DKIM-Signature: v=1\r\n" + chain.message)
    assert chain.check(raw).status is ArcStatus.PASS
    assert chain.check(raw.replace(b"v=1\r\n", b"v=2\r\n")).status is ArcStatus.FAIL
