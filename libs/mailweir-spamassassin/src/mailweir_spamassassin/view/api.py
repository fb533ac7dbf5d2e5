"""What a rule asks of a message, and what an eval test is given. All texts are bytes, UTF-8 where decoded."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol


class MessageView(Protocol):
    """One message as SpamAssassin presents it to its rules. Everything is worked out when first asked for.

    `modifier` is what stands behind a header's name in a rule, lower case and joined by a colon where there
    are several: "" (the decoded value), "raw", "addr", "name", "first", "last", "host", "domain", "ip",
    "revip", "addr:last". Names are looked up without regard to case. Pseudo-headers have their names from
    SpamAssassin: ALL, ALL-TRUSTED, ALL-UNTRUSTED, ToCc, EnvelopeFrom, MESSAGEID, X-Spam-Relays-Untrusted, ...
    """

    def header(self, name: str, modifier: str = "") -> bytes | None:
        """Return what SpamAssassin's `get` gives: every field of the name, a line each; None for none."""
        ...

    def headers_all(self, name: str, modifier: str = "") -> tuple[bytes, ...]:
        """Return the value of each field of the name, in the order of the message."""
        ...

    def mimeheader(self, name: str, modifier: str = "") -> tuple[bytes, ...]:
        """Return the fields of the name in the headers of all MIME parts but the message's own."""
        ...

    @property
    def body(self) -> tuple[bytes, ...]:
        """Return the rendered text in paragraphs, the subject first."""
        ...

    @property
    def rawbody(self) -> tuple[bytes, ...]:
        """Return the decoded, unrendered text parts in the blocks that `rawbody` rules see."""
        ...

    @property
    def full(self) -> bytes:
        """Return the message as it came, headers and body."""
        ...

    @property
    def uris(self) -> tuple[bytes, ...]:
        """Return the links of the text, as found and as canonicalised."""
        ...


@dataclass(frozen=True, slots=True)
class EvalContext:
    """What an eval test may look at.

    `settings` has the directives that are no rules: name (lower case, today's spelling) → the argument
    text of each line, in order: `{"freemail_domains": ("a.com b.com", "c.com")}`. `hits` has the tests that
    hit so far and how often; it is alive while a message is being looked at. `target` is the kind
    of rule that asks: "header", "body", "rawbody", "full" or "uri".
    """

    view: MessageView
    settings: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    hits: Mapping[str, int] = field(default_factory=dict)
    target: str = "header"


EvalFunction = Callable[[EvalContext, tuple[str, ...]], int]
"""An eval test: context and arguments as written in the rule, without quotes → times hit, 0 for none."""
