"""The directories of archives: names, sizes, and what is encrypted. Bounded, and never unpacked."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

MOST_ENTRIES: Final = 1000
"""Entries of one archive that are read (PMG: 1000 files)."""
TAIL: Final = 65_557
"""Octets at the end of a zip file that announce its directory: a comment of 64 KiB, and the record."""

_END: Final = struct.Struct("<4s4H2LH")
_ENTRY: Final = struct.Struct("<4s6H3L5H2L")
_ENCRYPTED: Final = 1
_UTF8: Final = 0x800


@dataclass(frozen=True, slots=True)
class Entry:
    """One file in an archive: its name, and its sizes in octets as the directory says."""

    name: str
    packed: int = 0
    size: int = 0
    encrypted: bool = False


@dataclass(frozen=True, slots=True)
class Listing:
    """What an archive says of itself. `hidden` says that even the names are encrypted."""

    entries: tuple[Entry, ...] = ()
    hidden: bool = False

    @property
    def encrypted(self) -> bool:
        """Say whether anything in it is encrypted."""
        return self.hidden or any(e.encrypted for e in self.entries)


def listing(content: bytes, kind: str) -> Listing:
    """Return the directory of a zip, rar, 7z or tar file; an empty one for what cannot be read."""
    if kind == "application/vnd.rar":
        return _rar(content)
    if kind == "application/x-7z-compressed":
        return Listing(hidden=_7z_hidden(content))
    if kind == "application/x-tar":
        return Listing(tuple(_tar(content)))
    return Listing(tuple(_zip(content))) if content[:2] == b"PK" else Listing()


def _zip(content: bytes) -> Iterator[Entry]:
    at = content.rfind(b"PK\x05\x06", max(0, len(content) - TAIL))
    if at < 0 or at + _END.size > len(content):
        return
    _, _, _, _, count, size, start, _ = _END.unpack_from(content, at)
    place = start if content[start : start + 4] == b"PK\x01\x02" else at - size
    for _ in range(min(count, MOST_ENTRIES)):
        if place < 0 or place + _ENTRY.size > len(content):
            return
        head = _ENTRY.unpack_from(content, place)
        if head[0] != b"PK\x01\x02":
            return
        flags, packed, full = head[3], head[8], head[9]
        name, extra, comment = head[10], head[11], head[12]
        begin = place + _ENTRY.size
        text = content[begin : begin + name].decode(
            "utf-8" if flags & _UTF8 else "cp437", "replace"
        )
        yield Entry(text, packed, full, bool(flags & _ENCRYPTED))
        place = begin + name + extra + comment


def _tar(content: bytes) -> Iterator[Entry]:
    place = 0
    for _ in range(MOST_ENTRIES):
        name = content[place : place + 100].rstrip(b"\0")
        octal = content[place + 124 : place + 136].strip(b"\0 ")
        if not name or not octal.isdigit() or b"8" in octal or b"9" in octal:
            return
        size = int(octal, 8)
        yield Entry(name.decode("utf-8", "replace"), size, size)
        place += 512 + (size + 511) // 512 * 512


def _rar(content: bytes) -> Listing:
    """RAR 4 and 5: archive headers are encrypted, or entries one by one."""
    if content[6:8] == b"\x01\x00":
        return _rar5(content)
    entries, place, hidden = [], 7, False
    for _ in range(MOST_ENTRIES):
        if place + 7 > len(content):
            break
        kind, flags, length = struct.unpack_from("<BHH", content, place + 2)
        if length < 7:
            break
        packed = (
            int.from_bytes(content[place + 7 : place + 11], "little")
            if flags & 0x8000 or kind == 0x74
            else 0
        )
        if kind == 0x73 and flags & 0x80:
            hidden = True
            break
        if kind == 0x74 and place + 32 <= len(content):
            size, named = (
                struct.unpack_from("<L", content, place + 11)[0],
                struct.unpack_from("<H", content, place + 26)[0],
            )
            name = (
                content[place + 32 : place + 32 + named]
                .partition(b"\0")[0]
                .decode("utf-8", "replace")
            )
            entries.append(Entry(name, packed, size, bool(flags & 4)))
        place += length + packed
    return Listing(tuple(entries), hidden)


def _rar5(content: bytes) -> Listing:
    entries, place, hidden = [], 8, False
    for _ in range(MOST_ENTRIES):
        size, at = _number(content, place + 4)
        end = at + size
        kind, at = _number(content, at)
        if not size or end > len(content):
            break
        flags, at = _number(content, at)
        extra, at = _number(content, at) if flags & 1 else (0, at)
        data, at = _number(content, at) if flags & 2 else (0, at)
        if kind == 4:
            hidden = True
            break
        if kind == 2:
            entries.append(_rar5_entry(content, at, end, extra, data))
        place = end + data
    return Listing(tuple(entries), hidden)


def _rar5_entry(content: bytes, at: int, end: int, extra: int, data: int) -> Entry:
    flags, at = _number(content, at)
    size, at = _number(content, at)
    _, at = _number(content, at)
    at += (4 if flags & 2 else 0) + (4 if flags & 4 else 0)
    _, at = _number(content, at)
    _, at = _number(content, at)
    length, at = _number(content, at)
    _, kind_at = _number(content, end - extra)
    kind, _ = _number(content, kind_at)
    name = content[at : at + min(length, 1000)].decode("utf-8", "replace")
    return Entry(name, data, size, bool(extra) and kind == 1)


def _number(content: bytes, at: int) -> tuple[int, int]:
    """Read a number of seven bits an octet; zero, and no progress, where there is none."""
    value = 0
    for shift in range(10):
        octet = content[at + shift] if at + shift < len(content) else 0
        value |= (octet & 0x7F) << 7 * shift
        if not octet & 0x80:
            return value, at + shift + 1
    return 0, at


def _7z_hidden(content: bytes) -> bool:
    """7-Zip packs its directory; where AES is named in what is left to read, names are hidden as well."""
    return b"\x06\xf1\x07\x01" in content[-4096:]
