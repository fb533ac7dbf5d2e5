"""Mail exchangers from a real DNS server on loopback."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from prometheus_client import CollectorRegistry

from mailweir_core.clock import ManualClock
from mailweir_core.dns import RecordType
from mailweir_delivery.adapters import mail_hosts
from mailweir_delivery.adapters.mail_hosts import DnsMailHosts
from mailweir_delivery.adapters.memory import MemoryMailHosts
from mailweir_delivery.policy.mx import (
    Exchanger,
    Exchangers,
    LookupFailed,
    MxAnswer,
    NoDomain,
    NullMx,
)
from mailweir_delivery.ports import MailHosts
from mailweir_runtime.dns import Limits, ZoneResolver, declare, open_resolver
from mailweir_testkit.dns import DnsServer, Misbehaviour, dns_server

pytestmark = pytest.mark.integration

ZONE = """
@       300 IN MX 20 mx2
@       300 IN MX 10 mx1
mx1     300 IN A 127.0.0.1
mx1     300 IN AAAA ::1
mx2     60  IN A 127.0.0.2
null    300 IN MX 0 .
direct  300 IN A 127.0.0.3
alias   300 IN CNAME @
text    300 IN TXT "no mail here"
dangling 300 IN MX 10 nowhere
half    300 IN MX 10 mx1
half    300 IN MX 20 sick
"""
EXPECTED: list[tuple[str, MxAnswer]] = [
    (
        "far.example",
        Exchangers(
            (
                Exchanger(10, "mx1.far.example", ("127.0.0.1", "::1")),
                Exchanger(20, "mx2.far.example", ("127.0.0.2",)),
            )
        ),
    ),
    ("null.far.example", NullMx()),
    ("direct.far.example", Exchangers((Exchanger(0, "direct.far.example", ("127.0.0.3",)),))),
    ("text.far.example", NoDomain("no mail exchanger and no address")),
    ("missing.far.example", NoDomain()),
    ("dangling.far.example", Exchangers((Exchanger(10, "nowhere.far.example"),))),
]


@asynccontextmanager
async def real() -> AsyncIterator[tuple[MailHosts, DnsServer, ManualClock]]:
    clock, metrics = ManualClock(), declare(CollectorRegistry(), "delivery")
    async with (
        dns_server({"far.example": ZONE}) as server,
        open_resolver(f"{server.host}:{server.port}", clock=clock, metrics=metrics) as resolver,
    ):
        yield DnsMailHosts(resolver), server, clock


@pytest.mark.parametrize(("domain", "answer"), EXPECTED)
async def test_answers(domain: str, answer: MxAnswer) -> None:
    async with real() as (hosts, _, _):
        assert await hosts.find(domain) == answer


@pytest.mark.parametrize(("domain", "answer"), EXPECTED)
async def test_the_one_in_memory_answers_alike(domain: str, answer: MxAnswer) -> None:
    hosts: MailHosts = MemoryMailHosts(dict(EXPECTED))
    assert await hosts.find(domain) == answer
    assert await hosts.find("never.heard.example") == NoDomain()


async def test_an_alias_is_followed() -> None:
    async with real() as (hosts, _, _):
        assert await hosts.find("alias.far.example") == EXPECTED[0][1]


@pytest.mark.parametrize("how", [Misbehaviour.SERVFAIL, Misbehaviour.REFUSED])
async def test_a_name_server_that_fails_is_no_verdict(how: Misbehaviour) -> None:
    async with real() as (hosts, server, clock):
        server.misbehave("far.example", how)
        assert await hosts.find("far.example") == LookupFailed("name server: code")
        server.behave("far.example")
        clock.advance(Limits().failure_ttl + 0.1)
        assert isinstance(await hosts.find("far.example"), Exchangers)


async def test_a_name_server_that_is_silent_is_no_verdict(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mail_hosts, "LOOKUP_SECONDS", 0.2)
    async with real() as (hosts, server, _):
        server.misbehave("far.example", Misbehaviour.TIMEOUT)
        assert await hosts.find("far.example") == LookupFailed("no answer in time")


async def test_an_exchanger_that_cannot_be_looked_up_leaves_the_others() -> None:
    async with real() as (hosts, server, _):
        server.misbehave("sick.far.example", Misbehaviour.SERVFAIL)
        found = await hosts.find("half.far.example")
    assert found == Exchangers(
        (
            Exchanger(10, "mx1.far.example", ("127.0.0.1", "::1")),
            Exchanger(20, "sick.far.example"),
        ),
        incomplete=True,
    )


async def test_without_mx_a_silent_address_look_up_is_no_verdict() -> None:
    async with real() as (hosts, server, _):
        server.misbehave("direct.far.example", Misbehaviour.SERVFAIL, kind="A")
        assert await hosts.find("direct.far.example") == LookupFailed("name server: code")


@pytest.mark.parametrize(
    "domain", ["a..b", "x" * 64 + ".example", ".".join(["label"] * 60), "ü" * 70 + ".example"]
)
async def test_what_can_be_no_domain_is_none(domain: str) -> None:
    async with real() as (hosts, server, _):
        assert await hosts.find(domain) == NoDomain()
        assert server.questions == []


async def test_answers_are_kept_for_their_ttl() -> None:
    async with real() as (hosts, server, clock):
        for _ in range(3):
            await hosts.find("far.example")
        assert server.asked("far.example", "MX") == 1
        clock.advance(61)  # the address of mx2 lives for a minute
        await hosts.find("far.example")
        assert server.asked("mx2.far.example", "A") == 2
        assert server.asked("mx1.far.example", "A") == server.asked("far.example", "MX") == 1


async def test_that_there_is_none_is_kept_too() -> None:
    async with real() as (hosts, server, clock):
        await hosts.find("missing.far.example")
        await hosts.find("missing.far.example")
        assert server.asked("missing.far.example", "MX") == 1
        clock.advance(Limits().longest_negative + 1)
        await hosts.find("missing.far.example")
        assert server.asked("missing.far.example", "MX") == 2


async def test_many_who_want_the_same_ask_once() -> None:
    async with real() as (hosts, server, _):
        server.misbehave("far.example", Misbehaviour.DELAY, 0.1)
        async with asyncio.TaskGroup() as tasks:
            asked = [tasks.create_task(hosts.find("far.example")) for _ in range(20)]
        assert server.asked("far.example", "MX") == 1
        assert len({task.result() for task in asked}) == 1


async def test_a_slow_name_does_not_hold_up_another() -> None:
    async with real() as (hosts, server, _):
        server.misbehave("null.far.example", Misbehaviour.DELAY, 0.3)
        async with asyncio.TaskGroup() as tasks:
            slow = tasks.create_task(hosts.find("null.far.example"))
            await hosts.find("far.example")
            assert not slow.done()


async def test_the_best_exchanger_comes_first_and_names_are_plain() -> None:
    zone = {
        "far.example": {RecordType.MX: ("20 b.far.example", "5 a.far.example")},
        "a.far.example": {RecordType.A: ("127.0.0.1",)},
    }
    assert await DnsMailHosts(ZoneResolver(zone)).find("far.example") == Exchangers(
        (Exchanger(5, "a.far.example", ("127.0.0.1",)), Exchanger(20, "b.far.example"))
    )
