"""Reading a DMARC record (RFC 7489 §6.3, §6.4): what is broken or unknown is as if it were absent."""

import re
from enum import StrEnum
from functools import lru_cache
from typing import Final, TypeVar

from .model import Alignment, DmarcRecord, Policy

MAX_RECORD: Final = 8_192  # octets; the largest seen have some hundred
MAX_URIS: Final = 10  # of rua and ruf each; RFC 7489 §6.2 asks to support two
MAX_INTERVAL: Final = 2**32 - 1

_VERSION: Final = re.compile(r"v[ \t]*=[ \t]*DMARC1[ \t]*(?:;|\Z)")
_URI: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:[!-~]+")
_NUMBER: Final = re.compile(r"[0-9]{1,10}")
_WORDS: Final = re.compile(r"[A-Za-z0-9-]+")
_KEPT: Final = 512
E = TypeVar("E", bound=StrEnum)


def is_dmarc(text: str) -> bool:
    """Say whether a TXT record is a DMARC record: its first tag is v=DMARC1, in that case (§6.6.3)."""
    return _VERSION.match(text) is not None


def parse_record(text: str) -> DmarcRecord | None:
    """Return the record, or None where it asks for nothing that can be understood. Never raises.

    Without a valid p, or with an invalid sp, a record that names where to report to is p=none (§6.6.3).
    """
    return _parse(text) if len(text) <= MAX_RECORD and is_dmarc(text) else None


@lru_cache(maxsize=_KEPT)
def _parse(text: str) -> DmarcRecord | None:
    tags = _tags(text)
    rua = _uris(tags.get("rua", ""))
    p, sp, np = (_choice(Policy, tags.get(name)) for name in ("p", "sp", "np"))
    if p is None or (sp is None and "sp" in tags):
        if not rua:
            return None
        p = sp = np = Policy.NONE
    return DmarcRecord(
        p=p,
        sp=sp or p,
        np=np or sp or p,
        pct=_number(tags.get("pct", ""), 100, 100),
        adkim=_choice(Alignment, tags.get("adkim")) or Alignment.RELAXED,
        aspf=_choice(Alignment, tags.get("aspf")) or Alignment.RELAXED,
        rua=rua,
        ruf=_uris(tags.get("ruf", "")),
        fo=_words(tags.get("fo", ""), ("0",)),
        rf=_words(tags.get("rf", ""), ("afrf",)),
        ri=_number(tags.get("ri", ""), 86_400, MAX_INTERVAL),
        testing=tags.get("t", "").lower() == "y",
    )


def _tags(text: str) -> dict[str, str]:
    """Return the first value of each tag; names compare without regard to case."""
    tags: dict[str, str] = {}
    for part in text.split(";"):
        name, equals, value = part.partition("=")
        if equals:
            tags.setdefault(name.strip(" \t").lower(), value.strip(" \t"))
    return tags


def _choice(kind: type[E], text: str | None) -> E | None:
    return next((value for value in kind if text is not None and value == text.lower()), None)


def _number(text: str, default: int, most: int) -> int:
    number = int(text) if _NUMBER.fullmatch(text) else default
    return number if number <= most else default


def _uris(text: str) -> tuple[str, ...]:
    found = (uri.strip(" \t") for uri in text.split(","))
    return tuple(uri for uri in found if _URI.fullmatch(uri))[:MAX_URIS]


def _words(text: str, default: tuple[str, ...]) -> tuple[str, ...]:
    found = tuple(word.strip(" \t").lower() for word in text.split(":"))
    return found if all(_WORDS.fullmatch(word) for word in found) else default
