"""DMARC (RFC 7489, with np of RFC 9091 and t of its successor): is the author's domain vouched for?"""

from .author import Author, FromProblem, author_of
from .evaluate import evaluate, evaluate_author
from .model import Alignment, DmarcRecord, DmarcResult, DmarcStatus, Policy
from .record import parse_record
from .report import DmarcReportRow, report_row

__all__ = [
    "Alignment",
    "Author",
    "DmarcRecord",
    "DmarcReportRow",
    "DmarcResult",
    "DmarcStatus",
    "FromProblem",
    "Policy",
    "author_of",
    "evaluate",
    "evaluate_author",
    "parse_record",
    "report_row",
]
