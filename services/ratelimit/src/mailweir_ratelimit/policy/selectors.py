"""What a limit counts by: the keys that a question has, and the names that people know them by."""

import base64
import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from mailweir_core.net import Address, client_network
from mailweir_policy.ratelimit import RateLimit, Selector

MAX_PART_BYTES: Final = 64
"""A longer part of a key is replaced by its digest."""
USER_SELECTORS: Final = frozenset({Selector.USER, Selector.USER_DOMAIN})


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known when something is counted; empty, 0 or None where it is not known."""

    address: Address | None = None
    asn: int = 0
    helo: str = ""
    sender: str = ""
    recipient: str = ""
    user: str = ""


_VALUES: Final[Mapping[Selector, Callable[[Facts], str]]] = MappingProxyType(
    {
        Selector.IP: lambda facts: str(facts.address or ""),
        Selector.NET: lambda facts: str(client_network(facts.address)) if facts.address else "",
        Selector.ASN: lambda facts: f"as{facts.asn}" if facts.asn else "",
        Selector.HELO: lambda facts: facts.helo.casefold(),
        Selector.FROM: lambda facts: facts.sender.casefold(),
        Selector.FROM_DOMAIN: lambda facts: domain_of(facts.sender),
        Selector.TO: lambda facts: facts.recipient.casefold(),
        Selector.TO_DOMAIN: lambda facts: domain_of(facts.recipient),
        Selector.USER: lambda facts: facts.user.casefold(),
        Selector.USER_DOMAIN: lambda facts: domain_of(facts.user),
    }
)
"""What each selector makes of the facts, lower case; empty where it is not known."""

_WORDS: Final[Mapping[Selector, str]] = MappingProxyType(
    {
        Selector.IP: "from {}",
        Selector.NET: "from {}",
        Selector.ASN: "from {}",
        Selector.HELO: "greeting as {}",
        Selector.FROM: "of the sender {}",
        Selector.FROM_DOMAIN: "of senders in {}",
        Selector.TO: "to {}",
        Selector.TO_DOMAIN: "to {}",
        Selector.USER: "of the user {}",
        Selector.USER_DOMAIN: "of users in {}",
    }
)


def values_of(limit: RateLimit, facts: Facts) -> tuple[str, ...]:
    """Return the value of each of a limit's selectors; empty where one of them is not known."""
    values = tuple(_VALUES[selector](facts) for selector in limit.by)
    return values if all(values) else ()


def key_of(limit: RateLimit, values: Sequence[str]) -> str:
    """Return the key of a limit's bucket."""
    return ".".join((limit.name, *map(encoded, values)))


def subject_of(limit: RateLimit, values: Sequence[str]) -> str:
    """Return the values in words: `from 192.0.2.1 to bob@example.com`."""
    return " ".join(
        _WORDS[selector].format(value) for selector, value in zip(limit.by, values, strict=True)
    )


def domain_of(address: str) -> str:
    """Return the domain of `local@domain` in lower case; empty where there is none."""
    return address.rpartition("@")[2].casefold() if "@" in address else ""


def encoded(value: str) -> str:
    """Return a value as a part of a key: base32 without padding, or of a long one `-` and its digest."""
    data = value.encode(errors="backslashreplace")
    if len(data) > MAX_PART_BYTES:
        return f"-{_base32(hashlib.blake2b(data, digest_size=20).digest())}"
    return _base32(data)


def decoded(part: str) -> str:
    """Return the value of a key's part; empty where only its digest is known, or it is none."""
    try:
        padding = "=" * (-len(part) % 8)
        return base64.b32decode(part.upper() + padding).decode()
    except ValueError:
        return ""


def _base32(data: bytes) -> str:
    return base64.b32encode(data).decode().rstrip("=").lower()
