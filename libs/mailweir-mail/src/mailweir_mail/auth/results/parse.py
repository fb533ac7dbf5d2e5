"""Reading Authentication-Results of others: tolerant, bounded, in one pass (RFC 8601 §2.2)."""

import re
from typing import Final

from mailweir_mail.edit import read_authserv_id, unfold

from .model import AuthResults, MethodResult, Property

MAX_FIELD: Final = 32_768  # octets that are read
MAX_RESULTS: Final = 64
MAX_PROPERTIES: Final = 32  # of one result
MAX_NESTED: Final = 32  # comments in comments

_PIECE: Final = re.compile(r'"(?:[^"\\]|\\.)*+(?:"|\Z)|[();]|\\.?|[^"();\\]++', re.DOTALL)
_ESCAPE: Final = re.compile(r"\\(.)", re.DOTALL)
_HEAD: Final = re.compile(
    r"\s*+(?P<method>[A-Za-z0-9_-]++)(?:\s*+/\s*+(?P<version>[0-9]{1,9}))?\s*+=\s*+(?P<result>[A-Za-z0-9_-]++)"
)
_PAIR: Final = re.compile(
    r"\s*+(?:(?P<ptype>[A-Za-z0-9_-]++)\s*+\.\s*+)?(?P<name>[A-Za-z0-9_-]++)\s*+=\s*+"
    r'(?P<value>"(?:[^"\\]|\\.)*+"?(?:@[^\s"]*+)?|[^\s"]*+)',
    re.DOTALL,
)
_WORD: Final = re.compile(r"\s*+(?:\S++|\Z)")


def parse_results(value: bytes | str) -> AuthResults | None:
    """Return what a field's value says, or None where not even its authserv-id can be read. Never raises.

    Methods, results, ptypes and property names come in lower case. What cannot be understood is skipped.
    """
    octets = value.encode("utf-8", "replace") if isinstance(value, str) else value
    cut = octets[:MAX_FIELD]
    name = read_authserv_id(cut)
    if name is None:
        return None
    sections, whole = _sections(unfold(cut).decode("utf-8", "replace"))
    head, *rest = sections
    found = [result for text, comment in rest if (result := _result(text, comment))]
    return AuthResults(
        name.decode("utf-8", "replace"),
        tuple(found[:MAX_RESULTS]),
        _version(head[0]),
        whole and len(octets) <= MAX_FIELD and len(found) <= MAX_RESULTS,
    )


def _sections(text: str) -> tuple[list[tuple[str, str]], bool]:
    """Cut at semicolons; return (text without comments, comments) of each, and whether it ended well."""
    sections: list[tuple[str, str]] = []
    words: list[str] = []
    comment: list[str] = []
    depth = 0
    for found in _PIECE.finditer(text):
        piece = found[0]
        if piece == ")" and depth:
            depth -= 1
        if depth:
            comment.append(_ESCAPE.sub(r"\1", piece) if piece[0] == "\\" else piece)
        elif piece == ";":
            sections.append(("".join(words), "".join(comment).strip()))
            words, comment = [], []
        elif piece not in "()":
            words.append(piece)
        else:
            words.append(" ")
            comment.append(" ")
        if piece == "(" and depth < MAX_NESTED:
            depth += 1
    sections.append(("".join(words), "".join(comment).strip()))
    return sections, not depth


def _version(head: str) -> str:
    last = head.split()[-1:] if len(head.split()) > 1 else []
    return last[0] if last and last[0].isascii() and last[0].isdigit() else ""


def _result(text: str, comment: str) -> MethodResult | None:
    head = _HEAD.match(text)
    if head is None:
        return None
    reason, at = "", head.end()
    properties: list[Property] = []
    while at < len(text) and len(properties) < MAX_PROPERTIES:
        found = _PAIR.match(text, at)
        if found is None:
            skipped = _WORD.match(text, at)
            at = skipped.end() if skipped else len(text)
            continue
        at = found.end()
        name, said = found["name"].lower(), _unquoted(found["value"])
        if found["ptype"]:
            properties.append(Property(found["ptype"].lower(), name, said))
        elif name == "reason":
            reason = said
    return MethodResult(
        head["method"].lower(),
        head["result"].lower(),
        tuple(properties),
        reason,
        comment,
        head["version"] or "",
    )


def _unquoted(value: str) -> str:
    """Return a value without its quotes; those of a quoted local part stay."""
    if value[:1] != '"' or "@" in value.rpartition('"')[2]:
        return value
    return _ESCAPE.sub(r"\1", value[1:].removesuffix('"'))
