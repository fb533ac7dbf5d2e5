"""An authoritative DNS server on loopback, answering from zone text, that can also misbehave by name.

    async with dns_server({"example.org": "@ 300 IN MX 10 mx\\nmx 300 IN A 127.0.0.1"}) as dns:
        dns.misbehave("slow.example.org", Misbehaviour.DELAY, seconds=2.0)
        ... resolver at dns.address ...
        assert ("example.org", "MX") in dns.questions

Names outside every zone are answered NXDOMAIN, so that no test waits for a resolver that is not there.
UDP and TCP listen on the same port; an answer that does not fit a datagram is truncated, as it must be.
"""

import asyncio
import struct
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, cast

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import dns.rrset
import dns.zone

from mailweir_testkit.dnslists import DnsList

MAX_CNAMES: Final = 10
PLAIN_UDP_BYTES: Final = 512
MAX_TCP_BYTES: Final = 65_535
BIND_TRIES: Final = 20
_SOA: Final = "@ 60 IN SOA ns hostmaster 1 3600 600 86400 60\n@ 60 IN NS ns\n"


class Misbehaviour(StrEnum):
    """What a name does instead of answering."""

    NXDOMAIN = "nxdomain"
    SERVFAIL = "servfail"
    REFUSED = "refused"
    TIMEOUT = "timeout"  # never answers
    DELAY = "delay"  # answers after `seconds`
    TRUNCATE = "truncate"  # over UDP, sends an empty truncated answer
    WRONG_ID = "wrong-id"  # answers as if to another question, by its id
    WRONG_NAME = "wrong-name"  # answers another question, by its name
    GARBAGE = "garbage"  # sends octets that are no DNS message


@dataclass(slots=True)
class DnsServer:
    """A running server. `questions` are (name without final dot in lower case, type), in order of arrival."""

    host: str = "127.0.0.1"
    port: int = 0
    questions: list[tuple[str, str]] = field(default_factory=list)
    over_tcp: int = 0
    _streams: set[asyncio.StreamWriter] = field(default_factory=set)
    _zones: dict[dns.name.Name, dns.zone.Zone] = field(default_factory=dict)
    _odd: dict[tuple[str, str], tuple[Misbehaviour, float]] = field(default_factory=dict)
    _lists: dict[str, DnsList] = field(default_factory=dict)

    @property
    def address(self) -> str:
        """Return `host:port`, as services take it."""
        return f"{self.host}:{self.port}"

    def zone(self, origin: str, text: str) -> None:
        """Serve a zone, instead of the one of that origin; SOA and NS are added where absent."""
        name = dns.name.from_text(origin)
        head = "" if "SOA" in text.upper().split() else _SOA
        self._zones[name] = dns.zone.from_text(head + text, origin=name, relativize=False)

    def listing(self, origin: str, listing: DnsList) -> DnsList:
        """Serve a DNS list at a zone, and return it."""
        self._lists[_plain(origin)] = listing
        return listing

    def misbehave(
        self, name: str, how: Misbehaviour, seconds: float = 0.0, *, kind: str = ""
    ) -> None:
        """Let questions about a name go wrong until `behave`; `kind`: of one type only."""
        self._odd[(_plain(name), kind)] = (how, seconds)

    def behave(self, name: str, *, kind: str = "") -> None:
        """Answer a name from the zones again."""
        self._odd.pop((_plain(name), kind), None)

    def asked(self, name: str, kind: str) -> int:
        """Return how often a question came."""
        return self.questions.count((_plain(name), kind))

    async def respond(self, wire: bytes, *, tcp: bool) -> bytes | None:
        """Return the answer to a question in wire form, or None where none is to be sent."""
        try:
            query = dns.message.from_wire(wire)
        except dns.exception.DNSException:
            return None
        if not query.question:
            return None
        question = query.question[0]
        name = _plain(question.name.to_text())
        kind = dns.rdatatype.to_text(question.rdtype)
        self.questions.append((name, kind))
        self.over_tcp += tcp
        for origin, listing in self._lists.items():
            if name.endswith(f".{origin}"):
                said = await listing.respond(query, name.removesuffix(f".{origin}"))
                return None if said is None else _wire(query, said, tcp=tcp, cut=False)
        how, seconds = self._how(name, kind)
        if how is Misbehaviour.TIMEOUT:
            return None
        if how is Misbehaviour.DELAY:
            await asyncio.sleep(seconds)
        response = self._response(query, how)
        sent = _wire(query, response, tcp=tcp, cut=how is Misbehaviour.TRUNCATE and not tcp)
        return _spoilt(sent, how)

    def _how(self, name: str, kind: str) -> tuple[Misbehaviour | None, float]:
        return self._odd.get((name, kind)) or self._odd.get((name, "")) or (None, 0.0)

    def _response(
        self, query: dns.message.Message, how: Misbehaviour | None
    ) -> dns.message.Message:
        response = dns.message.make_response(query, recursion_available=True)
        codes = {
            Misbehaviour.NXDOMAIN: dns.rcode.NXDOMAIN,
            Misbehaviour.SERVFAIL: dns.rcode.SERVFAIL,
            Misbehaviour.REFUSED: dns.rcode.REFUSED,
        }
        if how in codes:
            response.set_rcode(codes[how])
        else:
            self._answer(response, query.question[0])
        return response

    def _answer(self, response: dns.message.Message, question: dns.rrset.RRset) -> None:
        name = question.name
        for _ in range(MAX_CNAMES):
            zone = self._zone_of(name)
            node = zone.get_node(name) if zone is not None else None
            if zone is None or node is None:
                if zone is None or not _has_children(zone, name):
                    response.set_rcode(dns.rcode.NXDOMAIN)
                self._authority(response, zone)
                return
            found = node.get_rdataset(dns.rdataclass.IN, question.rdtype)
            if found is not None:
                response.answer.append(dns.rrset.from_rdata_list(name, found.ttl, list(found)))
                return
            alias = node.get_rdataset(dns.rdataclass.IN, dns.rdatatype.CNAME)
            if alias is None:
                self._authority(response, zone)
                return
            response.answer.append(dns.rrset.from_rdata_list(name, alias.ttl, list(alias)))
            name = next(iter(alias)).target

    def _zone_of(self, name: dns.name.Name) -> dns.zone.Zone | None:
        fitting = [origin for origin in self._zones if name.is_subdomain(origin)]
        return self._zones[max(fitting, key=len)] if fitting else None

    def _authority(self, response: dns.message.Message, zone: dns.zone.Zone | None) -> None:
        if zone is None or zone.origin is None:
            return
        soa = zone.get_rdataset(zone.origin, dns.rdatatype.SOA)
        if soa is not None:
            response.authority.append(dns.rrset.from_rdata_list(zone.origin, soa.ttl, list(soa)))


def _has_children(zone: dns.zone.Zone, name: dns.name.Name) -> bool:
    # an empty non-terminal exists though it has no records (RFC 8020)
    return any(child.is_subdomain(name) for child in zone.nodes)


def _plain(name: str) -> str:
    return name.rstrip(".").lower()


def _spoilt(wire: bytes, how: Misbehaviour | None) -> bytes:
    """Make of an answer what a forger or a broken server would send."""
    if how is Misbehaviour.WRONG_ID:
        return bytes((wire[0] ^ 0xFF,)) + wire[1:]
    if how is Misbehaviour.WRONG_NAME:  # the first letter of the question's name
        return wire[:13] + (b"x" if wire[13:14] != b"x" else b"y") + wire[14:]
    return wire[:2] + b"\xff" * 20 if how is Misbehaviour.GARBAGE else wire


def _wire(
    query: dns.message.Message, response: dns.message.Message, *, tcp: bool, cut: bool
) -> bytes:
    if tcp:
        return response.to_wire(max_size=MAX_TCP_BYTES)
    try:
        if not cut:
            return response.to_wire(max_size=query.payload or PLAIN_UDP_BYTES)
    except dns.exception.TooBig:
        pass
    short = dns.message.make_response(query, recursion_available=True)
    short.flags |= dns.flags.TC
    return short.to_wire()


class _Udp(asyncio.DatagramProtocol):
    def __init__(self, server: DnsServer, tasks: asyncio.TaskGroup) -> None:
        self._server = server
        self._tasks = tasks
        self._running: set[asyncio.Task[None]] = set()
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # not isinstance: asyncio's own datagram transport derives from it only since Python 3.12
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        task = self._tasks.create_task(self._reply(data, addr))
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    def connection_lost(self, _exc: Exception | None) -> None:
        for task in self._running:
            task.cancel()

    async def _reply(self, data: bytes, addr: tuple[str, int]) -> None:
        answer = await self._server.respond(data, tcp=False)
        if answer is not None and self._transport is not None:
            self._transport.sendto(answer, addr)


async def _serve_tcp(
    server: DnsServer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    server._streams.add(writer)
    try:
        while True:
            (length,) = struct.unpack("!H", await reader.readexactly(2))
            answer = await server.respond(await reader.readexactly(length), tcp=True)
            if answer is not None:
                writer.write(struct.pack("!H", len(answer)) + answer)
                await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError):
        pass
    finally:
        server._streams.discard(writer)
        writer.close()


async def _bind(
    server: DnsServer, tasks: asyncio.TaskGroup
) -> tuple[asyncio.DatagramTransport, asyncio.Server]:
    """Listen on a free port number for both transports."""
    loop = asyncio.get_running_loop()
    for _ in range(BIND_TRIES):
        udp, _protocol = await loop.create_datagram_endpoint(
            lambda: _Udp(server, tasks), local_addr=(server.host, 0)
        )
        port = udp.get_extra_info("sockname")[1]
        try:
            tcp = await asyncio.start_server(
                lambda r, w: _serve_tcp(server, r, w), server.host, port
            )
        except OSError:  # another process has that number for TCP
            udp.close()
            continue
        server.port = port
        return udp, tcp
    raise RuntimeError("no port is free for both UDP and TCP")


@asynccontextmanager
async def dns_server(zones: Mapping[str, str] | None = None) -> AsyncIterator[DnsServer]:
    """Serve zones (origin → zone text) on loopback while the block lasts; what still waits is dropped."""
    server = DnsServer()
    for origin, text in (zones or {}).items():
        server.zone(origin, text)
    async with asyncio.TaskGroup() as tasks:
        udp, tcp = await _bind(server, tasks)
        try:
            yield server
        finally:
            udp.close()
            tcp.close()
            for stream in server._streams:
                stream.close()
