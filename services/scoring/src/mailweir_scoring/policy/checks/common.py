"""What several checks ask of a message."""

from collections.abc import Set as AbstractSet
from typing import Final

from mailweir_mail import DefectKind, Header, Headers
from mailweir_mail.auth.suffix import organizational_domain
from mailweir_scoring.policy.facts import Facts

FREE_PROVIDERS: Final = frozenset(
    {
        "126.com", "163.com", "aol.com", "fastmail.com", "free.fr", "gmail.com", "gmx.com", "gmx.de",
        "gmx.net",
        "googlemail.com", "hotmail.co.uk", "hotmail.com", "hotmail.fr", "icloud.com", "laposte.net",
        "libero.it", "live.com", "mail.com", "mail.ru", "msn.com", "naver.com", "orange.fr", "outlook.com",
        "proton.me", "protonmail.com", "qq.com", "rambler.ru", "rediffmail.com", "seznam.cz", "t-online.de",
        "tutanota.com", "uol.com.br", "web.de", "wp.pl", "yahoo.co.jp", "yahoo.co.uk", "yahoo.com",
        "yahoo.fr",
        "yandex.com", "yandex.ru", "ymail.com", "zohomail.com",
    }
)  # fmt: skip
"""Providers at which anybody has an address in a minute."""

_CUT: Final = (DefectKind.HEADER_BYTES_LIMIT, DefectKind.HEADER_LINES_LIMIT)
LIST_FIELDS: Final = ("list-id", "list-post", "list-unsubscribe", "mailing-list", "x-mailing-list")


def has(headers: Headers, name: str) -> bool:
    """Say whether there is a field of that name."""
    return name in headers


def is_cut(headers: Headers) -> bool:
    """Say whether there are more headers than are looked at: then none is known to be missing."""
    return any(d.kind in _CUT for d in headers.defects)


def has_broken_word(field: Header) -> bool:
    """Say whether a field has an RFC 2047 word that does not decode."""
    return any(d.kind is DefectKind.ENCODED_WORD for d in field.defects)


def is_needless(field: Header) -> bool:
    """Say whether a field is written in RFC 2047 words although all of it is ASCII."""
    if "=?" not in field.undecoded or not field.text.isascii():
        return False
    return not has_broken_word(field)


def is_bulk(facts: Facts) -> bool:
    """Say whether a message calls itself list or bulk mail: then senders and links differ for good reason."""
    headers = facts.message.headers
    if any(has(headers, name) for name in LIST_FIELDS):
        return True
    return (headers.get("precedence") or "").strip().lower() in ("list", "bulk")


def is_list(facts: Facts) -> bool:
    """Say whether a mailing list passed it on, which changes From, To and links for its own reasons."""
    known = facts.memo.get("list")
    if known is None:
        facts.memo["list"] = known = _names_list(facts.message.headers)
    return bool(known)


def _names_list(headers: Headers) -> bool:
    if not (
        has(headers, "list-id") or has(headers, "x-mailing-list") or has(headers, "mailing-list")
    ):
        return False
    return has(headers, "list-post") or (headers.get("precedence") or "").strip().lower() == "list"


def goes_on(facts: Facts) -> bool:
    """Say whether a message on a mailing list says what it answers: people there talk about spam, too."""
    return is_list(facts) and has(facts.message.headers, "in-reply-to")


def within(host: str, domains: AbstractSet[str]) -> str:
    """Return the domain of a set that a host is in or is, or the empty string."""
    while host:
        if host in domains:
            return host
        host = host.partition(".")[2]
    return ""


def owner_of(domain: str) -> str:
    """Return the part of a domain that one owner registered: `www.example.co.uk` → `example.co.uk`."""
    return organizational_domain(domain.strip("."))


def is_submitted(facts: Facts) -> bool:
    """Say whether one of our own sent it, whose client may leave Date and Message-ID to us (RFC 6409 §8)."""
    return facts.envelope is not None and not from_outside(facts)


def from_outside(facts: Facts) -> bool:
    """Say whether it just came by SMTP from somebody who is neither trusted nor authenticated."""
    return (
        facts.envelope is not None
        and not facts.envelope.session.trusted
        and not facts.envelope.session.auth_user
    )
