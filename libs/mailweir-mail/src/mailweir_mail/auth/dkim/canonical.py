"""Canonical forms of header and body (RFC 6376 §3.4), in passes over the whole and never line by line."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from mailweir_mail.edit import raw_fields, split_at

CRLF: Final = b"\r\n"
_NAME: Final = re.compile(rb"([!-9;-~]+)[ \t]*:")
# Long runs first: one pass then takes out most of what the last pass would have to take out pair by pair.
_RUNS: Final = (b" " * 64, b" " * 8, b"  ")


class Canon(StrEnum):
    """How much may change on the way."""

    SIMPLE = "simple"
    RELAXED = "relaxed"


@dataclass(frozen=True, slots=True)
class Section:
    """A message as signatures see it: fields with CRLF line ends, where each name occurs, and the body."""

    fields: Sequence[bytes]
    places: Mapping[bytes, Sequence[int]]
    body: bytes

    def at(self, name: bytes) -> Sequence[int]:
        """Return the places of a field by its lower-case name, from the top."""
        return self.places.get(name, ())


def section(raw: bytes) -> Section:
    """Cut a message at its first empty line. Bare LF become CRLF; lines that are no field are left out."""
    end, start = split_at(raw)
    fields: list[bytes] = []
    places: dict[bytes, list[int]] = {}
    for field in raw_fields(crlf(raw[:end])):
        name = _NAME.match(field)
        if name is None:
            continue
        places.setdefault(name[1].lower(), []).append(len(fields))
        fields.append(field if field.endswith(CRLF) else field + CRLF)
    return Section(fields, places, crlf(raw[start:]))


def crlf(text: bytes) -> bytes:
    """Return `text` with each bare LF as CRLF; a bare CR stays."""
    if text.count(b"\n") == text.count(CRLF):
        return text
    return text.replace(CRLF, b"\n").replace(b"\n", CRLF)


def value_of(field: bytes) -> bytes:
    """Return what stands behind the colon."""
    return field.partition(b":")[2]


def _relaxed_field(field: bytes) -> bytes:
    name, _, value = field.partition(b":")
    text = _single_spaces(value.replace(CRLF, b"")).strip(b" ")
    return b"%b:%b\r\n" % (name.rstrip(b" \t").lower(), text)


def _simple_field(field: bytes) -> bytes:
    return field


def _simple_body(body: bytes) -> bytes:
    return _without_empty_end(body) + CRLF


def _relaxed_body(body: bytes) -> bytes:
    text = _without_empty_end(_single_spaces(body).replace(b" \r\n", CRLF).removesuffix(b" "))
    return text + CRLF if text else b""


def _single_spaces(text: bytes) -> bytes:
    """Return `text` with every run of spaces and tabs as one space. Each pass is linear and shrinks it."""
    if b"\t" in text:
        text = text.replace(b"\t", b" ")
    for run in _RUNS:
        while run in text:
            text = text.replace(run, b" ")
    return text


def _without_empty_end(body: bytes) -> bytes:
    """Take off all CRLF at the end. A CR alone is content and stays."""
    kept = len(body.rstrip(CRLF))
    tail = body[kept:]
    if tail.endswith(b"\r"):
        return body
    return body[: kept + tail.rfind(b"\r\r") + 1]


HEADER: Final[Mapping[Canon, Callable[[bytes], bytes]]] = MappingProxyType(
    {Canon.SIMPLE: _simple_field, Canon.RELAXED: _relaxed_field}
)
"""Canonical form of one field with its CRLF (§3.4.1, §3.4.2)."""

BODY: Final[Mapping[Canon, Callable[[bytes], bytes]]] = MappingProxyType(
    {Canon.SIMPLE: _simple_body, Canon.RELAXED: _relaxed_body}
)
"""Canonical form of a body with CRLF line ends (§3.4.3, §3.4.4)."""


def chosen(
    found: Section, names: Sequence[bytes], canon: Canon, without: int | None = None
) -> bytes:
    """Return the signed fields in canonical form, in the order of h=.

    Of fields with one name the last is taken first (§5.4.2); a name with no field left adds nothing. The
    field at `without`, the signature that is made or checked, never counts.
    """
    left: dict[bytes, list[int]] = {}
    form = HEADER[canon]
    out: list[bytes] = []
    for name in names:
        places = left.get(name)
        if places is None:
            places = left[name] = [place for place in found.at(name) if place != without]
        if places:
            out.append(form(found.fields[places.pop()]))
    return b"".join(out)
