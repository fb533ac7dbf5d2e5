"""Where links lead."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Final
from urllib.parse import urlsplit

from mailweir_mail import CLICKED, Link, Part

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
    found = (link for part in texts for link in part.links if link.place in CLICKED)
    return iter(dict.fromkeys(islice(found, MOST)))
