"""Whether a message was surely never worked on before, so that its progress need not be looked up."""

from collections import OrderedDict
from typing import Final

from mailweir_core.clock import Clock
from mailweir_delivery.adapters.queued import Queued
from mailweir_runtime.bus.ports import Bus, Message

REMEMBERED: Final = 50_000
"""Messages that this process has worked on and would know again."""
CLOCK_SLACK_SECONDS: Final = 5.0
"""How far the broker's clock may be from ours."""


class Sightings:
    """Remembers what this process had, and since when the broker cannot have forgotten anything.

    A broker that was killed may hand out a message again as if for the first time. So the attempt counts
    only for what was stored after the present connection was made; anything else is looked up.
    """

    def __init__(self, bus: Bus, clock: Clock) -> None:
        """Begin; whatever was stored before now may have been worked on by another process."""
        self._bus = bus
        self._clock = clock
        self._seen: OrderedDict[tuple[str, int], None] = OrderedDict()
        self._connections = bus.connections
        self._since = clock.now()

    def surely_new(self, message: Message, mail: Queued) -> bool:
        """Say whether no attempt can have been made yet, and remember the message."""
        if self._bus.connections != self._connections:
            self._connections, self._since = self._bus.connections, self._clock.now()
        key = (mail.ref, mail.release)
        seen = key in self._seen
        self._seen[key] = None
        if len(self._seen) > REMEMBERED:
            self._seen.popitem(last=False)
        # a release and a notification may be published again long after the dedup window
        once = message.attempt == 1 and not mail.release and not mail.about
        return once and not seen and message.published_at > self._since + CLOCK_SLACK_SECONDS
