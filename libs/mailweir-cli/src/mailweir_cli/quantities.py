"""Times and sizes as people write them: `90`, `15m`, `4h`, `30d`; `1000`, `500MB`."""

import math
import re
from types import MappingProxyType
from typing import Final

from mailweir_cli.exits import CommandError, Exit

_TIMES: Final = MappingProxyType({"": 1, "s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800})
_SIZES: Final = MappingProxyType({"": 1, "kb": 10**3, "mb": 10**6, "gb": 10**9, "tb": 10**12})
_NUMBER: Final = re.compile(r"([0-9]{1,15}(?:\.[0-9]{1,6})?)\s*([A-Za-z]{0,2})")


def seconds(option: str, text: str) -> float:
    """Return a time in seconds; raises CommandError."""
    found = _parts(text, _TIMES)
    if found is None:
        raise CommandError(Exit.INVALID, f"{option} {text}: write seconds, or 15m, 4h, 30d, 2w")
    return found


def size(option: str, text: str) -> int:
    """Return a size in bytes; raises CommandError."""
    found = _parts(text, _SIZES)
    if found is None:
        raise CommandError(Exit.INVALID, f"{option} {text}: write bytes, or 500KB, 20MB, 1GB")
    return math.ceil(found)


def _parts(text: str, units: MappingProxyType[str, int]) -> float | None:
    found = _NUMBER.fullmatch(text.strip())
    if found is None or found[2].lower() not in units:
        return None
    return float(found[1]) * units[found[2].lower()]
