"""Macro strings of SPF (RFC 7208 §7): read once, expanded for each check."""

import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote

from mailweir_core.net import Address

_MOST_PARTS: Final = 999  # a larger number means all parts: no name has more labels
_UNRESERVED: Final = "-._~"  # RFC 3986 §2.3, beside letters and digits
_LITERALS: Final = {"%%": "%", "%_": " ", "%-": "%20"}
_PIECE: Final = re.compile(
    r"%\{(?P<letter>[slodiphcrtv])(?P<count>[0-9]*)(?P<reverse>r?)(?P<marks>[.\-+,/_=]*)\}"
    r"|(?P<escape>%[%_-])|(?P<literal>[!-$&-~]+)",
    re.IGNORECASE,
)
_TEXT_PIECE: Final = re.compile(_PIECE.pattern.replace("[!-$", "[ -$"), re.IGNORECASE)
_ONLY_IN_TEXT: Final = frozenset("crt")
_TOP_LABEL: Final = r"(?:[A-Za-z0-9]*[A-Za-z][A-Za-z0-9]*|[A-Za-z0-9]+-[A-Za-z0-9-]*[A-Za-z0-9])"
_DOMAIN_END: Final = re.compile(rf"\.{_TOP_LABEL}\.?\Z")
_LONGEST_END: Final = 66  # a label of 63 octets with a dot on either side; one more may be seen


class SpfSyntaxError(ValueError):
    """A record, a domain or an explanation that breaks the grammar; the words say where."""


@dataclass(frozen=True, slots=True)
class Macro:
    """One `%{…}`: its letter in lower case, how its value is changed (§7.3); `count` 0 takes all parts."""

    letter: str
    count: int = 0
    reverse: bool = False
    marks: str = "."
    escape: bool = False


MacroString = tuple[str | Macro, ...]


@dataclass(frozen=True, slots=True)
class Values:
    """What the letters stand for. `validated` is the client's name (`%{p}`), `unknown` where it has none."""

    local: str
    sender_domain: str
    domain: str
    ip: Address
    helo: str
    receiver: str = "unknown"
    validated: str = "unknown"
    now: int = 0

    def of(self, letter: str) -> str:
        """Return the value of a letter (§7.2)."""
        match letter:
            case "s":
                return f"{self.local}@{self.sender_domain}"
            case "i":
                return _dotted(self.ip)
            case "v":
                return "in-addr" if self.ip.version == 4 else "ip6"
        return {
            "l": self.local, "o": self.sender_domain, "d": self.domain, "p": self.validated,
            "h": self.helo, "c": str(self.ip), "r": self.receiver, "t": str(self.now),
        }[letter]  # fmt: skip


def _dotted(ip: Address) -> str:
    return str(ip) if ip.version == 4 else ".".join(f"{int(ip):032X}")


def parse_macros(text: str, *, explanation: bool = False) -> MacroString:
    """Read a macro string; raises SpfSyntaxError. Blanks and `%{c}`, `%{r}`, `%{t}` are for explanations."""
    return tuple(_piece(found, explanation) for found in _scan(text, explanation))


def parse_domain_spec(text: str) -> MacroString:
    """Read a domain-spec (§7.1): it ends in a macro or a top label. Raises SpfSyntaxError."""
    found = _scan(text, explanation=False)
    if not found or (found[-1]["literal"] and not _DOMAIN_END.search(text[-_LONGEST_END:])):
        raise SpfSyntaxError(f"not a domain: {text[:80]!r}")
    return tuple(_piece(piece, explanation=False) for piece in found)


def _scan(text: str, explanation: bool) -> list[re.Match[str]]:
    pieces: list[re.Match[str]] = []
    pattern, at = _TEXT_PIECE if explanation else _PIECE, 0
    while at < len(text):
        found = pattern.match(text, at)
        if found is None:
            raise SpfSyntaxError(f"not a macro string at {text[at : at + 20]!r}")
        at = found.end()
        pieces.append(found)
    return pieces


def _piece(found: re.Match[str], explanation: bool) -> str | Macro:
    if found["literal"]:
        return found["literal"]
    if found["escape"]:
        return _LITERALS[found["escape"]]
    letter = found["letter"].lower()
    if letter in _ONLY_IN_TEXT and not explanation:
        raise SpfSyntaxError(f"macro %{{{letter}}} outside an explanation")
    digits = found["count"].lstrip("0")
    if found["count"] and not digits:
        raise SpfSyntaxError("a macro that keeps no part")
    count = int(digits) if 0 < len(digits) <= 3 else _MOST_PARTS * bool(digits)
    upper = found["letter"].isupper()
    return Macro(letter, count, bool(found["reverse"]), found["marks"] or ".", upper)


def asks_for_name(pieces: MacroString) -> bool:
    """Say whether the client's validated name is needed, which takes questions."""
    return any(isinstance(piece, Macro) and piece.letter == "p" for piece in pieces)


def expand(pieces: MacroString, values: Values) -> str:
    """Return the text with each macro replaced (§7.3)."""
    return "".join(p if isinstance(p, str) else _expand(p, values) for p in pieces)


def _expand(macro: Macro, values: Values) -> str:
    text = values.of(macro.letter)
    if macro.reverse or macro.count or macro.marks != ".":
        parts = re.split(f"[{re.escape(macro.marks)}]", text)
        if macro.reverse:
            parts.reverse()
        text = ".".join(parts[-macro.count :] if macro.count else parts)
    return quote(text, safe=_UNRESERVED, errors="replace") if macro.escape else text
