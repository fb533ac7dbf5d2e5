"""Reading DMARC records (RFC 7489 §6.3)."""

import pytest
from hypothesis import given, strategies as st

from mailweir_mail.auth.dmarc import Alignment, DmarcRecord, Policy, parse_record
from mailweir_mail.auth.dmarc.record import MAX_RECORD, MAX_URIS

NONE, QUARANTINE, REJECT = Policy.NONE, Policy.QUARANTINE, Policy.REJECT


def test_a_whole_record() -> None:
    text = (
        "v=DMARC1; p=reject; sp=quarantine; np=none; pct=25; adkim=s; aspf=S; fo=1:d; rf=afrf; ri=3600;"
        " rua=mailto:a@example.com!10m , https://r.example/x; ruf=mailto:f@example.com; t=y;"
    )
    assert parse_record(text) == DmarcRecord(
        REJECT,
        QUARANTINE,
        NONE,
        25,
        Alignment.STRICT,
        Alignment.STRICT,
        ("mailto:a@example.com!10m", "https://r.example/x"),
        ("mailto:f@example.com",),
        ("1", "d"),
        ("afrf",),
        3600,
        testing=True,
    )


@pytest.mark.parametrize(
    ("text", "policies"),
    [
        ("v=DMARC1;p=none", (NONE, NONE, NONE)),
        ("v = DMARC1 ; P = Reject", (REJECT, REJECT, REJECT)),
        ("v=DMARC1; p=reject; sp=none", (REJECT, NONE, NONE)),
        ("v=DMARC1; p=none; np=reject", (NONE, NONE, REJECT)),
        ("v=DMARC1; x=y; p=quarantine", (QUARANTINE, QUARANTINE, QUARANTINE)),
        ("v=DMARC1; p=reject; p=none", (REJECT, REJECT, REJECT)),
        ("v=DMARC1; p=reject; np=nonsense", (REJECT, REJECT, REJECT)),
        # §6.6.3: where reports are asked for, a broken policy is none
        ("v=DMARC1; rua=mailto:a@b.example", (NONE, NONE, NONE)),
        ("v=DMARC1; p=rejekt; rua=mailto:a@b.example", (NONE, NONE, NONE)),
        ("v=DMARC1; p=reject; sp=x; rua=mailto:a@b.example", (NONE, NONE, NONE)),
    ],
)
def test_policies(text: str, policies: tuple[Policy, Policy, Policy]) -> None:
    found = parse_record(text)
    assert found is not None
    assert (found.p, found.sp, found.np) == policies


@pytest.mark.parametrize(
    "text",
    [
        "", "v=DMARC1", "v=dmarc1; p=reject", "v=DMARC2; p=reject", "p=reject; v=DMARC1", "v=DMARC1 p=reject",
        "v=DMARC1; p=rejekt", "v=DMARC1; p=reject; sp=x", "v=DMARC1; p=x; rua=nobody", "v=DMARC1; p=",
    ],
)  # fmt: skip
def test_what_asks_for_nothing(text: str) -> None:
    assert parse_record(text) is None


@pytest.mark.parametrize(
    ("tag", "value"),
    [
        ("pct=101", 100),
        ("pct=-1", 100),
        ("pct=x", 100),
        ("pct=0", 0),
        ("pct=99999999999", 100),
        ("pct=٣", 100),
    ],
)
def test_a_share_that_is_none_is_all(tag: str, value: int) -> None:
    found = parse_record(f"v=DMARC1; p=reject; {tag}")
    assert found is not None
    assert found.pct == value


def test_limits() -> None:
    uris = ",".join(f"mailto:a{n}@b.example" for n in range(50))
    found = parse_record(f"v=DMARC1; p=reject; rua={uris}")
    assert found is not None
    assert len(found.rua) == MAX_URIS
    assert parse_record("v=DMARC1; p=reject; x=" + "y" * MAX_RECORD) is None


@given(st.text(max_size=200))
def test_no_text_raises(text: str) -> None:
    parse_record("v=DMARC1;" + text)
    parse_record(text)
