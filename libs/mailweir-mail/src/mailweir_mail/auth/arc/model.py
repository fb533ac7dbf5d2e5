"""What an ARC check says, and what it may cost."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from mailweir_mail.auth.dkim.model import DkimLimits


class ArcStatus(StrEnum):
    """The state of a chain (RFC 8617 §4.4)."""

    NONE = "none"  # there is none
    PASS = "pass"  # noqa: S105 - the RFC's word, no secret
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class ArcResult:
    """What became of the chain of ARC sets.

    `instance` is the highest there is, 0 without any. `sealers` and `results` go by instance, the first at
    index 0: the d= of each ARC-Seal (lower case, A-labels), and what each ARC-Authentication-Results says
    behind its `i=N;`, unfolded and not decoded. They are empty where the sets themselves are not whole, and
    nobody vouches for them where `status` is not pass.
    """

    status: ArcStatus
    instance: int = 0
    sealers: tuple[str, ...] = ()
    oldest_pass: int = 0
    """The lowest instance from which on each ARC-Message-Signature holds; 0 where all do (RFC 8617 §5.2)."""
    results: tuple[str, ...] = ()
    closed: bool = False
    """The last sealer said cv=fail: nobody may add to the chain (RFC 8617 §5.1.2)."""
    detail: str = ""


@dataclass(frozen=True, slots=True)
class ArcLimits:
    """What a chain may make us do."""

    sets: int = 50
    """RFC 8617 §4.2.1: instances go from 1 to 50."""
    older: int = 10
    """Message signatures below the last that are checked for `oldest_pass`; the rest count as broken."""
    field_bytes: int = 32_768
    """Length of one ARC-Authentication-Results that is read."""
    signatures: DkimLimits = field(default_factory=DkimLimits)
    """What holds for each signature and its key."""


DEFAULT: Final = ArcLimits()
