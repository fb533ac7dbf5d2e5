"""Facts of the links: shapes of hosts and paths, where they stand, whether they lead where they say."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from mailweir_mail import CLICKED, Link, LinkPlace

from .names import ending_of, is_address, owner_of, service_of
from .shapes import bucket, shape, share_bucket

LINKS: Final = 16
"""Links of one message that are looked at one by one."""

_URL: Final = re.compile(
    r"(https?|ftp)://(?:([^/?#@]*)@)?([^/?#:]*)(?::(\d+))?([^?#]*)(?:\?([^#]*))?", re.IGNORECASE
)
_QUERY: Final = re.compile(r"(?:^|&)([A-Za-z_]{1,16})=")
_SHOWN: Final = re.compile(
    r"(?:https?://|www\.)?([a-z0-9-]+(?:\.[a-z0-9-]+)*\.[a-z]{2,12})(?:[/?].*)?", re.IGNORECASE
)
_FRONT: Final = 6
_EXTENSION: Final = re.compile(r"\.([a-z0-9]{2,5})$", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Target:
    """A web address in pieces; host in lower case."""

    scheme: str
    user: str
    host: str
    port: str
    path: str
    query: str

    @property
    def owner(self) -> str:
        """Return about the domain that was registered."""
        return owner_of(self.host)


def target_of(link: Link) -> Target | None:
    """Return where a link leads on the web, or None."""
    href = link.href[:1000].strip()
    if href[:4].lower() == "www.":
        href = "http://" + href
    found = _URL.match(href)
    if found is None:
        return None
    scheme, user, host, port, path, query = found.groups(default="")
    return Target(scheme.lower(), user, host.lower(), port, path, query)


def link_facts(links: Sequence[Link], sender: str) -> Iterator[str]:
    """Yield the facts of a message's links; `sender` is the owner of the From domain."""
    clicked = [link for link in links if link.place in CLICKED]
    targets = [(link, target) for link in clicked[:LINKS] if (target := target_of(link))]
    loaded = [
        t for link in links[: 4 * LINKS] if link.place is LinkPlace.IMAGE and (t := target_of(link))
    ]
    yield f"links {bucket(len(clicked))}"
    yield f"images {bucket(len(loaded))}"
    yield f"mailto {any(link.href[:7].lower() == 'mailto:' for link in clicked)}"
    if not targets:
        return
    owners = {target.owner for _, target in targets}
    yield f"owners {bucket(len(owners))}"
    yield f"sender among owners {sender in owners}"
    own = sum(t.owner == sender for _, t in targets) / len(targets)
    yield f"own share {share_bucket(own)}"
    yield f"secure share {share_bucket(sum(t.scheme == 'https' for _, t in targets) / len(targets))}"
    if loaded:
        yield f"images from sender {any(t.owner == sender for t in loaded)}"
        yield f"images from links {any(t.owner in owners for t in loaded)}"
    for link, target in targets:
        yield from _target_facts(target)
        yield from _text_facts(link, target)


def _target_facts(target: Target) -> Iterator[str]:
    host = target.host
    if is_address(host) or host.isdigit():
        yield "host address"
    else:
        labels = host.split(".")
        yield f"host labels {min(6, len(labels))}"
        yield f"ending {ending_of(host)}"
        yield f"host shape {shape(target.owner.partition('.')[0], 5)}"
        if labels[0] != "www" and len(labels) > 2:
            plain = labels[0].isalpha() and len(labels[0]) <= _FRONT
            yield f"host front {labels[0] if plain else shape(labels[0], 4)}"
        yield f"host hyphens {min(3, target.owner.count('-'))}"
    if service := service_of(host):
        yield f"service {service}"
    if target.user:
        yield "userinfo"
    if target.port:
        yield f"port {target.port}"
    pieces = [p for p in target.path.split("/") if p]
    yield f"path depth {min(6, len(pieces))}"
    yield f"path shape {'/'.join(shape(p, 4) for p in pieces[:2])}"
    yield f"path length {bucket(len(target.path))}"
    if found := _EXTENSION.search(target.path):
        yield f"path end {found[1].lower()}"
    yield f"query length {bucket(len(target.query))}"
    for name in _QUERY.findall(target.query[:300])[:6]:
        yield f"query {name.lower()}"
    if "@" in target.query or "%40" in target.query or "@" in target.path:
        yield "address in link"
    if "http" in target.query or "http" in target.path:
        yield "link in link"


def _text_facts(link: Link, target: Target) -> Iterator[str]:
    if link.hidden:
        yield "link hidden"
    if link.place is LinkPlace.TEXT:
        return
    text = link.text.strip()[:80]
    if not text:
        yield "link text none"
        return
    shown = _SHOWN.fullmatch(text)
    if shown is not None:
        yield f"link text host {owner_of(shown[1].lower()) == target.owner}"
        return
    yield f"link text words {min(8, len(text.split()))}"
    yield f"link text upper {text.isupper()}"
    yield f"link says {text.lower()[:24]}"
