"""Fingerprints of campaigns: what copies of one mail share although no two of them are the same.

Pure: a message in, values out. Names of recipients, numbers, addresses, links, quotes and footers of lists
are left out first, since they differ in copies or agree in mails that have nothing to do with each other.
"""

from .book import FuzzyBook, FuzzyEntry, FuzzyMatch
from .labels import Label
from .make import fingerprints
from .model import BANDS, Fingerprint, Kind

__all__ = [
    "BANDS",
    "Fingerprint",
    "FuzzyBook",
    "FuzzyEntry",
    "FuzzyMatch",
    "Kind",
    "Label",
    "fingerprints",
]
