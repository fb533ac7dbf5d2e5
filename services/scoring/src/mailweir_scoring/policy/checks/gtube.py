"""The generic test for unsolicited bulk e-mail."""

from collections.abc import Iterator
from typing import Final

from mailweir_scoring.policy.facts import Facts, Hit
from mailweir_scoring.policy.pipeline import check

# In two pieces, so that neither this file nor a patch of it is taken for the test by some other filter.
GTUBE: Final = "XJS*C4JDBQADN1.NSBN3*2IDNEN*" + "GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X"


@check("GTUBE")
def gtube(facts: Facts) -> Iterator[Hit]:
    """The exact string in the subject or in any text part, once that is decoded."""
    message = facts.message
    if GTUBE in message.subject:
        yield Hit("GTUBE", "in the subject")
        return
    for part in message.root.walk():
        if part.is_text and GTUBE in part.text:
            yield Hit("GTUBE", f"in part {part.number or '1'}")
            return
