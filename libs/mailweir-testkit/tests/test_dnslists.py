"""The lists of the test's name server behave as they are told, and change at run time."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from prometheus_client import CollectorRegistry

from mailweir_core.clock import SystemClock
from mailweir_core.dns import DnsAnswer, DnsQuestion, DnsStatus, RecordType
from mailweir_runtime.dns import Limits, declare, open_resolver
from mailweir_testkit.dns import DnsServer, dns_server
from mailweir_testkit.dnslists import Acting, DnsList

pytestmark = pytest.mark.integration


@pytest_asyncio.fixture
async def dns() -> AsyncIterator[DnsServer]:
    async with dns_server() as server:
        yield server


async def ask(dns: DnsServer, name: str, kind: RecordType = RecordType.A) -> DnsAnswer:
    metrics, limits = declare(CollectorRegistry(), "test"), Limits(question_seconds=0.3)
    async with open_resolver(
        dns.address, clock=SystemClock(), metrics=metrics, limits=limits
    ) as resolver:
        (answer,) = await resolver.resolve((DnsQuestion(name, kind),), 1.0)
        return answer


async def test_a_healthy_list(dns: DnsServer) -> None:
    bl = dns.listing("bl.example.org", DnsList(ttl=7))
    bl.add("192.0.2.1", ("127.0.0.4",))
    bl.add("bad.example")
    found = await ask(dns, "1.2.0.192.bl.example.org")
    assert (found.records, found.ttl) == (("127.0.0.4",), 7.0)
    assert (await ask(dns, "bad.example.bl.example.org")).records == ("127.0.0.2",)
    none = await ask(dns, "2.2.0.192.bl.example.org")
    assert (none.status, none.ttl) == (DnsStatus.NXDOMAIN, 7.0)
    for entry in ("2.0.0.127", "test"):
        assert (await ask(dns, f"{entry}.bl.example.org")).records == ("127.0.0.2",)
    for entry in ("1.0.0.127", "invalid"):
        assert (await ask(dns, f"{entry}.bl.example.org")).status is DnsStatus.NXDOMAIN
    assert bl.asked("192.0.2.1") == 1
    bl.remove("192.0.2.1")
    assert (await ask(dns, "1.2.0.192.bl.example.org")).status is DnsStatus.NXDOMAIN


async def test_ipv6_is_reversed_by_nibbles(dns: DnsServer) -> None:
    bl = dns.listing("bl.example.org", DnsList())
    bl.add("2001:db8::1")
    name = ".".join(reversed("20010db8000000000000000000000001"))
    assert (await ask(dns, f"{name}.bl.example.org")).status is DnsStatus.OK


@pytest.mark.parametrize(
    ("acting", "listed", "unlisted", "tested"),
    [
        (Acting.REFUSING, "127.255.255.254", "127.255.255.254", "127.255.255.254"),
        (Acting.WORLD, "127.0.0.4", "127.0.0.2", "127.0.0.2"),
        (Acting.WORLD_BUT_TESTS, "127.0.0.4", "127.0.0.2", ""),
        (Acting.REWRITTEN, "127.0.0.4", "198.51.100.53", "198.51.100.53"),
        (Acting.EMPTY, "", "", ""),
    ],
)
async def test_what_it_can_do_wrong(
    dns: DnsServer, acting: Acting, listed: str, unlisted: str, tested: str
) -> None:
    bl = dns.listing("bl.example.org", DnsList())
    bl.add("192.0.2.1", ("127.0.0.4",))
    bl.act(acting)
    for item, code in (
        ("1.2.0.192", listed), ("2.2.0.192", unlisted), ("1.0.0.127", tested),
    ):  # fmt: skip
        found = await ask(dns, f"{item}.bl.example.org")
        assert found.records == ((code,) if code else ())
    bl.act(Acting.WELL)
    assert (await ask(dns, "2.2.0.192.bl.example.org")).status is DnsStatus.NXDOMAIN


@pytest.mark.parametrize("acting", [Acting.SERVFAIL, Acting.SILENT])
async def test_it_can_fail(dns: DnsServer, acting: Acting) -> None:
    dns.listing("bl.example.org", DnsList(acting=acting))
    assert (await ask(dns, "2.0.0.127.bl.example.org")).status is DnsStatus.TEMPERROR


async def test_it_can_be_slow(dns: DnsServer) -> None:
    bl = dns.listing("bl.example.org", DnsList())
    bl.act(Acting.WELL, seconds=5.0)
    assert (await ask(dns, "2.0.0.127.bl.example.org")).status is DnsStatus.TEMPERROR
    bl.act(Acting.WELL)
    assert (await ask(dns, "2.0.0.127.bl.example.org")).status is DnsStatus.OK


async def test_with_a_key_it_serves_nobody_without(dns: DnsServer) -> None:
    dns.listing("bl.example.org", DnsList(key="k1"))
    assert (await ask(dns, "2.0.0.127.k1.bl.example.org")).records == ("127.0.0.2",)
    assert (await ask(dns, "2.0.0.127.bl.example.org")).records == ("127.255.255.254",)
