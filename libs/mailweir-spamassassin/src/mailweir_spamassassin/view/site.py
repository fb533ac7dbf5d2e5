"""The settings of a set of rules, prepared once and used for every message."""

import re
from collections.abc import Mapping
from functools import cached_property
from typing import Any, Final

from .domains import Domains

Settings = Mapping[str, tuple[str, ...]]
_DELIMITED: Final = re.compile(r"(?:m(.)|(/))(.*)(\W)([imsx]*)\Z", re.DOTALL)
_FLAGS: Final = {"i": re.IGNORECASE, "m": re.MULTILINE, "s": re.DOTALL, "x": re.VERBOSE}
_CLOSING: Final = {"{": "}", "(": ")", "[": "]", "<": ">"}


class Site:
    """Settings by name (see `EvalContext.settings`) and what is worked out from them when first needed.

    Making one is cheap; make one per set of rules, not one per message.
    """

    def __init__(self, settings: Settings) -> None:
        """Take the settings; nothing is read yet."""
        self.settings = settings

    def words(self, *names: str) -> frozenset[str]:
        """Return all words of the lines of these settings, lower case."""
        return frozenset(
            word.lower()
            for name in names
            for line in self.settings.get(name, ())
            for word in line.split()
        )

    def number(self, name: str, default: int) -> int:
        """Return the last value of a setting that is a whole number."""
        lines = self.settings.get(name, ())
        value = lines[-1].strip() if lines else ""
        return int(value) if value.isdecimal() else default

    @cached_property
    def domains(self) -> Domains:
        """Return what tells where a host's registered domain begins."""
        return Domains(
            self.words("util_rb_tld"), self.words("util_rb_2tld") | self.words("util_rb_3tld")
        )

    @cached_property
    def redirectors(self) -> tuple[re.Pattern[str], ...]:
        """Return the patterns whose first group is the address that a redirector leads to."""
        compiled = (compile_perl(line) for line in self.settings.get("redirector_pattern", ()))
        return tuple(pattern for pattern in compiled if pattern is not None)

    @cached_property
    def cache(self) -> dict[str, Any]:
        """Return a place for what eval tests work out from the settings, by a name of their own."""
        return {}


def compile_perl(text: str) -> re.Pattern[str] | None:
    """Compile `/.../flags` or `m{...}flags`; None for what Python's engine cannot take."""
    found = _DELIMITED.match(text.strip())
    if found is None:
        return None
    opening = found[1] or found[2]
    if found[4] != _CLOSING.get(opening, opening):
        return None
    flags = re.RegexFlag(0)
    for letter in found[5]:
        flags |= _FLAGS[letter]
    try:
        return re.compile(found[3], flags)
    except (re.error, OverflowError, RecursionError):
        return None
