"""What lists are asked about, in the form that the DNS has it (RFC 5782)."""

import hashlib
import re
from ipaddress import IPv4Address
from typing import Final

from mailweir_core.net import Address, parse_ip

from .auth.names import ask_name
from .auth.suffix import organizational_domain

MAX_TEXT: Final = 1000
_NAME: Final = re.compile(
    r"(?=.{4,253}$)(?:[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?\.)+[a-z][a-z0-9-]{0,61}[a-z0-9]"
)


def reversed_address(address: Address) -> str:
    """Return an address with its octets, or nibbles of IPv6, in reverse (§2.1, §2.4)."""
    if isinstance(address, IPv4Address):
        return ".".join(reversed(str(address).split(".")))
    return ".".join(reversed(address.exploded.replace(":", "")))


def domain_of(text: str) -> str:
    """Return the organisational domain in A-labels; empty for what is none."""
    host = text.strip().rstrip(".").lower()
    if len(host) > MAX_TEXT or parse_ip(host) is not None:
        return ""
    name = ask_name(host) or ""
    return organizational_domain(name) if _NAME.fullmatch(name) else ""


def digest_of(address: str) -> str:
    """Return the SHA-1 of a mail address in lower case, as lists of addresses have it."""
    wire = address.lower().encode("utf-8", "replace")
    return hashlib.sha1(wire, usedforsecurity=False).hexdigest()
