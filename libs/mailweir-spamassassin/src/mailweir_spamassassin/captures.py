"""Named groups whose text other rules look for: `(?<NAME>…)` in one rule, `%{NAME}` in another."""

import re
from collections.abc import Mapping, Sequence
from typing import Final

from mailweir_spamassassin.perl.literal import PerlRegex

_GROUP: Final = re.compile(r"\(\?P?<([A-Za-z_]\w*)>", re.ASCII)
_TEMPLATE: Final = re.compile(r"(?<!\\)%\{([A-Za-z_]\w*)\}", re.ASCII)
MARK: Final = (1, 2, 3, 2, 1)
"""Bytes that stand for a captured text where a pattern is looked at before there is one."""
_WRITTEN_MARK: Final = "".join(f"\\x{byte:02x}" for byte in MARK)
MAX_VALUES: Final = 20
"""Texts that one name may hold in a message."""
MAX_VALUE_BYTES: Final = 512


def captured_names(regex: PerlRegex) -> tuple[str, ...]:
    """Return the names of the groups in a pattern."""
    return tuple(dict.fromkeys(_GROUP.findall(regex.pattern)))


def wanted_names(regex: PerlRegex) -> tuple[str, ...]:
    """Return the names whose texts a pattern asks for."""
    return tuple(dict.fromkeys(_TEMPLATE.findall(regex.pattern)))


def without_templates(regex: PerlRegex) -> PerlRegex:
    """Return a pattern with a plain letter for each template: to check it before any text is known."""
    return PerlRegex(_TEMPLATE.sub("x", regex.pattern), regex.flags)


def marked(regex: PerlRegex, name: str) -> PerlRegex:
    """Return a pattern with MARK for each template of a name, and a plain letter for any other."""
    return without_templates(
        PerlRegex(regex.pattern.replace(f"%{{{name}}}", _WRITTEN_MARK), regex.flags)
    )


def filled(regex: PerlRegex, texts: Mapping[str, Sequence[bytes]]) -> PerlRegex | None:
    """Return a pattern with the captured texts in their places; None where one was not captured."""
    if any(not texts.get(name) for name in wanted_names(regex)):
        return None

    def _alternatives(found: re.Match[str]) -> str:
        return "(?:" + "|".join(_quoted(t) for t in texts[found[1]]) + ")"

    return PerlRegex(_TEMPLATE.sub(_alternatives, regex.pattern), regex.flags)


def _quoted(text: bytes) -> str:
    return "".join(chr(b) if chr(b).isalnum() and b < 128 else f"\\x{b:02x}" for b in text)
