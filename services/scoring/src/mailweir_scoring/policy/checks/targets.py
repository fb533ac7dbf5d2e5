"""Where links lead."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Final
from urllib.parse import urlsplit

from mailweir_mail import Link, LinkPlace, Part
from mailweir_mail.links import find_links

CLICKED: Final = frozenset(
    {LinkPlace.TEXT, LinkPlace.ANCHOR, LinkPlace.AREA, LinkPlace.FORM, LinkPlace.REFRESH}
)
"""Links that a reader follows; images and style sheets load by themselves or not at all."""
MOST: Final = 500
"""Links that are looked at."""
LONGEST: Final = 2000
"""Characters of an address that are looked at."""


@dataclass(frozen=True, slots=True)
class Target:
    """Where a link leads: host in lower case, whether there is a user part, the port if it is written.

    `rest` is the path with the query, as written.
    """

    host: str
    userinfo: bool
    port: int | None
    rest: str = ""


def target_of(href: str) -> Target | None:
    """Return where a web address leads, or None for one that is none or cannot be read."""
    text = href.strip()[:LONGEST]
    start = text[:8].lower()
    if start.startswith("www."):
        text = f"http://{text}"
    elif not start.startswith(("http://", "https://")):
        return None
    try:
        parts = urlsplit(text)
        host, port = parts.hostname, parts.port
    except ValueError:
        return None
    rest = f"{parts.path}?{parts.query}" if parts.query else parts.path
    return Target(host.rstrip("."), "@" in parts.netloc, port, rest) if host else None


def clicked(texts: tuple[Part, ...]) -> Iterator[Link]:
    """Yield the links that a reader may follow: marked up ones, and those in running text."""
    found = (link for part in texts for link in links_of(part) if link.place in CLICKED)
    return iter(dict.fromkeys(islice(found, MOST)))


def links_of(part: Part) -> Iterator[Link]:
    """Yield the links of one text part."""
    if part.html is not None:
        yield from part.html.links
    yield from find_links(part.html.text if part.html is not None else part.text, MOST)
