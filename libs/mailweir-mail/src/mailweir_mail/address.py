"""Addresses of header fields, as a client shows them (RFC 5322 §3.4, and what is sent instead of it).

The structure is read first and encoded words are decoded after (RFC 2047 §6.2), so that `=?utf-8?q?a=2C_b?=`
is one name and no list. Whatever does not fit is kept as a name rather than dropped: a reader sees it too.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from .words import decode_text_words

_TOKEN: Final = re.compile(
    r"""(?P<space>\s+)
      | "(?P<quoted>(?:[^"\\]|\\.)*)(?:"|\\?\Z)
      | <(?P<angle>(?:[^<>"]|"(?:[^"\\]|\\.)*(?:"|\\?\Z))*)>?
      | (?P<open>\()
      | (?P<mark>[,;:])
      | (?P<atom>[^\s"<(,;:]+)
    """,
    re.VERBOSE | re.DOTALL,
)
# Nine of ten fields: one mailbox, without comments, groups or escapes.
_SINGLE: Final = re.compile(
    r"(?:\"([^\"\\]*+)\"\s*+|([^\"<>,;:()\\@]*+))<([^\s<>\"(),;:\\=@]++@[^\s<>\"(),;:\\@]++)>"
    r"|([^\s<>\"(),;:\\=@]++@[^\s<>\"(),;:\\@]++)"
)
_COMMENT_PIECE: Final = re.compile(r"[^()\\]+|\\.?|[()]", re.DOTALL)
_ESCAPE: Final = re.compile(r"\\(.)", re.DOTALL)
_ROUTE: Final = re.compile(
    r"@[^:\s]*:"
)  # an obsolete source route before the address (RFC 5322 §4.4)
_ADDRESS_COMMENT: Final = re.compile(r"\([^()]*\)?")
_SPACE: Final = re.compile(r"\s+")
_BARE: Final = re.compile(r"[^\s<>\"(),;:]++")


@dataclass(frozen=True, slots=True)
class Address:
    """One mailbox: the name a client shows, and the address as written; either may be empty."""

    name: str
    address: str

    @property
    def local(self) -> str:
        """Return what is before the last @."""
        return self.address.rpartition("@")[0]

    @property
    def domain(self) -> str:
        """Return what is after the last @, lower case, or the empty string."""
        _, at, domain = self.address.rpartition("@")
        return domain.rstrip(".").lower() if at else ""

    @property
    def key(self) -> str:
        """Return the form that lists compare."""
        return self.address.casefold()


@dataclass(frozen=True, slots=True)
class Group:
    """A named group (RFC 5322 §3.4), such as `undisclosed-recipients:;`."""

    name: str
    members: tuple[Address, ...]


@dataclass(frozen=True, slots=True)
class AddressList:
    """What one or more address fields hold, in order; `complete` is False where the limit was reached."""

    entries: tuple[Address | Group, ...] = ()
    complete: bool = True

    @property
    def addresses(self) -> tuple[Address, ...]:
        """Return every mailbox, those of groups included."""
        return tuple(self._flat())

    @property
    def groups(self) -> tuple[Group, ...]:
        """Return the groups."""
        return tuple(entry for entry in self.entries if isinstance(entry, Group))

    @property
    def first(self) -> Address | None:
        """Return the first mailbox, or None."""
        return next(self._flat(), None)

    def _flat(self) -> Iterator[Address]:
        for entry in self.entries:
            if isinstance(entry, Group):
                yield from entry.members
            else:
                yield entry


def parse_addresses(text: str, most: int) -> AddressList:
    """Parse an unfolded, undecoded address list of at most `most` mailboxes; never raises."""
    if most > 0 and (found := _SINGLE.fullmatch(text)):
        quoted, name, address, bare = found.groups()
        shown = decode_text_words((quoted or name or "").strip()).text.strip()
        return AddressList((Address(shown, address or bare),))
    return _Parser(text, most).run()


class _Parser:
    """One pass over the tokens; what is collected becomes a mailbox at each comma."""

    def __init__(self, text: str, most: int) -> None:
        self._text = text
        self._most = most
        self._count = 0
        self._entries: list[Address | Group] = []
        self._group: tuple[str, list[Address]] | None = None
        self._reset()

    def _reset(self) -> None:
        self._phrase: list[str] = []
        self._quoted = False
        self._angle: str | None = None
        self._comments: list[str] = []

    def run(self) -> AddressList:
        """Go through the text once."""
        at, end = 0, len(self._text)
        while at < end and self._count < self._most:
            found = _TOKEN.match(self._text, at)
            if found is None:
                at += 1
                continue
            at = found.end()
            if found["open"]:
                at = self._take_comment(at)
            else:
                self._take(found)
        self._finish()
        self._close_group()
        return AddressList(tuple(self._entries), complete=at >= end)

    def _take(self, found: re.Match[str]) -> None:
        kind = found.lastgroup
        if kind == "mark":
            self._mark(found["mark"])
        elif kind == "angle":
            self._take_angle(found["angle"].strip())
        elif kind == "quoted":
            self._phrase.append(_ESCAPE.sub(r"\1", found["quoted"]))
            self._quoted = True
        elif kind == "atom":
            self._phrase.append(found["atom"])
        elif self._phrase:
            self._phrase.append(" ")

    def _take_angle(self, text: str) -> None:
        if self._angle is not None:
            # `a@b <c@d> <e@f>`: the last one is where replies go, the rest is what is shown.
            self._phrase.append(f"<{self._angle}>")
        self._angle = text

    def _take_comment(self, at: int) -> int:
        depth, pieces = 1, []
        while depth and (found := _COMMENT_PIECE.match(self._text, at)):
            at = found.end()
            depth += (found[0] == "(") - (found[0] == ")")
            pieces.append(found[0][1:] if found[0][0] == "\\" else found[0])
        self._comments.append("".join(pieces if depth else pieces[:-1]))
        return at

    def _mark(self, mark: str) -> None:
        if mark == ",":
            self._finish()
        elif mark == ";":
            self._finish()
            self._close_group()
        elif (
            self._group is None
            and self._phrase
            and self._angle is None
            and not self._address_like()
        ):
            self._group = (self._name(), [])
            self._reset()
        else:
            self._phrase.append(":")

    def _address_like(self) -> bool:
        return "@" in "".join(self._phrase) and not self._quoted

    def _name(self, text: str | None = None) -> str:
        """Return the phrase as it reads; a comment is shown after it, or instead of it (RFC 822's way)."""
        text = "".join(self._phrase) if text is None else text
        name = decode_text_words(_SPACE.sub(" ", text).strip()).text.strip()
        comment = decode_text_words(" ".join(" ".join(self._comments).split())).text
        return f"{name} ({comment})" if name and comment else name or comment

    def _finish(self) -> None:
        """Make what was collected a mailbox."""
        if self._angle is None and not self._phrase and not self._comments:
            return
        address = self._mailbox()
        self._reset()
        if not address.name and not address.address:
            return
        self._count += 1
        if self._group is not None:
            self._group[1].append(address)
        else:
            self._entries.append(address)

    def _mailbox(self) -> Address:
        if self._angle is not None:
            return Address(self._name(), _clean(self._angle))
        joined = "".join(self._phrase).strip()
        if self._quoted and len(self._phrase) == 2 and self._phrase[1][:1] == "@":
            return Address(self._name(""), f'"{self._phrase[0]}"{self._phrase[1]}')
        words = () if self._quoted or "@" not in joined else _BARE.finditer(joined)
        found = next((word for word in words if "@" in word[0][1:-1]), None)
        if found is None:
            return Address(self._name(), "")
        return Address(self._name(joined[: found.start()] + joined[found.end() :]), found[0])

    def _close_group(self) -> None:
        if self._group is not None:
            name, members = self._group
            self._entries.append(Group(name, tuple(members)))
            self._group = None


def _clean(angle: str) -> str:
    """Take comments, source route, white space and encoded words out of what stands between `<` and `>`."""
    text = _ADDRESS_COMMENT.sub("", angle) if "(" in angle else angle
    if text.startswith("@"):
        text = _ROUTE.sub("", text, count=1)
    return _SPACE.sub("", decode_text_words(text).text)
