"""From a setting to a resolver that is ready to be asked."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Annotated, Final

import dns.resolver
from pydantic import AfterValidator, Field

from mailweir_core.clock import Clock
from mailweir_core.net import parse_ip
from mailweir_runtime.dns.breaker import last_labels
from mailweir_runtime.dns.caching import CachingResolver, Limits
from mailweir_runtime.dns.memory import NoResolver
from mailweir_runtime.dns.metrics import DnsMetrics
from mailweir_runtime.dns.nameservers import NameServers
from mailweir_runtime.dns.ports import Resolver
from mailweir_runtime.listen import HostPort, parse_host_port

MOST_SERVERS: Final = 8
DNS_PORT: Final = 53


def parse_nameservers(text: str) -> tuple[HostPort, ...]:
    """Return the servers in `address:port, …`; none for an empty text. Raises ValueError with a sentence."""
    servers = tuple(parse_host_port(item) for item in text.split(",") if item.strip())
    for server in servers:
        if parse_ip(server.host) is None or not server.port:
            raise ValueError(f"{server} is no name server: write address:port, the address as IP")
    if len(servers) > MOST_SERVERS:
        raise ValueError(f"at most {MOST_SERVERS} name servers")
    return servers


def system_nameservers() -> str:
    """Return the name servers of this machine in the same form; raises ValueError where it has none."""
    try:
        found = dns.resolver.Resolver().nameservers
    except dns.resolver.NoResolverConfiguration as error:
        raise ValueError("this machine names no name server") from error
    hosts = [server for server in found if isinstance(server, str) and parse_ip(server)]
    return ",".join(str(HostPort(host, DNS_PORT)) for host in hosts[:MOST_SERVERS])


def _checked(text: str) -> str:
    return ",".join(map(str, parse_nameservers(text)))


NameServersText = Annotated[str, AfterValidator(_checked), Field(examples=["127.0.0.1:53"])]
"""Name servers as a setting has them."""


@asynccontextmanager
async def open_resolver(
    nameservers: str,
    *,
    clock: Clock,
    metrics: DnsMetrics,
    limits: Limits | None = None,
    zone_of: Callable[[str], str] = last_labels,
) -> AsyncIterator[Resolver]:
    """Yield a resolver that asks the name servers, or one that is switched off where none is named.

    Raises ValueError as `parse_nameservers` does.
    """
    servers = parse_nameservers(nameservers)
    if not servers:
        yield NoResolver()
        return
    upstream = NameServers(servers, clock, metrics)
    async with CachingResolver(upstream, clock, metrics, limits, zone_of) as resolver:
        yield resolver
