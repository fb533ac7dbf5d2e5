"""What several checks need of a message, each computed on first use and kept with the facts."""

from functools import cached_property
from typing import Final

from mailweir_mail import Address, HtmlView, Link, Message, Part
from mailweir_scoring.policy.checks.common import is_bulk, owner_of
from mailweir_scoring.policy.checks.providers import carriers_of, resolved, unwrapped
from mailweir_scoring.policy.checks.targets import Target, clicked, target_of
from mailweir_scoring.policy.facts import Facts
from mailweir_scoring.policy.words import Words, read_words

SHOWN_CHARACTERS: Final = 20_000
"""Of the text that a reader sees, what is searched for words."""
_KEY: Final = "view"


class View:
    """The views of one message. Nothing here depends on what stages find out."""

    def __init__(self, facts: Facts) -> None:
        """Take the facts; nothing is computed yet."""
        self.facts = facts
        self.message: Message = facts.message
        self.encoded: dict[str, tuple[bytes, ...]] = {}
        """Values of fields, as expressions asked for them."""

    @cached_property
    def html(self) -> tuple[HtmlView, ...]:
        """Return the views of the HTML parts that are scanned."""
        return tuple(p.html for p in self.facts.texts if p.html is not None)

    @cached_property
    def plain(self) -> str:
        """Return the plain text parts."""
        return "\n".join(p.text for p in self.facts.texts if not p.is_html)

    @cached_property
    def rendered(self) -> str:
        """Return what the HTML parts show."""
        return "\n".join(v.text for v in self.html)

    @cached_property
    def shown(self) -> str:
        """Return what a reader sees: the HTML parts rendered, or the plain ones where there are none."""
        return self.rendered if self.rendered.strip() else self.plain

    @cached_property
    def searched(self) -> bytes:
        """Return the shown text as UTF-8, as much as is searched: what linear patterns look through."""
        return self.shown[:SHOWN_CHARACTERS].encode("utf-8", "replace")

    @cached_property
    def words(self) -> Words:
        """Return what phrases stand in subject and text."""
        return read_words(self.message.subject, self.shown[:SHOWN_CHARACTERS])

    @cached_property
    def followed(self) -> tuple[Link, ...]:
        """Return the links that a reader may follow."""
        return tuple(clicked(self.facts.texts))

    @cached_property
    def targets(self) -> tuple[tuple[Link, Target], ...]:
        """Return the links to web addresses, with where they lead: behind gateways, and own trackers."""
        if not self.carriers:
            return self._written
        return tuple(
            (link, resolved(t) if owner_of(t.host) in self.carriers else t)
            for link, t in self._written
        )

    @cached_property
    def _written(self) -> tuple[tuple[Link, Target], ...]:
        known = {href: target_of(href) for href in {link.href for link in self.followed}}
        found = ((link, known[link.href]) for link in self.followed)
        return tuple((link, unwrapped(target)) for link, target in found if target is not None)

    @cached_property
    def carriers(self) -> frozenset[str]:
        """Return the owners of trackers over which the sender's own provider counts clicks."""
        hosts = dict.fromkeys(target.host for _, target in self._written)
        return carriers_of(self.facts, tuple(hosts))

    @cached_property
    def hosts(self) -> tuple[str, ...]:
        """Return the hosts that links lead to, each once."""
        return tuple(dict.fromkeys(target.host for _, target in self.targets))

    @cached_property
    def owners(self) -> tuple[str, ...]:
        """Return the registered domains that links lead to, each once."""
        return tuple(dict.fromkeys(map(owner_of, self.hosts)))

    @cached_property
    def places(self) -> tuple[str, ...]:
        """Return the owners that links lead to, without the trackers of the sender's own provider."""
        return tuple(owner for owner in self.owners if owner not in self.carriers)

    @cached_property
    def files(self) -> tuple[Part, ...]:
        """Return the leaves that a reader can open as files, those of forwarded messages too."""
        return tuple(
            part
            for part in self.message.parts()
            if not part.children and not part.is_multipart and (part.filename or not part.is_text)
        )

    @cached_property
    def sender(self) -> Address:
        """Return the first address in From; an empty one where there is none."""
        return self.message.from_.first or Address("", "")

    @cached_property
    def sender_owner(self) -> str:
        """Return the registered domain of the sender's address."""
        return owner_of(self.sender.domain)

    @cached_property
    def bulk(self) -> bool:
        """Say whether the message calls itself list or bulk mail."""
        return is_bulk(self.facts)


def view_of(facts: Facts) -> View:
    """Return the view that belongs to these facts."""
    known = facts.memo.get(_KEY)
    if not isinstance(known, View):
        facts.memo[_KEY] = known = View(facts)
    return known
