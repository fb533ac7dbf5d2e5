"""The addresses of a header field as SpamAssassin reads them: phrase, address, comment."""

import re
from collections.abc import Iterator
from typing import Final, NamedTuple

MAX_ADDRESSES: Final = 1024
MAX_FIELD: Final = 65_536
_QUOTED: Final = rb'"(?:[^"\\]|\\.)*+"'
_PHRASE: Final = rb"(?:" + _QUOTED + rb'|[^",;<])++'
_MAIL: Final = rb"(?:" + _QUOTED + rb"|[^@\s<>()\[\],:;]++)@(?:[^\"\s<>()\[\],:;]++|\[[\d:.]++\])"
_ADDRESS: Final = re.compile(
    rb"\s*+(?:(?:("
    + _PHRASE
    + rb")\s*+)?<\s*+([^>@]*+[^\s>]*+|)\s*+>(?:\s*+<[^<>\s]*+\s*+>)*+|("
    + _MAIL
    + rb")(?=\s*+(?:\((?:[^()\\]|\\.)*+\))?\s*+(?:[,;]|\Z))|("
    + _PHRASE
    + rb"))(?:\s*+\(((?:[^()\\]|\\.)*+)\))?\s*+(?:[,;]|\Z)",
    re.DOTALL,
)
_ONLY_MAIL: Final = re.compile(_MAIL)
_COMMENT: Final = re.compile(rb"\((?:[^()\\]|\\.)*+\)", re.DOTALL)
_PHRASE_PART: Final = re.compile(rb'"((?:[^"\\]|\\.)*+)"|([^"]++)', re.DOTALL)
_GROUP: Final = re.compile(rb'\A[^"()<>]+:\s*(.*?)\s*(?:;.*)?\Z', re.DOTALL)
_IN_BRACKETS: Final = re.compile(rb"<(" + _MAIL + rb")>")
_ESCAPED: Final = re.compile(rb"\\(.)", re.DOTALL)


class Parsed(NamedTuple):
    """One entry; None for what it lacks."""

    phrase: bytes | None
    address: bytes | None


def parse_addresses(value: bytes) -> list[Parsed]:
    """Return the entries of a raw field; at most MAX_ADDRESSES."""
    value = value[:MAX_FIELD].rstrip().replace(b"\\\\", b"")
    group = _GROUP.match(value) if b":" in value else None
    if group:
        value = group[1]
    if not value.strip():
        return []
    found: list[Parsed] = []
    at = 0
    while at < len(value) and len(found) < MAX_ADDRESSES:
        match = _ADDRESS.match(value, at)
        if match is None or match.end() == at:
            break
        at = match.end()
        found.append(_entry(match))
    found.extend(_rest(value[at:]))
    return found


def _rest(value: bytes) -> Iterator[Parsed]:
    """Take what stands in brackets in a rest that follows no rule."""
    if b"@" in value:
        for number, match in enumerate(_IN_BRACKETS.finditer(value)):
            if number < MAX_ADDRESSES and _is_valid(match[1]):
                yield Parsed(None, match[1])


def _entry(match: re.Match[bytes]) -> Parsed:
    phrase = match[1] if match[1] is not None else match[4]
    address = match[2] if match[2] is not None else match[3]
    if match[2] is not None:
        address = _COMMENT.sub(b"", match[2])
        if not _ONLY_MAIL.fullmatch(address):
            address = None
    if address is not None and not _is_valid(address):
        address = None
    if phrase is not None:
        phrase = _unquoted(phrase)
        if address is None and _ONLY_MAIL.fullmatch(phrase) and b"." in phrase.partition(b"@")[2]:
            phrase, address = None, phrase
        elif phrase in (b"", address):
            phrase = None
    return Parsed(phrase if phrase is not None else match[5], address)


def _unquoted(phrase: bytes) -> bytes:
    out = []
    for quoted, plain in _PHRASE_PART.findall(phrase):
        out.append(_ESCAPED.sub(rb"\1", quoted) if quoted else _COMMENT.sub(b"", plain))
    return b"".join(out)


def _is_valid(address: bytes) -> bool:
    return not address.startswith(b'""@') and address.count(b'"') != 1
