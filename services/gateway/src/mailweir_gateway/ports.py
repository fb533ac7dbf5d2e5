"""What the gateway asks of others: the quarantine, and its own table of keys.

The bus is a port of the runtime (`mailweir_runtime.bus.ports`): policy, heartbeats and accounts go over it.
"""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from mailweir_core.decision import Action, State
from mailweir_core.reasons import Reason
from mailweir_gateway.models.messages import ActionShape, MessageDetail, MessagePage


class QuarantineUnavailable(Exception):
    """Raised when the quarantine does not answer in time, or cannot; the same request may succeed later."""


class SearchRefused(Exception):
    """Raised for a search that the quarantine does not take; the text is a sentence for whoever asked."""


@dataclass(frozen=True, slots=True)
class Search:
    """A filter over records; what is None or empty does not filter. Times in seconds since the epoch."""

    limit: int = 50
    cursor: str = ""
    sender: str = ""
    recipient: str = ""
    subject: str = ""
    action: Action | None = None
    state: State | None = None
    reason: Reason | None = None
    since: float = 0.0
    until: float = 0.0


class Quarantine(Protocol):
    """Records and held mail. Every method raises QuarantineUnavailable."""

    async def search(self, wanted: Search) -> MessagePage:
        """Return a page of records, newest first; raises SearchRefused."""
        ...

    async def get(self, ref: str) -> MessageDetail | None:
        """Return one record, or None where nothing is known of it."""
        ...

    def source(self, ref: str) -> AsyncIterator[bytes]:
        """Yield the source of a held message in pieces; none where its body is not there."""
        ...

    async def release(self, refs: Sequence[str], actor: str) -> list[ActionShape]:
        """Let messages out; one result per ref, in order."""
        ...

    async def delete(self, refs: Sequence[str], actor: str) -> list[ActionShape]:
        """Delete held messages; one result per ref, in order."""
        ...


@dataclass(frozen=True, slots=True)
class StoredKey:
    """An API key as it is stored: its name and the SHA-256 of the key in lower-case hexadecimal."""

    name: str
    digest: str
    created_at: float


class Keys(Protocol):
    """API keys. Every method raises SqlError (mailweir_runtime.sql)."""

    async def by_digest(self, digest: str) -> StoredKey | None:
        """Return the key with this digest, or None."""
        ...

    async def by_name(self, name: str) -> StoredKey | None:
        """Return the key of this name, or None."""
        ...

    async def put(self, key: StoredKey) -> None:
        """Store a key; one of the same name is replaced."""
        ...
