"""AUTH's two mechanisms, PLAIN (RFC 4616) and LOGIN, as far as they are text."""

import base64
import binascii
from dataclasses import dataclass, field
from typing import Final

USERNAME: Final = b"334 VXNlcm5hbWU6"  # base64 of "Username:"
PASSWORD: Final = b"334 UGFzc3dvcmQ6"  # base64 of "Password:"
EMPTY_CHALLENGE: Final = b"334 "
CANCEL: Final = b"*"
MAX_LOGIN: Final = 255


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a client claims to be, and its proof; the proof never shows in a text."""

    login: str
    password: str = field(repr=False)


def decode(text: bytes) -> str | None:
    """Return the UTF-8 text in a base64 response (`=` is the empty one), or None."""
    if text == b"=":
        return ""
    try:
        return base64.b64decode(text, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return None


def plain(response: bytes) -> Credentials | None:
    """Return the credentials of a PLAIN response, or None where it is none.

    Acting for somebody else (an authorization identity that is not the login) is not offered.
    """
    text = decode(response)
    parts = [] if text is None else text.split("\0")
    if len(parts) != 3:
        return None
    authorization, login, password = parts
    if authorization not in ("", login):
        return None
    return credentials(login, password)


def credentials(login: str | None, password: str | None) -> Credentials | None:
    """Return the credentials, or None where a part is missing or cannot be right."""
    if not login or not password or len(login) > MAX_LOGIN:
        return None
    return Credentials(login, password)
