"""How much this process has to do, measured as it works; and which strangers it lets in meanwhile."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from prometheus_client import Counter, Gauge

from mailweir_core.clock import Clock
from mailweir_ingress.policy.rules import Rules
from mailweir_ingress.policy.shedding import Admission, Load, pressure
from mailweir_ingress.smtp.budget import MemoryBudget
from mailweir_ingress.smtp.house import Arrival, Received
from mailweir_ingress.smtp.sessions import Sessions

TICK_SECONDS: Final = 0.1
"""How often the load is measured."""
NEWEST: Final = 0.2
"""What a new measurement counts in a mean: half of a mean is of the last 0.3 seconds."""


class Strain:
    """The load of the process. One for all its doors."""

    def __init__(
        self, rules: Callable[[], Rules], clock: Clock, sessions: Sessions, budget: MemoryBudget
    ) -> None:
        """Measure against the rules in force, which may change."""
        self._rules = rules
        self._clock = clock
        self._sessions = sessions
        self._budget = budget
        self._admission = Admission()
        self._lag = 0.0
        self._answer = 0.0
        self._answered: list[float] = []
        self._unanswered: dict[object, float] = {}
        self.shed: Callable[[], None] = lambda: None
        """Called for each stranger that is turned away."""

    def tell(self, shedding: Gauge, lag: Gauge, shed: Counter) -> None:
        """Have it shown in metrics: the part of strangers that is turned away, the lag, and how many were."""
        shedding.set_function(lambda: 1.0 - self._admission.share)
        lag.set_function(lambda: self._lag)
        self.shed = shed.inc

    def lets_in(self) -> bool:
        """Say whether the next stranger is let in, or may send a further message."""
        let_in = self._admission.lets_in()
        if not let_in:
            self.shed()
        return let_in

    def watched(
        self, receive: Callable[[Arrival], Awaitable[Received]]
    ) -> Callable[[Arrival], Awaitable[Received]]:
        """Return the same with its time measured."""

        async def timed(arrival: Arrival) -> Received:
            mark, started = object(), self._clock.monotonic()
            self._unanswered[mark] = started
            try:
                return await receive(arrival)
            finally:
                del self._unanswered[mark]
                self._answered.append(self._clock.monotonic() - started)

        return timed

    async def measure_forever(self) -> None:
        """Measure, and let in accordingly; runs until cancelled."""
        while True:
            due = self._clock.monotonic() + TICK_SECONDS
            await asyncio.sleep(TICK_SECONDS)
            self.measure(self._clock.monotonic() - due)

    def measure(self, late: float) -> None:
        """Take in that this measurement came so many seconds late."""
        self._lag += NEWEST * (max(0.0, late) - self._lag)
        self._answer += NEWEST * (self._latest_answer() - self._answer)
        self._answered.clear()
        rules = self._rules()
        limits = rules.policy.session
        load = Load(
            lag_seconds=self._lag,
            answer_seconds=self._answer,
            sessions_share=len(self._sessions) / limits.sessions,
            memory_share=self._budget.used / limits.memory_bytes,
        )
        self._admission.measured(pressure(load, rules))

    def _latest_answer(self) -> float:
        """Return how long messages waited that were answered just now; else how long the first one waits."""
        if self._answered:
            return sum(self._answered) / len(self._answered)
        oldest = next(iter(self._unanswered.values()), None)
        return 0.0 if oldest is None else self._clock.monotonic() - oldest
