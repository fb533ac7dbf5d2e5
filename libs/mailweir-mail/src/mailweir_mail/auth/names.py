"""Domain names as DNS is asked for them: lower case, A-labels, no dot at the end."""

import re
from functools import lru_cache
from typing import Final

MAX_NAME: Final = 253  # octets of a name as text (RFC 1035 §2.3.4 counts 255 on the wire)
_KEPT: Final = 4096

# A blank is odd, but may stand in a label, and macros of SPF write one (RFC 7208 §7.1, `%_`).
_PLAIN: Final = re.compile(r"(?:[ -\-/-~]{1,63}\.)*[ -\-/-~]{1,63}")


def is_name(text: str) -> bool:
    """Say whether DNS can be asked for a name: ASCII without controls, no empty or overlong label."""
    return len(text) <= MAX_NAME and _PLAIN.fullmatch(text) is not None


def ask_name(domain: str) -> str | None:
    """Return a domain as it is asked for, U-labels as A-labels (RFC 8616 §4), or None where it is none."""
    # A long text is none, and must not be kept: strangers choose what stands in a cache.
    return _ask_name(domain) if len(domain) <= MAX_NAME + 1 else None


@lru_cache(maxsize=_KEPT)
def _ask_name(domain: str) -> str | None:
    text = domain.removesuffix(".")
    if not text.isascii():
        try:
            text = text.encode("idna").decode("ascii")
        except UnicodeError:
            return None
    return text.lower() if is_name(text) else None
