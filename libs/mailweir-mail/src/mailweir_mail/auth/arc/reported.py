"""A chain as somebody else judged it: sealing may happen far from where the keys were asked for."""

import re
from typing import Final

from mailweir_mail.auth.dkim.canonical import section, value_of
from mailweir_mail.edit import header_block

from .model import ArcResult, ArcStatus
from .sets import SEAL, count_sets

_CLOSED: Final = re.compile(rb"(?:^|;)[ \t\r\n]*cv[ \t\r\n]*=[ \t\r\n]*fail[ \t\r\n]*(?:;|\Z)")


def reported_chain(raw: bytes, told: ArcStatus | None) -> ArcResult | None:
    """Return the state of `raw`'s chain, given what a validation of these very octets told of it.

    Nothing is verified here. Without word of it (`told` is None) the state is known only where no field of a
    chain is there at all; else None comes back, and nothing may be sealed.
    """
    found = section(header_block(raw))
    count = count_sets(found)
    if not count:
        return ArcResult(ArcStatus.NONE)
    if (
        told is None or told is ArcStatus.NONE
    ):  # there are sets, so this cannot have been about them
        return None
    closed = any(_CLOSED.search(value_of(found.fields[place])) for place in found.at(SEAL))
    return ArcResult(told, instance=count, closed=closed)
