"""The DNS test server answers as an authoritative server does, and misbehaves on demand."""

import asyncio
import time

import dns.asyncquery
import dns.asyncresolver
import dns.exception
import dns.message
import dns.rcode
import dns.resolver
import pytest

from mailweir_testkit.dns import DnsServer, Misbehaviour, dns_server

ZONE = """
@     300 IN MX  10 mx1
@     300 IN MX  20 mx2
mx1   300 IN A   127.0.0.1
mx2   300 IN A   127.0.0.2
alias 300 IN CNAME mx1
a.b.c 300 IN TXT "deep"
big   300 IN TXT "{big}"
""".format(big='" "'.join(["x" * 250] * 10))

pytestmark = pytest.mark.integration


def resolver_for(server: DnsServer, lifetime: float = 2.0) -> dns.asyncresolver.Resolver:
    resolver = dns.asyncresolver.Resolver(configure=False)
    resolver.nameservers = [server.host]
    resolver.port = server.port
    resolver.lifetime = lifetime
    return resolver


async def test_records_and_the_questions_are_kept() -> None:
    async with dns_server({"example.org": ZONE}) as server:
        answer = await resolver_for(server).resolve("example.org", "MX")
        found = sorted((r.preference, r.exchange.to_text()) for r in answer)
    assert found == [(10, "mx1.example.org."), (20, "mx2.example.org.")]
    assert server.questions == [("example.org", "MX")]
    assert server.asked("EXAMPLE.org.", "MX") == 1


async def test_an_alias_is_followed() -> None:
    async with dns_server({"example.org": ZONE}) as server:
        answer = await resolver_for(server).resolve("alias.example.org", "A")
    assert [r.address for r in answer] == ["127.0.0.1"]


async def test_no_name_and_no_record_are_told_apart() -> None:
    async with dns_server({"example.org": ZONE}) as server:
        resolver = resolver_for(server)
        with pytest.raises(dns.resolver.NXDOMAIN):
            await resolver.resolve("nobody.example.org", "A")
        with pytest.raises(dns.resolver.NXDOMAIN):
            await resolver.resolve("elsewhere.example.net", "A")
        with pytest.raises(dns.resolver.NoAnswer):
            await resolver.resolve("mx1.example.org", "AAAA")
        with pytest.raises(dns.resolver.NoAnswer):  # an empty non-terminal
            await resolver.resolve("b.c.example.org", "TXT")


async def test_the_deepest_zone_answers() -> None:
    zones = {"example.org": ZONE, "sub.example.org": "@ 60 IN TXT inner"}
    async with dns_server(zones) as server:
        answer = await resolver_for(server).resolve("sub.example.org", "TXT")
    assert answer[0].strings == (b"inner",)


async def test_a_big_answer_comes_over_tcp() -> None:
    async with dns_server({"example.org": ZONE}) as server:
        resolver = resolver_for(server)
        resolver.use_edns(-1)
        answer = await resolver.resolve("big.example.org", "TXT")
        assert server.over_tcp == 1
    assert len(answer[0].strings) == 10


@pytest.mark.parametrize(
    ("how", "rcode"),
    [
        (Misbehaviour.NXDOMAIN, dns.rcode.NXDOMAIN),
        (Misbehaviour.SERVFAIL, dns.rcode.SERVFAIL),
        (Misbehaviour.REFUSED, dns.rcode.REFUSED),
    ],
)
async def test_a_name_answers_with_a_code(how: Misbehaviour, rcode: dns.rcode.Rcode) -> None:
    query = dns.message.make_query("example.org", "MX")
    async with dns_server({"example.org": ZONE}) as server:
        server.misbehave("example.org", how)
        odd = await dns.asyncquery.udp(query, server.host, 2.0, server.port)
        server.behave("example.org")
        even = await dns.asyncquery.udp(query, server.host, 2.0, server.port)
    assert odd.rcode() == rcode
    assert even.rcode() == dns.rcode.NOERROR
    assert even.answer


async def test_one_type_alone_goes_wrong() -> None:
    async with dns_server({"example.org": ZONE}) as server:
        server.misbehave("mx1.example.org", Misbehaviour.NXDOMAIN, kind="A")
        resolver = resolver_for(server)
        with pytest.raises(dns.resolver.NXDOMAIN):
            await resolver.resolve("mx1.example.org", "A")
        with pytest.raises(dns.resolver.NoAnswer):
            await resolver.resolve("mx1.example.org", "AAAA")
        server.behave("mx1.example.org", kind="A")
        assert (await resolver.resolve("mx1.example.org", "A"))[0].address == "127.0.0.1"


async def test_a_name_that_never_answers() -> None:
    query = dns.message.make_query("example.org", "MX")
    async with dns_server({"example.org": ZONE}) as server:
        server.misbehave("example.org", Misbehaviour.TIMEOUT)
        with pytest.raises(dns.exception.Timeout):
            await dns.asyncquery.udp(query, server.host, 0.2, server.port)
        assert server.asked("example.org", "MX") == 1


async def test_a_name_that_answers_late_holds_up_no_other() -> None:
    slow = dns.message.make_query("example.org", "MX")
    fast = dns.message.make_query("mx1.example.org", "A")
    async with dns_server({"example.org": ZONE}) as server:
        server.misbehave("example.org", Misbehaviour.DELAY, seconds=0.3)
        async with asyncio.TaskGroup() as tasks:
            begun = time.monotonic()
            late = tasks.create_task(dns.asyncquery.udp(slow, server.host, 2.0, server.port))
            await dns.asyncquery.udp(fast, server.host, 2.0, server.port)
            assert time.monotonic() - begun < 0.3
        assert late.result().answer
        assert time.monotonic() - begun >= 0.3


async def test_truncation_sends_the_client_to_tcp() -> None:
    async with dns_server({"example.org": ZONE}) as server:
        server.misbehave("mx1.example.org", Misbehaviour.TRUNCATE)
        answer = await resolver_for(server).resolve("mx1.example.org", "A")
        assert server.over_tcp == 1
    assert answer[0].address == "127.0.0.1"


async def test_rubbish_is_not_answered_and_does_no_harm() -> None:
    async with dns_server({"example.org": ZONE}) as server:
        assert await server.respond(b"rubbish", tcp=False) is None
        assert await server.respond(dns.message.Message(1).to_wire(), tcp=False) is None
        assert (await resolver_for(server).resolve("mx1.example.org", "A"))[0].address


async def test_answers_that_are_none() -> None:
    query = dns.message.make_query("example.org", "MX")
    async with dns_server({"example.org": ZONE}) as server:
        for how in (Misbehaviour.WRONG_ID, Misbehaviour.WRONG_NAME, Misbehaviour.GARBAGE):
            server.misbehave("example.org", how)
            sent = await server.respond(query.to_wire(), tcp=False)
            assert sent is not None
            try:
                assert not query.is_response(dns.message.from_wire(sent))
            except dns.exception.DNSException:
                assert how is Misbehaviour.GARBAGE
