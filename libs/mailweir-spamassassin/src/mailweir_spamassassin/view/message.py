"""One message as SpamAssassin's rules see it: the view that everything else is read from."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from ipaddress import ip_network
from itertools import islice
from typing import Any, Final

from mailweir_mail import Message

from .fields import Fields
from .headertext import decode_value
from .html import Html
from .parts import Node, nodes
from .relays import MAX_FIELD, MAX_RELAYS, Network, Relay, Trail, follow
from .site import Site
from .text import MAX_PARTS, body_lines, rawbody_blocks
from .uris import Uris

_ENVELOPE_HEADERS: Final = ("x-envelope-from", "envelope-sender", "return-path")


@dataclass(frozen=True, slots=True)
class Envelope:
    """What SMTP told. Without `client_ip` the message comes from a file and its fields tell all."""

    client_ip: str = ""
    helo: str = ""
    rdns: str = ""
    sender: str | None = None
    authenticated: bool = False
    networks: tuple[Network, ...] = ()
    our_name: str = ""


class View:
    """A message, what SMTP told about it, and the site's settings. Nothing raises, whatever comes."""

    def __init__(
        self,
        message: Message,
        *,
        site: Site,
        envelope: Envelope | None = None,
        now: float = 0.0,
        probability: float | None = None,
        results: Mapping[str, str] | None = None,
    ) -> None:
        """Take what is to be looked at; `now` is the time of the judgement in seconds since 1970.

        `probability` is that of spam by a learned model, `results` those of authentication: `spf`,
        `spf-helo`, `dkim`, `dkim-author`, `arc`, `dmarc`, ... → the word of its RFC. Rules on what is
        not given do not hit.
        """
        self.message = message
        self.site = site
        self.envelope = envelope or Envelope()
        self.now = now
        self.probability = probability
        self.results: Mapping[str, str] = results or {}
        self.memory: dict[str, Any] = {}

    # -- header -------------------------------------------------------------------------------------------

    @cached_property
    def fields(self) -> Fields:
        """Return the fields of the message's own header."""
        return Fields(self)

    def header(self, name: str, modifier: str = "") -> bytes | None:
        """Return all values of a header or pseudo-header, on a line each; None where it has none."""
        return self.fields.get(name, modifier)

    def headers_all(self, name: str, modifier: str = "") -> tuple[bytes, ...]:
        """Return each value of a header or pseudo-header."""
        return self.fields.all(name, modifier)

    def mimeheader(self, name: str, modifier: str = "") -> tuple[bytes, ...]:
        """Return the last field of a name of each part, the message itself included, that has one."""
        return tuple(self._mimeheader(name.lower(), raw=modifier == "raw"))

    def _mimeheader(self, name: str, *, raw: bool) -> Iterator[bytes]:
        for node in self.nodes:
            if name == "all":
                yield b"".join(
                    field.name.encode()
                    + b": "
                    + decode_value(field.value, field.name.lower())
                    + b"\n"
                    for field in node.part.headers
                )
                continue
            values = node.headers.get(name)
            if values:
                yield values[-1] if raw else decode_value(values[-1], name) + b"\n"

    @cached_property
    def trail(self) -> Trail:
        """Return the relays that handed the message on."""
        received = islice(self.fields.raw_values("received"), MAX_RELAYS)
        texts = (
            decode_value(value[:MAX_FIELD], "received").decode("latin-1") for value in received
        )
        return follow(texts, self._first_relay, self.envelope.networks)

    @property
    def _first_relay(self) -> Relay | None:
        told = self.envelope
        if not told.client_ip:
            return None
        return Relay(
            ip=told.client_ip,
            rdns=told.rdns,
            helo=told.helo,
            by=told.our_name,
            envfrom=told.sender,
            auth="ESMTPA" if told.authenticated else "",
            no_rdns=not told.rdns,
        )

    @cached_property
    def envelope_sender(self) -> bytes | None:
        """Return the SMTP sender: as told, else by the relays, else by a field that a server wrote."""
        if self.envelope.sender is not None:
            return self.envelope.sender.encode("utf-8", "replace")
        last = self._last_hop
        if (
            last is not None
            and last.envfrom is not None
            and (last.envfrom == "" or last.envfrom.find("@") > 0)
        ):
            return last.envfrom.encode("latin-1", "replace")
        if self.fields.was_fetched:
            return None
        for name in _ENVELOPE_HEADERS:
            found = self.headers_all(name, "first:addr")
            if found:
                if not self.fields.stands_below_received(name):
                    return found[0]
                if name == _ENVELOPE_HEADERS[0]:
                    return None
        return None

    @property
    def _last_hop(self) -> Relay | None:
        if self.trail.untrusted:
            return self.trail.untrusted[0]
        return self.trail.trusted[-1] if self.trail.trusted else None

    # -- body ---------------------------------------------------------------------------------------------

    @cached_property
    def nodes(self) -> tuple[Node, ...]:
        """Return all parts in order."""
        return tuple(nodes(self.message))

    @cached_property
    def leaves(self) -> tuple[Node, ...]:
        """Return the parts that have none below them."""
        return tuple(node for node in self.nodes if node.is_leaf)

    @cached_property
    def shown(self) -> tuple[Node, ...]:
        """Return the parts that are rendered, at most MAX_PARTS."""
        return tuple(islice((node for node in self.leaves if node.is_rendered), MAX_PARTS))

    @cached_property
    def pages(self) -> tuple[Html, ...]:
        """Return the HTML parts as rendered."""
        return tuple(node.html for node in self.shown if node.html is not None)

    @cached_property
    def body(self) -> tuple[bytes, ...]:
        """Return the rendered text in paragraphs, the subject first."""
        return self._lines(_rendered)

    @cached_property
    def visible(self) -> tuple[bytes, ...]:
        """Return the same of what HTML does not hide."""
        return self._lines(_visible)

    def _lines(self, text: Callable[[Node], str]) -> tuple[bytes, ...]:
        if not self.leaves:
            return ()
        subject = self.fields.raw_values("subject")
        first = decode_value(subject[-1], "subject") + b"\n" if subject else b"\n"
        decoded = any(not node.content.isascii() for node in self.shown)
        shown = frozenset(self.shown)
        texts = (text(node) if node in shown else "" for node in islice(self.leaves, MAX_PARTS))
        return body_lines(first, texts, decoded=decoded)

    @cached_property
    def rawbody(self) -> tuple[bytes, ...]:
        """Return the decoded text parts in blocks."""
        return rawbody_blocks(
            node.content
            for node in islice(self.leaves, MAX_PARTS)
            if node.effective_type.startswith(("text/", "message/"))
            and node.type != "text/calendar"
        )

    @cached_property
    def full(self) -> bytes:
        """Return the message as it came, with lines ended by LF."""
        return self.message.raw.replace(b"\r\n", b"\n")

    @cached_property
    def addresses(self) -> Uris:
        """Return the links of text and HTML with all that is known of them."""
        return Uris(self.body, self.pages, self.site)

    @cached_property
    def uris(self) -> tuple[bytes, ...]:
        """Return every form of every link."""
        return self.addresses.all_forms()

    # -- who ----------------------------------------------------------------------------------------------

    @cached_property
    def senders(self) -> tuple[bytes, ...]:
        """Return every address that is named as the author or sender."""
        resent = self.headers_all("Resent-From", "first:addr")
        if resent:
            return tuple(dict.fromkeys(resent))
        names = ("From", "Envelope-Sender", "Resent-Sender", "X-Envelope-From", "EnvelopeFrom")
        found = (address for name in names for address in self.headers_all(name, "addr"))
        return tuple(dict.fromkeys(address for address in found if address))

    @cached_property
    def recipients(self) -> tuple[bytes, ...]:
        """Return every address that is named as a recipient."""
        return tuple(dict.fromkeys(self.fields.recipients()))


def networks_of(texts: Sequence[str]) -> tuple[Network, ...]:
    """Return networks by their usual notation; what cannot be read is left out."""
    found: list[Network] = []
    for text in texts:
        try:
            found.append(ip_network(text, strict=False))
        except ValueError:
            continue
    return tuple(found)


def _rendered(node: Node) -> str:
    return node.text if node.html is None else node.html.rendered


def _visible(node: Node) -> str:
    return node.text if node.html is None else node.html.visible
