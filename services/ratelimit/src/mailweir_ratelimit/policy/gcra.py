"""The generic cell rate algorithm: a leaky bucket whose whole state is one number.

The state is the time at which the bucket would be empty, as an integer of picoseconds since the epoch; a
state in the past is an empty bucket. All arithmetic is on integers: a bucket of 7 takes exactly 7, whatever
share of a minute one of them is worth.
"""

from dataclasses import dataclass
from typing import Final

PICOSECONDS: Final = 10**12
MILLI: Final = 1000
EMPTY: Final = 0


@dataclass(frozen=True, slots=True)
class Rate:
    """`milli` thousandths of a unit run out of the bucket in `seconds`; it holds `burst` units."""

    milli: int
    seconds: float
    burst: int

    def scaled(self, rate: float, burst: float) -> "Rate":
        """Return the rate times factors, never less than a thousandth and a burst of one."""
        if rate == burst == 1.0:
            return self
        return Rate(
            max(1, round(self.milli * rate)), self.seconds, max(1, round(self.burst * burst))
        )

    def cost(self, amount: int) -> int:
        """Return the picoseconds that an amount takes to run out."""
        return amount * round(self.seconds * PICOSECONDS) * MILLI // self.milli


@dataclass(frozen=True, slots=True)
class Poured:
    """What became of an amount: the state after it, whether it went in, when it would (seconds from now)."""

    state: int
    taken: bool
    next_seconds: float = 0.0


def rate_of(count: int, seconds: float, burst: int = 0) -> Rate:
    """Return the rate of `count` in `seconds`, `burst` at once (0: all of them)."""
    return Rate(count * MILLI, seconds, burst or count)


def picoseconds(now: float) -> int:
    """Return a time in seconds since the epoch as the state counts it, to the microsecond."""
    return round(now * 1_000_000) * (PICOSECONDS // 1_000_000)


def take(state: int, now: float, rate: Rate, amount: int = 1) -> Poured:
    """Pour an amount in at `now` (seconds since the epoch) if it fits.

    An amount over the burst fits into an empty bucket alone, and runs out as slowly as it must.
    """
    at = picoseconds(now)
    begin = max(state, at)
    over = begin + rate.cost(min(amount, rate.burst)) - at - rate.cost(rate.burst)
    if over > 0:
        return Poured(state, taken=False, next_seconds=over / PICOSECONDS)
    return Poured(begin + rate.cost(amount), taken=True)


def give(state: int, rate: Rate, amount: int = 1) -> int:
    """Return the state without an amount that was taken by the same rate."""
    return max(EMPTY, state - rate.cost(amount))


def used(state: int, now: float, rate: Rate) -> float:
    """Return how many units are in the bucket at `now`."""
    left = max(0, state - picoseconds(now))
    return left * rate.milli / (round(rate.seconds * PICOSECONDS) * MILLI)


def empty_at(state: int) -> float:
    """Return when the bucket is empty, seconds since the epoch; in the past where it is now."""
    return state / PICOSECONDS
