"""grpc.health.v1, straight from the runtime's state: SERVING while it is ready or degraded.

Names: `""` and `readiness`. A degraded service serves: readiness never depends on another service.

The servicer of grpcio-health-checking is born SERVING, and its watchers never end, so that each of them holds
up the drain for as long as it may take; this one ends them.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Any, Final

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from mailweir_runtime.runtime import Runtime

NAMES: Final = ("", "readiness")
_Response: Final = health_pb2.HealthCheckResponse


class Health(health_pb2_grpc.HealthServicer):
    """The health servicer of one server."""

    def __init__(self, rt: Runtime) -> None:
        """Answer by the state of `rt`."""
        self._rt = rt
        self._ended = False
        self._changed = asyncio.Event()

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Hear of changes while the block lasts; after it, all is NOT_SERVING and every watcher ends."""
        self._rt.state_changed.append(self._on_change)
        try:
            yield
        finally:
            self._rt.state_changed.remove(self._on_change)
            self._ended = True
            self._on_change("")

    async def Check(  # noqa: N802 - gRPC's name
        self, request: health_pb2.HealthCheckRequest, context: Any
    ) -> Any:
        """Return the status, or NOT_FOUND for a name that is not ours."""
        if request.service not in NAMES:
            await context.abort(grpc.StatusCode.NOT_FOUND, "no such service")
        return _Response(status=self._status(request.service))

    async def Watch(  # noqa: N802 - gRPC's name
        self, request: health_pb2.HealthCheckRequest, _context: Any
    ) -> AsyncIterator[Any]:
        """Yield the status now and at each change, until the server ends."""
        last: int | None = None
        while True:
            # all three before the yield: what changes while that is being sent is for the next round
            changed, ended, status = self._changed, self._ended, self._status(request.service)
            if status != last:
                yield _Response(status=status)
            if ended:
                return
            last = status
            await changed.wait()

    def _status(self, name: str) -> int:
        if name not in NAMES:
            return int(_Response.SERVICE_UNKNOWN)
        serving = self._rt.serving and not self._ended
        return int(_Response.SERVING if serving else _Response.NOT_SERVING)

    def _on_change(self, _state: str) -> None:
        # a new event each time: a watcher that is busy sending still holds the one that was set
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()
