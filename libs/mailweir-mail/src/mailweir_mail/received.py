"""Received fields: who handed the message to whom (RFC 5321 §4.4), in the dialects of real servers."""

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from mailweir_core.net import Address, parse_ip

from .dates import parse_date

_COMMENT: Final = re.compile(r"\(([^()]*)\)")
_PARENTHESIS: Final = re.compile(r"[()]")
_IP: Final = re.compile(
    r"(?:\[|(?<![\w.]))(?:[Ii][Pp][Vv]6:)?"
    r"((?:\d{1,3}\.){3}\d{1,3}|[0-9A-Fa-f]{0,4}:[0-9A-Fa-f:.]{1,41})\]?(?![\w.-]{0,64}\w)"
)
_HELO: Final = re.compile(r"\b[HhEe][EeHh][Ll][Oo][ =]([^\s()\]]+)")
_NAME: Final = re.compile(r"[\w.-]{1,255}")
_NO_NAMES: Final = frozenset({"unknown", "unverified", "helo", "ehlo"})
_CLAUSES: Final = frozenset({"from", "by", "via", "with", "id", "for"})
_LONGEST_CLAUSE: Final = 4


@dataclass(frozen=True, slots=True)
class Hop:
    """One Received field. Texts are as written, without brackets; empty where the field does not say.

    `from_name` is what stands after `from`, which some servers make the HELO name and others the reverse
    name; `helo` and `rdns` are what this field's form says they are. Nothing here is verified: only the
    topmost fields, written by one's own servers, can be believed.
    """

    from_name: str = ""
    helo: str = ""
    rdns: str = ""
    ip: Address | None = None
    by: str = ""
    with_: str = ""
    id: str = ""
    for_: str = ""
    date: datetime | None = None
    comments: tuple[str, ...] = ()


def parse_received(text: str) -> Hop:
    """Parse an unfolded value; never raises. What is not recognised stays empty."""
    body, semicolon, date = text.rpartition(";")
    if not semicolon:
        body, date = text, ""
    clauses, comments = _clauses(body)
    if "from" not in clauses:
        _take_local(clauses, comments)
    from_name = _bare(clauses.get("from", ""))
    from_comments = comments.get("from", [])
    rdns, ip = _peer(from_name, from_comments)
    with_ = clauses.get("with", "")
    return Hop(
        from_name=from_name,
        helo=_helo(from_name, from_comments),
        rdns=rdns,
        ip=ip,
        by=_bare(clauses.get("by", "")),
        with_=with_.partition("/")[0].rstrip(","),
        id=_bare(clauses.get("id", "")),
        for_=_bare(clauses.get("for", "")),
        date=parse_date(date),
        comments=tuple(text for texts in comments.values() for text in texts),
    )


def _clauses(body: str) -> tuple[dict[str, str], dict[str, list[str]]]:
    """Return the first word after each keyword, and the comments that follow it."""
    pieces = _COMMENT.split(body)  # outside, comment, outside, …
    if any("(" in piece or ")" in piece for piece in pieces[::2]):
        pieces = _cut_nested(body)
    values: dict[str, str] = {}
    comments: dict[str, list[str]] = {}
    key = ""
    for number, piece in enumerate(pieces):
        if number % 2:
            comments.setdefault(key, []).append(piece)
            continue
        for word in piece.split():
            name = word.lower() if len(word) <= _LONGEST_CLAUSE else ""
            if name in _CLAUSES and name not in values:
                key = name
                values[key] = ""
            elif key and not values[key]:
                values[key] = word
            elif key == "from" and word[0] == "[":
                comments.setdefault(key, []).append(word)  # `from name [ip]`, without parentheses
    return values, comments


def _cut_nested(body: str) -> list[str]:
    """Cut like `_COMMENT.split`, with comments inside comments; an open one runs to the end."""
    pieces, depth, start = [], 0, 0
    for found in _PARENTHESIS.finditer(body):
        deeper = depth + (1 if found[0] == "(" else -1 if depth else 0)
        if not depth or not deeper:
            pieces.append(body[start : found.start()])
            start = found.end()
        if not depth and not deeper:
            pieces.append("")  # a closing one alone counts as an empty comment
        depth = deeper
    return [*pieces, body[start:]]


def _take_local(clauses: dict[str, str], comments: dict[str, list[str]]) -> None:
    """Sendmail and others put the client of a local submission into a comment: `(from user@localhost)`."""
    words = (comments.get("") or [""])[0].split()
    if len(words) > 1 and words[0].lower() == "from":
        clauses["from"] = words[1]
        comments["from"] = [" ".join(words[2:])]


def _bare(word: str) -> str:
    word = word.rstrip(",;")
    if word[:1] == "[" and "]:" in word:
        word = word[: word.index("]:") + 1]  # a port after a literal
    if word[:1] in "<[" and word[-1:] in ">]":
        word = word[1:-1]
    return word


def _peer(name: str, comments: list[str]) -> tuple[str, Address | None]:
    """Find the address and reverse name of the client: `(rdns [ip])`, `([ip])`, `(ip)` or `[ip]` itself."""
    for comment in comments:
        for found in _IP.finditer(comment):
            ip = parse_ip(found[1])
            if ip is not None:
                before = comment[: found.start()].split()
                return _reverse_name(name, before, comment), ip
    return "", parse_ip(name.removeprefix("IPv6:"))


def _reverse_name(name: str, before: list[str], comment: str) -> str:
    if _HELO.search(comment) and not before:
        return name  # Exim: `from rdns ([ip] helo=name)`
    if len(before) != 1:
        return ""
    word = before[0].rpartition("@")[2].strip("<>").rstrip(".")
    if word.lower() in _NO_NAMES or not _NAME.fullmatch(word) or parse_ip(word):
        return ""
    return word


def _helo(name: str, comments: list[str]) -> str:
    for comment in comments:
        found = _HELO.search(comment)
        if found:
            return _bare(found[1]).lstrip("[")
    return name
