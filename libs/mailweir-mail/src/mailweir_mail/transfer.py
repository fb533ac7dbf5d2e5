"""Content-Transfer-Encoding: octets from what was sent, in bulk, as forgiving as clients are."""

import binascii
import re
from typing import Final, NamedTuple

from .defects import DefectKind

IDENTITY: Final = frozenset({"", "7bit", "8bit", "binary"})
_ALPHABET: Final = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
_BLANKS: Final = b" \t\r\n"
_PADDED_ENDS: Final = 1000  # runs of padding after which a decoder may go on; the rest is dropped
_SPACED_SOFT: Final = re.compile(rb"=[ \t]+(?=\r?\n)")
_BARE_CR: Final = re.compile(rb"=\r(?!\n)")
_BAD_ESCAPE: Final = re.compile(rb"=(?![0-9A-Fa-f]{2}|[ \t]*+\r?\n|[ \t]*+\Z)")
_UU_BEGIN: Final = re.compile(rb"(?:\A|\n)begin(?:-base64)? [0-7]{3,4} [^\n]*\n")


class Octets(NamedTuple):
    """Decoded octets and what was wrong with the encoding."""

    data: bytes
    defects: tuple[DefectKind, ...] = ()


def decode(data: bytes, encoding: str) -> Octets:
    """Undo a transfer encoding (lower case); an unknown one leaves the octets as they are."""
    if encoding in IDENTITY:
        return Octets(data)
    if encoding == "base64":
        return decode_base64(data)
    if encoding == "quoted-printable":
        return decode_quoted_printable(data)
    if encoding in ("x-uuencode", "uuencode", "x-uue", "uue"):
        return decode_uu(data)
    return Octets(data, (DefectKind.TRANSFER_UNKNOWN,))


def decode_base64(data: bytes) -> Octets:
    """Decode base64: foreign characters are skipped, what follows padding is decoded too (RFC 2045 §6.8)."""
    clean = data.translate(None, _BLANKS)
    foreign = clean.translate(None, _ALPHABET)
    if not foreign.strip(b"="):
        end = len(clean) - len(foreign)
        if not len(clean) % 4 and len(foreign) <= 2 and clean.endswith(foreign):
            return Octets(binascii.a2b_base64(clean))
        if not foreign:
            return Octets(_unpadded(clean), (DefectKind.BASE64,))
        if clean.find(b"=") == end:
            return Octets(_unpadded(clean[:end]), (DefectKind.BASE64,))
    pieces = clean.split(b"=", _PADDED_ENDS)[:_PADDED_ENDS]
    unwanted = bytes(set(foreign))
    letters = [piece.translate(None, unwanted) for piece in pieces if piece]
    if len(letters) > 1 and not clean.endswith(b"="):
        letters[-1] = letters[-1][
            : len(letters[-1]) // 4 * 4
        ]  # a rest after the padding, without its own
    return Octets(b"".join(map(_unpadded, letters)), (DefectKind.BASE64,))


def _unpadded(letters: bytes) -> bytes:
    if len(letters) % 4 == 1:
        letters = letters[:-1]
    return binascii.a2b_base64(letters + b"=" * (-len(letters) % 4))


def decode_quoted_printable(data: bytes) -> Octets:
    """Decode quoted-printable; an escape that is none stays as it is (RFC 2045 §6.7)."""
    if b"=" not in data:
        return Octets(data)
    if b"= " in data or b"=\t" in data:
        data = _SPACED_SOFT.sub(b"=", data)
    if b"=\r" in data and data.count(b"=\r") != data.count(b"=\r\n"):
        data = _BARE_CR.sub(b"=\r\n", data)  # the C decoder would drop the rest of the line
    return Octets(binascii.a2b_qp(data))


def has_bad_escape(data: bytes) -> bool:
    """Say whether quoted-printable has an escape that is none; apart, as it costs more than decoding."""
    return _BAD_ESCAPE.search(data) is not None


def decode_uu(data: bytes) -> Octets:
    """Decode uuencoded data from its `begin` line to its `end`."""
    begin = _UU_BEGIN.search(data)
    if begin is None:
        return Octets(data, (DefectKind.UUENCODE,))
    out: list[bytes] = []
    bad = False
    for line in data[begin.end() :].split(b"\n"):
        text = line.rstrip(b"\r")
        if text == b"end":
            break
        try:
            out.append(binascii.a2b_uu(text))
        except binascii.Error:
            # Some encoders write trailing rubbish: the length octet says how much of the line counts.
            size = (((text[0] - 32) & 63) * 4 + 5) // 3
            try:
                out.append(binascii.a2b_uu(text[:size]))
            except binascii.Error:
                bad = True
    return Octets(b"".join(out), (DefectKind.UUENCODE,) if bad else ())
