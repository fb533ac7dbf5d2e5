"""uvicorn inside our own process: our loop, our signals, our logs, bounded."""

import asyncio
import socket
from collections.abc import AsyncIterator, Generator
from contextlib import asynccontextmanager, contextmanager
from typing import Final

import uvicorn
from starlette.types import ASGIApp

from mailweir_runtime.lifecycle import Runtime, StartupError
from mailweir_runtime.listen import HostPort, parse_host_port

BACKLOG: Final = 512
MAX_HEADER_BYTES: Final = 16 * 1024
"""Request line and headers together."""
MAX_CONNECTIONS: Final = 1000
KEEP_ALIVE_SECONDS: Final = 15
DRAIN_SHARE: Final = 0.9
"""Part of the remaining drain time that running requests get."""


class _Server(uvicorn.Server):
    """A server that leaves the signals to `run()`, and says when it is up."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.up = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to accept."""
        await super().startup(sockets)
        self.up.set()

    @contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """Do nothing."""
        yield


@asynccontextmanager
async def serve_http(rt: Runtime, listen: str, app: ASGIApp) -> AsyncIterator[HostPort]:
    """Serve an application until the block ends; yields the address it can be reached by.

    When the block ends in a drain, running requests get most of its rest. Raises StartupError.
    """
    where = parse_host_port(listen)
    with _bound(where) as bound:
        server = _Server(_config(app))
        async with rt.background(server.serve([bound]), name="http") as task:
            await server.up.wait()
            try:
                yield HostPort(where.host, bound.getsockname()[1])
            finally:
                await _drain(rt, server, task)


def _config(app: ASGIApp) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        http="h11",
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        proxy_headers=False,  # nobody else says who the client is
        server_header=False,
        limit_concurrency=MAX_CONNECTIONS,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        h11_max_incomplete_event_size=MAX_HEADER_BYTES,
    )


async def _drain(rt: Runtime, server: _Server, task: asyncio.Task[None]) -> None:
    server.should_exit = True
    seconds = rt.drain_remaining() * DRAIN_SHARE if rt.stopping.is_set() else 0.0
    await asyncio.wait((task,), timeout=min(seconds, rt.settings.drain_seconds))


@contextmanager
def _bound(where: HostPort) -> Generator[socket.socket, None, None]:
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            where.host or None, where.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        bound = socket.socket(family, kind, protocol)
    except OSError as error:
        raise StartupError(f"cannot listen on {where}: {error.strerror}") from error
    with bound:
        try:
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            bound.bind(address)
            bound.listen(BACKLOG)
        except OSError as error:
            raise StartupError(f"cannot listen on {where}: {error.strerror}") from error
        yield bound
