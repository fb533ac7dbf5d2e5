"""The header section as bytes: look into it and change it without serialising anything again.

A relay must hand on what it got: a signature covers the exact bytes. So nothing here parses more than
it must, and everything that is not removed or added stays byte for byte as it was. A field runs from its
first line over all lines that begin with space or tab (RFC 5322 §2.2.3); the header section ends at the
first empty line, whether lines end in CRLF or LF.
"""

import re
from collections.abc import Callable, Collection, Sequence
from typing import Final

SOFT_LINE: Final = 78  # RFC 5322 §2.1.1: should not be exceeded, CRLF not counted
HARD_LINE: Final = 998  # RFC 5322 §2.1.1: must not be exceeded, CRLF not counted

_FIELD: Final = re.compile(rb"[^\n]+(?:\n[ \t][^\n]*)*\n?")
_SPACED_RECEIVED: Final = re.compile(rb"(?:^|\n)received[ \t]+:")
_NAME: Final = re.compile(r"[!-9;-~]{1,76}")
_LINE_BREAKS: Final = re.compile(r"(?:[ \t]*[\r\n\x0b\x0c\x1c-\x1e\x85\u2028\u2029])+[ \t]*")
_CONTROLS: Final = re.compile(r"[\x00-\x08\x0e-\x1f\x7f]")
_WORD: Final = re.compile(rb"[ \t]*[^ \t]+")
_COMMENT_LIMIT: Final = 32  # nested comments before an authserv-id; more is no header anybody wrote


def split_at(raw: bytes) -> tuple[int, int]:
    """Return where the header section ends and where the body begins (after the empty line).

    Both are `len(raw)` where no empty line follows. The line end of the last field belongs to the header.
    """
    if raw.startswith(b"\n"):
        return 0, 1
    if raw.startswith(b"\r\n"):
        return 0, 2
    crlf = raw.find(b"\n\r\n")
    lf = raw.find(b"\n\n", 0, crlf + 1 if crlf >= 0 else len(raw))
    if lf >= 0:
        return lf + 1, lf + 2
    if crlf >= 0:
        return crlf + 1, crlf + 3
    return len(raw), len(raw)


def header_block(raw: bytes) -> bytes:
    """Return the header section, line end of the last field included, the empty line not."""
    return raw[: split_at(raw)[0]]


def raw_fields(block: bytes) -> list[bytes]:
    """Cut a header section into its fields, folded lines and line ends included.

    Joined they are the block again. A line that is no field (no colon) is an element of its own.
    """
    return _FIELD.findall(block)


def count_received(raw: bytes) -> int:
    """Count the Received fields, for the loop limit of RFC 5321 §6.3."""
    block = header_block(raw).lower()
    count = block.count(b"\nreceived:") + block.startswith(b"received:")
    # `Received :` is obsolete syntax (RFC 5322 §4.5) that a loop could be made of.
    if b"received " in block or b"received\t" in block:
        count += len(_SPACED_RECEIVED.findall(block))
    return count


def first_header(raw: bytes, name: str) -> bytes | None:
    """Return the first field's value: unfolded, trimmed, *not decoded*; None where it is absent.

    Not decoding keeps it safe to parse: an encoded word cannot smuggle a comma or a bracket into an
    address list, since RFC 2047 words are decoded only after the structure is known (RFC 2047 §6.2).
    """
    wanted = name.lower().encode("ascii", "replace")
    block = header_block(raw)
    if wanted not in block.lower():
        return None
    for field in raw_fields(block):
        key, colon, value = field.partition(b":")
        if colon and key.rstrip(b" \t").lower() == wanted:
            return unfold(value)
    return None


def unfold(value: bytes) -> bytes:
    """Take the line breaks of folding out of a field's value and trim it (RFC 5322 §2.2.3)."""
    value = value.strip(b" \t\r\n")
    if b"\n" in value:
        value = value.replace(b"\r\n ", b" ").replace(b"\r\n\t", b"\t")
        value = value.replace(b"\n ", b" ").replace(b"\n\t", b"\t")
    return value


def without_headers(
    raw: bytes,
    names: Collection[str] = (),
    *,
    prefixes: Collection[str] = (),
    matching: Callable[[bytes, bytes], bool] | None = None,
) -> bytes:
    """Return `raw` without the fields that are named, begin with a prefix, or match.

    Names and prefixes compare without regard to case. `matching` is asked with the lower-case name and the
    raw value (folded, undecoded). All other bytes stay; where nothing matches, `raw` itself comes back.
    """
    end = split_at(raw)[0]
    block = raw[:end]
    drop = frozenset(name.lower().encode("ascii", "replace") for name in names)
    heads = tuple(prefix.lower().encode("ascii", "replace") for prefix in prefixes)
    lower = block.lower()
    if matching is None and not any(word in lower for word in (*drop, *heads)):
        return raw
    kept = [f for f in raw_fields(block) if not _dropped(f, drop, heads, matching)]
    left = b"".join(kept)
    return raw if len(left) == end else left + raw[end:]


def _dropped(
    field: bytes,
    names: frozenset[bytes],
    prefixes: tuple[bytes, ...],
    matching: Callable[[bytes, bytes], bool] | None,
) -> bool:
    key, colon, value = field.partition(b":")
    if not colon:
        return False
    name = key.strip(b" \t").lower()
    if name in names or name.startswith(prefixes):
        return True
    return matching is not None and matching(name, value)


def claims_authserv_id(authserv_id: str) -> Callable[[bytes, bytes], bool]:
    """Return a `matching` for `without_headers`: Authentication-Results that claim to be ours.

    RFC 8601 §5: a border relay removes those with its own authserv-id, or a sender could vouch for itself.
    A field whose identifier cannot be read counts as ours: who cannot tell, cannot trust.
    """
    ours = authserv_id.strip().lower().encode()

    def matching(name: bytes, value: bytes) -> bool:
        if name != b"authentication-results":
            return False
        found = read_authserv_id(value)
        return found is None or found.lower() == ours

    return matching


def read_authserv_id(value: bytes) -> bytes | None:
    """Read the authserv-id of an Authentication-Results value (RFC 8601 §2.2), or None if there is none."""
    rest = _skip_comments(unfold(value))
    if rest is None:
        return None
    if rest.startswith(b'"'):
        quoted = re.match(rb'"((?:[^"\\]|\\.)*)"', rest, re.DOTALL)
        return re.sub(rb"\\(.)", rb"\1", quoted[1], flags=re.DOTALL).strip() if quoted else None
    token = re.match(rb"[^\s;()]+", rest)
    return token[0] if token else None


def _skip_comments(text: bytes) -> bytes | None:
    depth, at = 0, 0
    while at < len(text):
        char = text[at : at + 1]
        if char == b"\\" and depth:
            at += 1
        elif char == b"(":
            depth += 1
        elif char == b")" and depth:
            depth -= 1
        elif depth == 0 and char not in b" \t\r\n":
            return text[at:]
        if depth > _COMMENT_LIMIT:
            return None
        at += 1
    return None


def prepend_headers(raw: bytes, fields: Sequence[tuple[str, str]]) -> bytes:
    """Return `raw` with the fields before it, in the order given, folded at 78 and never over 998 octets.

    Values are written as UTF-8. A line break in a value becomes a fold and a control character a space,
    so that no value can begin a field or end the header. Line ends are those of `raw`'s first line.
    Raises ValueError for a name that is none (RFC 5322 §2.2), which is a mistake of the caller.
    """
    first = raw.find(b"\n", 0, HARD_LINE * 8)
    eol = b"\n" if first == 0 or (first > 0 and raw[first - 1] != 0x0D) else b"\r\n"
    return b"".join([*(fold(name, value, eol) for name, value in fields), raw])


def fold(name: str, value: str, eol: bytes = b"\r\n") -> bytes:
    """Return one field as bytes with its line end, folded as `prepend_headers` says."""
    if not _NAME.fullmatch(name):
        msg = f"not a header field name: {name!r}"
        raise ValueError(msg)
    lines = _LINE_BREAKS.sub("\n", value).strip("\n \t").split("\n")
    out: list[bytes] = []
    for number, line in enumerate(lines):
        text = _CONTROLS.sub(" ", line).encode("utf-8", "replace").strip(b" \t")
        head = name.encode() + b": " if number == 0 else b"\t"
        if text or number == 0:
            out.extend(_wrap(head, text))
    return eol.join(out) + eol


def _wrap(head: bytes, text: bytes) -> list[bytes]:
    """Break before white space, which stays, so that unfolding gives the text again."""
    lines, current = [], head
    for word in _pieces(text):
        if len(current) + len(word) > SOFT_LINE and current is not head:
            lines.append(current)
            current = word if word[:1] in b" \t" else b" " + word
        else:
            current += word
    return [*lines, current]


def _pieces(text: bytes) -> list[bytes]:
    """Cut at white space; a word that no line holds is cut at a character's border."""
    most = HARD_LINE - SOFT_LINE
    pieces: list[bytes] = []
    for found in _WORD.findall(text):
        word = found if len(found) <= most else b" " + found.lstrip(b" \t") if pieces else found
        while len(word) > most:
            cut = most
            while cut > 1 and word[cut] & 0xC0 == 0x80:
                cut -= 1
            pieces.append(word[:cut])
            word = word[cut:]
        pieces.append(word)
    return pieces
