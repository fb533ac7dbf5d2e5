"""The organisational domain: what one owner registered, by the public suffix list (RFC 7489 §3.2).

The list comes with a package and is read at the first question (some 90 ms); a question then costs
some 20 µs, and a fifth of one while its domain is among those kept.
"""

from functools import cache, lru_cache
from typing import TYPE_CHECKING, Final

from mailweir_core.net import parse_ip

from .names import MAX_NAME, ask_name

if TYPE_CHECKING:
    from publicsuffixlist import PublicSuffixList

_KEPT: Final = 8192


@cache
def _suffixes() -> "PublicSuffixList":
    """Read the bundled list; only on demand, since a process may never ask."""
    from publicsuffixlist import PublicSuffixList

    return PublicSuffixList()


def organizational_domain(domain: str) -> str:
    """Return the domain directly below the longest public suffix: `mail.example.co.uk` → `example.co.uk`.

    Lower case, in A-labels. A public suffix, an address or what is no domain comes back as it is, in
    lower case: it belongs to itself. A top-level domain that is not listed counts as a public suffix.
    """
    return _below_suffix(domain)[0] if len(domain) <= MAX_NAME + 1 else domain.lower()


def is_public_suffix(domain: str) -> bool:
    """Say whether names below it belong to different owners, as with `co.uk` or `github.io`."""
    return len(domain) <= MAX_NAME + 1 and _below_suffix(domain)[1]


@lru_cache(maxsize=_KEPT)
def _below_suffix(domain: str) -> tuple[str, bool]:
    """Return the organisational domain, and whether it is a public suffix itself."""
    name = ask_name(domain)
    if name is None or parse_ip(name) is not None:
        return domain.lower(), False
    owner = _suffixes().privatesuffix(name)
    return owner or name, owner is None
