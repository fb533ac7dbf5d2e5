"""Whether a list or gateway takes Received fields away, so that nothing follows from their absence."""

import re
from typing import Final

from mailweir_spamassassin.view.message import View

from .common import text_of

_EZMLM: Final = re.compile(r"^contact \S+@\S+; run by ezmlm$", re.MULTILINE)
_TO_LIST: Final = re.compile(r"^mailing list \S+@\S+", re.MULTILINE)
_QMAIL: Final = re.compile(r"qmail \d+ invoked (?:from network|by .{3,20})\); \d+ ... \d+")
_MSN_GROUPS: Final = re.compile(r"from groups\.msn\.com \(\S+\.msn\.com ")


def is_gated(view: View) -> bool:
    """Say whether this message has lost Received fields, or has none at all."""
    received = text_of(view, "Received")
    if not received or _MSN_GROUPS.search(received):
        return True
    return bool(
        _EZMLM.search(text_of(view, "Mailing-List"))
        and _TO_LIST.search(text_of(view, "Delivered-To"))
        and _QMAIL.search(received)
    )
