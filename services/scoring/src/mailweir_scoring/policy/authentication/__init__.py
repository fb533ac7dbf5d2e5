"""Who vouches for a message: SPF, DKIM, DMARC and ARC, asked for together."""

from .model import Authentication
from .stage import SYMBOLS, authenticate

__all__ = ["SYMBOLS", "Authentication", "authenticate"]
