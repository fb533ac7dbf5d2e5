"""What the service needs from outside; the policy comes by `mailweir_runtime.config.HasPolicy`."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from mailweir_ratelimit.policy.bucket import Take, Taken
from mailweir_ratelimit.policy.notice import Letter

R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)


class CellsAway(Exception):
    """Raised when a cell could not be changed or read in time; whether it changed is not known."""


@dataclass(frozen=True, slots=True)
class Change(Generic[R_co]):
    """What a step makes of a cell: `value` None leaves it as it is.

    `ttl_seconds`: how long the new value is kept; 0 for ever.
    """

    result: R_co
    value: bytes | None = None
    ttl_seconds: float = 0.0


Step = Callable[[bytes | None], Change[R]]
"""A pure function of a cell's value (None: there is none); it may be called several times."""


class Cells(Protocol):
    """Values by key that several processes change, each change on top of the one before."""

    async def change(self, key: str, step: Step[R], *, sure: bool = False) -> R:
        """Change one cell by compare-and-set and return the step's result; raises CellsAway.

        What many ask of one key at once is folded into one write, in the order it was asked. A step that
        leaves the value as it is costs no round trip where the value is remembered, and so may look at a
        value that somebody else has changed since; `sure` reads it anew before believing that.
        """
        ...

    async def read(self, keys: Sequence[str]) -> Sequence[bytes | None]:
        """Return the values as they are stored now, in order; raises CellsAway."""
        ...

    async def scan(self, prefix: str) -> Sequence[tuple[str, bytes]]:
        """Return every key that begins so, with its value, by key; raises CellsAway."""
        ...

    async def remove(self, key: str) -> None:
        """Remove a cell, whatever is in it; no error where there is none. Raises CellsAway."""
        ...


class Counters(Protocol):
    """Buckets that are exact over all processes."""

    async def take(self, requests: Sequence[Take]) -> Sequence[Taken]:
        """Take from each bucket what fits, side by side; never raises, answers in order."""
        ...

    async def give(self, requests: Sequence[Take]) -> None:
        """Put back what was taken; a counter that is away keeps it, which is on the safe side."""
        ...

    async def correct(self, key: str, ham: int, spam: int) -> bool:
        """Move what a bucket takes by what its mail was; says whether it was done."""
        ...


class QuarantineAway(Exception):
    """Raised when the quarantine does not answer; whether it did what was asked is not known."""


@dataclass(frozen=True, slots=True)
class HeldState:
    """Where a message is: in quarantine, and whether an outbound limit is the reason."""

    held: bool
    over_limit: bool = False


@dataclass(frozen=True, slots=True)
class Release:
    """Whether a message was let out, now or before; if not, whether it is still held."""

    done: bool
    held: bool = False


class HeldMail(Protocol):
    """The quarantine."""

    async def look(self, ref: str) -> HeldState | None:
        """Return where a message is, None where it is not known. Raises QuarantineAway."""
        ...

    async def release(self, ref: str) -> Release:
        """Let a message out; once, however often it is asked for. Raises QuarantineAway."""
        ...


class Outbox(Protocol):
    """Mail that the service itself sends."""

    async def send(self, mail: Letter) -> None:
        """Queue a mail for delivery; the same `ref` is queued once. Raises BusError."""
        ...
