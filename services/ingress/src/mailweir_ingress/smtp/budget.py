"""Memory for message data, bounded over all sessions of the process."""

from collections.abc import Callable
from typing import Final

QUANTUM: Final = 65_536
"""Memory is reserved in steps of at least this many bytes."""


class MemoryBudget:
    """How much message data may lie in memory, and how much does."""

    __slots__ = ("_limit", "used")

    def __init__(self, limit: Callable[[], int]) -> None:
        """Ask `limit` for the bytes in force each time, since the policy may change."""
        self._limit = limit
        self.used = 0

    @property
    def room(self) -> bool:
        """Say whether one more message could begin."""
        return self.used + QUANTUM <= self._limit()

    def take(self, amount: int) -> bool:
        """Reserve `amount` bytes; False, and nothing reserved, where that would exceed the limit."""
        if self.used + amount > self._limit():
            return False
        self.used += amount
        return True

    def give(self, amount: int) -> None:
        """Return `amount` reserved bytes."""
        self.used -= amount


class Reservation:
    """One message's part of the budget."""

    __slots__ = ("_budget", "held")

    def __init__(self, budget: MemoryBudget) -> None:
        """Hold nothing yet."""
        self._budget = budget
        self.held = 0

    def cover(self, total: int) -> bool:
        """Hold at least `total` bytes; False where there is no room for that."""
        missing = total - self.held
        if missing <= 0:
            return True
        step = max(missing, QUANTUM)
        if not self._budget.take(step):
            return False
        self.held += step
        return True

    def release(self) -> None:
        """Return everything."""
        self._budget.give(self.held)
        self.held = 0
