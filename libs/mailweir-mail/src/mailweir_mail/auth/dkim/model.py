"""What a DKIM check says, and what it may cost."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class DkimStatus(StrEnum):
    """The results of RFC 8601 §2.7.1."""

    NONE = "none"  # the message is not signed
    PASS = "pass"  # noqa: S105 - the RFC's word, no secret
    FAIL = "fail"  # the body or the header is not what was signed, or the signature is out of date
    POLICY = "policy"  # it may verify, but is not what we accept
    NEUTRAL = "neutral"  # the field says nothing that could be checked
    TEMPERROR = "temperror"  # the key could not be had now
    PERMERROR = (
        "permerror"  # it can never verify: broken, no such key, an algorithm that is historic
    )


@dataclass(frozen=True, slots=True)
class DkimResult:
    """What became of one DKIM-Signature field. What could not be read is empty.

    `domain` (d=) and `selector` (s=) are lower case in A-labels. `identity` is i=, or `@domain`. `header_b`
    are the first eight characters of b=, which tell two signatures apart (RFC 6008). `testing`: the key says
    t=y, so this must not count against the sender (RFC 6376 §3.6.1).
    """

    result: DkimStatus
    domain: str = ""
    selector: str = ""
    identity: str = ""
    algorithm: str = ""
    header_b: str = ""
    key_bits: int = 0
    testing: bool = False
    signed_length: int | None = None
    """The value of l= in octets of the canonical body, or None for the whole body."""
    covered_all: bool = True
    """Whether no octet of the body is left unsigned: with l=, anybody may add to it (RFC 6376 §8.2)."""
    detail: str = ""

    @property
    def passed(self) -> bool:
        """Say whether the signature holds."""
        return self.result is DkimStatus.PASS


@dataclass(frozen=True, slots=True)
class DkimLimits:
    """What one message may make us do, and what we accept. Sizes are octets, times seconds."""

    signatures: int = 8
    """Signatures that are verified, from the top of the header (OpenDKIM and rspamd are about as patient)."""
    listed: int = 32
    """Results at most; those not verified among them say so, and what lies beyond is not mentioned."""
    field_bytes: int = 32_768
    """Length of one signature field; a longer one is not read."""
    key_records: int = 3
    """Of several TXT records at one selector, those that are tried (RFC 6376 §6.1.2 leaves it open)."""
    least_rsa_bits: int = 1024
    """RFC 8301 §3.2: a shorter key must not be believed."""
    most_rsa_bits: int = 8192
    """RFC 8301 §3.2 wants 4096; the time that a check takes grows with the square."""
    clock_skew: float = 300.0
    """How far the sender's clock may be from ours, for t= and x= (OpenDKIM `ClockDrift`: 300)."""


DEFAULT: Final = DkimLimits()


class Unusable(Exception):
    """Raised within this package when a signature or key cannot lead to a pass; becomes a result."""

    def __init__(self, status: DkimStatus, detail: str) -> None:
        """Take what the result will say."""
        super().__init__(detail)
        self.status = status
        self.detail = detail


def broken(detail: str) -> Unusable:
    """Return the exception for what is malformed."""
    return Unusable(DkimStatus.PERMERROR, detail)
