"""Octets to characters as `normalize_charset` does it: UTF-8 first, then what is declared."""

import re
from typing import Final

from mailweir_mail.charset import find_codec

_PLAIN: Final = re.compile(r"(?:us-)?ascii|ansi[_ ]?x3\.4-(?:1986|1968)|iso646-us", re.IGNORECASE)
_EXTENDS_ASCII: Final = re.compile(
    r"iso[ -]?8859(?:-\d{1,2})?|windows-\d{4}|utf-?8|(?:koi8|euc)-[a-z]{1,2}|big5|gbk"
    r"|gb[ -]?18030(?:-20\d\d)?",
    re.IGNORECASE,
)
_LIKE_LATIN: Final = re.compile(r"iso-?8859-1|windows-1252|cp1252", re.IGNORECASE)


def decode(data: bytes, declared: str, *, insist: bool = False) -> str:
    """Return the characters of `data`; never raises. `insist`: what is declared comes before UTF-8."""
    is_ascii = data.isascii()
    if is_ascii and (_PLAIN.fullmatch(declared) or _EXTENDS_ASCII.fullmatch(declared)):
        return data.decode("ascii")
    if not is_ascii and not insist:
        text = _strict(data, "utf-8")
        if text is not None:
            return text
    text = _as_declared(data, declared, insist=insist)
    if text is not None:
        return text
    return data.decode("ascii" if is_ascii else "cp1252", "replace")


def _as_declared(data: bytes, declared: str, *, insist: bool) -> str | None:
    if _PLAIN.fullmatch(declared) and not insist:
        return None
    codec = "cp1252" if _LIKE_LATIN.fullmatch(declared) else find_codec(declared)
    if not codec:
        return None
    if insist:
        return _lenient(data, codec)
    return _strict(data, codec)


def _strict(data: bytes, codec: str) -> str | None:
    try:
        return data.decode(codec)
    except (UnicodeError, ValueError):
        return None


def _lenient(data: bytes, codec: str) -> str | None:
    try:
        return data.decode(codec, "replace")
    except (UnicodeError, ValueError):  # a stateful codec may give up altogether
        return None
