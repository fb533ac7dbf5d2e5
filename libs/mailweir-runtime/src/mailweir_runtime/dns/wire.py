"""Questions and answers as DNS messages (RFC 1035 §4), aliases followed as far as the answer leads.

Read by hand: of a response, only the records of one name and type and the SOA matter, and a library that
makes objects of everything takes ten times as long. Whatever does not fit its own lengths is no answer.
"""

import secrets
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import IPv6Address
from typing import Final, NamedTuple

from mailweir_core.dns import DnsAnswer, DnsQuestion, DnsStatus, RecordType

UDP_BYTES: Final = 1232
"""What fits a datagram without fragments on every usual path (EDNS, RFC 6891)."""
MAX_RECORDS: Final = 256
"""Records of one section that are looked at."""
MAX_ALIASES: Final = 8
MAX_NAME: Final = 255
MAX_LABEL: Final = 63
UNTOLD_SECONDS: Final = 5.0
"""How long "there is none" holds where no SOA says it (RFC 2308 §5 would not keep it at all)."""

_TYPES: Final = {
    RecordType.A: 1,
    RecordType.PTR: 12,
    RecordType.MX: 15,
    RecordType.TXT: 16,
    RecordType.AAAA: 28,
}
_CNAME: Final = 5
_SOA: Final = 6
_IN: Final = 1
_HEADER: Final = struct.Struct("!HHHHH")
_RECORD: Final = struct.Struct("!HHIH")
_OPT: Final = struct.pack("!BHHIH", 0, 41, UDP_BYTES, 0, 0)
_RESPONSE, _OPCODE, _TRUNCATED, _RCODE = 0x8000, 0x7800, 0x0200, 0x000F
_NXDOMAIN: Final = 3
_POINTER: Final = 0xC0
_LONGEST_TTL: Final = 2**31  # a TTL with the highest bit set counts as 0 (RFC 2181 §8)


class NoSuchName(Exception):
    """Raised for a text that can be no domain name."""


@dataclass(frozen=True, slots=True)
class Alias:
    """The answer ends at an alias whose target it does not give; the target is to be asked."""

    name: str
    ttl: float


class Unusable(StrEnum):
    """Why a response gives no answer."""

    STRAY = "stray"  # not to our question: another id, name or type, or no response at all
    TRUNCATED = "truncated"  # to be asked again over TCP
    FAILED = "failed"  # the server says that it cannot or will not


@dataclass(frozen=True, slots=True)
class Query:
    """A question in wire form, and what its answer must match: the question section and the name."""

    wire: bytes
    section: bytes
    name: str
    type: int


def encode_name(text: str) -> bytes:
    """Return a name in A-labels in wire form; raises NoSuchName.

    The text is no zone file: a backslash is a backslash.
    """
    try:
        labels = text.removesuffix(".").encode("ascii").split(b".") if text not in ("", ".") else []
    except UnicodeEncodeError as error:
        raise NoSuchName("not in A-labels") from error
    if not all(0 < len(label) <= MAX_LABEL for label in labels):
        raise NoSuchName("a label is empty or too long")
    wire = b"".join(bytes((len(label),)) + label for label in labels) + b"\0"
    if len(wire) > MAX_NAME:
        raise NoSuchName("too long")
    return wire


def make_query(question: DnsQuestion) -> Query:
    """Return a query with a new random id; raises NoSuchName."""
    kind = _TYPES[question.type]
    section = encode_name(question.name) + struct.pack("!HH", kind, _IN)
    head = secrets.token_bytes(2) + _HEADER.pack(0x0100, 1, 0, 0, 1)
    name, _ = _name(section, 0)
    return Query(head + section + _OPT, section.lower(), name, kind)


def read_response(query: Query, wire: bytes, *, tcp: bool) -> DnsAnswer | Alias | Unusable:
    """Return what a response says; never raises, whatever the octets are."""
    if len(wire) < 12 or wire[:2] != query.wire[:2]:
        return Unusable.STRAY
    flags, questions, answers, authorities, _ = _HEADER.unpack_from(wire, 2)
    code = flags & _RCODE
    if not flags & _RESPONSE or flags & _OPCODE:
        return Unusable.STRAY
    if not questions and code not in (0, _NXDOMAIN):
        return Unusable.FAILED  # some servers leave the question out of an error
    end = 12 + len(query.section)
    if questions != 1 or wire[12:end].lower() != query.section:
        return Unusable.STRAY
    if flags & _TRUNCATED:
        return Unusable.FAILED if tcp else Unusable.TRUNCATED
    if code not in (0, _NXDOMAIN):
        return Unusable.FAILED
    try:
        found = list(_records(wire, end, min(answers, MAX_RECORDS)))
        # the authority section is behind all answers, so of a very long answer its SOA is not looked for
        begin = found[-1].end if found else end
        behind = authorities if answers <= MAX_RECORDS else 0
        told = list(_records(wire, begin, min(behind, MAX_RECORDS)))
        return _answer(query, wire, code, (found, told))
    except (ValueError, IndexError, struct.error):
        return Unusable.STRAY


class _Record(NamedTuple):
    """A record: its name, type and TTL, and where its data stands."""

    name: str
    type: int
    ttl: float
    start: int
    end: int


def _records(wire: bytes, at: int, count: int) -> Iterator[_Record]:
    for _ in range(count):
        name, at = _name(wire, at)
        kind, class_, ttl, length = _RECORD.unpack_from(wire, at)
        start = at + _RECORD.size
        at = start + length
        if at > len(wire):
            raise ValueError("a record ends behind the message")
        ttl = float(ttl) if ttl < _LONGEST_TTL else 0.0
        yield _Record(name, kind if class_ == _IN else 0, ttl, start, at)


def _name(wire: bytes, at: int) -> tuple[str, int]:
    """Return a name in lower case without its final dot, and where it ends. Pointers lead back only."""
    labels: list[bytes] = []
    length, behind, lowest = 0, -1, at
    while size := wire[at]:
        if size >= _POINTER:
            target = ((size & 0x3F) << 8) | wire[at + 1]
            if target >= lowest:
                raise ValueError("a pointer that does not lead backwards")
            behind = at + 2 if behind < 0 else behind
            at = lowest = target
            continue
        length += size + 1
        if size > MAX_LABEL or length >= MAX_NAME or at + size >= len(wire):
            raise ValueError("a label or a name is too long")
        labels.append(wire[at + 1 : at + 1 + size].lower().replace(b".", b"\\."))
        at += size + 1
    return b".".join(labels).decode("latin-1"), (at + 1 if behind < 0 else behind)


def _answer(
    query: Query, wire: bytes, code: int, sections: tuple[list[_Record], list[_Record]]
) -> DnsAnswer | Alias:
    answers, authorities = sections
    name, ttl, found = query.name, float("inf"), list[_Record]()
    for _ in range(MAX_ALIASES):
        found = [r for r in answers if r.type == query.type and r.name == name]
        alias = next((r for r in answers if r.type == _CNAME and r.name == name), None)
        if found or alias is None:
            break
        ttl, name = min(ttl, alias.ttl), _name(wire, alias.start)[0]
    else:
        raise ValueError("too many aliases")
    if found:
        texts = tuple(dict.fromkeys(_text(wire, record) for record in found))
        return DnsAnswer(DnsStatus.OK, texts, min(ttl, *(r.ttl for r in found)))
    soa = next((r for r in authorities if r.type == _SOA), None)
    if code != _NXDOMAIN and name != query.name and soa is None:
        return Alias(name, ttl)
    status = DnsStatus.NXDOMAIN if code == _NXDOMAIN else DnsStatus.NODATA
    return DnsAnswer(status, (), min(ttl, UNTOLD_SECONDS if soa is None else _negative(wire, soa)))


def _negative(wire: bytes, soa: _Record) -> float:
    """RFC 2308 §5: the lesser of the SOA's own TTL and its MINIMUM."""
    (minimum,) = struct.unpack_from("!I", wire, soa.end - 4)
    return min(soa.ttl, float(minimum))


def _text(wire: bytes, record: _Record) -> str:
    """Return a record as `DnsAnswer` has it."""
    data = wire[record.start : record.end]
    if record.type == _TYPES[RecordType.A] and len(data) == 4:
        return ".".join(map(str, data))
    if record.type == _TYPES[RecordType.AAAA] and len(data) == 16:
        return str(IPv6Address(data))
    if record.type == _TYPES[RecordType.TXT]:
        return _strings(data).decode("latin-1")
    if record.type == _TYPES[RecordType.PTR]:
        return _name(wire, record.start)[0]
    if record.type == _TYPES[RecordType.MX] and len(data) > 2:
        host = _name(wire, record.start + 2)[0]
        return f"{int.from_bytes(data[:2], 'big')} {host or '.'}"
    raise ValueError("data that does not fit the type")


def _strings(data: bytes) -> bytes:
    pieces, at = [], 0
    while at < len(data):
        end = at + 1 + data[at]
        if end > len(data):
            raise ValueError("a string ends behind its record")
        pieces.append(data[at + 1 : end])
        at = end
    return b"".join(pieces)
