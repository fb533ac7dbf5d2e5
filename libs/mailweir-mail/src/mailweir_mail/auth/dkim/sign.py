"""Making signatures: DKIM-Signature, and the shape that ARC's fields share with it (RFC 6376 §5)."""

from base64 import b64encode
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from mailweir_mail.edit import SOFT_LINE

from .canonical import CRLF, HEADER, Canon, Section, chosen, section
from .check import Body
from .private import PrivateKey, sign_digest, type_of

OVERSIGNED: Final = ("from", "to", "cc", "reply-to", "subject", "date", "content-type")
"""What a reader sees: signed once more than it occurs, so that nobody can add one (RFC 6376 §8.15)."""
SIGNED: Final = (
    "sender", "message-id", "in-reply-to", "references", "mime-version", "content-transfer-encoding",
    "content-disposition", "resent-from", "resent-to", "resent-cc", "resent-date", "list-id", "list-help",
    "list-unsubscribe", "list-unsubscribe-post", "list-post", "list-owner", "list-archive",
)  # fmt: skip
"""What is signed as often as it occurs: RFC 6376 §5.4.1, and RFC 8058 §3.1 for one-click unsubscribing."""
_B64_LINE: Final = 72


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A key, whose it is, and how it signs. `expiry` is in seconds from now, None for never."""

    domain: str
    selector: str
    key: PrivateKey
    signed: tuple[str, ...] = SIGNED
    oversigned: tuple[str, ...] = OVERSIGNED
    header: Canon = Canon.RELAXED
    body: Canon = Canon.RELAXED
    expiry: int | None = None

    @property
    def algorithm(self) -> str:
        """Return a=."""
        return f"{type_of(self.key)}-sha256"

    def __repr__(self) -> str:
        """Return whose key it is; the key itself stays out of logs."""
        return f"SigningKey({self.selector}._domainkey.{self.domain}, {self.algorithm})"


def sign(raw: bytes, key: SigningKey, now: float) -> bytes:
    """Return a DKIM-Signature field for a message, CRLF at its end: to be put on top of it.

    From is always signed. Bare LF in `raw` count as CRLF, which is what it must be sent with.
    """
    return sign_section(section(raw), key, now)


def sign_section(found: Section, key: SigningKey, now: float, body: Body | None = None) -> bytes:
    """Return the field as `sign` does, for a message that is cut already."""
    names = names_to_sign(found, key)
    tags = [("v", "1"), *message_tags(key, names, now, body or Body(found.body))]
    return signed_field("DKIM-Signature", tags, chosen(found, names, key.header), key)


def names_to_sign(found: Section, key: SigningKey) -> tuple[bytes, ...]:
    """Return h=: From first, each name as often as it occurs, those oversigned once more."""
    over = dict.fromkeys(("from", *(name.lower() for name in key.oversigned)))
    names: list[bytes] = []
    for name in dict.fromkeys((*over, *(name.lower() for name in key.signed))):
        octets = name.encode()
        names.extend([octets] * (len(found.at(octets)) + (name in over)))
    return tuple(names)


def message_tags(
    key: SigningKey, names: Sequence[bytes], now: float, body: Body
) -> list[tuple[str, str]]:
    """Return the tags of a signature over header and body but for v=, i= and b=."""
    made = int(now)
    tags = [
        ("a", key.algorithm),
        ("c", f"{key.header}/{key.body}"),
        ("d", key.domain),
        ("s", key.selector),
        ("t", str(made)),
    ]
    if key.expiry is not None:
        tags.append(("x", str(made + key.expiry)))
    digest = b64encode(body.digest(key.body)).decode()
    return [*tags, ("h", b":".join(names).decode()), ("bh", digest)]


def signed_field(name: str, tags: Iterable[tuple[str, str]], data: bytes, key: SigningKey) -> bytes:
    """Return a field with its b=, which signs `data` and the field itself."""
    unsigned = _folded(name, tags)
    own = HEADER[key.header](unsigned + CRLF).removesuffix(CRLF)
    signature = b64encode(sign_digest(key.key, sha256(data + own).digest()))
    lines = [signature[at : at + _B64_LINE] for at in range(0, len(signature), _B64_LINE)]
    return unsigned + b"\r\n\t".join(lines) + CRLF


def _folded(name: str, tags: Iterable[tuple[str, str]]) -> bytes:
    """Write tags into lines of at most 78 where a tag allows it; the last line is `b=`."""
    lines, line = [], f"{name}:"
    for tag, value in tags:
        for nth, piece in enumerate(_pieces(f"{tag}={value};")):
            space = "" if nth else " "
            if len(line) + len(space) + len(piece) > SOFT_LINE:
                lines.append(line)
                line, space = "\t", ""
            line += space + piece
    return "\r\n".join([*lines, line, "\tb="]).encode()


def _pieces(tag: str) -> list[str]:
    """Cut h= behind its colons, where white space may stand; any other tag stays whole."""
    if not tag.startswith("h="):
        return [tag]
    *parts, last = tag.split(":")
    return [*(f"{part}:" for part in parts), last]
