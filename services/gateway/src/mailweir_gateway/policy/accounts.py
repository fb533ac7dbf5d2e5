"""Submission accounts as they are stored: one JSON document a login, read by the ingress."""

import base64
import json
import re
from dataclasses import dataclass
from typing import Any, Final

from mailweir_core.passwords import PasswordHash

MAX_LOGIN: Final = 254
MAX_SENDERS: Final = 100
MAX_SENDER: Final = 320
MIN_PASSWORD: Final = 8
MAX_PASSWORD: Final = 256
_LOGIN: Final = re.compile(r"[^\s\x00-\x1f\x7f/\\]+")
_SENDER: Final = re.compile(r"[^\s@\x00-\x1f\x7f]{0,64}@[^\s@\x00-\x1f\x7f]{1,253}")


@dataclass(frozen=True, slots=True)
class Account:
    """A submission account. `senders`: addresses, or `@domain` for a whole domain."""

    login: str
    password: PasswordHash
    senders: tuple[str, ...]
    disabled: bool = False


class UnreadableAccount(ValueError):
    """Raised for a stored document that is no account."""


def is_login(text: str) -> bool:
    """Say whether a text can be a login: no space, no control character, no slash."""
    return len(text) <= MAX_LOGIN and _LOGIN.fullmatch(text) is not None


def is_sender(text: str) -> bool:
    """Say whether a text is `local@domain` or `@domain`."""
    return len(text) <= MAX_SENDER and _SENDER.fullmatch(text) is not None


def bucket_key(login: str) -> str:
    """Return the key an account lies under: base 32 of the login, since keys have few characters."""
    return base64.b32encode(login.lower().encode()).decode().rstrip("=").lower()


def encode(account: Account) -> bytes:
    """Return an account in its stored form."""
    document = {
        "login": account.login,
        "scrypt": account.password.to_dict(),
        "senders": list(account.senders),
        "disabled": account.disabled,
    }
    return json.dumps(document, ensure_ascii=False).encode()


def decode(data: bytes) -> Account:
    """Return the account in its stored form; raises UnreadableAccount."""
    try:
        document: dict[str, Any] = json.loads(data)
        return Account(
            login=str(document["login"]),
            password=PasswordHash.from_dict(document["scrypt"]),
            senders=tuple(str(sender) for sender in document.get("senders", [])),
            disabled=bool(document.get("disabled", False)),
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UnreadableAccount(f"not a stored account: {error!r}") from error
