"""The names of the fields that an expression can ask for."""

from typing import Final

HEADER: Final = "header:"
NAMES: Final = (
    "subject", "from.name", "from.address", "reply-to.address", "to.name", "to.address",
    "envelope.sender", "envelope.helo", "body", "body.plain", "body.html", "url", "url.host",
    "attachment.name", "attachment.type",
)  # fmt: skip
"""Beside these there is `header:NAME` for every header field."""


def is_field(name: str) -> bool:
    """Say whether expressions know a field of that name."""
    return name in NAMES or (name.startswith(HEADER) and len(name) > len(HEADER))
