"""Who sends mail for others, over which hosts they count clicks, and what gateways make of links.

A tracker leads wherever its provider's customer wants. In mail that went out over the same provider it says
nothing, and its target is read where it shows; in any other mail it is a place like all others.
"""

import re
from functools import cache
from typing import Final
from urllib.parse import parse_qs, unquote

from mailweir_scoring.data import load
from mailweir_scoring.policy.checks.common import FREE_PROVIDERS, has, owner_of, within
from mailweir_scoring.policy.checks.targets import Target, target_of
from mailweir_scoring.policy.facts import Facts

FIELDS: Final = 8
"""Fields of one name that are looked at."""
NESTED: Final = 3
"""Rewritten links that are opened one within another."""
_DOMAIN: Final = re.compile(r"(?:[a-z0-9_-]{1,63}\.){1,8}[a-z]{2,24}")
_NAMED: Final = ("return-path", "message-id", "received", "sender", "list-unsubscribe")
_SIGNED: Final = re.compile(r"[;\s]d\s*=\s*([^;\s]{1,253})", re.IGNORECASE)
_IN_PATH: Final = re.compile(r"https?(?::|%3a)(?:/|%2f){2}[^/?&#]{4,1000}", re.IGNORECASE)
_PROOFPOINT: Final = re.compile(r"/v3/__(https?:/{1,2}[^;]{4,1000}?)__", re.IGNORECASE)
_TRACKED: Final = (
    re.compile(r"/L\d/(https?(?:%3a|:)[^/]{4,1000})/", re.IGNORECASE),
    re.compile(r"/\ds?/([a-z0-9.-]{4,253}\.[a-z]{2,24}(?:%2f[^/]{0,1000})?)/", re.IGNORECASE),
    re.compile(r"/track/click/\d{1,20}/([a-z0-9.-]{4,253})\?", re.IGNORECASE),
)
"""Where trackers have their target in the path: Amazon's, Postmark's, Mandrill's."""


@cache
def senders() -> dict[str, str]:
    """Return the provider of each domain that one sends from."""
    data = load("providers")["providers"]
    return {domain: name for name, table in data.items() for domain in table["sends"]}


@cache
def trackers() -> dict[str, str]:
    """Return the provider of each domain that one counts clicks over."""
    data = load("providers")["providers"]
    return {domain: name for name, table in data.items() for domain in table["trackers"]}


@cache
def _marks() -> dict[str, str]:
    data = load("providers")["providers"]
    return {mark: name for name, table in data.items() for mark in table.get("marks", ())}


def provider_of(host: str) -> str:
    """Return the provider that sends from a host, or the empty string."""
    return senders().get(within(host, senders().keys()), "")


def sends_for_others(host: str) -> bool:
    """Say whether a host is of a provider that has customers' mail return to itself; mailboxes are none."""
    return bool(load("providers")["providers"].get(provider_of(host), {}).get("trackers"))


def providers_of(facts: Facts, without: str = "") -> frozenset[str]:
    """Return the providers that the header says a message went through; the field `without` is not asked."""
    headers = facts.message.headers
    texts = [f.text for n in _NAMED if n != without for f in headers.all(n)[:FIELDS]]
    hosts = {host for text in texts for host in _DOMAIN.findall(text.lower())}
    for field in headers.all("dkim-signature")[:FIELDS]:
        if signed := _SIGNED.search(field.undecoded):
            hosts.add(signed[1].lower())
    if facts.envelope is not None:
        hosts.add(facts.envelope.sender.rpartition("@")[2].lower())
    named = {provider_of(host) for host in hosts}
    return frozenset(named | {n for mark, n in _marks().items() if has(headers, mark)}) - {""}


def carriers_of(facts: Facts, hosts: tuple[str, ...]) -> frozenset[str]:
    """Return the registered domains among hosts that are trackers of a provider this message went through.

    Nobody's customer writes from a free mailbox: there a tracker stays a strange place.
    """
    sender = facts.message.from_.first
    if sender is None or sender.domain in FREE_PROVIDERS:
        return frozenset()
    known = {host: trackers().get(within(host, trackers().keys()), "") for host in hosts}
    if not any(known.values()):
        return frozenset()
    used = providers_of(facts)
    return frozenset(owner_of(host) for host, provider in known.items() if provider in used)


def unwrapped(target: Target) -> Target:
    """Return where a link leads that a recipient's gateway has written anew; any other as it is."""
    rewriters = load("providers")["rewriters"]
    for _ in range(NESTED):
        found = within(target.host, rewriters.keys())
        inner = _inside(target.rest, rewriters[found]) if found else None
        if inner is None:
            break
        target = inner
    return target


def resolved(target: Target) -> Target:
    """Return where a tracker's link leads, if it shows; else the tracker."""
    for pattern in _TRACKED:
        if found := pattern.match(target.rest):
            return _web(unquote(found[1])) or target
    return target


def _inside(rest: str, how: str) -> Target | None:
    if how == "path":
        found = _IN_PATH.search(rest)
        return _web(unquote(found[0])) if found else None
    if how == "proofpoint3":
        found = _PROOFPOINT.match(rest)
        return _web(found[1].replace(":/", "://", 1).replace(":///", "://", 1)) if found else None
    values = parse_qs(rest.partition("?")[2], max_num_fields=50) if rest.count("&") < 50 else {}
    value = values.get("u" if how == "proofpoint2" else how, [""])[0]
    if how == "proofpoint2":
        value = unquote(value.replace("-", "%").replace("_", "/"))
    return _web(value) if value else None


def _web(text: str) -> Target | None:
    full = text if text[:4].lower() == "http" else f"https://{text}"
    found = target_of(full)
    return found if found is not None and "." in found.host else None
