"""Senders, subjects and links that pose as a brand which did not send them.

A brand is a table of the data file `brands`. Mail from a brand's own domains is never asked: whether it truly
comes from there is for authentication to say, not for its looks.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Final

from mailweir_scoring.data import load
from mailweir_scoring.policy.checks.common import is_list, owner_of
from mailweir_scoring.policy.checks.view import View, view_of
from mailweir_scoring.policy.facts import Facts, Hit
from mailweir_scoring.policy.letters import skeleton
from mailweir_scoring.policy.linear import Scan
from mailweir_scoring.policy.pipeline import check
from mailweir_scoring.policy.words import normal, text_of

SHORTEST_TOKEN: Final = 5
"""Letters that a brand's name needs to be looked for inside host names."""
FEW_OWNERS: Final = 2
"""Registered domains that a mail of one brand leads to; news lead to many."""
_LABEL: Final = re.compile(r"[a-z]{4,40}")


@dataclass(frozen=True, slots=True)
class Brands:
    """The data file, made ready: a scan over all names, which brand each is of, and the brands' domains."""

    scan: Scan
    named: tuple[str, ...]
    domains: Mapping[str, frozenset[str]]
    tokens: Mapping[str, str]
    by_domain: Mapping[str, str]

    def in_text(self, text: bytes) -> list[str]:
        """Return the brands that a text in words (`words.normal`) names."""
        return list(dict.fromkeys(self.named[index] for index in self.scan.found_in(text)))

    def in_host(self, host: str) -> str:
        """Return a brand that is a word of a host name, or the empty string."""
        words = _LABEL.findall(host)
        return next((self.tokens[w] for w in words if w in self.tokens), "")

    def owns(self, brand: str, owner: str) -> bool:
        """Say whether a registered domain is the brand's."""
        return owner in self.domains[brand]


@cache
def brands() -> Brands:
    """Return the brands of the data file."""
    texts, named, tokens = list[bytes](), list[str](), dict[str, str]()
    data = load("brands")
    for brand, table in data.items():
        for name in table["names"]:
            texts.append(text_of(name))
            named.append(brand)
            plain = skeleton(name).replace(" ", "")
            if (
                table.get("token", True)
                and _LABEL.fullmatch(plain)
                and len(plain) >= SHORTEST_TOKEN
            ):
                tokens[plain] = brand
    domains = {brand: frozenset(map(owner_of, t["domains"])) for brand, t in data.items()}
    by_domain = {domain: brand for brand, of in domains.items() for domain in of}
    return Brands(Scan(texts), tuple(named), domains, tokens, by_domain)


@check("BRAND_NAME", "BRAND_ADDRESS", "BRAND_SUBJECT")
def sender(facts: Facts) -> Iterator[Hit]:
    """A brand in the shown name, in the address, or in the subject, of mail from another domain."""
    view, known = view_of(facts), brands()
    owner = view.sender_owner
    if not owner or is_list(facts) or owner in known.by_domain:
        return
    address = view.sender.address.lower()
    # A shop may say whose card or wares it has; that it can be left again speaks for it.
    weight = 0.5 if view.bulk else 1.0
    named = () if _is_own_system(view) else known.in_text(normal(skeleton(view.sender.name)))[:1]
    for brand in named:
        yield Hit("BRAND_NAME", f"{view.sender.name} <{address}>: {brand}", weight)
    if brand := known.in_host(address):
        yield Hit("BRAND_ADDRESS", f"{address}: {brand}")
    if not view.message.headers.get("in-reply-to"):
        for brand in known.in_text(normal(skeleton(facts.message.subject)))[:1]:
            if not _leads_to(view, known, brand):
                yield Hit("BRAND_SUBJECT", f"{brand}, from {owner}", weight)


def _is_own_system(view: View) -> bool:
    """Say whether the recipient's own mail system, named after its maker, writes of itself alone."""
    local, own = view.sender.local.lower(), view.sender_owner
    homes = {owner_of(a.domain) for a in view.message.to.addresses[:2]}
    named = local == "postmaster" or local.startswith("microsoftexchange")
    return named and own in homes and {*view.owners} <= {own, "microsoft.com", "office.com"}


def _leads_to(view: View, known: Brands, brand: str) -> bool:
    return any(known.owns(brand, owner) for owner in view.owners)


@check("BRAND_LINK")
def links(facts: Facts) -> Iterator[Hit]:
    """A brand's name in a host that is not the brand's."""
    view, known = view_of(facts), brands()
    if is_list(facts):
        return
    for host in view.hosts:
        brand = known.in_host(host)
        if brand and owner_of(host) not in known.by_domain and owner_of(host) != view.sender_owner:
            yield Hit("BRAND_LINK", f"{host}: {brand}")
            break


@check("BRAND_BODY")
def body(facts: Facts) -> Iterator[Hit]:
    """A text about one brand that neither comes from the brand nor leads there."""
    view, known = view_of(facts), brands()
    if (
        not 0 < len(view.owners) <= FEW_OWNERS
        or not view.html
        or is_list(facts)
        or view.sender_owner in known.by_domain
    ):
        return
    named = [b for b in known.in_text(view.words.text) if not _leads_to(view, known, b)]
    if len(named) == 1 and not any(owner in known.by_domain for owner in view.owners):
        yield Hit(
            "BRAND_BODY",
            f"{named[0]}, leads to {', '.join(view.owners)}",
            0.5 if view.bulk else 1.0,
        )
