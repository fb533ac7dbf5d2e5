"""A chain as somebody else judged it: sealing may happen far from where the keys were asked for."""

import re
from typing import Final

from mailweir_mail.auth.dkim.canonical import section, value_of
from mailweir_mail.edit import header_block

from .model import ArcResult, ArcStatus
from .sets import SEAL, count_sets

# In our own Authentication-Results, whose results stand behind semicolons.
_ARC: Final = re.compile(r";\s*arc=(none|pass|fail)\b")
_CLOSED: Final = re.compile(rb"(?:^|;)[ \t\r\n]*cv[ \t\r\n]*=[ \t\r\n]*fail[ \t\r\n]*(?:;|\Z)")


def reported_chain(raw: bytes, results: str) -> ArcResult | None:
    """Return the state of `raw`'s chain that an Authentication-Results value tells; None where it tells none.

    The value must be our own, about these very octets: nothing is verified here.
    """
    told = _ARC.search(results)
    if told is None:
        return None
    found = section(header_block(raw))
    closed = any(_CLOSED.search(value_of(found.fields[place])) for place in found.at(SEAL))
    return ArcResult(ArcStatus(told[1]), instance=count_sets(found), closed=closed)
