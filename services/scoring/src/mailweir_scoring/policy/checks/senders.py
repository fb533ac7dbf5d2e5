"""What kind of sender it is: made-up names, rented names, and free mail that its provider did not sign."""

import re
from collections.abc import Iterator
from functools import cache
from typing import Final

from mailweir_scoring.data import load
from mailweir_scoring.policy.checks.common import (
    FREE_PROVIDERS,
    has,
    is_list,
    owner_of,
    within,
)
from mailweir_scoring.policy.checks.providers import sends_for_others
from mailweir_scoring.policy.checks.view import view_of
from mailweir_scoring.policy.facts import Facts, Hit
from mailweir_scoring.policy.pipeline import check

SIGNING_SINCE: Final = 2014
"""The year from which the large providers sign all their mail with DKIM."""
SIGNERS: Final = frozenset(
    {
        "gmail.com", "googlemail.com", "yahoo.com", "yahoo.co.uk", "yahoo.co.jp", "aol.com", "outlook.com",
        "hotmail.com", "live.com", "msn.com", "icloud.com", "gmx.de", "gmx.net", "web.de",
        "mail.ru", "yandex.ru",
        "protonmail.com", "proton.me",
    }
)  # fmt: skip
"""Providers that do so."""
RANDOM_LETTERS: Final = 8
"""Shorter names are initials and numbers often enough."""

_DKIM_DOMAIN: Final = re.compile(r"(?:^|;)\s*d\s*=\s*([^;\s]{1,255})")
CROWDS: Final = frozenset(
    {
        "recipients",
        "undisclosed recipients",
        "undisclosed-recipients",
        "recipient",
        "you",
        "customers",
    }
)
_NUMBERED: Final = re.compile(r"[a-z]\d{3,}$", re.IGNORECASE)
_CONSONANTS: Final = re.compile(r"[bcdfghjklmnpqrstvwxz]{6}")
_TURNS: Final = re.compile(r"[a-z](?=\d)|\d(?=[a-z])")
_BOUNCES: Final = (
    "bounce",
    "prvs",
    "srs0",
    "srs1",
    "btv1",
    "noreply",
    "no-reply",
    "reply+",
    "reply-",
)
SYSTEMS: Final = ("mailer-daemon", "postmaster", "noreply", "no-reply")
ROLES: Final = (
    "support", "service", "services", "security", "team", "admin", "administrator", "helpdesk",
    "help desk", "billing", "account", "accounts", "customer", "customers", "bank", "office",
    "department", "dept", "center", "centre", "notification", "notifications", "alert", "alerts",
    "delivery", "payroll", "invoice", "refund", "kundenservice", "kundendienst", "sicherheit",
    "servicio", "soporte", "atendimento", "suporte", "servizio", "assistenza", "service client",
    "assistance", "lottery", "foundation", "attorney", "barrister", "director", "courier",
    "customs",
)  # fmt: skip
"""What offices call themselves, not people."""
_ROLE: Final = re.compile(rf"\b(?:{'|'.join(ROLES)})\b", re.IGNORECASE)


@check("FROM_RANDOM", "FROM_DOMAIN_RANDOM", "FROM_HOSTED", "FROM_TLD_CHEAP", "FROM_DEEP")
def address(facts: Facts) -> Iterator[Hit]:
    """Addresses that nobody would remember, under names that nobody keeps."""
    sender = view_of(facts).sender
    domain = sender.domain
    if not domain or domain.startswith("["):
        return
    local = sender.local.lower()
    if local.isalnum() and is_random(local) and not local.startswith(_BOUNCES):
        yield Hit("FROM_RANDOM", sender.address)
    owner = owner_of(domain)
    if is_random(owner.partition(".")[0]):
        yield Hit("FROM_DOMAIN_RANDOM", domain)
    if within(domain, _hosted()):
        yield Hit("FROM_HOSTED", domain)
    if owner.rpartition(".")[2] in load("hosts")["tlds"]["cheap"]:
        yield Hit("FROM_TLD_CHEAP", domain)
    if domain.count(".") - owner.count(".") >= 2:
        yield Hit("FROM_DEEP", domain)


@cache
def _hosted() -> frozenset[str]:
    return frozenset(load("hosts")["senders"]["hosted"])


def is_random(label: str) -> bool:
    """Say whether a name looks drawn by lot: letters and digits in turn, or no vowel for long."""
    if len(label) < RANDOM_LETTERS:
        return False
    return len(_TURNS.findall(label)) >= 4 or _CONSONANTS.search(label) is not None


@check("FROM_FREE_UNSIGNED", "FROM_FREE_ROLE", "FROM_UNALIGNED")
def vouched(facts: Facts) -> Iterator[Hit]:
    """Addresses at providers that sign all mail, without a signature; and signatures of somebody else.

    Where authentication ran, its word holds; from a file only what the fields claim is known.
    """
    view = view_of(facts)
    domain, free = view.sender.domain, view.sender.domain in FREE_PROVIDERS
    local = view.sender.local.lower()
    if not domain or is_list(facts):
        return
    signed = signers(facts)
    if free and _ROLE.search(view.sender.name) and not local.startswith(SYSTEMS):
        yield Hit("FROM_FREE_ROLE", f"{view.sender.name} <{view.sender.address}>")
    if facts.auth is not None and facts.auth.aligned:
        return
    date = facts.message.date
    modern = date is not None and date.year >= SIGNING_SINCE
    if modern and domain in SIGNERS and domain not in signed:
        yield Hit("FROM_FREE_UNSIGNED", domain)
    if (
        signed
        and not free
        and view.sender_owner not in {*map(owner_of, signed), _returned_to(facts)}
    ):
        yield Hit("FROM_UNALIGNED", f"{domain}, signed by {', '.join(sorted(signed)[:2])}")


def signers(facts: Facts) -> frozenset[str]:
    """Return the domains that DKIM signatures name; whether they hold is another matter."""
    fields = facts.message.headers.all("dkim-signature")[:8]
    return frozenset(
        f[1].lower() for field in fields if (f := _DKIM_DOMAIN.search(field.undecoded))
    )


def _returned_to(facts: Facts) -> str:
    if facts.envelope is not None:
        return owner_of(facts.envelope.sender.rpartition("@")[2])
    return owner_of(
        (facts.message.headers.get("return-path") or "").strip(" <>").rpartition("@")[2]
    )


@check("FROM_DIGITS", "TO_NAMED_RECIPIENTS", "CONTENT_DESCRIBED", "RETURN_PATH_FOREIGN")
def habits(facts: Facts) -> Iterator[Hit]:
    """What programs for mass mail leave behind: numbered mailboxes, a crowd called by its name."""
    view, headers = view_of(facts), facts.message.headers
    local = view.sender.local
    if view.sender.domain in FREE_PROVIDERS and _NUMBERED.search(local):
        yield Hit("FROM_DIGITS", view.sender.address)
    to = facts.message.to.first
    if to is not None and to.name.strip().lower() in CROWDS:
        yield Hit("TO_NAMED_RECIPIENTS", f"{to.name} <{to.address}>")
    if (headers.get("content-description") or "").strip().lower() == "mail message body":
        yield Hit("CONTENT_DESCRIBED")
    returned = _returned_to(facts)
    if (
        returned
        and not view.bulk
        and view.sender_owner not in ("", returned)
        and view.sender_owner not in map(owner_of, signers(facts))
        and (view.sender.domain in FREE_PROVIDERS or not sends_for_others(returned))
    ):
        yield Hit("RETURN_PATH_FOREIGN", f"{view.sender_owner}, returns to {returned}")


@check("REPLY_TO_LOOKALIKE", "REPLY_TO_FREE_BOTH", "UNSUBSCRIBE_MISSING")
def replies(facts: Facts) -> Iterator[Hit]:
    """Replies to nearly the same domain, or to another mailbox at a free provider."""
    view = view_of(facts)
    reply = facts.message.reply_to.first
    if reply is not None and reply.domain and view.sender.domain:
        mine, theirs = view.sender_owner, owner_of(reply.domain)
        if mine != theirs and close(mine, theirs):
            yield Hit("REPLY_TO_LOOKALIKE", f"{mine}, replies to {theirs}")
        if (
            not view.bulk
            and {reply.domain, view.sender.domain} <= FREE_PROVIDERS
            and reply.key != view.sender.key
        ):
            yield Hit("REPLY_TO_FREE_BOTH", f"{view.sender.address}, replies to {reply.address}")
    if not has(facts.message.headers, "list-unsubscribe") and _asks_to_leave(facts):
        yield Hit("UNSUBSCRIBE_MISSING")


def _asks_to_leave(facts: Facts) -> bool:
    view = view_of(facts)
    if view.bulk or len(view.targets) < 2:
        return False
    text = view.words.text
    return any(
        word in text
        for word in (
            b" unsubscribe ",
            b" opt out ",
            b" abmelden ",
            b" desinscr",
            "désinscri".encode(),
        )
    )


def close(one: str, other: str) -> bool:
    """Say whether two domains differ by one character put in, left out or changed, or by two swapped."""
    if abs(len(one) - len(other)) > 1 or min(len(one), len(other)) < RANDOM_LETTERS:
        return False
    start = next(
        (i for i, (a, b) in enumerate(zip(one, other, strict=False)) if a != b),
        min(len(one), len(other)),
    )
    a, b = one[start:], other[start:]
    return a[1:] == b[1:] or a[1:] == b or a == b[1:] or (a[:2] == b[1::-1] and a[2:] == b[2:])
