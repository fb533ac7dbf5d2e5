"""All fingerprints of a message."""

import hashlib
from collections.abc import Iterator, Sequence
from typing import Final

from mailweir_mail import Message, Part

from .model import DIGEST_BYTES, Fingerprint, Kind, digest
from .places import links_shape
from .shape import structure
from .shingles import text_value
from .words import own_text, recipient_names, shown_text, words_of

LONG_TEXT_WORDS: Final = 64
"""Texts of fewer words are compared word by word."""
SHORT_TEXT_WORDS: Final = 16
"""Texts of fewer words still are everybody's: thanks, see attached."""
MOST_FILES: Final = 8
FILES_OCTETS: Final = 8 * 1024 * 1024
"""Of all files together, as they were sent; what lies beyond is not looked at."""
LEAST_FILE_OCTETS: Final = 256
LEAST_IMAGE_OCTETS: Final = 4096
"""Smaller pictures are icons, which many mails share."""
_SUBJECT_NOISE: Final = frozenset({"re", "fw", "fwd", "aw", "wg", "sv", "vs", "tr"})


def fingerprints(message: Message, parts: Sequence[Part] | None = None) -> tuple[Fingerprint, ...]:
    """Return what the message can be known by; time is linear in its length. Never raises.

    `parts` are the shown text parts that are looked at; by default those that a client with HTML shows.
    """
    shown = message.html_parts if parts is None else _shown(message, parts)
    return tuple(_all(message, shown))


def _shown(message: Message, parts: Sequence[Part]) -> tuple[Part, ...]:
    """Return of these parts what a client with HTML shows: of two alternatives only one."""
    with_html = set(map(id, message.html_parts))
    return tuple(part for part in parts if id(part) in with_html)


def _all(message: Message, shown: Sequence[Part]) -> Iterator[Fingerprint]:
    yield from _texts(message, shown)
    yield from _hashed(Kind.LINKS, links_shape(message, shown))
    yield from _hashed(Kind.STRUCTURE, structure(message, shown))
    yield from _files(message)
    yield from _hashed(Kind.SUBJECT, _subject(message))


def _hashed(kind: Kind, text: str) -> Iterator[Fingerprint]:
    if text:
        yield Fingerprint(kind, digest(text))


def _texts(message: Message, shown: Sequence[Part]) -> Iterator[Fingerprint]:
    """Yield the fingerprint of the text.

    Where a footer is nearly all there is, everything is compared word by word: so two short mails to one list
    are not alike, and the copies of a mail that hides behind a false separator are.
    """
    text = shown_text(shown)
    names = recipient_names(message)
    words = words_of(own_text(text), names)
    if len(words) >= LONG_TEXT_WORDS:
        value = text_value(words)
        if value:
            yield Fingerprint(Kind.TEXT, value)
        return
    if len(words) < SHORT_TEXT_WORDS:
        words = words_of(text, names)
    if len(words) >= SHORT_TEXT_WORDS:
        yield Fingerprint(Kind.SHORT_TEXT, digest(" ".join(words)))


def _files(message: Message) -> Iterator[Fingerprint]:
    left = FILES_OCTETS
    for part in message.attachments[:MOST_FILES]:
        left -= part.body_end - part.body_start
        if left < 0:
            return
        image = part.type.startswith("image/")
        content = part.content
        if not part.children and len(content) >= (
            LEAST_IMAGE_OCTETS if image else LEAST_FILE_OCTETS
        ):
            value = hashlib.sha256(content).hexdigest()[: 2 * DIGEST_BYTES]
            yield Fingerprint(Kind.IMAGE if image else Kind.FILE, value)


def _subject(message: Message) -> str:
    words = [w for w in words_of(message.subject[:1000]) if w not in _SUBJECT_NOISE]
    sender = message.from_.first
    if not words or sender is None or not sender.address:
        return ""
    return f"{sender.key} {' '.join(words)}"
