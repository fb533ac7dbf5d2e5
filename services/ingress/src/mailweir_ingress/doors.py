"""The listeners: opened, each connection served, and closed in order."""

import asyncio
import errno
import socket
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Final

from mailweir_core.record import Listener
from mailweir_ingress.smtp.acceptor import Acceptor
from mailweir_ingress.smtp.house import Door
from mailweir_ingress.smtp.lobby import Lobby
from mailweir_runtime.lifecycle import StartupError
from mailweir_runtime.listen import HostPort

BACKLOG: Final = 1024
_NO_SUCH_FAMILY: Final = frozenset({errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL})


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
    loop = asyncio.get_running_loop()
    bound: dict[Listener, list[HostPort]] = {}
    with ExitStack() as opened:
        for one in plan:
            for listening in await _listen(one.where, loop):
                acceptor = Acceptor(listening, one.door, lobby)
                opened.callback(acceptor.close)
                acceptor.open()
                host, port = listening.getsockname()[:2]
                bound.setdefault(one.door.listener, []).append(HostPort(host, port))
        yield bound


async def _listen(where: HostPort, loop: asyncio.AbstractEventLoop) -> list[socket.socket]:
    """Return a socket for each address that a name stands for; an empty one stands for every interface."""
    infos = await _addresses(where, loop)
    found: list[socket.socket] = []
    try:
        for family, address in infos:
            found.extend(_listening(family, address, skip=not where.host and len(infos) > 1))
    except OSError as error:
        for one in found:
            one.close()
        raise _cannot(where, error) from error
    return found


def _listening(
    family: socket.AddressFamily, address: tuple[str, int], *, skip: bool
) -> list[socket.socket]:
    """Return a socket that listens; none where a machine without IPv6 may be skipped. Raises OSError."""
    try:
        listening = socket.create_server(address, family=family, backlog=BACKLOG)
    except OSError as error:
        if skip and error.errno in _NO_SUCH_FAMILY:
            return []
        raise
    listening.setblocking(False)
    return [listening]


async def _addresses(
    where: HostPort, loop: asyncio.AbstractEventLoop
) -> list[tuple[socket.AddressFamily, tuple[str, int]]]:
    try:
        infos = await loop.getaddrinfo(
            where.host or None, where.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
    except OSError as error:
        raise _cannot(where, error) from error
    known = dict.fromkeys((info[0], str(info[4][0]), int(info[4][1])) for info in infos)
    return [(family, (host, port)) for family, host, port in known]


def _cannot(where: HostPort, error: OSError) -> StartupError:
    return StartupError(f"cannot listen on {where}: {error.strerror or error}")
