"""What a check found."""

from dataclasses import dataclass
from enum import StrEnum


class Health(StrEnum):
    """How bad it is."""

    OK = "ok"
    WARN = "warn"  # it works, but not well
    FAIL = "fail"  # it does not work


@dataclass(frozen=True, slots=True)
class Finding:
    """One check's result; `remedy` says what to do where it is not ok."""

    check: str
    health: Health
    detail: str
    remedy: str = ""
