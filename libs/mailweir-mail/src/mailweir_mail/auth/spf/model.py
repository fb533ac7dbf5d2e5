"""What an SPF check finds, and the limits it keeps (RFC 7208 §2.6, §4.6.4)."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

MAX_TERMS: Final = 10  # include, a, mx, ptr, exists and redirect of one check; more is a permerror
MAX_VOID: Final = 2  # questions answered "no such name" or "no data"; more is a permerror
MAX_MX_NAMES: Final = 10  # hosts of one mx; more is a permerror
MAX_PTR_NAMES: Final = 10  # names of one client; more are not looked at, as the client chooses them
MAX_RECORD: Final = (
    16_384  # octets of a record; §3.4 asks for 512, the largest seen have some thousand
)
MAX_EXPLANATION: Final = 2_048  # octets of an explanation, before and after its macros


class SpfStatus(StrEnum):
    """The results of RFC 7208 §2.6, spelt as Authentication-Results has them."""

    NONE = "none"
    NEUTRAL = "neutral"
    PASS = "pass"  # noqa: S105 - no password
    FAIL = "fail"
    SOFTFAIL = "softfail"
    TEMPERROR = "temperror"
    PERMERROR = "permerror"


@dataclass(frozen=True, slots=True)
class SpfResult:
    """What came of a check of `domain`.

    `mechanism` is the term of the domain's own record that matched, as written, or empty. `explanation` is
    the publisher's text for a fail: words of a stranger, ASCII, never markup to trust. `lookups` counts the
    terms that asked DNS. `detail` says what is wrong for an error, or in which other record a term matched.
    """

    result: SpfStatus
    domain: str = ""
    mechanism: str = ""
    explanation: str = ""
    lookups: int = 0
    detail: str = ""


class Stop(Exception):
    """Ends a check from any depth with an error; never leaves the package."""

    def __init__(self, result: SpfStatus, detail: str) -> None:
        """Take the status of the whole check and a few words."""
        super().__init__(detail)
        self.result = result
        self.detail = detail


def broken(detail: str) -> Stop:
    """Return the end by a permerror: what the publisher must mend."""
    return Stop(SpfStatus.PERMERROR, detail)
