"""To whom a message says it is."""

from collections.abc import Iterator
from typing import Final

from mailweir_scoring.policy.checks.common import has, is_cut
from mailweir_scoring.policy.facts import Facts, Hit
from mailweir_scoring.policy.pipeline import check

MANY: Final = 50
"""Addresses in To and Cc beyond which a letter is no letter any more."""


@check("TO_MISSING", "TO_UNDISCLOSED", "TO_MANY")
def shown(facts: Facts) -> Iterator[Hit]:
    """Recipients that are not shown, or are a crowd."""
    headers = facts.message.headers
    if not has(headers, "to") and not has(headers, "cc"):
        if not is_cut(headers):
            yield Hit("TO_MISSING")
        return
    addresses = (*facts.message.to.addresses, *facts.message.cc.addresses)
    written = [a for a in addresses if a.address]
    if not written:
        yield Hit("TO_UNDISCLOSED", headers.get("to") or "")
    elif len(written) > MANY:
        yield Hit("TO_MANY", f"{len(written)} addresses")


@check("TO_IS_FROM")
def to_oneself(facts: Facts) -> Iterator[Hit]:
    """The sender is the only recipient: who was it really sent to?"""
    sender, to = facts.message.from_.first, facts.message.to.addresses
    if sender is not None and sender.address and [a.key for a in to] == [sender.key]:
        yield Hit("TO_IS_FROM", sender.address)
