"""Tag lists: `a=b; c=d` as in signatures and key records (RFC 6376 §3.2)."""

import re
from base64 import b64decode
from typing import Final

from .model import broken

TAGS: Final = 100  # tags of one list; RFC 6376 defines 15
FWS: Final = b" \t\r\n"
_NAME: Final = re.compile(rb"[A-Za-z][A-Za-z0-9_]*")
# Printable ASCII, white space of folding, and octets over 127 (RFC 8616); never a NUL or other control.
_VALUE: Final = re.compile(rb"[\t\r\n\x20-\x7e\x80-\xff]*")
_NUMBER: Final = re.compile(rb"[0-9]{1,12}")
_DOMAIN: Final = re.compile(
    r"(?=.{1,253}\Z)(?:[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?\.)*[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
)


def parse_tags(value: bytes) -> dict[bytes, bytes]:
    """Return the tags in order, values trimmed but not unfolded. Raises Unusable.

    Names are case-sensitive. A name twice makes the list invalid, as the RFC says; so does an empty tag
    anywhere but at the end.
    """
    if value.count(b";") > TAGS:
        raise broken(f"more than {TAGS} tags")
    if not _VALUE.fullmatch(value):
        raise broken("a tag list with control characters")
    parts = value.split(b";")
    if not parts[-1].strip(FWS):
        del parts[-1]
    tags: dict[bytes, bytes] = {}
    for part in parts:
        name, equals, text = part.partition(b"=")
        name = name.strip(FWS)
        if not equals or not _NAME.fullmatch(name):
            raise broken("not a tag list")
        if name in tags:
            raise broken(f"the tag {name.decode()[:20]}= twice")
        tags[name] = text.strip(FWS)
    return tags


def without_value(value: bytes, name: bytes) -> bytes:
    """Return a tag list with the value of one tag deleted, white space around it too (RFC 6376 §3.7)."""
    parts = value.split(b";")
    for place, part in enumerate(parts):
        key, equals, _ = part.partition(b"=")
        if equals and key.strip(FWS) == name:
            parts[place] = key + equals
    return b";".join(parts)


def compact(value: bytes) -> bytes:
    """Return a value without any white space."""
    return value.translate(None, FWS)


def base64_value(tags: dict[bytes, bytes], name: bytes) -> bytes:
    """Return the octets of a base64 tag that must be there. Raises Unusable."""
    text = compact(tags.get(name, b""))
    if not text:
        raise broken(f"no {name.decode()}=")
    try:
        return b64decode(text, validate=True)
    except ValueError as error:
        raise broken(f"{name.decode()}= is not base64") from error


def number(tags: dict[bytes, bytes], name: bytes) -> int | None:
    """Return the value of a numeric tag, or None where it is absent. Raises Unusable."""
    text = tags.get(name)
    if text is None:
        return None
    if not _NUMBER.fullmatch(text):
        raise broken(f"{name.decode()}= is not a number")
    return int(text)


def names(value: bytes) -> tuple[bytes, ...]:
    """Return the parts of a colon-separated list, lower case, without white space around them."""
    return tuple(part.strip(FWS).lower() for part in value.split(b":"))


def domain_name(text: bytes) -> str | None:
    """Return a domain or selector in lower-case A-labels (RFC 8616 §4), or None where it is none."""
    try:
        name = text.decode("ascii").lower()
    except UnicodeDecodeError:
        try:
            name = text.decode("utf-8").encode("idna").decode("ascii").lower()
        except UnicodeError:
            return None
    return name if _DOMAIN.fullmatch(name) else None
