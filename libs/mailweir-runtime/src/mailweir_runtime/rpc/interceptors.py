"""What stands between the network and every handler: deadline, error mapping, metrics, log context.

A handler may raise `Refused` (its words reach the caller) or anything else (the caller learns the kind only).
Metrics: `mailweir_<service>_rpc_requests_total{method,code}`, `..._rpc_seconds{method}`,
`..._rpc_running`.
"""

import inspect
from collections.abc import Awaitable, Callable, Mapping
from contextlib import aclosing
from contextvars import Token
from types import TracebackType
from typing import Any, Final

import grpc
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from structlog.contextvars import bind_contextvars, reset_contextvars

from mailweir_core.clock import Clock
from mailweir_runtime.bus.ports import BusError, BusFull
from mailweir_runtime.logs import get_logger
from mailweir_runtime.rpc.failure import CODE_OF, Refused, RpcFailed, RpcFailure

HEALTH_PREFIX: Final = "/grpc.health.v1.Health/"
SECONDS_BUCKETS: Final = (
    0.001,
    0.0025,
    0.005,
    0.01,
    0.025,
    0.05,
    0.1,
    0.25,
    0.5,
    1.0,
    2.0,
    4.0,
    8.0,
)
CODES: Final = ("ok", "cancelled", *(kind.value for kind in RpcFailure))

Context = Any  # grpc.aio.ServicerContext; its generic parameters say nothing here
Handler = Any  # grpc.RpcMethodHandler of any method

_log = get_logger(__name__)


class ServerMetrics:
    """Calls by method and end, their time, and how many run."""

    def __init__(self, service: str, registry: CollectorRegistry) -> None:
        """Declare them."""
        self.requests = Counter(
            f"mailweir_{service}_rpc_requests_total",
            "Calls answered, by method and how they ended.",
            ("method", "code"),
            registry=registry,
        )
        self.seconds = Histogram(
            f"mailweir_{service}_rpc_seconds",
            "Time that a call took.",
            ("method",),
            buckets=SECONDS_BUCKETS,
            registry=registry,
        )
        self.running = Gauge(
            f"mailweir_{service}_rpc_running", "Calls being worked on.", registry=registry
        )


def refusal_of(error: BaseException) -> Refused | None:
    """Return what the caller is told of an exception, or None where it is a fault of ours."""
    while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    match error:
        case Refused():
            return error
        case RpcFailed(kind=kind):
            # An inner call that we made badly is our fault, not the caller's.
            kind = RpcFailure.INTERNAL if kind is RpcFailure.INVALID else kind
            return Refused(kind, "a service needed for this did not answer")
        case BusFull():
            return Refused(RpcFailure.EXHAUSTED, "the store is full")
        case BusError():
            return Refused(RpcFailure.UNAVAILABLE, "the bus does not answer")
        case TimeoutError():
            return Refused(RpcFailure.DEADLINE, "not done in time")
    return None


class Guard(grpc.aio.ServerInterceptor):
    """One interceptor for all of it, so that a call pays for one wrapper."""

    def __init__(self, metrics: ServerMetrics, clock: Clock, floor_seconds: float) -> None:
        """Refuse calls that come with less than `floor_seconds` or without a deadline."""
        self._metrics = metrics
        self._clock = clock
        self._floor = floor_seconds
        self._wrapped: dict[str, Handler] = {}  # as many as there are methods

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Handler]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Handler:
        """Return the guarded handler of a method; probes go through as they are."""
        method = handler_call_details.method
        wrapped = self._wrapped.get(method)
        if wrapped is not None:
            return wrapped
        handler = await continuation(handler_call_details)
        if handler is None or method.startswith(HEALTH_PREFIX):
            return handler
        wrapped = _Guarded(method, handler, self._metrics, self._clock, self._floor).handler()
        self._wrapped[method] = wrapped
        return wrapped


class _Guarded:
    """A method with its guard."""

    def __init__(
        self, method: str, handler: Handler, metrics: ServerMetrics, clock: Clock, floor: float
    ) -> None:
        self._method = method
        self._handler = handler
        self._requests = {c: metrics.requests.labels(method=method, code=c) for c in CODES}
        self._seconds = metrics.seconds.labels(method=method)
        self._running = metrics.running
        self._clock = clock
        self._floor = floor

    def handler(self) -> Handler:
        """Return the gRPC handler."""
        how = {
            "request_deserializer": self._handler.request_deserializer,
            "response_serializer": self._handler.response_serializer,
        }
        if self._handler.request_streaming:
            raise TypeError(f"{self._method}: requests in a stream are not guarded")
        if self._handler.response_streaming:
            return grpc.unary_stream_rpc_method_handler(self._stream, **how)
        return grpc.unary_unary_rpc_method_handler(self._unary, **how)

    async def _unary(self, request: Any, context: Context) -> Any:
        async with _Call(self, context):
            self._admit(context)
            return await self._handler.unary_unary(request, context)

    async def _stream(self, request: Any, context: Context) -> None:
        # Not a generator: one that is cancelled while gRPC sends would only end when it is collected.
        async with _Call(self, context):
            self._admit(context)
            answers = self._handler.unary_stream(request, context)
            if inspect.isawaitable(answers):  # a handler that writes to the context itself
                await answers
                return
            async with aclosing(answers):
                async for answer in answers:
                    await context.write(answer)

    def begin(self) -> float:
        """Count a call that runs; returns when it began."""
        self._running.inc()
        return self._clock.monotonic()

    def end(self, code: str, started: float) -> None:
        """Count how a call ended."""
        self._running.dec()
        self._requests[code].inc()
        self._seconds.observe(self._clock.monotonic() - started)

    def context(self) -> Mapping[str, Token[Any]]:
        """Put the method on every line that the call logs; returns what takes it off."""
        return bind_contextvars(rpc=self._method)

    def _admit(self, context: Context) -> None:
        remaining = context.time_remaining()
        if remaining is None:
            raise Refused(RpcFailure.INVALID, "a deadline is required")
        if remaining < self._floor:
            raise Refused(RpcFailure.DEADLINE, "too little time to begin")

    def refusal(self, error: Exception) -> Refused:
        """Return what the caller is told of an exception; what it is not told is logged."""
        refusal = refusal_of(error)
        if refusal is None:
            _log.error("rpc_crashed", exc_info=error)
            return Refused(RpcFailure.INTERNAL, "internal error")
        if not isinstance(error, Refused):
            _log.warning("rpc_failed", code=refusal.kind, error=repr(error))
        return refusal


class _Call:
    """One call, from its beginning to its end. A class, since a generator would cost twice as much."""

    __slots__ = ("_bound", "_context", "_guarded", "_started")

    def __init__(self, guarded: _Guarded, context: Context) -> None:
        self._guarded = guarded
        self._context = context

    async def __aenter__(self) -> None:
        self._started = self._guarded.begin()
        self._bound = self._guarded.context()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        code, refusal = "ok" if kind is None else "cancelled", None
        if isinstance(error, grpc.aio.AbortError):
            code = RpcFailure.INTERNAL.value
        elif isinstance(error, Exception):
            refusal = self._guarded.refusal(error)
            code = refusal.kind.value
        reset_contextvars(**self._bound)
        self._guarded.end(code, self._started)
        if refusal is not None:  # counted before: who is told may look at once
            await self._context.abort(CODE_OF[refusal.kind], refusal.detail)
