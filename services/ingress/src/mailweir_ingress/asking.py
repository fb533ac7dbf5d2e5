"""Asking one service of the edge: counted, in time, and not at all while it keeps failing."""

import asyncio
from typing import Any, Final, Generic, Protocol, TypeVar

from mailweir_core.clock import Clock
from mailweir_core.outcome import Outcome, Status
from mailweir_ingress.breaker import Breaker
from mailweir_ingress.checks import worst
from mailweir_ingress.metrics import Metrics
from mailweir_ingress.ports import GreylistAnswer, RatelimitAnswer, ReputationAnswer
from mailweir_runtime.logs import get_logger

A = TypeVar("A", ReputationAnswer, GreylistAnswer, RatelimitAnswer)
A_co = TypeVar("A_co", covariant=True)

_log = get_logger(__name__)


class Question(Protocol[A_co]):
    """What a service is asked; it knows what stands for an answer that there is not."""

    def unanswered(self, outcome: Outcome) -> A_co:
        """Return what stands for the answer where there is none."""
        ...


class Service(Protocol[A_co]):
    """Who is asked; which answer a question has is the question's to say."""

    async def check(self, question: Any, timeout: float) -> A_co:
        """Return the answer within `timeout` seconds."""
        ...


class Line(Generic[A]):
    """The way to one service, or to none where it is not deployed."""

    __slots__ = ("_breaker", "_check", "_metrics", "_service")

    def __init__(
        self, check: str, service: Service[A] | None, clock: Clock, metrics: Metrics
    ) -> None:
        """Count under the name of the check."""
        self._check: Final = check
        self._service: Final[Service[A] | None] = service
        self._breaker = Breaker(clock)
        self._metrics = metrics

    def begin(
        self, group: asyncio.TaskGroup, question: Question[A], seconds: float
    ) -> asyncio.Task[A] | None:
        """Begin to ask, beside whatever else the group does; None without a service."""
        service = self._service
        return None if service is None else group.create_task(self._ask(service, question, seconds))

    async def ask(self, question: Question[A], seconds: float) -> A | None:
        """Return the answer, or what the question has for none; None without a service. Never raises."""
        service = self._service
        return None if service is None else await self._ask(service, question, seconds)

    async def _ask(self, service: Service[A], question: Question[A], seconds: float) -> A:
        if not self._breaker.asks:
            found = question.unanswered(self._lost("not asked, since it did not answer lately"))
        else:
            found = await self._sent(service, question, seconds)
        self._metrics.checks[self._check, worst(found.outcomes)].inc()
        return found

    async def _sent(self, service: Service[A], question: Question[A], seconds: float) -> A:
        try:
            found = await service.check(question, seconds)
        except Exception:  # noqa: BLE001 - logged; a fault of ours must not cost mail
            _log.exception("check_crashed", check=self._check)
            found = question.unanswered(self._lost("internal error"))
        if found.answered:
            self._breaker.answered()
        elif self._breaker.failed():
            self._metrics.rests[self._check].inc()
            detail = next((o.detail for o in found.outcomes), "")
            _log.warning("check_rests", check=self._check, detail=detail)
        return found

    def _lost(self, detail: str) -> Outcome:
        return Outcome(self._check, Status.TEMPERROR, detail=detail)
