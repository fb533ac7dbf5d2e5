"""Reads a Perl pattern into a tree. What is not known becomes `Anything`: a scan never sees too little."""

import re
from dataclasses import dataclass, replace
from typing import Final

from mailweir_spamassassin.perl.brackets import read_bracket
from mailweir_spamassassin.perl.escapes import BEYOND, CLASSES, number_escape, octal_escape
from mailweir_spamassassin.perl.literal import PerlRegex
from mailweir_spamassassin.perl.nodes import (
    ANY,
    NOT_NEWLINE,
    Alt,
    Anchor,
    AnchorKind,
    Anything,
    Atomic,
    Chars,
    Guard,
    Node,
    Repeat,
    Seq,
    caseless,
)

MAX_DEPTH: Final = 60
MAX_REPEAT: Final = 65_535

_QUANTIFIER: Final = re.compile(r"([*+?]|\{(\d*)(,?)(\d*)\})([?+]?)")
_FLAG_GROUP: Final = re.compile(r"\(\?(\^?)([a-z]*)(?:-([a-z]*))?([:)])")
_NAMED: Final = re.compile(r"\(\?(?:P?<[A-Za-z_]\w*>|'[A-Za-z_]\w*')")
_BACK: Final = re.compile(r"[1-9]\d*|g-?\d+|g\{[^}]*\}|k\{[^}]*\}|k<[^>]*>|k'[^']*'")
_COMMENT: Final = re.compile(r"(?:\s+|#[^\n]*)+")
_ANCHORS: Final = {
    "A": AnchorKind.START, "Z": AnchorKind.END, "z": AnchorKind.VERY_END,
    "b": AnchorKind.BOUNDARY, "B": AnchorKind.NO_BOUNDARY,
}  # fmt: skip
_LOOKS: Final = ("(?=", "(?!", "(?<=", "(?<!")


class UnreadableRegexError(ValueError):
    """Raised where a pattern's shape cannot be followed: its matching is left to the exact engine alone."""


@dataclass(frozen=True, slots=True)
class _Flags:
    i: bool = False
    m: bool = False
    s: bool = False
    x: bool = False

    def changed(self, on: str, off: str) -> "_Flags":
        known = {f: True for f in on if f in "imsx"} | {f: False for f in off if f in "imsx"}
        return replace(self, **known)


def parse_regex(regex: PerlRegex) -> Node:
    """Return the tree of a pattern. Raises UnreadableRegexError."""
    parser = _Parser(regex.pattern)
    node = parser.alternatives(_Flags().changed(regex.flags, ""), 0)
    if parser.at < len(regex.pattern):
        raise UnreadableRegexError("an unmatched )")
    return node


class _Parser:
    def __init__(self, text: str) -> None:
        self._text = text
        self.at = 0

    def alternatives(self, flags: _Flags, depth: int) -> Node:
        if depth > MAX_DEPTH:
            raise UnreadableRegexError(f"groups deeper than {MAX_DEPTH}")
        branches: list[Node] = []
        while True:
            node, flags = self._sequence(flags, depth)
            branches.append(node)
            if self._text[self.at : self.at + 1] != "|":
                break
            self.at += 1
        return branches[0] if len(branches) == 1 else Alt(tuple(branches))

    def _sequence(self, flags: _Flags, depth: int) -> tuple[Node, _Flags]:
        items: list[Node] = []
        while self.at < len(self._text) and self._text[self.at] not in "|)":
            if flags.x and self._skip_space():
                continue
            changed = self._flags_alone(flags)
            if changed is not None:
                flags = changed
                continue
            item = self._atom(flags, depth)
            if item is not None:
                items.append(self._repeated(item, flags))
        return (items[0] if len(items) == 1 else Seq(tuple(items))), flags

    def _skip_space(self) -> bool:
        found = _COMMENT.match(self._text, self.at)
        if found is not None:
            self.at = found.end()
        return found is not None

    def _flags_alone(self, flags: _Flags) -> _Flags | None:
        found = _FLAG_GROUP.match(self._text, self.at)
        if found is None or found[4] == ":":
            return None
        self.at = found.end()
        return self._with(found, flags)

    @staticmethod
    def _with(found: re.Match[str], flags: _Flags) -> _Flags:
        return (_Flags() if found[1] else flags).changed(found[2], found[3] or "")

    def _repeated(self, item: Node, flags: _Flags) -> Node:
        if flags.x:
            self._skip_space()
        while (found := _QUANTIFIER.match(self._text, self.at)) is not None:
            limits = _limits(found)
            if limits is None:
                return item
            self.at = found.end()
            item = Repeat(item, *limits, possessive=found[5] == "+")
            if flags.x:
                self._skip_space()
        return item

    def _atom(self, flags: _Flags, depth: int) -> Node | None:
        text, start = self._text, self.at
        letter = text[start]
        self.at += 1
        match letter:
            case "(":
                return self._group(flags, depth)
            case "[":
                mask, self.at = read_bracket(text, self.at)
                return Chars(caseless(mask) if flags.i else mask)
            case ".":
                return Chars(ANY if flags.s else NOT_NEWLINE)
            case "^":
                return Anchor(AnchorKind.LINE_START if flags.m else AnchorKind.START)
            case "$":
                return Anchor(AnchorKind.LINE_END if flags.m else AnchorKind.END)
            case "\\":
                return self._escape(flags)
        return _byte(ord(letter), flags)

    def _group(self, flags: _Flags, depth: int) -> Node | None:
        text, start = self._text, self.at - 1
        if text.startswith("(*", start):
            raise UnreadableRegexError("a backtracking verb")
        if text.startswith("(?#", start):
            end = text.find(")", start)
            self.at = end + 1 if end >= 0 else len(text)
            return None
        for opening in _LOOKS:
            if text.startswith(opening, start):
                self._inside(start + len(opening), flags, depth)
                return Guard()
        return self._plain_group(start, flags, depth)

    def _plain_group(self, start: int, flags: _Flags, depth: int) -> Node:
        text = self._text
        if text.startswith("(?>", start):
            return Atomic(self._inside(start + 3, flags, depth))
        if text.startswith("(?|", start):
            return self._inside(start + 3, flags, depth)
        for shape in (_NAMED, _FLAG_GROUP):
            found = shape.match(text, start)
            if found is not None:
                inner = flags if shape is _NAMED else self._with(found, flags)
                return self._inside(found.end(), inner, depth)
        if text.startswith("(?", start):
            self._skip_group(start)
            return Anything()
        return self._inside(start + 1, flags, depth)

    def _inside(self, at: int, flags: _Flags, depth: int) -> Node:
        self.at = at
        node = self.alternatives(flags, depth + 1)
        if self._text[self.at : self.at + 1] != ")":
            raise UnreadableRegexError("an unmatched (")
        self.at += 1
        return node

    def _skip_group(self, start: int) -> None:
        """Go behind a group whose inside is not of interest: `(?(1)…)`, `(?R)`, `(?&name)`."""
        level = 0
        at = start
        while at < len(self._text):
            match self._text[at]:
                case "\\":
                    at += 1
                case "[":
                    at = read_bracket(self._text, at + 1)[1] - 1
                case "(":
                    level += 1
                case ")":
                    level -= 1
            at += 1
            if level == 0:
                self.at = at
                return
        raise UnreadableRegexError("an unmatched (")

    def _escape(self, flags: _Flags) -> Node | None:
        text, at = self._text, self.at
        letter = text[at : at + 1]
        if letter == "Q":
            return self._quoted(flags)
        self.at = at + 1
        if letter == "E":
            return None
        if letter in ("K", "G"):
            return Guard()
        if letter in _ANCHORS:
            return self._boundary(letter)
        if letter in CLASSES:
            if letter == "N" and text[at + 1 : at + 2] == "{":
                raise UnreadableRegexError("a character by its name")
            return Chars(CLASSES[letter])
        return self._character_escape(letter, at, flags)

    def _character_escape(self, letter: str, at: int, flags: _Flags) -> Node:
        text = self._text
        number = number_escape(text, at) or octal_escape(text, at)
        if number is not None:
            self.at = number[1]
            return Chars(0) if number[0] == BEYOND else _byte(number[0], flags)
        back = _BACK.match(text, at)
        if back is not None:
            self.at = back.end()
            return Anything()
        if letter.isalnum():
            raise UnreadableRegexError(f"\\{letter} is not known")
        return _byte(ord(letter) if letter else 0x5C, flags)

    def _boundary(self, letter: str) -> Node:
        if self._text[self.at : self.at + 1] == "{":
            raise UnreadableRegexError("a boundary of a named kind")
        return Anchor(_ANCHORS[letter])

    def _quoted(self, flags: _Flags) -> Node:
        end = self._text.find("\\E", self.at)
        end = end if end >= 0 else len(self._text)
        letters = self._text[self.at + 1 : end]
        self.at = min(end + 2, len(self._text))
        return Seq(tuple(_byte(ord(c), flags) for c in letters))


def _byte(value: int, flags: _Flags) -> Node:
    if value > 255:
        return Chars(0)
    mask = 1 << value
    return Chars(caseless(mask) if flags.i else mask)


def _limits(found: re.Match[str]) -> tuple[int, int | None] | None:
    match found[1]:
        case "*":
            return 0, None
        case "+":
            return 1, None
        case "?":
            return 0, 1
    low, comma, high = found[2], found[3], found[4]
    if not low and not (comma and high):
        return None  # a brace that is no quantifier
    least = min(int(low[:6] or "0"), MAX_REPEAT)
    if not comma:
        return least, least
    return least, min(int(high[:6]), MAX_REPEAT) if high else None
