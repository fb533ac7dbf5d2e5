"""Asks name servers over UDP, and over TCP what does not fit; one that fails is asked last for a while."""

import asyncio
import struct
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Final

from mailweir_core.clock import Clock
from mailweir_core.dns import DnsAnswer, DnsQuestion, DnsStatus
from mailweir_runtime.dns.metrics import DnsMetrics, ServerFailure
from mailweir_runtime.dns.wire import (
    MAX_ALIASES,
    Alias,
    NoSuchName,
    Query,
    Unusable,
    make_query,
    read_response,
)
from mailweir_runtime.listen import HostPort

ROUNDS: Final = 2
"""How often the list of servers is gone through for one question: a datagram may get lost."""
MOST_STRAYS: Final = 16
"""Datagrams that are not our answer before a question is given up; somebody is guessing ids."""
REST_SECONDS: Final = 2.0
LONGEST_REST: Final = 60.0
"""A server that failed is asked after the others for so long, doubled each time it fails again."""

NO_NAME: Final = "there can be no such name"
NO_TIME: Final = "no answer in time"


@dataclass(slots=True)
class _Server:
    address: HostPort
    rest: float = 0.0
    resting_until: float = 0.0


class NameServers:
    """Recursive name servers by address, the first of them preferred."""

    def __init__(self, servers: Sequence[HostPort], clock: Clock, metrics: DnsMetrics) -> None:
        """Take them in order; hosts are IP addresses."""
        self._servers = [_Server(address) for address in servers]
        self._clock = clock
        self._metrics = metrics

    async def ask(self, question: DnsQuestion, seconds: float) -> DnsAnswer:
        """Return what the first server that answers says, aliases followed."""
        end, ttl = self._clock.monotonic() + seconds, float("inf")
        for _ in range(MAX_ALIASES):
            try:
                found = await self._ask_servers(make_query(question), end)
            except NoSuchName:
                return DnsAnswer(DnsStatus.NXDOMAIN, detail=NO_NAME, ttl=min(ttl, LONGEST_REST))
            if isinstance(found, DnsAnswer):
                return replace(found, ttl=min(ttl, found.ttl))
            ttl = min(ttl, found.ttl)
            question = DnsQuestion(found.name, question.type)
        return DnsAnswer(DnsStatus.TEMPERROR, detail="too many aliases")

    async def _ask_servers(self, query: Query, end: float) -> DnsAnswer | Alias:
        detail = NO_TIME
        order = self._in_order() * ROUNDS
        for left, server in zip(range(len(order), 0, -1), order, strict=True):
            remaining = end - self._clock.monotonic()
            if remaining <= 0:
                break
            # the last try has all that is left, those before leave as much to the others
            found = await self._ask_one(query, server, remaining if left == 1 else remaining / 2)
            if not isinstance(found, ServerFailure):
                server.rest = 0.0
                return found
            detail = NO_TIME if found is ServerFailure.TIMEOUT else f"name server: {found}"
            self._failed(server, found)
        return DnsAnswer(DnsStatus.TEMPERROR, detail=detail)

    def _in_order(self) -> list[_Server]:
        now = self._clock.monotonic()
        return sorted(self._servers, key=lambda s: max(0.0, s.resting_until - now))

    def _failed(self, server: _Server, how: ServerFailure) -> None:
        self._metrics.server_failures.labels(how).inc()
        if how is not ServerFailure.CODE:  # a code is about the name, not about the server
            server.rest = min(max(REST_SECONDS, server.rest * 2), LONGEST_REST)
            server.resting_until = self._clock.monotonic() + server.rest

    async def _ask_one(
        self, query: Query, server: _Server, seconds: float
    ) -> DnsAnswer | Alias | ServerFailure:
        try:
            async with asyncio.timeout(seconds):
                found = await _over_udp(query, server.address)
                if found is Unusable.TRUNCATED:
                    self._metrics.over_tcp.inc()
                    found = await _over_tcp(query, server.address)
        except TimeoutError:
            return ServerFailure.TIMEOUT
        except (OSError, EOFError):
            return ServerFailure.NETWORK
        if isinstance(found, Unusable):
            return ServerFailure.CODE if found is Unusable.FAILED else ServerFailure.STRAY
        return found


class _Exchange(asyncio.DatagramProtocol):
    """One question on a socket of its own: a new port, which a forger has to guess beside the id."""

    def __init__(self, query: Query) -> None:
        self._query = query
        self._strays = 0
        self.done: asyncio.Future[DnsAnswer | Alias | Unusable] = (
            asyncio.get_running_loop().create_future()
        )

    def datagram_received(self, data: bytes, _addr: object) -> None:
        found = read_response(self._query, data, tcp=False)
        if found is Unusable.STRAY:
            self._strays += 1
            if self._strays < MOST_STRAYS:
                return
        if not self.done.done():
            self.done.set_result(found)

    def error_received(self, exc: Exception) -> None:
        if not self.done.done():
            self.done.set_exception(exc)


async def _over_udp(query: Query, server: HostPort) -> DnsAnswer | Alias | Unusable:
    loop = asyncio.get_running_loop()
    transport, exchange = await loop.create_datagram_endpoint(
        lambda: _Exchange(query), remote_addr=(server.host, server.port)
    )
    try:
        transport.sendto(query.wire)
        return await exchange.done
    finally:
        transport.close()


async def _over_tcp(query: Query, server: HostPort) -> DnsAnswer | Alias | Unusable:
    """RFC 1035 §4.2.2: two octets of length; so an answer has at most 65,535."""
    reader, writer = await asyncio.open_connection(server.host, server.port)
    try:
        writer.write(struct.pack("!H", len(query.wire)) + query.wire)
        await writer.drain()
        (length,) = struct.unpack("!H", await reader.readexactly(2))
        return read_response(query, await reader.readexactly(length), tcp=True)
    finally:
        writer.close()
        with suppress(OSError):  # the answer is there; how the connection ends is no matter
            await writer.wait_closed()
