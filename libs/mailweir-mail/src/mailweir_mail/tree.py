"""The part tree from the raw bytes, in one pass forward over the lines that could be delimiters.

The pass keeps a stack of open parts and a table of their boundaries, so its time is linear in the message's
length whatever the nesting, and nothing recurses. A delimiter line is one whose text after `--` is an open
boundary, or, since RFC 2046 §5.1.1 compares only the line's beginning, begins with one; the innermost wins.
"""

import heapq
from dataclasses import dataclass, field
from typing import Final

from . import transfer
from .defects import Defect, DefectKind
from .edit import split_at
from .headers import Headers
from .limits import ParseLimits
from .params import Value, parse_value
from .part import MESSAGE_TYPES, Part

MAX_BOUNDARY: Final = 998  # octets; RFC 2046 allows 70, a line holds 998
_PLAIN: Final = "text/plain"
_EMBEDDED: Final = "message/rfc822"


@dataclass(slots=True)
class _Open:
    """A part whose end is not seen yet."""

    headers: Headers
    header_start: int
    body_start: int
    number: str
    content_type: Value
    type: str
    boundary: bytes | None = None
    encoded: str = ""
    children: list[Part] = field(default_factory=list)
    preamble_end: int = -1
    epilogue_start: int = -1


@dataclass(frozen=True, slots=True)
class _Hit:
    """A delimiter line: which open part it belongs to, where it stands, whether it closes."""

    level: int
    start: int
    end: int
    closing: bool


@dataclass(slots=True)
class Tree:
    """What a build gave: the root, what is wrong with the structure, how many parts there are."""

    root: Part
    defects: tuple[Defect, ...]
    count: int


@dataclass(slots=True)
class _Spent:
    """What a message has used up, encoded embedded messages and all."""

    parts: int = 0
    text: int = 0


def build(raw: bytes, headers: Headers, body_start: int, limits: ParseLimits) -> Tree:
    """Build the tree of a message whose header section is split off already."""
    spent = _Spent()
    root, defects = _Builder(raw, limits, spent).build(headers, body_start, "")
    return Tree(root, defects, spent.parts)


class _Builder:
    def __init__(
        self, raw: bytes, limits: ParseLimits, spent: _Spent, *, depth: int = 0, encoded: int = 0
    ) -> None:
        self._raw = raw
        self._limits = limits
        self._spent = spent
        self._depth = depth
        self._encoded = encoded
        self._stack: list[_Open] = []
        self._levels: dict[bytes, list[int]] = {}
        self._ahead: list[tuple[int, bytes]] = []
        self._sought: set[bytes] = set()
        self._guessed = False
        self._blank_lf = self._blank_crlf = -1
        self._defects: list[Defect] = []

    def build(
        self, headers: Headers, body_start: int, number: str
    ) -> tuple[Part, tuple[Defect, ...]]:
        """Build the tree; `number` is the root's own."""
        pos = self._push(headers, 0, body_start, number, _PLAIN)
        while hit := self._next(pos, len(self._raw)):
            if self._spent.parts >= self._limits.parts and not hit.closing:
                self._defect(DefectKind.PARTS_LIMIT, "", str(self._limits.parts))
                break
            pos = self._advance(hit)
        self._close_above(0, len(self._raw))
        root = self._close(self._stack.pop(), len(self._raw))
        return root, tuple(self._defects)

    def _defect(self, kind: DefectKind, where: str, detail: str = "") -> None:
        self._defects.append(Defect(kind, where, detail))

    # -- delimiters ---------------------------------------------------------------------------------------

    def _next(self, pos: int, end: int) -> _Hit | None:
        """Find the next delimiter line of an open multipart that begins in `pos:end`.

        Each open boundary is sought by itself, and where it was found is kept while that lies ahead: so the
        lines that only look like delimiters cost nothing, no octet is searched twice for one boundary, and
        of many open boundaries only those are sought again that were passed.
        """
        ahead, before = self._ahead, max(pos - 1, 0)
        while ahead:
            at, boundary = ahead[0]
            if boundary not in self._levels:
                heapq.heappop(ahead)
                self._sought.discard(boundary)
            elif at < before:
                heapq.heapreplace(ahead, (_find(self._raw, b"\n--" + boundary, before), boundary))
            else:
                return self._hit(at) if at < end else None
        return None

    def _hit(self, at: int) -> _Hit:
        """Say whose delimiter the line is: of the boundary that is all of it, else of the longest."""
        stop = self._raw.find(b"\n", at + 3)
        stop = len(self._raw) if stop < 0 else stop
        line = self._raw[at + 3 : min(stop, at + 5 + MAX_BOUNDARY)].rstrip(b" \t\r")
        fitting = self._fitting(at)
        boundary = line if line in fitting else line[:-2] if line.endswith(b"--") else b""
        if boundary not in fitting:
            boundary = max(fitting, key=len)
            self._defect(DefectKind.BOUNDARY_PREFIX, "", f"offset {at + 1}")
        closing = line.startswith(b"--", len(boundary))
        return _Hit(self._levels[boundary][-1], at + 1, stop, closing)

    def _fitting(self, at: int) -> list[bytes]:
        """Return the open boundaries that the line at `at` begins with: those that were found there."""
        found = []
        while self._ahead and self._ahead[0][0] == at:
            found.append(heapq.heappop(self._ahead)[1])
        for boundary in found:
            heapq.heappush(self._ahead, (at, boundary))
        return [boundary for boundary in found if boundary in self._levels]

    def _advance(self, hit: _Hit) -> int:
        """Apply a delimiter; returns where the search goes on."""
        end = self._line_end_before(hit.start)
        self._close_above(hit.level, end)
        owner = self._stack[hit.level]
        if owner.preamble_end < 0:
            owner.preamble_end = max(owner.body_start, end)
        if hit.closing:
            owner.epilogue_start = min(hit.end + 1, len(self._raw))
            self._forget(owner, hit.level)
            return owner.epilogue_start
        if hit.end + 1 >= len(self._raw):
            return len(self._raw)  # a delimiter with nothing after it begins no part
        default = _EMBEDDED if owner.type == "multipart/digest" else _PLAIN
        number = (
            f"{owner.number}.{len(owner.children) + 1}"
            if owner.number
            else str(len(owner.children) + 1)
        )
        return self._enter(hit.end + 1, number, default)

    def _line_end_before(self, start: int) -> int:
        """Return where the content before a delimiter line ends: its line break belongs to the delimiter."""
        end = start - 1
        return end - 1 if end > 0 and self._raw[end - 1] == 0x0D else end

    # -- opening ------------------------------------------------------------------------------------------

    def _enter(self, start: int, number: str, default: str) -> int:
        """Read the part that begins at `start` up to its body; returns where to go on."""
        headers, body_start = self._read_header(start)
        return self._push(headers, start, body_start, number, default)

    def _read_header(self, start: int) -> tuple[Headers, int]:
        header_end, body_start = self._header_section(start)
        hit = self._next(start, header_end)
        if hit is not None:
            header_end = body_start = hit.start
        headers = Headers(self._raw[start:header_end], start, self._limits)
        return headers, body_start if headers.junk_at is None else start + headers.junk_at

    def _header_section(self, start: int) -> tuple[int, int]:
        """Return where the header that begins at `start` ends and its body begins.

        What was found once is kept while it lies ahead: without that, many parts without an empty line would
        each search to the message's end.
        """
        if start >= len(self._raw):
            return len(self._raw), len(self._raw)
        before = start - 1
        if self._blank_crlf < before:
            self._blank_crlf = _find(self._raw, b"\n\r\n", before)
        if self._blank_lf < before:
            # No further than the other: most messages have no such line at all.
            found = self._raw.find(b"\n\n", before, self._blank_crlf + 1)
            self._blank_lf = found if found >= 0 else self._blank_crlf
        if self._blank_lf < self._blank_crlf:
            return self._blank_lf + 1, self._blank_lf + 2
        if self._blank_crlf < len(self._raw):
            return self._blank_crlf + 1, self._blank_crlf + 3
        return len(self._raw), len(self._raw)

    def _push(
        self, headers: Headers, start: int, body_start: int, number: str, default: str
    ) -> int:
        """Put a part on the stack, and what is inside an embedded message; returns where to go on."""
        while True:
            self._spent.parts += 1
            part = self._classify(headers, start, body_start, number, default)
            self._stack.append(part)
            if part.boundary is not None:
                self._remember(part.boundary)
            level = len(self._stack) - 1
            if part.type not in MESSAGE_TYPES or part.encoded or not self._may_nest(part, level):
                return body_start
            start, number, default = body_start, f"{number}.1" if number else "1", _PLAIN
            headers, body_start = self._read_header(start)

    def _classify(
        self, headers: Headers, start: int, body_start: int, number: str, default: str
    ) -> _Open:
        field_ = headers.first("content-type")
        value = parse_value(field_.undecoded, self._limits.parameters) if field_ else Value()
        type_ = value.value if value.sub else default
        if field_ is not None:
            self._judge_type(headers, value, number)
        part = _Open(headers, start, body_start, number, value, type_)
        if type_.startswith("multipart/"):
            self._open_multipart(part)
        elif type_ in MESSAGE_TYPES:
            part.encoded = self._composite_encoding(part)
        return part

    def _judge_type(self, headers: Headers, value: Value, number: str) -> None:
        if not value.sub or len(headers.all("content-type")) > 1:
            self._defect(DefectKind.CONTENT_TYPE, number)
        for name in value.duplicates:
            self._defect(DefectKind.PARAMETER_DUPLICATE, number, name)

    def _open_multipart(self, part: _Open) -> None:
        if not self._may_nest(part, len(self._stack)):
            part.type = _PLAIN
            return
        if self._composite_encoding(part):
            self._defect(DefectKind.TRANSFER_COMPOSITE, part.number)
        boundary = self._boundary_octets(part)
        if not boundary or len(boundary) > MAX_BOUNDARY:
            self._defect(DefectKind.BOUNDARY_MISSING, part.number)
            boundary = self._guess_boundary(part.body_start)
        if not boundary:
            part.type = _PLAIN
            return
        if boundary in self._levels:
            self._defect(DefectKind.BOUNDARY_REUSED, part.number)
        part.boundary = boundary

    def _boundary_octets(self, part: _Open) -> bytes:
        """Return the boundary as it was sent: no charset and no encoded word is undone in it."""
        field_ = part.headers.first("content-type")
        text = field_.unfolded[: self._limits.field_bytes].decode("latin-1") if field_ else ""
        value = parse_value(text, self._limits.parameters, words=False)
        return (value.get("boundary") or "").rstrip().encode("latin-1", "replace")

    def _may_nest(self, part: _Open, level: int) -> bool:
        if self._depth + level < self._limits.depth:
            return True
        self._defect(DefectKind.DEPTH_LIMIT, part.number, str(self._limits.depth))
        return False

    def _composite_encoding(self, part: _Open) -> str:
        """Return the transfer encoding of a part that must not have one, if it has."""
        field_ = part.headers.first("content-transfer-encoding")
        encoding = field_.undecoded.strip().lower() if field_ else ""
        return encoding if encoding in ("base64", "quoted-printable") else ""

    def _guess_boundary(self, start: int) -> bytes:
        """Take the first line that looks like a delimiter and has a closing one; once, since it is costly."""
        if self._guessed:
            return b""
        self._guessed = True
        at = self._raw.find(b"\n--", max(start - 1, 0))
        stop = self._raw.find(b"\n", at + 3) if at >= 0 else -1
        line = self._raw[at + 3 : stop].rstrip(b" \t\r") if stop >= 0 else b""
        if not line or len(line) > MAX_BOUNDARY or self._raw.find(b"\n--" + line + b"--", stop) < 0:
            return b""
        return line

    def _remember(self, boundary: bytes) -> None:
        self._levels.setdefault(boundary, []).append(len(self._stack) - 1)
        if boundary not in self._sought:
            self._sought.add(boundary)
            heapq.heappush(self._ahead, (-1, boundary))

    def _forget(self, part: _Open, level: int) -> None:
        levels = self._levels.get(part.boundary or b"", [])
        if part.boundary is None or level not in levels:
            return
        levels.remove(level)
        if not levels:
            del self._levels[part.boundary]

    # -- closing ------------------------------------------------------------------------------------------

    def _close_above(self, level: int, end: int) -> None:
        while len(self._stack) - 1 > level:
            part = self._stack.pop()
            self._stack[-1].children.append(self._close(part, end))

    def _close(self, part: _Open, end: int) -> Part:
        end = max(part.body_start, end)
        level = len(self._stack)
        if part.boundary is not None:
            self._judge_multipart(part, level, end)
        children = self._read_encoded(part, end) if part.encoded else tuple(part.children)
        if part.type in MESSAGE_TYPES and children and not len(children[0].headers):
            children = ()  # no field at all: this is not a message, whatever it says
        return Part(
            source=self._raw,
            limits=self._limits,
            number=part.number,
            headers=part.headers,
            content_type=part.content_type,
            type=part.type,
            header_start=part.header_start,
            body_start=part.body_start,
            body_end=end,
            preamble_end=part.preamble_end if part.preamble_end >= 0 else part.body_start,
            epilogue_start=part.epilogue_start if part.epilogue_start >= 0 else end,
            text_limit=self._text_limit(part, end),
            children=children,
        )

    def _judge_multipart(self, part: _Open, level: int, end: int) -> None:
        self._forget(part, level)
        if part.epilogue_start >= 0:
            again = b"\n--" + (part.boundary or b"")
            if self._raw.find(again, part.epilogue_start - 1, end) >= 0:
                self._defect(DefectKind.BOUNDARY_AFTER_CLOSE, part.number)
        elif part.preamble_end >= 0:
            self._defect(DefectKind.BOUNDARY_UNCLOSED, part.number)
        else:
            self._defect(DefectKind.BOUNDARY_UNSEEN, part.number)
            part.type = _PLAIN  # what stands there is what a client shows

    def _text_limit(self, part: _Open, end: int) -> int:
        """Return a text part's share of the octets that are decoded; text comes first, first served."""
        if part.children or not part.type.startswith(("text/", "application/xhtml")):
            return 0
        share = min(self._limits.text_bytes - self._spent.text, end - part.body_start)
        self._spent.text += share
        return share

    def _read_encoded(self, part: _Open, end: int) -> tuple[Part, ...]:
        """Read an embedded message that is encoded, against RFC 2046 §5.2.1 but found in mail."""
        self._defect(DefectKind.TRANSFER_COMPOSITE, part.number)
        depth = self._depth + len(self._stack) + 1
        if self._encoded >= self._limits.encoded_depth or depth > self._limits.depth:
            self._defect(DefectKind.DEPTH_LIMIT, part.number)
            return ()
        data = transfer.decode(self._raw[part.body_start : end], part.encoded).data
        header_end, body_start = split_at(data)
        headers = Headers(data[:header_end], 0, self._limits)
        builder = _Builder(data, self._limits, self._spent, depth=depth, encoded=self._encoded + 1)
        number = f"{part.number}.1" if part.number else "1"
        root, defects = builder.build(headers, body_start, number)
        self._defects.extend(defects)
        return (root,)


def _find(raw: bytes, what: bytes, start: int) -> int:
    found = raw.find(what, max(start, 0))
    return len(raw) + 1 if found < 0 else found
