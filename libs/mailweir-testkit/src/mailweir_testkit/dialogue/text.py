r"""Byte strings as scripts write them: `"ab\r\n" * 3 + "\x00"`.

A literal stands in double quotes and knows `\r \n \t \0 \\ \" \xNN`; everything else is UTF-8.
`* N` repeats the literal before it, `+` puts two together. A script cannot build more than `MAX_BYTES`.
"""

import re
from typing import Final

MAX_BYTES: Final = 64 * 1024 * 1024

_LITERAL: Final = re.compile(r'"((?:[^"\\]|\\.)*)"\s*(?:\*\s*(\d+)\s*)?')
_ESCAPE: Final = re.compile(r"\\(x[0-9A-Fa-f]{2}|.)")
_SIMPLE: Final = {"r": b"\r", "n": b"\n", "t": b"\t", "0": b"\0", "\\": b"\\", '"': b'"'}


def parse_bytes(text: str) -> bytes:
    """Return what an expression stands for; raises ValueError with a sentence."""
    rest, parts, total = text.strip(), list[bytes](), 0
    while True:
        found = _LITERAL.match(rest)
        if found is None:
            raise ValueError(f"expected a text in double quotes at {rest[:30]!r}")
        part = unescape(found[1]) * int(found[2] or 1)
        total += len(part)
        if total > MAX_BYTES:
            raise ValueError(f"the text is over {MAX_BYTES} bytes")
        parts.append(part)
        rest = rest[found.end() :]
        if not rest:
            return b"".join(parts)
        if rest[0] != "+":
            raise ValueError(f"expected + or the end at {rest[:30]!r}")
        rest = rest[1:].lstrip()


def unescape(text: str) -> bytes:
    """Return the bytes of a literal's inside; raises ValueError for an unknown escape."""
    out, position = bytearray(), 0
    for found in _ESCAPE.finditer(text):
        out += text[position : found.start()].encode()
        out += _escaped(found[1])
        position = found.end()
    return bytes(out + text[position:].encode())


def _escaped(what: str) -> bytes:
    if len(what) == 3:
        return bytes.fromhex(what[1:])
    if what not in _SIMPLE:
        raise ValueError(f"unknown escape \\{what}")
    return _SIMPLE[what]
