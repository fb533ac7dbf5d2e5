"""ETag and If-Match (RFC 9110 §8.8.3, §13.1.1). A policy's ETag is its version."""

import re
from typing import Final

MAX_HEADER: Final = 1000
_TAG: Final = re.compile(r'(?:W/)?"[\x21\x23-\x7e\x80-\xff]*"')
_LIST: Final = re.compile(rf"\s*(?:{_TAG.pattern})(?:\s*,\s*{_TAG.pattern})*\s*")


def etag(version: str) -> str:
    """Return the entity tag of a version."""
    return f'"{version}"'


def is_precondition(header: str) -> bool:
    """Say whether an If-Match header is well-formed: `*` or a list of entity tags."""
    if len(header) > MAX_HEADER:
        return False
    return header.strip() == "*" or _LIST.fullmatch(header) is not None


def matches(header: str, version: str | None) -> bool:
    """Say whether an If-Match header holds for the version in force (None: there is none).

    The comparison is the strong one: a weak tag never matches.
    """
    if header.strip() == "*":
        return version is not None
    return version is not None and etag(version) in _TAG.findall(header)
