"""The listeners: opened, each connection served, and closed in order."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial

from mailweir_core.record import Listener
from mailweir_ingress.smtp.gate import Gate
from mailweir_ingress.smtp.house import Door
from mailweir_ingress.smtp.lobby import Lobby
from mailweir_runtime.lifecycle import StartupError
from mailweir_runtime.listen import HostPort

BACKLOG = 1024


@dataclass(frozen=True, slots=True)
class Listening:
    """A door that is to be opened at an address."""

    door: Door
    where: HostPort


Bound = Mapping[Listener, Sequence[HostPort]]
"""Where each kind of door is open, port 0 filled in."""


@asynccontextmanager
async def open_doors(plan: Sequence[Listening], lobby: Lobby) -> AsyncIterator[Bound]:
    """Listen at every address while the block lasts; open sessions are not touched when it ends.

    Raises StartupError where an address cannot be had.
    """
    servers: list[asyncio.Server] = []
    bound: dict[Listener, list[HostPort]] = {}
    try:
        for one in plan:
            server = await _open(one, lobby)
            servers.append(server)
            names = [socket.getsockname() for socket in server.sockets]
            bound.setdefault(one.door.listener, []).extend(HostPort(n[0], n[1]) for n in names)
        yield bound
    finally:
        for server in servers:
            server.close()


async def _open(one: Listening, lobby: Lobby) -> asyncio.Server:
    loop = asyncio.get_running_loop()
    gate = partial(Gate, lobby, one.door)
    try:
        return await loop.create_server(
            gate, one.where.host or None, one.where.port, backlog=BACKLOG
        )
    except OSError as error:
        detail = error.strerror or str(error)
        raise StartupError(f"cannot listen on {one.where}: {detail}") from error
