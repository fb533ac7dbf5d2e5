"""SPF (RFC 7208; RFC 8616 for internationalised mail): may this client send for this domain?"""

from .evaluate import check_host, check_sender
from .macros import SpfSyntaxError
from .model import MAX_MX_NAMES, MAX_TERMS, MAX_VOID, SpfResult, SpfStatus
from .record import Mechanism, SpfRecord, parse_record

__all__ = [
    "MAX_MX_NAMES",
    "MAX_TERMS",
    "MAX_VOID",
    "Mechanism",
    "SpfRecord",
    "SpfResult",
    "SpfStatus",
    "SpfSyntaxError",
    "check_host",
    "check_sender",
    "parse_record",
]
