"""Tests whether senders, recipients, subjects or hosts are on lists (SpamAssassin's WLBLEval)."""

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Final

from mailweir_spamassassin.view.api import EvalContext, EvalFunction
from mailweir_spamassassin.view.message import View
from mailweir_spamassassin.view.site import Site

from .common import argument, once, text_of, view_of
from .globs import Globs

_NAMED: Final = re.compile(r"\s*\((\w+)\)\s+(.*)\Z", re.DOTALL)
Addresses = Callable[[View], Iterable[bytes]]


def _senders(view: View) -> Iterable[bytes]:
    return view.senders


def _recipients(view: View) -> Iterable[bytes]:
    return view.recipients


def _subject(view: View) -> Iterable[bytes]:
    subject = view.header("Subject")
    return (subject.removesuffix(b"\n"),) if subject else ()


def _in_list(addresses: Addresses, *names: str) -> EvalFunction:
    def test(context: EvalContext, arguments: tuple[str, ...]) -> int:
        del arguments
        view = view_of(context)
        globs = Globs.of(view.site, *names)
        return int(
            bool(globs) and any(globs.match(item.decode("latin-1")) for item in addresses(view))
        )

    return test


def _rcvd(context_list: tuple[str, ...], plain: tuple[str, ...]) -> EvalFunction:
    """A sender on the plain list, or on that of senders which come from certain relays."""

    def test(context: EvalContext, arguments: tuple[str, ...]) -> int:
        del arguments
        view = view_of(context)
        senders = [sender.decode("latin-1") for sender in view.senders]
        globs = Globs.of(view.site, *plain)
        if globs and any(map(globs.match, senders)):
            return 1
        return int(_comes_from(view, senders, context_list))

    return test


def _comes_from(view: View, senders: list[str], names: tuple[str, ...]) -> bool:
    relays = view.trail.untrusted[:1] or view.trail.trusted
    for name in names:
        for line in view.site.settings.get(name, ()):
            words = line.lower().split()
            if len(words) != 2:
                continue
            globs, place = Globs(words[:1]), words[1]
            if any(map(globs.match, senders)) and any(
                _is_at(relay.rdns.lower(), relay.ip, place) for relay in relays
            ):
                return True
    return False


def _is_at(rdns: str, ip: str, place: str) -> bool:
    if place.startswith("["):
        wanted = place.strip("[]")
        return ip == wanted or (ip + ".").startswith(wanted.rstrip(".") + ".")
    return rdns == place or rdns.endswith("." + place)


# -- named lists ------------------------------------------------------------------------------------------


def _named(site: Site, setting: str) -> dict[str, list[str]]:
    """Return the words of each list of `enlist_addrlist (NAME) …` and the like."""
    lists: dict[str, list[str]] = {}
    for line in site.settings.get(setting, ()):
        found = _NAMED.match(line)
        if found:
            lists.setdefault(found[1].upper(), []).extend(found[2].lower().split())
    return lists


def _address_list(site: Site, name: str) -> Globs:
    known: dict[str, Globs] | None = site.cache.get("address_lists")
    if known is None:
        known = {key: Globs(words) for key, words in _named(site, "enlist_addrlist").items()}
        site.cache["address_lists"] = known
    return known.get(name.upper()) or Globs(())


def _from_in_list(context: EvalContext, arguments: tuple[str, ...]) -> int:
    view = view_of(context)
    globs = _address_list(view.site, argument(arguments, 0) or "")
    return int(bool(globs) and any(globs.match(item.decode("latin-1")) for item in view.senders))


def _replyto_in_list(context: EvalContext, arguments: tuple[str, ...]) -> int:
    view = view_of(context)
    address = text_of(view, "Reply-To", "addr")
    return int(
        bool(address) and _address_list(view.site, argument(arguments, 0) or "").match(address)
    )


def _host_lists(site: Site) -> dict[str, dict[str, str]]:
    """Return for each host the lists it is on; `!` before a host takes its domain out of the list."""
    lists: dict[str, dict[str, str]] | None = site.cache.get("host_lists")
    if lists is None:
        lists = _named_hosts(site)
        site.cache["host_lists"] = lists
    return lists


def _named_hosts(site: Site) -> dict[str, dict[str, str]]:
    named = {name: list(words) for name, words in _named(site, "enlist_uri_host").items()}
    for name, settings in (
        ("BLOCK", ("blocklist_uri_host", "blacklist_uri_host")),
        ("WELCOME", ("welcomelist_uri_host", "whitelist_uri_host")),
    ):
        named.setdefault(name, []).extend(sorted(site.words(*settings)))
    return {
        name: {word.lstrip("!").lstrip("."): "!" if word.startswith("!") else "" for word in words}
        for name, words in named.items()
        if words
    }


def _listed_names(view: View) -> frozenset[str]:
    found: set[str] = set()
    found_uris = view.addresses.found.items()
    hosts = {
        host
        for uri, facts in found_uris
        if not uri.lower().startswith("mailto:")
        for host in facts.hosts
    }
    for name, entries in _host_lists(view.site).items():
        for host in hosts:
            labels = host.split(".")
            places = (".".join(labels[at:]) for at in range(len(labels)))
            entry = next((entries[place] for place in places if place in entries), "!")
            if not entry:
                found.add(name)
                break
    return frozenset(found)


def _host_listed(context: EvalContext, arguments: tuple[str, ...]) -> int:
    return int((argument(arguments, 0) or "") in once(view_of(context), "uri_lists", _listed_names))


def _host_in(name: str) -> EvalFunction:
    return lambda context, _: _host_listed(context, (name,))


_WELCOME: Final = _rcvd(
    ("welcomelist_from_rcvd", "whitelist_from_rcvd"), ("welcomelist_from", "whitelist_from")
)
_DEFAULT: Final = _rcvd(("def_welcomelist_from_rcvd", "def_whitelist_from_rcvd"), ())
_BLOCKED: Final = _in_list(_senders, "blocklist_from", "blacklist_from")
_BLOCKED_TO: Final = _in_list(_recipients, "blocklist_to", "blacklist_to")
_WELCOME_TO: Final = _in_list(_recipients, "welcomelist_to", "whitelist_to")
_WELCOME_SUBJECT: Final = _in_list(_subject, "welcomelist_subject", "whitelist_subject")
_BLOCKED_SUBJECT: Final = _in_list(_subject, "blocklist_subject", "blacklist_subject")
TESTS: Final[Mapping[str, EvalFunction]] = {
    "check_from_in_welcomelist": _WELCOME,
    "check_from_in_whitelist": _WELCOME,
    "check_from_in_default_welcomelist": _DEFAULT,
    "check_from_in_default_whitelist": _DEFAULT,
    "check_from_in_blocklist": _BLOCKED,
    "check_from_in_blacklist": _BLOCKED,
    "check_to_in_blocklist": _BLOCKED_TO,
    "check_to_in_blacklist": _BLOCKED_TO,
    "check_to_in_welcomelist": _WELCOME_TO,
    "check_to_in_whitelist": _WELCOME_TO,
    "check_to_in_more_spam": _in_list(_recipients, "more_spam_to"),
    "check_to_in_all_spam": _in_list(_recipients, "all_spam_to"),
    "check_subject_in_welcomelist": _WELCOME_SUBJECT,
    "check_subject_in_whitelist": _WELCOME_SUBJECT,
    "check_subject_in_blocklist": _BLOCKED_SUBJECT,
    "check_subject_in_blacklist": _BLOCKED_SUBJECT,
    "check_from_in_list": _from_in_list,
    "check_replyto_in_list": _replyto_in_list,
    "check_uri_host_listed": _host_listed,
    "check_uri_host_in_blocklist": _host_in("BLOCK"),
    "check_uri_host_in_blacklist": _host_in("BLOCK"),
    "check_uri_host_in_welcomelist": _host_in("WELCOME"),
    "check_uri_host_in_whitelist": _host_in("WELCOME"),
}
