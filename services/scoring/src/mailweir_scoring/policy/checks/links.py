"""Links: where they lead, and what they say of it."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Final
from urllib.parse import urlsplit

from mailweir_core.net import parse_ip
from mailweir_mail import Link, LinkPlace, Part
from mailweir_mail.links import find_links
from mailweir_scoring.policy.checks.common import is_bulk, owner_of
from mailweir_scoring.policy.facts import Facts, Hit
from mailweir_scoring.policy.pipeline import check

CLICKED: Final = frozenset(
    {LinkPlace.TEXT, LinkPlace.ANCHOR, LinkPlace.AREA, LinkPlace.FORM, LinkPlace.REFRESH}
)
"""Links that a reader follows; images and style sheets load by themselves or not at all."""
MOST: Final = 500
"""Links that are looked at."""

# A text that is a web address and nothing else: then the reader believes to know where it leads.
_SHOWN_URL: Final = re.compile(
    r"(?:https?://|www\.)([^\s/:?#@]{1,255})(?:[/:?#]\S*)?", re.IGNORECASE
)
_USUAL_PORTS: Final = frozenset({None, 80, 443, 8080, 8443})


@dataclass(frozen=True, slots=True)
class Target:
    """Where a link leads: host in lower case, whether there is a user part, and the port if it is written."""

    host: str
    userinfo: bool
    port: int | None


def target_of(href: str) -> Target | None:
    """Return where a web address leads, or None for one that is none or cannot be read."""
    text = href.strip()
    if text.lower().startswith("www."):
        text = f"http://{text}"
    if not text.lower().startswith(("http://", "https://")):
        return None
    try:
        parts = urlsplit(text[:2000])
        host, port = parts.hostname, parts.port
    except ValueError:
        return None
    return Target(host, "@" in parts.netloc, port) if host else None


def clicked(facts: Facts) -> Iterator[Link]:
    """Yield the links that a reader may follow: marked up ones, and those in running text."""
    found = (link for part in facts.texts for link in links_of(part) if link.place in CLICKED)
    return iter(dict.fromkeys(islice(found, MOST)))


def links_of(part: Part) -> Iterator[Link]:
    """Yield the links of one text part."""
    if part.html is not None:
        yield from part.html.links
    yield from find_links(part.html.text if part.html is not None else part.text, MOST)


@check("LINK_IP", "LINK_USERINFO", "LINK_PORT", "LINK_TEXT_OTHER")
def links(facts: Facts) -> Iterator[Hit]:
    """Addresses in place of names, names that hide the host, odd ports, and texts that name another site."""
    bulk, seen = is_bulk(facts), set[str]()
    for link in clicked(facts):
        target = target_of(link.href)
        if target is None:
            continue
        for symbol in _odd(target):
            if symbol not in seen:
                seen.add(symbol)
                yield Hit(symbol, link.href)
        if not bulk and "LINK_TEXT_OTHER" not in seen and _other_site(link.text, target):
            seen.add("LINK_TEXT_OTHER")
            yield Hit("LINK_TEXT_OTHER", f"{link.text} leads to {target.host}")


def _odd(target: Target) -> Iterator[str]:
    if parse_ip(target.host) is not None or target.host.isdigit():
        yield "LINK_IP"
    if target.userinfo:
        yield "LINK_USERINFO"
    if target.port not in _USUAL_PORTS:
        yield "LINK_PORT"


def _other_site(text: str, target: Target) -> bool:
    shown = _SHOWN_URL.fullmatch(text.strip())
    return shown is not None and owner_of(shown[1].removeprefix("www.")) != owner_of(target.host)
