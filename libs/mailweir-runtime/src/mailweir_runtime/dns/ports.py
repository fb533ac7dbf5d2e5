"""What services ask of the DNS, and what the cache in between asks of name servers."""

import asyncio
from typing import Protocol

from mailweir_core.dns import DnsAnswer, DnsQuestion


class Resolver(Protocol):
    """Answers questions. Never raises: what failed is an answer with the status TEMPERROR."""

    async def resolve(
        self, questions: tuple[DnsQuestion, ...], seconds: float, /
    ) -> tuple[DnsAnswer, ...]:
        """Return an answer to each question, in order, within about `seconds`."""
        ...

    def begin(
        self, question: DnsQuestion, *, fresh: bool = False
    ) -> DnsAnswer | asyncio.Future[DnsAnswer]:
        """Return the answer where it is known already and need not be `fresh`, else what will bring it.

        The future belongs to all who asked: wait for it, never cancel it. It never raises.
        """
        ...


class Upstream(Protocol):
    """Asks the name servers themselves. Never raises for what they do."""

    async def ask(self, question: DnsQuestion, seconds: float) -> DnsAnswer:
        """Return what a name server said within `seconds`; the TTL is what the answer says, unbounded."""
        ...
