"""A message: raw bytes, and every fact about them, each computed on first use."""

from collections.abc import Iterator
from datetime import datetime
from typing import Final

from ._lazy import Frozen, lazy
from .address import AddressList, parse_addresses
from .body import Bodies, select
from .dates import parse_date
from .defects import Defect, DefectKind
from .edit import count_received, split_at
from .headers import Headers
from .limits import DEFAULT, ParseLimits
from .markup import Link
from .part import Part
from .received import Hop, parse_received
from .tree import Tree, build

_set = object.__setattr__
_MESSAGE_IDS: Final = 1000  # of one References field


class Message(Frozen):
    """The immutable view of one message. No accessor raises, whatever the bytes are.

    Texts are as a reader sees them: decoded, unfolded. What they were made from stays at hand: `raw`,
    `headers[n].raw`, `part.raw_body`, and offsets into `raw`.
    """

    __slots__ = ("body_start", "header_end", "limits", "raw")
    raw: bytes
    limits: ParseLimits
    header_end: int
    body_start: int

    def __init__(self, raw: bytes, limits: ParseLimits = DEFAULT) -> None:
        """Take the octets; only the end of the header is looked for."""
        header_end, body_start = split_at(raw)
        _set(self, "raw", raw)
        _set(self, "limits", limits)
        _set(self, "header_end", header_end)
        _set(self, "body_start", body_start)

    def __repr__(self) -> str:
        """Return the size; a message is another person's data and stays out of logs."""
        return f"Message({len(self.raw)} octets)"

    @property
    def header_bytes(self) -> bytes:
        """Return the header section, without the empty line after it."""
        return self.raw[: self.header_end]

    @property
    def body_bytes(self) -> bytes:
        """Return the body, after the empty line: what a signature's body hash is made of."""
        return self.raw[self.body_start :]

    # -- header -------------------------------------------------------------------------------------------

    @lazy
    def headers(self) -> Headers:
        """Return the fields in order."""
        return Headers(self.header_bytes, 0, self.limits)

    @lazy
    def subject(self) -> str:
        """Return the subject as it reads; empty where there is none."""
        return self.headers.get("subject") or ""

    @lazy
    def from_(self) -> AddressList:
        """Return every address of every From field; more than one is rare and suspect (RFC 5322 §3.6.2)."""
        return self.addresses("from")

    @lazy
    def sender(self) -> AddressList:
        """Return the addresses of the Sender fields."""
        return self.addresses("sender")

    @lazy
    def reply_to(self) -> AddressList:
        """Return the addresses of the Reply-To fields."""
        return self.addresses("reply-to")

    @lazy
    def to(self) -> AddressList:
        """Return the addresses of the To fields."""
        return self.addresses("to")

    @lazy
    def cc(self) -> AddressList:
        """Return the addresses of the Cc fields."""
        return self.addresses("cc")

    def addresses(self, name: str) -> AddressList:
        """Return the addresses of all fields of a name, in order."""
        lists = [
            parse_addresses(field.undecoded, self.limits.addresses)
            for field in self.headers.all(name)
        ]
        if len(lists) == 1:
            return lists[0]
        entries = tuple(entry for found in lists for entry in found.entries)
        return AddressList(entries, all(found.complete for found in lists))

    @lazy
    def message_id(self) -> str:
        """Return the Message-ID without brackets; empty where there is none."""
        return next(iter(self.message_ids("message-id")), "")

    def message_ids(self, name: str) -> tuple[str, ...]:
        """Return the message ids of the first field of a name (References, In-Reply-To), without brackets."""
        field = self.headers.first(name)
        return () if field is None else _ids(field.undecoded)

    @lazy
    def date(self) -> datetime | None:
        """Return the Date, with its offset; None where there is none that can be read."""
        text = self.headers.get("date")
        return None if text is None else parse_date(text)

    @lazy
    def received(self) -> tuple[Hop, ...]:
        """Return the hops, the last relay first; at most `limits.received_hops`."""
        return tuple(
            parse_received(f.text)
            for f in self.headers.all("received")[: self.limits.received_hops]
        )

    @lazy
    def received_count(self) -> int:
        """Return how many Received fields there are, over any limit."""
        return count_received(self.raw)

    # -- body ---------------------------------------------------------------------------------------------

    @lazy
    def _tree(self) -> Tree:
        junk_at = self.headers.junk_at
        return build(
            self.raw, self.headers, self.body_start if junk_at is None else junk_at, self.limits
        )

    @property
    def root(self) -> Part:
        """Return the top of the part tree: the message itself as a part."""
        return self._tree.root

    def parts(self) -> Iterator[Part]:
        """Go through all parts, multiparts and embedded messages included, in the order they were sent."""
        return self.root.walk()

    def embedded(self, part: Part) -> "Message | None":
        """Return the view of a `message/rfc822` part's message; None where there is none that can be read."""
        if not part.is_message:
            return None
        root = part.children[0]
        return Message(root.source[root.header_start : root.body_end], self.limits)

    @lazy
    def _bodies(self) -> Bodies:
        return select(self.root)

    @property
    def text_parts(self) -> tuple[Part, ...]:
        """Return the parts that a client without HTML shows, in order (RFC 8621 §4.1.4 `textBody`)."""
        return self._bodies.text

    @property
    def html_parts(self) -> tuple[Part, ...]:
        """Return the parts that a client with HTML shows, in order (RFC 8621 §4.1.4 `htmlBody`)."""
        return self._bodies.html

    @property
    def attachments(self) -> tuple[Part, ...]:
        """Return all other parts, and media that are shown inline; embedded messages count as one each."""
        return self._bodies.attachments

    @lazy
    def text(self) -> str:
        """Return the message as plain text: its plain text parts, and of HTML alone what it shows."""
        return "\n".join(text for part in self.text_parts if (text := _shown(part)))

    @lazy
    def rendered(self) -> str:
        """Return what a client with HTML shows, as text."""
        return "\n".join(text for part in self.html_parts if (text := _shown(part)))

    @lazy
    def html(self) -> str:
        """Return the source of the HTML parts that are shown; empty where there are none."""
        return "\n".join(part.text for part in self.html_parts if part.is_html)

    @lazy
    def links(self) -> tuple[Link, ...]:
        """Return the links of the parts that are shown: marked up ones, and those in running text."""
        seen: dict[Link, None] = {}
        shown = dict.fromkeys((*self.text_parts, *self.html_parts))
        for part in shown:
            seen.update(dict.fromkeys(part.links))
        return tuple(seen)

    @property
    def tree_defects(self) -> tuple[Defect, ...]:
        """Return what is wrong with the part tree alone; no part is decoded for it."""
        return self._tree.defects

    @lazy
    def defects(self) -> tuple[Defect, ...]:
        """Return everything that is wrong with the message; this touches and decodes every part."""
        found = list(self._tree.defects)
        for part in self.parts():
            found.extend(part.defects)
        if self.received_count > self.limits.received_hops:
            found.append(Defect(DefectKind.RECEIVED_LIMIT, "received", str(self.received_count)))
        if not all(found_.complete for found_ in (self.from_, self.to, self.cc, self.reply_to)):
            found.append(Defect(DefectKind.ADDRESSES_LIMIT, "header", str(self.limits.addresses)))
        return tuple(found)


def parse(raw: bytes, limits: ParseLimits = DEFAULT) -> Message:
    """Return the view of a message; never raises. Nothing but the header's end is looked for yet."""
    return Message(raw, limits)


def _shown(part: Part) -> str:
    if part.html is not None:
        return part.html.text
    return part.text if part.is_text else ""


def _ids(text: str) -> tuple[str, ...]:
    """Cut at brackets; an id without them is taken as it stands."""
    found = [piece.partition(">")[0].strip() for piece in text.split("<", _MESSAGE_IDS)[1:]]
    ids = tuple(item for item in found[:_MESSAGE_IDS] if item)
    return ids if "<" in text else tuple(text.split()[:_MESSAGE_IDS])
