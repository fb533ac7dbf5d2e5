"""Addresses at providers that give them to anybody (SpamAssassin's FreeMail)."""

import re
from collections.abc import Iterator, Mapping
from typing import Final

from mailweir_spamassassin.view.api import EvalContext, EvalFunction
from mailweir_spamassassin.view.message import View
from mailweir_spamassassin.view.site import Site

from .common import all_of, argument, once, pattern, view_of

_EXEMPT: Final = re.compile(
    r"(?:abuse|support|sales|info|helpdesk|contact|kontakt|(?:post|host|domain)master|undisclosed.*|request-[a-f0-9]{16}"
    r"|bounced?-|[a-f0-9]{8}(?:\.[a-f0-9]{8}|-[a-f0-9]{4}-[a-f0-9]{4}-[a-f0-9]{4}-[a-f0-9]{12})|.+=.+=.+)@",
    re.IGNORECASE,
)
_BULK: Final = re.compile(
    r"^(?:post|host|domain)master@|^double-bounce@|^(?:sentto|owner|return|(?:gr)?bounced?)-.+@"
    r"|-(?:request|bounces?|admin|owner)@|\b(?:do[._t-]?)?no[._t-]?repl(?:y|ies)@|.+=.+@",
    re.IGNORECASE,
)
_USER: Final = rb"[a-z0-9!#$%&'*+/=?^_`{|}~-]"
_ADDRESS: Final = re.compile(
    rb"(?<![a-z0-9!#$%&'*+/=?^_`{|}~-])((?=[^@\s]{1,64}@)" + _USER + rb"++(?:\." + _USER + rb"++)*+"
    rb"@((?:[a-z0-9](?:[a-z0-9-]{0,59}[a-z0-9])?\.){1,4}([a-z][a-z0-9-]{1,62})))(?![a-z0-9-]|\.[a-z0-9])",
    re.IGNORECASE,
)
_LINK: Final = re.compile(rb"<?https?://\S{0,255}(?:@|%40)\S{0,255}", re.IGNORECASE)
_QUOTED: Final = re.compile(
    rb"(?:>|\s{1,10}(?!(?:fa(?:x|csi)|tel|phone|e?-?mail))[a-z]{2,11}:)", re.IGNORECASE
)
_MOST_LINKED, _MOST_FOUND = 20, 40
_MAILTO: Final = "mailto:"


class _Providers:
    def __init__(self, site: Site) -> None:
        words = site.words("freemail_domains")
        self.domains = frozenset(word for word in words if not {"*", "?"} & set(word))
        globs = [
            re.escape(word).replace(r"\?", ".").replace(r"\*", "[^.]*")
            for word in words - self.domains
        ]
        self.pattern = re.compile("|".join(sorted(globs))) if globs else None
        self.exempt = site.words("freemail_welcomelist", "freemail_whitelist")

    def has(self, address: str) -> bool:
        domain = address.rpartition("@")[2]
        if not address or not self.exempt.isdisjoint((address, domain)) or _EXEMPT.match(address):
            return False
        if domain in self.domains:
            return True
        return self.pattern is not None and self.pattern.fullmatch(domain) is not None


def _providers(view: View) -> _Providers:
    known: _Providers | None = view.site.cache.get("freemail")
    if known is None:
        known = view.site.cache["freemail"] = _Providers(view.site)
    return known


def _addresses(view: View, name: str) -> list[str]:
    return [address.lower() for address in all_of(view, name, "addr")]


def _fits(view: View, addresses: list[str], expression: str | None) -> bool:
    providers = _providers(view)
    wanted = pattern(view, expression) if expression is not None else None
    if expression is not None and wanted is None:
        return False
    return any(
        providers.has(address) and (wanted is None or wanted.search(address))
        for address in addresses
    )


def _header(context: EvalContext, arguments: tuple[str, ...]) -> int:
    view, name = view_of(context), (argument(arguments, 0) or "").removesuffix(":addr")
    return int(_fits(view, _addresses(view, name), argument(arguments, 1)))


def _from(context: EvalContext, arguments: tuple[str, ...]) -> int:
    view = view_of(context)
    senders = [sender.decode("latin-1").lower() for sender in view.senders]
    return int(_fits(view, senders, argument(arguments, 0)))


def _body(context: EvalContext, arguments: tuple[str, ...]) -> int:
    view = view_of(context)
    found = once(view, "freemail_body", _in_body)
    return int(bool(found) and _fits(view, sorted(found), argument(arguments, 0)))


def _replyto(context: EvalContext, arguments: tuple[str, ...]) -> int:
    """From and Reply-To at unlike free providers, or a free address to reply to unlike one in the text."""
    view, providers = view_of(context), _providers(view_of(context))
    what = argument(arguments, 0) or "replyto"
    if view.site.number("freemail_skip_bulk_envfrom", 1) and _is_bulk(view):
        return 0
    authors, replies = _addresses(view, "From"), _addresses(view, "Reply-To")
    free_author, free_reply = any(map(providers.has, authors)), any(map(providers.has, replies))
    if free_author and free_reply and set(authors).isdisjoint(replies):
        return 1
    if what == "replyto" and not free_reply:
        return 0
    if what == "reply" and ((replies and not free_reply) or (not replies and not free_author)):
        return 0
    if what == "reply" and not free_author and not free_reply:
        return 0
    wanted = replies if free_reply or what == "replyto" else authors
    found = once(view, "freemail_body", _in_body)
    return int(any(address != reply for address in found for reply in wanted))


def _is_bulk(view: View) -> bool:
    sender = view.envelope_sender
    return sender is not None and _BULK.search(sender.decode("latin-1")) is not None


def _in_body(view: View) -> frozenset[str]:
    """Return the free addresses in text and links; none if there are so many that it is a list."""
    most = view.site.number("freemail_max_body_emails", 5)
    most_free = view.site.number("freemail_max_body_freemails", 3)
    skip = bool(view.site.number("freemail_skip_when_over_max", 1))
    found, providers = dict.fromkeys((*_linked(view), *_written(view))), _providers(view)
    free: set[str] = set()
    for count, address in enumerate(found, 1):
        if count == most and skip:
            return frozenset()
        if providers.has(address):
            free.add(address)
            if len(free) == most_free and skip:
                return frozenset()
    return frozenset(free)


def _linked(view: View) -> list[str]:
    found: list[str] = []
    for uri, facts in view.addresses.found.items():
        if "a" not in facts.types or "parsed" in facts.types or uri[:7].lower() != _MAILTO:
            continue
        match = _ADDRESS.match(uri[7:].encode("latin-1", "replace"))
        if match and view.site.domains.is_top(match[3].decode("latin-1")):
            found.append(match[1].decode("latin-1").lower())
    return found[:_MOST_LINKED]


def _written(view: View) -> Iterator[str]:
    left = _MOST_FOUND
    for line in view.body:
        if b"@" not in line:
            continue
        text = _LINK.sub(b" ", line) if b"://" in line else line
        for match in _ADDRESS.finditer(text):
            if _is_quoted(text, match) or not view.site.domains.is_top(match[3].decode("latin-1")):
                continue
            yield match[1].decode("latin-1").lower()
            left -= 1
            if left <= 0:
                return


def _is_quoted(text: bytes, match: re.Match[bytes]) -> bool:
    """Say whether an address is that of a quotation's author, or one in brackets."""
    before = text[max(match.start() - len(_MAILTO), 0) : match.start()]
    return before != _MAILTO.encode() and _QUOTED.match(text, match.end()) is not None


TESTS: Final[Mapping[str, EvalFunction]] = {
    "check_freemail_header": _header,
    "check_freemail_from": _from,
    "check_freemail_body": _body,
    "check_freemail_replyto": _replyto,
}
