"""What the gateway asks of the edge's services: bans and limits, greylisting, reputation.

Every method raises ServiceUnavailable where the service does not answer, SearchRefused for what it does not
take; the text of the latter is a sentence for whoever asked.
"""

from typing import Protocol

from mailweir_gateway.models.bans import BanPage, BanShape
from mailweir_gateway.models.greylist import Forecast, GreyEntry, GreyPage
from mailweir_gateway.models.limits import BucketShape, UsagePage
from mailweir_gateway.models.reputation import HistoryShape, ZoneShape


class ServiceUnavailable(Exception):
    """Raised when a service does not answer in time, or is no part of the installation."""

    def __init__(self, service: str, detail: str) -> None:
        """Keep which service, and why for the log."""
        super().__init__(detail)
        self.service = service


class Ratelimit(Protocol):
    """The service `ratelimit`: bans, counters, outbound limits as far as they are used."""

    async def bans(self, text: str, limit: int, cursor: str) -> BanPage:
        """Return a page of bans, by subject."""
        ...

    async def export(self) -> list[str]:
        """Return the networks that a firewall may turn away, sorted and without overlaps."""
        ...

    async def ban(
        self, subject: str, seconds: float, reason: str, actor: str, *, close_all: bool
    ) -> BanShape:
        """Ban a network or an account by hand; `seconds` 0 has no end."""
        ...

    async def unban(self, subject: str, actor: str) -> bool:
        """Lift a ban; says whether there was one."""
        ...

    async def usage(self, subject: str, limit: int, cursor: str) -> UsagePage:
        """Return a page of how far outbound limits are used; `subject` empty is all."""
        ...

    async def buckets(self, subject: str) -> list[BucketShape]:
        """Return what the counters of a client, address or domain hold."""
        ...


class Greylist(Protocol):
    """The service `greylist`."""

    async def entries(self, state: str, text: str, limit: int, cursor: str) -> GreyPage:
        """Return a page of entries, the newest first; `state` empty is all."""
        ...

    async def authorise(self, entry_id: str, actor: str) -> GreyEntry | None:
        """Let an entry through from now on; None where there is none."""
        ...

    async def delete(self, entry_id: str, actor: str) -> bool:
        """Forget an entry; says whether there was one."""
        ...

    async def forecast(self) -> Forecast:
        """Return what greylisting did, or would have done."""
        ...


class Reputation(Protocol):
    """The service `reputation`."""

    async def zones(self) -> list[ZoneShape]:
        """Return how each DNS list fares, in the policy's order."""
        ...

    async def history(self, subject: str) -> list[HistoryShape]:
        """Return what is remembered of an address, network, domain or mail address."""
        ...
