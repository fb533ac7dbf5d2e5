"""What the quarantine asks of its record store; one adapter speaks SQL, one lives in memory.

Errors: every method raises `SqlUnavailable` where the store does not answer, and `SqlRefused` where it will
never take a value. Every method is one transaction, and may be repeated without harm.
"""

from collections.abc import Sequence
from typing import Protocol

from mailweir_quarantine.policy.progress import Progress
from mailweir_quarantine.policy.search import Filter
from mailweir_quarantine.policy.state import Command
from mailweir_quarantine.values import (
    Counts,
    Explained,
    HeldMail,
    Outgoing,
    Page,
    Record,
    Result,
)
from mailweir_runtime.bus.ports import StoredBody


class RecordStore(Protocol):
    """Records, held mail, and what was released and has not been handed over."""

    async def record(self, records: Sequence[Record]) -> int:
        """Write records; returns how many were not there before. The first of two with one ref stays."""
        ...

    async def hold(self, mails: Sequence[HeldMail], now: float) -> None:
        """Note that messages' bodies are in our store."""
        ...

    async def track(self, events: Sequence[Progress], now: float) -> None:
        """Note where delivery of messages stands; an older event changes nothing."""
        ...

    async def search(self, wanted: Filter) -> Page:
        """Return a page of records, newest first."""
        ...

    async def get(self, ref: str) -> Explained | None:
        """Return one record, or None where nothing is known of it."""
        ...

    async def body(self, ref: str) -> StoredBody | None:
        """Return where a held message's body lies, or None where there is none."""
        ...

    async def command(self, refs: Sequence[str], asked: Command, now: float) -> list[Result]:
        """Carry a command out, for each message by its own state; one result per ref, in order.

        A release that has an effect leaves an entry in the outbox.
        """
        ...

    async def outbox(self, most: int, refs: Sequence[str] = ()) -> list[Outgoing]:
        """Return released messages that wait to be handed over, oldest first; only `refs`, if given."""
        ...

    async def handed_over(self, ref: str, release: int) -> None:
        """Take a message out of the outbox."""
        ...

    async def expired(self, received_before: float, most: int) -> list[str]:
        """Return the refs of held messages that were received before a time, oldest first."""
        ...

    async def spent_bodies(
        self, before: float, most: int, refs: Sequence[str] = ()
    ) -> list[tuple[str, str]]:
        """Return (ref, body key) of messages that have needed no body since `before`."""
        ...

    async def forget_bodies(self, refs: Sequence[str]) -> None:
        """Note that messages' bodies have been removed."""
        ...

    async def purge(self, received_before: float, most: int, now: float) -> int:
        """Delete records that were received before a time and hold no body; returns how many.

        Held messages stay. The body of one whose delivery was never heard of again is given up first.
        """
        ...

    async def counts(self) -> Counts:
        """Return how many records there are."""
        ...

    async def waiting(self) -> tuple[int, int]:
        """Return how many messages are held, and how many wait in the outbox."""
        ...
