"""DKIM: whether a domain vouches for a message, and how ours does (RFC 6376, RFC 8301, RFC 8463)."""

from .canonical import Canon
from .keys import KeyCache
from .model import DEFAULT, DkimLimits, DkimResult, DkimStatus
from .private import BadKey, KeyType, load_private_key, make_private_key, to_pem, txt_record
from .sign import SigningKey, sign
from .verify import verify

__all__ = [
    "DEFAULT",
    "BadKey",
    "Canon",
    "DkimLimits",
    "DkimResult",
    "DkimStatus",
    "KeyCache",
    "KeyType",
    "SigningKey",
    "load_private_key",
    "make_private_key",
    "sign",
    "to_pem",
    "txt_record",
    "verify",
]
