"""A signature field taken apart: DKIM-Signature, and ARC's two that are made like it (RFC 8617 §4.1)."""

import re
from dataclasses import dataclass, replace
from typing import Final

from .canonical import CRLF, Canon, value_of
from .model import DkimLimits, broken
from .tags import base64_value, compact, domain_name, names, number, parse_tags, without_value

ALGORITHMS: Final = {b"rsa-sha256": "rsa", b"ed25519-sha256": "ed25519"}
HEADER_B: Final = 8  # RFC 6008 §3
NAME_CHARACTERS: Final = 253  # RFC 1035 §3.1, as text without the dot at its end
_INFIX: Final = "._domainkey."
_HEX: Final = re.compile(rb"=([0-9A-F]{2})")
_FIELD_NAME: Final = re.compile(rb"[!-9<-~]*")


@dataclass(frozen=True, slots=True)
class Signature:
    """What a signature claims, and its own field as it went into the hash."""

    place: int
    """Of its field in the header."""
    domain: str
    selector: str
    algorithm: str
    key_type: str
    signature: bytes
    """b=, decoded."""
    unsigned: bytes
    """The field with b= empty, without the CRLF at its end."""
    body_hash: bytes = b""
    header: Canon = Canon.SIMPLE
    body: Canon = Canon.SIMPLE
    names: tuple[bytes, ...] = ()
    """h=, lower case, in its order."""
    length: int | None = None
    made: int | None = None
    expires: int | None = None

    @property
    def question(self) -> str:
        """Return the name of the key's TXT record."""
        return f"{self.selector}{_INFIX}{self.domain}"


@dataclass(frozen=True, slots=True)
class Claims:
    """What can be said of a signature that need not be sound: for the result's text."""

    domain: str = ""
    selector: str = ""
    identity: str = ""
    algorithm: str = ""
    header_b: str = ""
    length: int | None = None


def read_tags(field: bytes, limits: DkimLimits) -> dict[bytes, bytes]:
    """Return the tags of a signature field. Raises Unusable."""
    if len(field) > limits.field_bytes:
        raise broken(f"longer than {limits.field_bytes} octets")
    return parse_tags(value_of(field).strip(CRLF))


def claims(tags: dict[bytes, bytes]) -> Claims:
    """Return what the tags say of themselves; what cannot be read is empty."""
    domain = domain_name(tags.get(b"d", b"")) or ""
    length = tags.get(b"l", b"")
    return Claims(
        domain=domain,
        selector=domain_name(tags.get(b"s", b"")) or "",
        identity=_text(_identity(tags), 320) or (f"@{domain}" if domain else ""),
        algorithm=_text(tags.get(b"a", b""), 40),
        header_b=_text(compact(tags.get(b"b", b"")), HEADER_B),
        length=int(length) if length.isdigit() and len(length) <= 12 else None,
    )


def signature(place: int, field: bytes, tags: dict[bytes, bytes]) -> Signature:
    """Return what every signature has: algorithm, domain, selector, b=, t=. Raises Unusable."""
    algorithm = tags.get(b"a", b"")
    if algorithm == b"rsa-sha1":
        raise broken("rsa-sha1 is historic (RFC 8301)")
    if algorithm not in ALGORITHMS:
        raise broken("an unknown algorithm")
    domain, selector = domain_name(tags.get(b"d", b"")), domain_name(tags.get(b"s", b""))
    if domain is None or "." not in domain:
        raise broken("d= is not a domain")
    if selector is None:
        raise broken("s= is not a selector")
    if len(selector) + len(_INFIX) + len(domain) > NAME_CHARACTERS:
        raise broken("the key's name is too long for DNS")
    return Signature(
        place=place,
        domain=domain,
        selector=selector,
        algorithm=algorithm.decode(),
        key_type=ALGORITHMS[algorithm],
        signature=base64_value(tags, b"b"),
        unsigned=without_value(field.removesuffix(CRLF), b"b"),
        made=number(tags, b"t"),
    )


def message_signature(
    place: int, field: bytes, tags: dict[bytes, bytes], *, default: bytes = b"simple/simple"
) -> Signature:
    """Return a signature over header and body: DKIM's or ARC's. Raises Unusable.

    `default` is what c= means where it is absent.
    """
    base = signature(place, field, tags)
    header, body = _canonicalisation(tags.get(b"c", default))
    made, expires = base.made, number(tags, b"x")
    if made is not None and expires is not None and expires <= made:
        raise broken("x= is not after t=")
    if b"h" not in tags:
        raise broken("no h=")
    signed = names(tags[b"h"])
    if not all(map(_FIELD_NAME.fullmatch, signed)):
        raise broken("h= has what is no field name")
    if b"q" in tags and b"dns/txt" not in names(tags[b"q"]):
        raise broken("the key is not to be had by DNS")
    return replace(
        base,
        body_hash=base64_value(tags, b"bh"),
        header=header,
        body=body,
        names=signed,
        length=number(tags, b"l"),
        expires=expires,
    )


def _canonicalisation(value: bytes) -> tuple[Canon, Canon]:
    header, slash, body = value.partition(b"/")
    try:
        return Canon(header.decode()), Canon(body.decode() if slash else Canon.SIMPLE)
    except ValueError as error:  # UnicodeDecodeError is one
        raise broken("an unknown canonicalisation") from error


def identity_of(tags: dict[bytes, bytes], domain: str) -> str:
    """Return i=, which must be in d= (RFC 6376 §3.5), or `@domain`. Raises Unusable."""
    identity = _identity(tags)
    if not identity:
        if b"i" in tags:
            raise broken("i= is empty")
        return f"@{domain}"
    local, at, host = identity.rpartition(b"@")
    name = domain_name(host)
    if not at or name is None:
        raise broken("i= is not an identity")
    if name != domain and not name.endswith(f".{domain}"):
        raise broken("i= is not in d=")
    return f"{_text(local, 256)}@{name}"


def _identity(tags: dict[bytes, bytes]) -> bytes:
    """Decode i=, which is quoted-printable of a kind (RFC 6376 §2.11)."""
    return _HEX.sub(lambda found: bytes.fromhex(found[1].decode()), compact(tags.get(b"i", b"")))


def _text(octets: bytes, most: int) -> str:
    """Return a bounded text fit to be shown: no control characters, no lone surrogates."""
    text = octets[: 4 * most].decode("utf-8", "replace")[:most]
    return "".join(char if char.isprintable() else "?" for char in text)
