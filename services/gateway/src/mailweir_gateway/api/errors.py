"""What each kind of error becomes on its way out."""

from collections.abc import Awaitable, Callable

from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from mailweir_gateway.api.middleware import reference_of
from mailweir_gateway.api.problems import Problem, from_validation, render, unavailable
from mailweir_gateway.metrics import GatewayMetrics
from mailweir_gateway.ports import QuarantineUnavailable, SearchRefused
from mailweir_gateway.ports_edge import ServiceUnavailable
from mailweir_runtime.bus.ports import BusError
from mailweir_runtime.logs import get_logger

Handler = Callable[[Request, Exception], Awaitable[Response]]

_log = get_logger(__name__)


def handlers(metrics: GatewayMetrics) -> dict[type[Exception], Handler]:
    """Return what each kind of error becomes."""

    async def known(request: Request, error: Exception) -> Response:
        problem = error if isinstance(error, HTTPException) else Problem(500)
        return render(problem, reference_of(request.scope))

    async def not_valid(request: Request, error: Exception) -> Response:
        problem = (
            from_validation(error) if isinstance(error, RequestValidationError) else Problem(422)
        )
        return render(problem, reference_of(request.scope))

    async def search_refused(request: Request, error: Exception) -> Response:
        name, _, sentence = str(error).partition(": ")
        problem = Problem(422, str(error), errors=[(f"query.{name}", sentence)])
        return render(problem, reference_of(request.scope))

    def away(part: str, sentence: str) -> Handler:
        async def handle(request: Request, error: Exception) -> Response:
            metrics.outages.labels(part).inc()
            _log.warning("part_away", part=part, detail=str(error)[:200])
            return render(unavailable(sentence), reference_of(request.scope))

        return handle

    async def service_away(request: Request, error: Exception) -> Response:
        part = error.service if isinstance(error, ServiceUnavailable) else ""
        return await away(part, f"the service {part} does not answer")(request, error)

    return {
        HTTPException: known,
        RequestValidationError: not_valid,
        SearchRefused: search_refused,
        QuarantineUnavailable: away("quarantine", "the quarantine does not answer"),
        ServiceUnavailable: service_away,
        BusError: away("bus", "the bus does not answer"),
        Exception: known,
    }
