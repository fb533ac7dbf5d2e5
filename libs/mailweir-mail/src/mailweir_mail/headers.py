"""Header fields in order, as they were sent and as they read."""

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import islice
from typing import Final, NamedTuple, overload

from ._lazy import Frozen, lazy
from .defects import Defect, DefectKind
from .edit import unfold
from .limits import DEFAULT, ParseLimits
from .words import decode_words, undecoded

# A field in two pieces (name with colon, value), or a line that is none. White space before the name is
# possible in the very first line only, since elsewhere it makes the line a continuation; before the colon it
# is obsolete syntax (RFC 5322 §4.5).
_FIELD: Final = re.compile(rb"([ \t]*[!-9;-~]+[ \t]*:)([^\n]*(?:\n[ \t][^\n]*)*\n?)|([^\n]+\n?)")
_MBOX: Final = (b"From ", b">From ")
_PLAUSIBLE: Final = re.compile(rb"[A-Za-z][A-Za-z0-9_.-]*[ \t]*:\Z")
_BLANKS: Final = b" \t"
_set = object.__setattr__


class Header(NamedTuple):
    """One field: its name as written, its octets, where it begins in the message, and how much is decoded.

    A tuple, because a message has dozens and most are never looked at.
    """

    name: str
    raw: bytes
    offset: int
    value_at: int
    most: int

    def __repr__(self) -> str:
        """Return name and offset; a value is another person's data and stays out of logs."""
        return f"Header({self.name!r}, offset={self.offset})"

    @property
    def value(self) -> bytes:
        """Return the octets after the colon: folded, undecoded, with the line end."""
        return self.raw[self.value_at :]

    @property
    def unfolded(self) -> bytes:
        """Return the value with the line breaks of folding taken out, trimmed, undecoded."""
        return unfold(self.value)

    @property
    def text(self) -> str:
        """Return the value as it reads: unfolded, encoded words decoded. Decoded anew at each access."""
        value = self._bounded
        if value.isascii() and b"=?" not in value:
            value = value.strip(b" \t\r\n")
            if b"\n" not in value:
                return value.decode("ascii")
        return decode_words(value).text

    @property
    def undecoded(self) -> str:
        """Return the value unfolded, encoded words as they are: what a structured field is parsed from."""
        return undecoded(self._bounded).text

    @property
    def defects(self) -> tuple[Defect, ...]:
        """Return what is wrong with this field."""
        kinds = decode_words(self._bounded).defects
        if len(self.raw) - self.value_at > self.most:
            kinds = (*kinds, DefectKind.FIELD_BYTES_LIMIT)
        return tuple(Defect(kind, self.name) for kind in kinds)

    @property
    def _bounded(self) -> bytes:
        return self.raw[self.value_at : self.value_at + self.most]


class _Split(NamedTuple):
    """Fields as name with colon and value, where each begins, and at which places each name occurs."""

    fields: list[tuple[bytes, bytes, bytes]]
    offsets: list[int]
    places: dict[bytes, list[int]]
    defects: tuple[Defect, ...]
    junk_at: int | None


class Headers(Frozen):
    """The fields of one header section, in order. Names compare without regard to case."""

    __slots__ = ("_base", "_limits", "raw")
    raw: bytes
    _base: int
    _limits: ParseLimits

    def __init__(self, raw: bytes, base: int = 0, limits: ParseLimits = DEFAULT) -> None:
        """Take a header section and where it begins in the message; nothing is parsed yet."""
        _set(self, "raw", raw)
        _set(self, "_base", base)
        _set(self, "_limits", limits)

    def __repr__(self) -> str:
        """Return how many fields there are."""
        return f"Headers({len(self)} fields, {len(self.raw)} octets)"

    def __len__(self) -> int:
        """Return how many fields there are."""
        return len(self._split.fields)

    def __iter__(self) -> Iterator[Header]:
        """Go through the fields in order."""
        return map(self._header, range(len(self._split.fields)))

    @overload
    def __getitem__(self, index: int) -> Header: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Header]: ...

    def __getitem__(self, index: int | slice) -> Header | Sequence[Header]:
        """Return a field by position."""
        places = range(len(self._split.fields))
        if isinstance(index, slice):
            return [self._header(place) for place in places[index]]
        return self._header(places[index])

    def __contains__(self, name: object) -> bool:
        """Say whether there is a field of that name."""
        return isinstance(name, str) and _key(name) in self._split.places

    def first(self, name: str) -> Header | None:
        """Return the first field of that name, or None."""
        found = self._split.places.get(_key(name))
        return self._header(found[0]) if found else None

    def all(self, name: str) -> tuple[Header, ...]:
        """Return every field of that name, in order."""
        return tuple(map(self._header, self._split.places.get(_key(name), ())))

    def get(self, name: str, default: str | None = None) -> str | None:
        """Return the decoded text of the first field of that name, or the default."""
        found = self.first(name)
        return default if found is None else found.text

    def _header(self, place: int) -> Header:
        """Make the field at a place; most are never asked for."""
        split = self._split
        head, value, _ = split.fields[place]
        name = head[:-1].strip(_BLANKS).decode("ascii")
        return Header(name, head + value, split.offsets[place], len(head), self._limits.field_bytes)

    @property
    def names(self) -> Sequence[str]:
        """Return the names of all fields in order, in lower case; no field is made for them."""
        return [
            head[:-1].strip(_BLANKS).lower().decode("ascii") for head, _, _ in self._split.fields
        ]

    @property
    def junk_at(self) -> int | None:
        """Return where in `raw` the lines begin that are no header any more, or None.

        A body that follows without an empty line begins there (a relay would put the empty line in).
        """
        return self._split.junk_at

    @lazy
    def defects(self) -> tuple[Defect, ...]:
        """Return what is wrong with the section's shape and with each field."""
        found, most = self._split.defects, self._limits.field_bytes
        if self.raw.isascii() and b"=?" not in self.raw and len(self.raw) <= most:
            return found
        suspects = (
            place
            for place, (_, value, _) in enumerate(self._split.fields)
            if b"=?" in value or len(value) > most or not value.isascii()
        )
        return (*found, *(defect for place in suspects for defect in self._header(place).defects))

    @lazy
    def _split(self) -> _Split:
        return _split(self.raw, self._base, self._limits)


@lru_cache(maxsize=1024)
def _key(name: str) -> bytes:
    """Return a name as it is looked up by; those asked for are few, and asked for in each message."""
    return name.lower().encode("ascii", "replace")


def _split(raw: bytes, base: int, limits: ParseLimits) -> _Split:
    block, defects = _bounded(raw, limits)
    fields: list[tuple[bytes, bytes, bytes]] = []
    offsets: list[int] = []
    places: dict[bytes, list[int]] = {}
    junk: list[int] = []
    at = 0
    for field in _FIELD.findall(block):
        head, value, other = field
        if other:
            junk.append(at)
            at += len(other)
            continue
        key = head[:-1].strip(_BLANKS).lower()
        places.setdefault(key, []).append(len(fields))
        fields.append(field)
        offsets.append(base + at)
        at += len(head) + len(value)
    if b"\0" in block:
        defects.append(Defect(DefectKind.NUL, "header"))
    if not junk:
        return _Split(fields, offsets, places, tuple(defects), None)
    last = max(
        (at for at, field in zip(offsets, fields, strict=True) if _plausible(field)), default=-1
    )
    junk_at = _judge_junk(block, junk, last - base, defects)
    return _without_body(_Split(fields, offsets, places, tuple(defects), junk_at), base)


def _plausible(field: tuple[bytes, bytes, bytes]) -> bool:
    """Say whether this is a field by intention, not a line of text such as `http://…`."""
    return _PLAUSIBLE.match(field[0]) is not None and field[1][:1] in (
        b"",
        b" ",
        b"\t",
        b"\r",
        b"\n",
    )


def _without_body(split: _Split, base: int) -> _Split:
    """Take out what looks like fields but lies behind the header's end."""
    if split.junk_at is None:
        return split
    end = base + split.junk_at
    kept = [number for number, at in enumerate(split.offsets) if at < end]
    places = {key: [n for n in found if n < len(kept)] for key, found in split.places.items()}
    return split._replace(
        fields=split.fields[: len(kept)],
        offsets=split.offsets[: len(kept)],
        places={key: found for key, found in places.items() if found},
    )


def _bounded(raw: bytes, limits: ParseLimits) -> tuple[bytes, list[Defect]]:
    """Cut at the limits: the size between two lines, the number between two fields.

    A field counts once however it is folded: real spam hides its Content-Type behind a To of 1,700 lines.
    """
    defects: list[Defect] = []
    if len(raw) > limits.header_bytes:
        defects.append(Defect(DefectKind.HEADER_BYTES_LIMIT, "header", str(len(raw))))
        raw = raw[: raw.rfind(b"\n", 0, limits.header_bytes) + 1 or limits.header_bytes]
    if raw.count(b"\n") > limits.header_lines:
        rest = islice(_FIELD.finditer(raw), limits.header_lines, None)
        first_over = next(rest, None)
        if first_over is not None:
            defects.append(
                Defect(DefectKind.HEADER_LINES_LIMIT, "header", str(limits.header_lines))
            )
            raw = raw[: first_over.start()]
    return raw, defects


def _judge_junk(block: bytes, junk: list[int], last: int, defects: list[Defect]) -> int | None:
    """Say where the body begins if these lines mean that the empty line before it is missing.

    Lines that are no fields, with fields after them, are a broken header; with none after them, a body.
    """
    if junk[0] == 0 and block.startswith(_MBOX):
        defects.append(Defect(DefectKind.HEADER_MBOX, "header"))
        junk = junk[1:]
    if not junk:
        return None
    defects.append(Defect(DefectKind.HEADER_JUNK, "header", f"{len(junk)} lines"))
    body = next((at for at in junk if at > last), None)
    if body is not None:
        defects.append(Defect(DefectKind.HEADER_SEPARATOR, "header"))
    return body
