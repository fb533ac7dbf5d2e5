"""What a parse may cost. Going over a limit is recorded as a defect; it never raises."""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class ParseLimits:
    """Bounds on what the view of one message holds. Sizes are octets unless said otherwise.

    What lies beyond a limit is not looked at, but stays in `Message.raw`.
    """

    header_lines: int = 1000
    """Fields of one header section, a field with all its folds counted once (Haraka: 1000 lines)."""
    header_bytes: int = 262_144
    """Size of one header section (Postfix `header_size_limit`: 102,400 for one field)."""
    field_bytes: int = 65_536
    """Of one field's value, what is decoded and parsed; longer than any honest address list."""
    parts: int = 1000
    """Parts of a message, multiparts and embedded messages counted (Haraka: 1000)."""
    depth: int = 50
    """Levels of nesting (Postfix `mime_nesting_limit`: 100; Python's own recursion is no bound here)."""
    encoded_depth: int = 3
    """Embedded messages that are base64 or quoted-printable, one inside the other (RFC 2046 forbids any)."""
    received_hops: int = 100
    """Received fields that are parsed (Postfix `hopcount_limit`: 50)."""
    addresses: int = 1000
    """Addresses of one field that are parsed."""
    parameters: int = 64
    """Parameters of one Content-Type or Content-Disposition."""
    text_bytes: int = 1_048_576
    """Of all text parts together, in their order, what is decoded to characters."""
    html_tags: int = 6000
    """Tags of one HTML part that are built into a tree; a larger one is read tag by tag, without one."""
    html_tokens: int = 30_000
    """Tags of one HTML part that are read at all."""
    links: int = 2000
    """Links that are kept of one text part."""


DEFAULT: Final = ParseLimits()
