"""The texts of a message in the pieces that `body` and `rawbody` rules see."""

import re
from collections.abc import Iterable, Iterator
from typing import AnyStr, Final

BODY_PART_BYTES: Final = 50_000
"""SpamAssassin's `body_part_scan_size`: characters of one rendered part."""
RAWBODY_PART_BYTES: Final = 500_000
"""SpamAssassin's `rawbody_part_scan_size`: octets of one decoded part."""
MAX_LINE: Final = 2048
"""Octets of one paragraph, and one more where a space follows: it goes with what is before it."""
MAX_PARTS: Final = 200
"""Parts whose text is put together; SpamAssassin has no such limit."""
_LATER: Final = 1024  # how much longer a part may be cut, to end at a natural place
_WIDE_SPACE: Final = "[ \t\n\r\f\v\x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]"
_PARAGRAPHS: Final = re.compile(r"\n\s*\n", re.ASCII)
_SPACES: Final = re.compile(r" [ \t\n\r\f\v]+|[\t\n\r\f\v][ \t\n\r\f\v]*")
"""What is not one plain space already."""
_WIDE_PARAGRAPHS: Final = re.compile(rf"\n{_WIDE_SPACE}*\n")
_WIDE_SPACES: Final = re.compile(rf" {_WIDE_SPACE}+|(?! ){_WIDE_SPACE}{_WIDE_SPACE}*")
_LATIN: Final = re.compile("[^\x00-\xff]")


def body_lines(subject: bytes, texts: Iterable[str], *, decoded: bool) -> tuple[bytes, ...]:
    """Return the paragraphs of the rendered parts, the subject first.

    `decoded` says whether any part had characters beyond ASCII. If none had, characters that entities made
    stay single octets where all of them fit into Latin-1: SpamAssassin's rules see them so.
    """
    text = ""
    for piece in texts:
        text += ("\n" if text else "") + _cut(piece, BODY_PART_BYTES, ("\n", " "))
    wide = decoded or _LATIN.search(text) is not None
    paragraphs, spaces = (_WIDE_PARAGRAPHS, _WIDE_SPACES) if wide else (_PARAGRAPHS, _SPACES)
    text = spaces.sub(" ", paragraphs.sub("\0", text)).replace("\0", "\n")
    octets = text.encode("utf-8", "replace") if wide else text.encode("latin-1", "replace")
    return tuple(_short_lines(subject + octets))


def rawbody_blocks(parts: Iterable[bytes]) -> tuple[bytes, ...]:
    """Return decoded parts in blocks of one to four kilobytes that end at a line, a tag or a space."""
    return tuple(
        block
        for part in parts
        for block in short_paragraphs(_cut(part, RAWBODY_PART_BYTES, (b"\n", b">", b" ")))
    )


def _cut(text: AnyStr, size: int, ends: tuple[AnyStr, ...]) -> AnyStr:
    if len(text) <= size:
        return text
    for end in ends:
        at = text.find(end, size, size + _LATER + 1)
        if at >= 0:
            return text[: at + 1]
    return text[:size]


def _short_lines(text: bytes) -> Iterator[bytes]:
    for line in _lines(text):
        start = 0
        while len(line) - start > MAX_LINE:
            space = line.rfind(b" ", start, start + MAX_LINE + 1)
            stop = space + 1 if space >= 0 else start + MAX_LINE
            yield line[start:stop]
            start = stop
        yield line[start:] if start else line


def _lines(text: bytes) -> list[bytes]:
    pieces = text.split(b"\n")
    lines = [piece + b"\n" for piece in pieces[:-1]]
    return [*lines, pieces[-1]] if pieces[-1] else lines


def short_paragraphs(text: bytes) -> Iterator[bytes]:
    """Cut octets into blocks of MAX_LINE to twice that."""
    at = 0
    if len(text) <= MAX_LINE:
        yield text
        return
    while len(text) - at > 2 * MAX_LINE:
        stop = at + MAX_LINE
        for end in (b"\n", b">", b" "):
            found = text.find(end, at + MAX_LINE, at + 2 * MAX_LINE)
            if found >= 0:
                stop = found
                break
        yield text[at : stop + 1]
        at = stop + 1
    if at < len(text):
        yield text[at:]
