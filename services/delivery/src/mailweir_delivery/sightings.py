"""Whether a message was surely never worked on before, so that its progress need not be looked up."""

from collections import OrderedDict
from typing import Final

from mailweir_delivery.adapters.queued import Queued
from mailweir_runtime.bus.ports import Message

REMEMBERED: Final = 50_000
"""Messages that this process has worked on and would know again."""


class Sightings:
    """Remembers what this process had.

    A broker that was killed may hand out a message again as if for the first time; the bus knows which
    messages that cannot be true of. Anything else is looked up.
    """

    def __init__(self) -> None:
        """Begin with none."""
        self._seen: OrderedDict[tuple[str, int], None] = OrderedDict()

    def surely_new(self, message: Message, mail: Queued) -> bool:
        """Say whether no attempt can have been made yet, and remember the message."""
        key = (mail.ref, mail.release)
        seen = key in self._seen
        self._seen[key] = None
        if len(self._seen) > REMEMBERED:
            self._seen.popitem(last=False)
        # a release and a notification may be published again long after the dedup window
        return message.fresh and not seen and not mail.release and not mail.about
