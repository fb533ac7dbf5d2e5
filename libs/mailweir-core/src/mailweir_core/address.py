"""Envelope addresses: the paths of MAIL FROM and RCPT TO (RFC 5321 §4.1.2, RFC 6531 for UTF-8)."""

import re
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import IPv4Address, IPv6Address
from typing import Final

MAX_PATH_OCTETS: Final = 256  # RFC 5321 §4.5.3.1.3, angle brackets included
MAX_LOCAL_OCTETS: Final = 64  # RFC 5321 §4.5.3.1.1
MAX_DOMAIN_OCTETS: Final = 255  # RFC 5321 §4.5.3.1.2

# Any character of RFC 6532 but the control characters beyond ASCII and the two line separators: what splits
# headers or logs with str.splitlines() must not find an end in the middle of an address.
_UTF8: Final = "\u00a0-\u2027\u202a-\U0010ffff"
_ATEXT: Final = rf"[A-Za-z0-9!#$%&'*+/=?^_`{{|}}~{_UTF8}-]+"
_DOT_STRING: Final = re.compile(rf"{_ATEXT}(?:\.{_ATEXT})*")
_QUOTED: Final = re.compile(rf'"(?:[\x20\x21\x23-\x5b\x5d-\x7e{_UTF8}]|\\[\x20-\x7e])*"')
_LABEL: Final = rf"[A-Za-z0-9{_UTF8}](?:[A-Za-z0-9_{_UTF8}-]*[A-Za-z0-9{_UTF8}])?"
_DOMAIN: Final = re.compile(rf"{_LABEL}(?:\.{_LABEL})*\.?")
_LITERAL: Final = re.compile(r"\[(?:(?i:IPv6:)(?P<v6>[0-9A-Fa-f:.]{2,45})|(?P<v4>[0-9.]{7,15}))\]")


class AddressError(StrEnum):
    """What is wrong with a path; the words go into the SMTP reply."""

    SYNTAX = "the address is not of the form <local@domain>"
    ROUTE = "source routes are not supported"
    TOO_LONG = "the address is too long"
    NEEDS_UTF8 = "the address has non-ASCII characters but SMTPUTF8 was not asked for"


@dataclass(frozen=True, slots=True)
class EnvelopeAddress:
    """A parsed address: `local` as the client wrote it, `domain` lower case without a trailing dot.

    The null sender `<>` has both empty. An address literal keeps its brackets.
    """

    local: str
    domain: str

    def __str__(self) -> str:
        """Return `local@domain`, or the empty string for the null sender."""
        return f"{self.local}@{self.domain}" if self.domain else self.local

    @property
    def is_null(self) -> bool:
        """Say whether this is the null sender."""
        return not self.local and not self.domain

    @property
    def key(self) -> str:
        """Return the form that lists and directories compare: all lower case."""
        return str(self).casefold()


def parse_path(
    text: str, *, smtputf8: bool = False, allow_null: bool = False
) -> EnvelopeAddress | AddressError:
    """Parse `<local@domain>` (or `<>` where `allow_null`); a bare `<postmaster>` is allowed (§4.5.1)."""
    if len(text) < 2 or text[0] != "<" or text[-1] != ">":
        return AddressError.SYNTAX
    try:
        octets = len(text.encode())
    except UnicodeEncodeError:  # bytes that are no UTF-8, carried as surrogates
        return AddressError.SYNTAX
    if octets > MAX_PATH_OCTETS:
        return AddressError.TOO_LONG
    inner = text[1:-1]
    if not inner:
        return EnvelopeAddress("", "") if allow_null else AddressError.SYNTAX
    if not smtputf8 and not inner.isascii():
        return AddressError.NEEDS_UTF8
    if inner.startswith("@"):
        return AddressError.ROUTE
    if inner.lower() == "postmaster":  # casefold would take a long s for an s
        return EnvelopeAddress(inner, "")
    return _parse_mailbox(inner)


def _parse_mailbox(inner: str) -> EnvelopeAddress | AddressError:
    local, at, domain = inner.rpartition("@")
    if not at or not (_DOT_STRING.fullmatch(local) or _QUOTED.fullmatch(local)):
        return AddressError.SYNTAX
    if len(local.encode()) > MAX_LOCAL_OCTETS or len(domain.encode()) > MAX_DOMAIN_OCTETS:
        return AddressError.TOO_LONG
    if _is_literal(domain):
        return EnvelopeAddress(local, domain)
    if not _DOMAIN.fullmatch(domain):
        return AddressError.SYNTAX
    return EnvelopeAddress(local, domain.rstrip(".").lower())


def _is_literal(domain: str) -> bool:
    found = _LITERAL.fullmatch(domain)
    if found is None:
        return False
    try:
        IPv6Address(found["v6"]) if found["v6"] else IPv4Address(found["v4"])
    except ValueError:
        return False
    return True
