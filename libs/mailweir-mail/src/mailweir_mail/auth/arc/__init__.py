"""ARC: what those who relayed a message before us say they saw (RFC 8617)."""

from .model import DEFAULT, ArcLimits, ArcResult, ArcStatus
from .reported import reported_chain
from .seal import seal
from .validate import validate

__all__ = ["DEFAULT", "ArcLimits", "ArcResult", "ArcStatus", "reported_chain", "seal", "validate"]
