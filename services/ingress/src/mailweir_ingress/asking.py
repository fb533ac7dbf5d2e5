"""Asking one service of the edge: counted, in time, and not at all while it keeps failing."""

from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from mailweir_core.clock import Clock
from mailweir_core.outcome import Outcome, Status
from mailweir_ingress.breaker import Breaker
from mailweir_ingress.checks import worst
from mailweir_ingress.metrics import Metrics
from mailweir_ingress.ports import GreylistAnswer, RatelimitAnswer, ReputationAnswer
from mailweir_runtime.logs import get_logger

A = TypeVar("A", ReputationAnswer, GreylistAnswer, RatelimitAnswer)

_log = get_logger(__name__)


class Line:
    """The way to one service."""

    __slots__ = ("_breaker", "_check", "_metrics")

    def __init__(self, check: str, clock: Clock, metrics: Metrics) -> None:
        """Count under the name of the check."""
        self._check: Final = check
        self._breaker = Breaker(clock)
        self._metrics = metrics

    async def ask(self, send: Callable[[], Awaitable[A]], unanswered: Callable[[Outcome], A]) -> A:
        """Return the answer, or what `unanswered` makes of why there is none. Never raises."""
        if not self._breaker.asks:
            found = unanswered(self._lost("not asked, since it did not answer lately"))
        else:
            found = await self._sent(send, unanswered)
        self._metrics.checks[self._check, worst(found.outcomes)].inc()
        return found

    async def _sent(
        self, send: Callable[[], Awaitable[A]], unanswered: Callable[[Outcome], A]
    ) -> A:
        try:
            found = await send()
        except Exception:  # noqa: BLE001 - logged; a fault of ours must not cost mail
            _log.exception("check_crashed", check=self._check)
            found = unanswered(self._lost("internal error"))
        if found.answered:
            self._breaker.answered()
        elif self._breaker.failed():
            self._metrics.rests[self._check].inc()
            detail = next((o.detail for o in found.outcomes), "")
            _log.warning("check_rests", check=self._check, detail=detail)
        return found

    def _lost(self, detail: str) -> Outcome:
        return Outcome(self._check, Status.TEMPERROR, detail=detail)
