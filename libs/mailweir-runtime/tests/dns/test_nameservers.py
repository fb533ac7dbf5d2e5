"""Name servers on loopback that answer, lie, cut, fail and keep silent."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import dns.resolver
import pytest
from prometheus_client import CollectorRegistry

from mailweir_core.clock import SystemClock
from mailweir_core.dns import DnsAnswer, DnsQuestion, DnsStatus, RecordType
from mailweir_runtime.dns import declare, parse_nameservers, system_nameservers
from mailweir_runtime.dns.nameservers import NameServers
from mailweir_runtime.listen import HostPort
from mailweir_testkit.dns import DnsServer, Misbehaviour, dns_server

pytestmark = pytest.mark.integration

BIG = '" "'.join(["x" * 250] * 40)
ZONE = f"""
@     300 IN SOA ns hostmaster 1 3600 600 86400 30
@     300 IN NS  ns
www   300 IN A   192.0.2.1
chain 20  IN CNAME www
big   300 IN TXT "{BIG}"
many  300 IN TXT "one"
loop1 300 IN CNAME loop2
loop2 300 IN CNAME loop1
"""


@asynccontextmanager
async def servers(
    count: int = 1,
) -> AsyncIterator[tuple[NameServers, list[DnsServer], CollectorRegistry]]:
    registry = CollectorRegistry()
    zones = {"example.org": ZONE}
    async with dns_server(zones) as first, dns_server(zones) as second:
        running = [first, second][:count]
        addresses = parse_nameservers(",".join(server.address for server in running))
        yield NameServers(addresses, SystemClock(), declare(registry, "test")), running, registry


async def ask(
    upstream: NameServers, name: str = "www.example.org", kind: RecordType = RecordType.A,
    seconds: float = 2.0,
) -> DnsAnswer:  # fmt: skip
    return await upstream.ask(DnsQuestion(name, kind), seconds)


def failures(registry: CollectorRegistry, cause: str) -> float | None:
    return registry.get_sample_value("mailweir_test_dns_server_failures_total", {"cause": cause})


async def test_ttl_and_records() -> None:
    async with servers() as (upstream, _, _):
        assert await ask(upstream) == DnsAnswer(DnsStatus.OK, ("192.0.2.1",), 300.0)


async def test_the_shortest_ttl_of_a_chain_counts() -> None:
    async with servers() as (upstream, _, _):
        answer = await ask(upstream, "chain.example.org")
    assert (answer.records, answer.ttl) == (("192.0.2.1",), 20.0)


async def test_none_is_kept_for_the_minimum_of_the_soa() -> None:
    async with servers() as (upstream, _, _):
        none = await ask(upstream, "none.example.org")
        nodata = await ask(upstream, kind=RecordType.MX)
    assert (none.status, none.ttl) == (DnsStatus.NXDOMAIN, 30.0)
    assert (nodata.status, nodata.ttl) == (DnsStatus.NODATA, 30.0)


async def test_what_does_not_fit_comes_over_tcp() -> None:
    async with servers() as (upstream, (server,), registry):
        answer = await ask(upstream, "big.example.org", RecordType.TXT)
        assert server.over_tcp == 1
        assert registry.get_sample_value("mailweir_test_dns_tcp_questions_total") == 1.0
    assert answer.records == ("x" * 10_000,)


async def test_a_cut_answer_is_asked_for_over_tcp() -> None:
    async with servers() as (upstream, (server,), _):
        server.misbehave("many.example.org", Misbehaviour.TRUNCATE)
        answer = await ask(upstream, "many.example.org", RecordType.TXT)
        assert server.over_tcp == 1
    assert answer.records == ("one",)


@pytest.mark.parametrize("how", [Misbehaviour.SERVFAIL, Misbehaviour.REFUSED])
async def test_a_server_that_fails_has_a_deputy(how: Misbehaviour) -> None:
    async with servers(2) as (upstream, (first, second), registry):
        first.misbehave("www.example.org", how)
        assert (await ask(upstream)).records == ("192.0.2.1",)
        assert second.asked("www.example.org", "A") == 1
        assert failures(registry, "code") == 1.0
        assert (await ask(upstream, "none.example.org")).status is DnsStatus.NXDOMAIN
        assert first.asked("none.example.org", "A") == 1, "one bad name does not move a server back"


async def test_a_silent_server_is_asked_last_for_a_while() -> None:
    async with servers(2) as (upstream, (first, second), registry):
        first.misbehave("www.example.org", Misbehaviour.TIMEOUT)
        assert (await ask(upstream, seconds=0.4)).records == ("192.0.2.1",)
        assert failures(registry, "timeout") == 1.0
        await ask(upstream, "none.example.org")
        assert second.asked("none.example.org", "A") == 1
        assert first.asked("none.example.org", "A") == 0


async def test_a_server_that_is_not_there_costs_no_time() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as reserved:
        reserved.bind(("127.0.0.1", 0))
        port = reserved.getsockname()[1]
    registry = CollectorRegistry()
    async with dns_server({"example.org": ZONE}) as server:
        addresses = (HostPort("127.0.0.1", port), *parse_nameservers(server.address))
        upstream = NameServers(addresses, SystemClock(), declare(registry, "test"))
        async with asyncio.timeout(5):
            assert (await ask(upstream, seconds=60.0)).records == ("192.0.2.1",)
    assert failures(registry, "network") == 1.0


async def test_all_silent_is_no_answer_in_time() -> None:
    async with servers() as (upstream, (server,), _):
        server.misbehave("www.example.org", Misbehaviour.TIMEOUT)
        answer = await ask(upstream, seconds=0.2)
        assert server.asked("www.example.org", "A") == 2, "a datagram may get lost"
    assert (answer.status, answer.detail) == (DnsStatus.TEMPERROR, "no answer in time")


@pytest.mark.parametrize(
    "how", [Misbehaviour.WRONG_ID, Misbehaviour.WRONG_NAME, Misbehaviour.GARBAGE]
)
async def test_what_is_not_our_answer_is_none(how: Misbehaviour) -> None:
    async with servers() as (upstream, (server,), _):
        server.misbehave("www.example.org", how)
        answer = await ask(upstream, seconds=0.2)
        assert (answer.status, answer.records) == (DnsStatus.TEMPERROR, ())
        server.behave("www.example.org")
        assert (await ask(upstream)).status is DnsStatus.OK


async def test_a_forger_does_not_keep_the_answer_away() -> None:
    class Noisy(asyncio.DatagramProtocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            self.transport = transport

        def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
            for number in range(9):  # guesses of the id before the real one
                self.transport.sendto(bytes((data[0] ^ (number + 1),)) + data[1:], addr)  # type: ignore[attr-defined]  # a datagram transport
            self.transport.sendto(data[:2] + b"\x81\x83" + data[4:], addr)  # type: ignore[attr-defined]  # a datagram transport

    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(Noisy, local_addr=("127.0.0.1", 0))
    port = transport.get_extra_info("sockname")[1]
    metrics = declare(CollectorRegistry(), "test")
    upstream = NameServers((HostPort("127.0.0.1", port),), SystemClock(), metrics)
    try:
        assert (await ask(upstream)).status is DnsStatus.NXDOMAIN
    finally:
        transport.close()


async def test_aliases_in_a_circle_are_no_answer() -> None:
    async with servers() as (upstream, _, _):
        answer = await ask(upstream, "loop1.example.org", seconds=0.3)
    assert answer.status is DnsStatus.TEMPERROR


async def test_what_can_be_no_name_is_not_asked() -> None:
    async with servers() as (upstream, (server,), _):
        answer = await ask(upstream, "a..b")
        assert server.questions == []
    assert (answer.status, answer.detail) == (DnsStatus.NXDOMAIN, "there can be no such name")


def test_name_servers_as_they_are_written() -> None:
    assert parse_nameservers("") == ()
    assert parse_nameservers("127.0.0.1:53, [::1]:5353") == (
        HostPort("127.0.0.1", 53),
        HostPort("::1", 5353),
    )


@pytest.mark.parametrize(
    "text", ["127.0.0.1", "dns.example:53", ":53", "127.0.0.1:0", ",".join(["127.0.0.1:53"] * 9)]
)
def test_what_is_no_name_server(text: str) -> None:
    with pytest.raises(ValueError, match=r"write|at most"):
        parse_nameservers(text)


def test_the_machines_name_servers_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tmp_path / "resolv.conf"
    config.write_text("search example.com\nnameserver 192.0.2.53\nnameserver 2001:db8::53\n")
    monkeypatch.setattr(dns.resolver.Resolver, "__init__", _reading(config))
    assert system_nameservers() == "192.0.2.53:53,[2001:db8::53]:53"
    assert [server.port for server in parse_nameservers(system_nameservers())] == [53, 53]


def test_a_machine_without_a_name_server_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def none(_self: object) -> None:
        raise dns.resolver.NoResolverConfiguration

    monkeypatch.setattr(dns.resolver.Resolver, "__init__", none)
    with pytest.raises(ValueError, match="names no name server"):
        system_nameservers()


def _reading(config: Path) -> Callable[[dns.resolver.Resolver], None]:
    def init(self: dns.resolver.Resolver) -> None:
        self.reset()
        self.read_resolv_conf(str(config))

    return init
