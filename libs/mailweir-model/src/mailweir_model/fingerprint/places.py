"""Where links lead, without what is made anew for each copy: the shape of hosts and paths."""

import re
from collections.abc import Iterator, Sequence
from typing import Final
from urllib.parse import SplitResult, urlsplit

from mailweir_mail import CLICKED, Message, Part

MOST_LINKS: Final = 100
SEGMENTS: Final = 4
NAMES: Final = 8
LEAST_SHAPES: Final = 3
"""Fewer links are in every footer and in many letters."""
LONG_LABEL: Final = 12
LONG_WORD: Final = 20
_LIST_FIELDS: Final = ("list-id", "list-post")
_HOST: Final = re.compile(r"[a-z0-9-]+(?:\.[a-z0-9-]+)+")
_WORD: Final = re.compile(r"[a-z_-]+(?:\.[a-z]{2,5})?")


def links_shape(message: Message, parts: Sequence[Part]) -> str:
    """Return the sorted shapes of all links, a line each; empty where they say too little.

    Left out are links to where the list is at home that carried the mail: those are in its footer.
    """
    own = _list_hosts(message)
    shapes = set()
    for href in _clicked(parts):
        url = _split(href)
        host = (url.hostname or "") if url else ""
        if url is None or "." not in host or any(_inside(host, home) for home in own):
            continue
        shapes.add(_shape(url, host))
    return "\n".join(sorted(shapes)) if len(shapes) >= LEAST_SHAPES else ""


def _clicked(parts: Sequence[Part]) -> Iterator[str]:
    left = MOST_LINKS
    for part in parts:
        links = part.html.links if part.html is not None else part.links
        for link in links:
            if left <= 0:
                return
            left -= 1
            if link.place in CLICKED:
                yield link.href


def _split(href: str) -> SplitResult | None:
    text = href.strip()
    if text[:4].lower() == "www.":
        text = f"http://{text}"
    if text[:5].lower() not in ("http:", "https"):
        return None
    try:
        url = urlsplit(text[:2000])
        _ = url.hostname
    except ValueError:
        return None
    return url


def _shape(url: SplitResult, host: str) -> str:
    labels = host.removeprefix("www.").split(".")
    hidden = ["*" if _made_up(label) else label for label in labels[:-2]]
    segments = [_segment(s) for s in url.path.lower().split("/") if s][:SEGMENTS]
    names = sorted(
        {part.partition("=")[0].lower()[:LONG_WORD] for part in url.query.split("&") if part}
    )
    query = f"?{'&'.join(names[:NAMES])}" if names else ""
    return "/".join((".".join((*hidden, *labels[-2:])), *segments)) + query


def _made_up(label: str) -> bool:
    return len(label) >= LONG_LABEL or any(c.isdigit() for c in label)


def _segment(text: str) -> str:
    if text.isdigit():
        return "9"
    return text if len(text) <= LONG_WORD and _WORD.fullmatch(text) else "x"


def _list_hosts(message: Message) -> frozenset[str]:
    hosts: set[str] = set()
    for name in _LIST_FIELDS:
        text = message.headers.get(name)
        if text:
            hosts.update(".".join(h.split(".")[-2:]) for h in _HOST.findall(text.lower()[:2000]))
    return frozenset(hosts)


def _inside(host: str, home: str) -> bool:
    return host == home or host.endswith(f".{home}")
