"""What every request passes, from the outside in: reference and headers, the key, the body's bounds.

Plain ASGI: each is a callable around the next one. Nothing of a request's body is read before its key is
known to be good.
"""

import asyncio
from typing import Final

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mailweir_core.clock import Clock
from mailweir_core.ids import new_ulid
from mailweir_gateway.api.problems import Problem, render, unavailable
from mailweir_gateway.metrics import GatewayMetrics
from mailweir_gateway.policy.keys import digest, key_in, same
from mailweir_gateway.ports import Keys
from mailweir_runtime.logs import get_logger
from mailweir_runtime.sql import SqlError

MAX_BODY_BYTES: Final = 1024 * 1024
BODY_SECONDS: Final = 30.0
"""A body that has not come whole by then is given up."""
CONCURRENT_REQUESTS: Final = 100
"""More are told to come again."""
PUBLIC_PATHS: Final = frozenset({"/", "/api/v1/health", "/api/openapi.json"})
"""What is answered without a key: nothing of it says anything about this installation's mail."""
SECURITY_HEADERS: Final = (
    ("content-security-policy", "default-src 'none'; frame-ancestors 'none'"),
    ("x-content-type-options", "nosniff"),
    ("referrer-policy", "no-referrer"),
    ("cross-origin-resource-policy", "same-origin"),
    ("cache-control", "no-store"),
)

_log = get_logger(__name__)


def reference_of(scope: Scope) -> str:
    """Return a request's reference."""
    return str(scope["state"]["reference"])


def actor_of(scope: Scope) -> str:
    """Return who asks: the name of the key."""
    return str(scope["state"]["actor"])


class Envelope:
    """Gives a request its reference, its answer the security headers, and both a line in the log.

    What the application raises becomes a problem here: the client learns the reference, the log the cause.
    """

    def __init__(self, app: ASGIApp, metrics: GatewayMetrics, clock: Clock) -> None:
        """Wrap an application."""
        self._app = app
        self._metrics = metrics
        self._clock = clock
        self._running = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            return
        state = {"reference": new_ulid(self._clock.now()), "actor": ""}
        scope["state"] = state
        answer = _Answer(send, state["reference"])
        started = self._clock.monotonic()
        self._running += 1
        try:
            await self._answer(scope, receive, answer)
        finally:
            self._running -= 1
            self._note(scope, answer, self._clock.monotonic() - started)

    async def _answer(self, scope: Scope, receive: Receive, answer: "_Answer") -> None:
        if self._running > CONCURRENT_REQUESTS:
            await _refuse(unavailable("too many requests at once"), scope, receive, answer)
            return
        try:
            await self._app(scope, receive, answer)
        except Exception:
            _log.exception("request_crashed", reference=reference_of(scope))
            if not answer.status:
                await _refuse(Problem(500), scope, receive, answer)
            elif (
                not answer.complete
            ):  # ending the connection tells the client that this was not all
                raise

    def _note(self, scope: Scope, answer: "_Answer", seconds: float) -> None:
        status = answer.status or 500
        self._metrics.requests.labels(f"{status // 100}xx").inc()
        self._metrics.seconds.observe(seconds)
        log = _log.debug if scope["path"] == "/api/v1/health" else _log.info
        log(
            "request", method=scope["method"], path=scope["path"][:200], status=status,
            ms=round(seconds * 1000, 1), actor=actor_of(scope), reference=reference_of(scope),
        )  # fmt: skip


class _Answer:
    """A `send` that notes how far the answer is and adds headers; what the route has set itself stays."""

    def __init__(self, send: Send, reference: str) -> None:
        self.status = 0
        self.complete = False
        self._send = send
        self._reference = reference

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers = MutableHeaders(scope=message)
            for name, value in SECURITY_HEADERS:
                headers.setdefault(name, value)
            headers["x-request-id"] = self._reference
        await self._send(message)
        if message["type"] == "http.response.body":
            self.complete = not message.get("more_body", False)


class RequireKey:
    """Lets a request through that has a good key, or needs none."""

    def __init__(self, app: ASGIApp, keys: Keys, metrics: GatewayMetrics) -> None:
        """Wrap an application."""
        self._app = app
        self._keys = keys
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["path"] not in PUBLIC_PATHS:
            problem = await self._problem(scope)
            if problem is not None:
                await _refuse(problem, scope, receive, send)
                return
        await self._app(scope, receive, send)

    async def _problem(self, scope: Scope) -> Problem | None:
        header = Headers(scope=scope).getlist("authorization")
        key = key_in(header[0]) if len(header) == 1 else None
        if key is None:
            return self._unauthorized("send Authorization: Bearer mw_…")
        wanted = digest(key)
        try:
            found = await self._keys.by_digest(wanted)
        except SqlError as error:
            self._metrics.outages.labels("database").inc()
            _log.warning("keys_unreadable", detail=str(error))
            return unavailable("the database does not answer")
        if found is None or not same(found.digest, wanted):
            return self._unauthorized("there is no such API key")
        scope["state"]["actor"] = found.name
        return None

    def _unauthorized(self, detail: str) -> Problem:
        self._metrics.key_failures.inc()
        return Problem(401, detail, headers={"WWW-Authenticate": 'Bearer realm="mailweir"'})


class BoundBody:
    """Reads a request's body whole, within a size and a time, before the application sees it."""

    def __init__(
        self, app: ASGIApp, *, most: int = MAX_BODY_BYTES, seconds: float = BODY_SECONDS
    ) -> None:
        """Wrap an application."""
        self._app = app
        self._most = most
        self._seconds = seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        try:
            async with asyncio.timeout(self._seconds):
                body = await self._body(scope, receive)
        except TimeoutError:
            problem = Problem(408, headers={"Connection": "close"})
            await _refuse(problem, scope, receive, send)
        except Problem as problem:
            await _refuse(problem, scope, receive, send)
        else:
            if body is not None:
                await self._app(scope, _replayed(body, receive), send)

    async def _body(self, scope: Scope, receive: Receive) -> bytes | None:
        """Return the body, None where the client is gone; raises Problem."""
        headers = Headers(scope=scope)
        if "content-length" in headers and "transfer-encoding" in headers:
            # RFC 9112 §6.3: of two who stand in a row, each may believe another of the two.
            raise Problem(400, "two lengths were given", headers={"Connection": "close"})
        declared = headers.get("content-length", "0")
        if not declared.isdigit() or int(declared[:20]) > self._most:
            raise self._too_large()
        pieces, size, more = [], 0, True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                return None
            pieces.append(message.get("body", b""))
            size += len(pieces[-1])
            if size > self._most:
                raise self._too_large()
            more = message.get("more_body", False)
        return b"".join(pieces)

    def _too_large(self) -> Problem:
        detail = f"a request's body has at most {self._most} bytes"
        return Problem(413, detail, headers={"Connection": "close"})


def _replayed(body: bytes, receive: Receive) -> Receive:
    """Return a `receive` that hands the body out once and then waits for the client to go."""
    waiting: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def replay() -> Message:
        return waiting.pop() if waiting else await receive()

    return replay


async def _refuse(problem: Problem, scope: Scope, receive: Receive, send: Send) -> None:
    await render(problem, reference_of(scope))(scope, receive, send)
