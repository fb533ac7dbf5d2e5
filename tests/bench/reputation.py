"""What a check of the reputation service costs once its answers are in the cache.

    python tests/bench/reputation.py [--seconds 3] [--zones 6]

Prints microseconds of CPU per item, without gRPC: a client that no list knows, one that lists refuse, and
MAIL with a greeting, SPF and the sender's domain. The first round, which asks a name server on loopback, is
not timed.
"""

import argparse
import asyncio
import secrets
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack

from prometheus_client import CollectorRegistry

from mailweir_core.client import ClientFacts
from mailweir_core.clock import SystemClock
from mailweir_core.record import Listener, Session
from mailweir_policy import Policy
from mailweir_reputation.adapters.strangers import Strangers
from mailweir_reputation.app import DNS_LIMITS, parts_of
from mailweir_reputation.checking import Checker
from mailweir_reputation.health import Keeper
from mailweir_reputation.metrics import declare
from mailweir_reputation.policy.items import Item, Phase
from mailweir_runtime.dns import open_resolver
from mailweir_testkit.dns import DnsServer, dns_server
from mailweir_testkit.dnslists import DnsList

CLIENTS = 200
ZONES = {
    "113.0.203.in-addr.arpa": "\n".join(f"{n} 600 IN PTR m{n}.good.example." for n in range(256)),
    "good.example": '@ 600 IN MX 10 m1\n@ 600 IN TXT "v=spf1 ip4:203.0.113.0/24 -all"\n'
    + "\n".join(f"m{n} 600 IN A 203.0.113.{n}" for n in range(256)),
}


def policy_of(zones: int) -> Policy:
    """Return a policy with so many lists; the first of them refuses by itself."""
    lists = [
        {
            "name": f"z{n}",
            "zone": f"z{n}.example.org",
            "kinds": ["ip4", "ip6"],
            "checks": ["client"],
            "score": 7.0 if n == 0 else 2.0,
            "policy_list": n == 0,
        }
        for n in range(zones)
    ]
    return Policy.model_validate({"reputation": {"zones": lists}})


async def cost(checker: Checker, items: Sequence[Item], policy: Policy, seconds: float) -> float:
    """Return microseconds of this process's CPU per item; every answer is in the cache before."""
    for item in items:
        await checker.check(item, policy, time.monotonic() + 2)
    begun, end, count = time.process_time(), time.monotonic() + seconds, 0
    while time.monotonic() < end:
        for item in items:
            await checker.check(item, policy, time.monotonic() + 2)
        count += len(items)
    return (time.process_time() - begun) / count * 1e6


def serve_lists(dns: DnsServer, zones: int) -> None:
    """Serve the lists; the first has half of the addresses."""
    for n in range(zones):
        listing = dns.listing(f"z{n}.example.org", DnsList(ttl=600))
        for host in range(CLIENTS) if n == 0 else ():
            listing.add(f"198.51.100.{host}")


async def main(seconds: float, zones: int) -> None:
    """Measure, and print a line each."""
    policy, clock, registry = policy_of(zones), SystemClock(), CollectorRegistry()
    metrics = declare(registry)
    async with AsyncExitStack() as stack:
        dns = await stack.enter_async_context(dns_server(ZONES))
        serve_lists(dns, zones)
        resolver = await stack.enter_async_context(
            open_resolver(dns.address, clock=clock, metrics=metrics.dns, limits=DNS_LIMITS)
        )
        keeper = await stack.enter_async_context(
            Keeper(resolver, {}, clock, metrics.lists, secrets.token_bytes)
        )
        keeper.follow(policy)
        parts = parts_of(Strangers(), resolver, keeper, clock, metrics)
        checker = Checker(parts, clock, metrics)
        for name, items in {
            "unknown client": [_client(f"203.0.113.{n}") for n in range(CLIENTS)],
            "listed client": [_client(f"198.51.100.{n}") for n in range(CLIENTS)],
            "sender": [_sender(f"203.0.113.{n}", n) for n in range(CLIENTS)],
        }.items():
            micros = await cost(checker, items, policy, seconds)
            print(f"{name:16} {micros:8.0f} µs of CPU an item, {zones} lists")


def _client(ip: str) -> Item:
    return Item(Phase.CONNECT, Session("s", Listener.MX, ip))


def _sender(ip: str, number: int) -> Item:
    session = Session("s", Listener.MX, ip, helo=f"m{number}.good.example")
    known = ClientFacts(host=f"m{number}.good.example")
    return Item(Phase.MAIL, session, known, "ann@good.example")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--zones", type=int, default=6)
    options = parser.parse_args()
    asyncio.run(main(options.seconds, options.zones))
