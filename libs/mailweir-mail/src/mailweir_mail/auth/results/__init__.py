"""Authentication-Results (RFC 8601) both ways: what we found for others to read, and what others found."""

from .entries import arc_entry, auth_entry, dkim_entry, dmarc_entry, iprev_entry, spf_entry
from .model import AuthResults, MethodResult, Property
from .parse import parse_results
from .write import field_value

__all__ = [
    "AuthResults",
    "MethodResult",
    "Property",
    "arc_entry",
    "auth_entry",
    "dkim_entry",
    "dmarc_entry",
    "field_value",
    "iprev_entry",
    "parse_results",
    "spf_entry",
]
