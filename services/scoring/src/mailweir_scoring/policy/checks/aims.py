"""Where the links of a message lead as a whole, beside who sent it."""

import re
from collections import Counter
from collections.abc import Iterator
from itertools import pairwise
from typing import Final

from mailweir_mail import LinkPlace
from mailweir_scoring.policy.checks.common import FREE_PROVIDERS, has, is_list, owner_of
from mailweir_scoring.policy.checks.senders import signers
from mailweir_scoring.policy.checks.view import view_of
from mailweir_scoring.policy.facts import Facts, Hit
from mailweir_scoring.policy.pipeline import check

SHORT_WORDS: Final = 60
RANDOM_PATH: Final = 18
_PATH: Final = re.compile(r"[A-Za-z0-9]{8,200}")
_WEB_USER: Final = re.compile(
    r"<?(?:www|www-data|apache|nginx|httpd|wwwrun|nobody|web\d{1,6})@", re.IGNORECASE
)
SAME_LINKS: Final = 4
IMAGE_LETTERS: Final = 200
LOGO_WIDTH: Final = 200
"""Pixels. What is declared to be smaller does not stand in place of a text."""
_UNSPACED: Final = re.compile("[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff]")
_DENSE: Final = re.compile(
    "[\u0590-\u06ff\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u9fff\uac00-\ud7a3]"
)


@check("LINKS_FOREIGN", "LINKS_ONE_TARGET", "SHORT_FOREIGN_LINK", "LINK_AROUND_IMAGE")
def aims(facts: Facts) -> Iterator[Hit]:
    """All links to one strange place, few words and a link, or an image that is a link."""
    view = view_of(facts)
    if not view.targets or is_list(facts):
        return
    places = view.places
    foreign = bool(places) and view.sender_owner not in view.owners
    if foreign and len(places) == 1 and not view.bulk:
        yield Hit("LINKS_FOREIGN", places[0])
        words = words_in(view.shown)
        if words < SHORT_WORDS:
            yield Hit("SHORT_FOREIGN_LINK", f"{words} words, {places[0]}")
    anchors = Counter(
        link.href for v in view.html for link in v.links if link.place is LinkPlace.ANCHOR
    )
    if foreign and len(anchors) == 1 and anchors.total() >= SAME_LINKS:
        yield Hit("LINKS_ONE_TARGET", f"{anchors.total()} links to {next(iter(anchors))}")
    if foreign and view.html and _image_linked(facts):
        yield Hit("LINK_AROUND_IMAGE", places[0])


def words_in(text: str) -> int:
    """Return about how many words a text has, of scripts without spaces, too."""
    return text.count(" ") + text.count("\n") + len(_UNSPACED.findall(text)) // 2


def letters_in(text: str) -> int:
    """Return how many letters a text has; those that stand for more than a Latin one count twice."""
    return len(text) + len(_DENSE.findall(text))


def _image_linked(facts: Facts) -> bool:
    view = view_of(facts)
    bare = any(
        link.place in (LinkPlace.ANCHOR, LinkPlace.AREA) and not link.text.strip()
        for v in view.html for link in v.links
    )  # fmt: skip
    pictures = (i for v in view.html for i in v.images if not i.hidden)
    large = any(i.width is None or i.width > LOGO_WIDTH for i in pictures)
    return bare and large and letters_in(view.rendered) < IMAGE_LETTERS


@check("LINK_RANDOM_PATH", "LINK_PLAIN_ONLY")
def paths(facts: Facts) -> Iterator[Hit]:
    """Links to random names in the path, and a plain text of few words that is there for its link."""
    view = view_of(facts)
    if view.bulk or not view.targets:
        return
    trusted = {*_homes(facts)}
    for link, target in view.targets[:50]:
        if owner_of(target.host) in view.carriers | trusted:
            continue
        last = max(_PATH.findall(target.rest), key=len, default="")
        if (
            len(last) >= RANDOM_PATH
            and sum(_kind(a) != _kind(b) for a, b in pairwise(last)) >= RANDOM_PATH // 3
        ):
            yield Hit("LINK_RANDOM_PATH", link.href)
            break
    if (
        not view.html
        and len(view.targets) <= 2
        and words_in(view.shown) < SHORT_WORDS
        and not set(view.places) <= trusted
        and not has(facts.message.headers, "in-reply-to")
    ):
        yield Hit("LINK_PLAIN_ONLY", view.targets[0][1].host)


def _homes(facts: Facts) -> Iterator[str]:
    """Yield the recipients' domains, and the sender's if it signed or a web server's own user sent it."""
    own = view_of(facts).sender_owner
    returned = facts.message.headers.get("return-path") or ""
    if own in map(owner_of, signers(facts)) or _WEB_USER.match(returned.strip()):
        yield own
    known = [a.domain for a in facts.message.to.addresses[:2]]
    if facts.envelope is not None:
        known += [r.rpartition("@")[2] for r in facts.envelope.recipients[:2]]
    yield from (owner_of(domain) for domain in known if domain not in FREE_PROVIDERS)


def _kind(char: str) -> int:
    return 0 if char.isdigit() else 1 if char.islower() else 2


@check("HTML_IMAGES_REMOTE", "HTML_IMAGES_FOREIGN")
def images(facts: Facts) -> Iterator[Hit]:
    """Images that are fetched when the message is read, and tell that it is."""
    view = view_of(facts)
    sources = [
        i.src
        for v in view.html
        for i in v.images
        if i.src[:8].lower().startswith(("http:", "https:"))
    ]
    if not sources:
        return
    yield Hit("HTML_IMAGES_REMOTE", f"{len(sources)} images")
    hosts = {s.split("/", 3)[2].lower() for s in sources[:50] if s.count("/") > 2}
    owners = {owner_of(h) for h in hosts}
    if not view.bulk and len(owners) == 1 and owners.isdisjoint({view.sender_owner, *view.owners}):
        yield Hit("HTML_IMAGES_FOREIGN", next(iter(owners)))
