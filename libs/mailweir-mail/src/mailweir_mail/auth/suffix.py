"""The organisational domain: what one owner registered, by the public suffix list (RFC 7489 §3.2).

The list comes with a package and is read at the first question (some 90 ms); a question then costs
some 20 µs, and a fifth of one while its domain is among those kept.
"""

from functools import cache, lru_cache
from typing import TYPE_CHECKING, Final

from mailweir_core.net import parse_ip

from .names import ask_name

if TYPE_CHECKING:
    from publicsuffixlist import PublicSuffixList

_KEPT: Final = 8192


@cache
def _suffixes() -> "PublicSuffixList":
    """Read the bundled list; only on demand, since a process may never ask."""
    from publicsuffixlist import PublicSuffixList

    return PublicSuffixList()


@lru_cache(maxsize=_KEPT)
def organizational_domain(domain: str) -> str:
    """Return the domain directly below the longest public suffix: `mail.example.co.uk` → `example.co.uk`.

    Lower case, in A-labels. A public suffix, an address or what is no domain comes back as it is, in
    lower case: it belongs to itself. A top-level domain that is not listed counts as a public suffix.
    """
    name = ask_name(domain)
    if name is None or parse_ip(name) is not None:
        return domain.lower()
    return _suffixes().privatesuffix(name) or name


@lru_cache(maxsize=_KEPT)
def is_public_suffix(domain: str) -> bool:
    """Say whether names below it belong to different owners, as with `co.uk` or `github.io`."""
    name = ask_name(domain)
    return name is not None and parse_ip(name) is None and _suffixes().privatesuffix(name) is None
