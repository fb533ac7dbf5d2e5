"""What kind of host links lead to: rented by the minute, hidden behind another, or made to look like one."""

import re
from base64 import b64encode
from collections.abc import Iterator
from functools import cache
from typing import Final
from urllib.parse import unquote

from mailweir_scoring.data import load
from mailweir_scoring.policy.checks.common import is_list, owner_of, within
from mailweir_scoring.policy.checks.senders import is_random
from mailweir_scoring.policy.checks.targets import Target
from mailweir_scoring.policy.checks.view import View, view_of
from mailweir_scoring.policy.facts import Facts, Hit
from mailweir_scoring.policy.letters import mixed_words
from mailweir_scoring.policy.pipeline import check

LISTS: Final = {
    "LINK_SHORTENER": "shorteners",
    "LINK_FREE_HOST": "free_hosts",
    "LINK_STORAGE": "storage",
    "LINK_IPFS": "ipfs",
    "LINK_FORM_HOST": "forms",
}
DEEP_LABELS: Final = 4
"""Labels before the registered domain."""
PROGRAM_ENDS: Final = (
    ".exe",
    ".scr",
    ".js",
    ".vbs",
    ".jar",
    ".apk",
    ".msi",
    ".bat",
    ".iso",
    ".img",
    ".hta",
    ".lnk",
)
ARCHIVE_ENDS: Final = (".zip", ".rar", ".7z", ".gz", ".ace", ".cab")

_ONWARD: Final = re.compile(r"https?(?::|%3a)(?:/|%2f){2}([^/?&#%]{4,255})", re.IGNORECASE)
_ESCAPED_HOST: Final = re.compile(r"^\s*https?:/*[^/]{0,200}%[0-9a-f]{2}", re.IGNORECASE)
_ODD_SLASHES: Final = re.compile(r"^\s*https?:(?:/?[^/]|/{3,}|[/\\]*\\)", re.IGNORECASE)


@cache
def _domains(name: str) -> frozenset[str]:
    return frozenset(load("hosts")[name])


@cache
def _cheap() -> frozenset[str]:
    return frozenset(load("hosts")["tlds"]["cheap"])


@check(*LISTS)
def kinds(facts: Facts) -> Iterator[Hit]:
    """Hosts on the lists; those of the sender itself are not asked, and of list mail its footer is not."""
    view = view_of(facts)
    if is_list(facts):
        return
    common = _domains("shorteners_common")
    for symbol, name in LISTS.items():
        for host in view.hosts:
            found = within(host, _domains(name))
            if (
                found
                and owner_of(host) not in view.carriers
                and found != view.sender_owner
                and not (symbol == "LINK_SHORTENER" and found in common)
            ):
                yield Hit(symbol, host)
                break


@check("LINK_TLD_CHEAP", "LINK_RANDOM_HOST", "LINK_DEEP_HOST", "LINK_IDN")
def names(facts: Facts) -> Iterator[Hit]:
    """Host names that are cheap, drawn by lot, long, or in letters that look like others."""
    view = view_of(facts)
    cheap, seen = _cheap(), set[str]()
    for host in view.hosts[:50]:
        for symbol in _odd_names(host, view, cheap):
            if symbol not in seen:
                seen.add(symbol)
                yield Hit(symbol, host)


def _odd_names(host: str, view: View, cheap: frozenset[str]) -> Iterator[str]:
    owner = owner_of(host)
    if owner == view.sender_owner or owner in view.carriers:
        return
    if owner.rpartition(".")[2] in cheap:
        yield "LINK_TLD_CHEAP"
    if is_random(owner.partition(".")[0]):
        yield "LINK_RANDOM_HOST"
    if host.count(".") - owner.count(".") >= DEEP_LABELS:
        yield "LINK_DEEP_HOST"
    if "xn--" in host or not host.isascii():
        shown = _unicode(host)
        if mixed_words(shown) or not any(
            c.isascii() and c.isalpha() for c in shown.rpartition(".")[0]
        ):
            yield "LINK_IDN"


def _unicode(host: str) -> str:
    try:
        return host.encode("ascii").decode("idna") if host.isascii() else host
    except UnicodeError:
        return host


@check(
    "LINK_REDIRECTOR",
    "LINK_ONWARD",
    "LINK_RECIPIENT",
    "LINK_ESCAPED",
    "LINK_PROGRAM",
    "LINK_ARCHIVE",
)
def ways(facts: Facts) -> Iterator[Hit]:
    """Links that lead on to another host, name the reader, hide their host, or fetch a file."""
    view, seen = view_of(facts), set[str]()
    marks = _marks_of(facts)
    for link, target in view.targets[:100]:
        for symbol in (
            *_ways(target, marks),
            *(("LINK_ESCAPED",) if _is_escaped(link.href) else ()),
        ):
            carried = view.bulk or owner_of(target.host) in view.carriers
            if symbol not in seen and not (symbol == "LINK_ONWARD" and carried):
                seen.add(symbol)
                yield Hit(symbol, link.href)


def _is_escaped(href: str) -> bool:
    return _ESCAPED_HOST.match(href) is not None or _ODD_SLASHES.match(href) is not None


def _ways(target: Target, marks: frozenset[str]) -> Iterator[str]:
    onward = _ONWARD.search(target.rest)
    if onward is not None and owner_of(onward[1].lower()) != owner_of(target.host):
        path = load("hosts")["redirectors"].get(within(target.host, _redirectors()))
        yield (
            "LINK_REDIRECTOR"
            if path is not None and target.rest.startswith(path)
            else "LINK_ONWARD"
        )
    rest = target.rest
    if len(rest) > 5 and any(m in rest or m in unquote(rest) for m in marks):
        yield "LINK_RECIPIENT"
    path = rest.partition("?")[0].lower()
    if path.endswith(PROGRAM_ENDS):
        yield "LINK_PROGRAM"
    elif path.endswith(ARCHIVE_ENDS):
        yield "LINK_ARCHIVE"


@cache
def _redirectors() -> frozenset[str]:
    return frozenset(load("hosts")["redirectors"])


def _marks_of(facts: Facts) -> frozenset[str]:
    """Return the recipient's address as links carry it: plain, and in base64."""
    known = [a.address for a in facts.message.to.addresses[:2] if a.domain]
    if facts.envelope is not None:
        known += facts.envelope.recipients[:2]
    coded = [b64encode(a.encode("utf-8", "replace")).decode().rstrip("=")[:-1] for a in known]
    return frozenset((*known, *coded))
