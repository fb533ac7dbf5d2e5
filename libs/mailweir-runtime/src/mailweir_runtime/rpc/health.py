"""grpc.health.v1, set by hand: NOT_SERVING until the service is ready, and again once it drains.

Names: `""` and `readiness`. A degraded service serves: readiness never depends on another service.
"""

import asyncio
from typing import Final

from grpc_health.v1 import health_pb2
from grpc_health.v1.health import aio

from mailweir_runtime.runtime import Runtime

NAMES: Final = ("", "readiness")
_SERVING: Final = health_pb2.HealthCheckResponse.SERVING
_NOT_SERVING: Final = health_pb2.HealthCheckResponse.NOT_SERVING


class Health:
    """The health servicer of one server, which follows the state of the runtime."""

    def __init__(self, rt: Runtime) -> None:
        """Make the servicer; `begin` must run before the server starts."""
        self.servicer = aio.HealthServicer()
        self._rt = rt
        self._changed = asyncio.Event()
        self._on_change = lambda _state: self._changed.set()

    async def begin(self) -> None:
        """Say NOT_SERVING: the servicer is born SERVING."""
        await self._set(_NOT_SERVING)
        self._rt.state_changed.append(self._on_change)
        self._changed.set()

    async def follow(self) -> None:
        """Say what the runtime's state is, at each change; runs until cancelled."""
        while True:
            await self._changed.wait()
            self._changed.clear()
            await self._set(_SERVING if self._rt.serving else _NOT_SERVING)

    async def end(self) -> None:
        """Say NOT_SERVING for good."""
        self._rt.state_changed.remove(self._on_change)
        await self.servicer.enter_graceful_shutdown()

    async def _set(self, status: int) -> None:
        for name in NAMES:
            await self.servicer.set(name, status)
