"""The DNS: one port; behind it name servers with cache and breakers, records in memory, or nothing.

async with open_resolver("127.0.0.1:53", clock=rt.clock, metrics=declare(rt.registry, rt.name)) as dns:
    (answer,) = await dns.resolve((DnsQuestion("example.org", RecordType.MX),), 2.0)
"""

from mailweir_runtime.dns.caching import CachingResolver, Limits
from mailweir_runtime.dns.keys import read_keys
from mailweir_runtime.dns.memory import NoResolver, ZoneResolver
from mailweir_runtime.dns.metrics import DnsMetrics, declare
from mailweir_runtime.dns.opening import (
    NameServersText,
    open_resolver,
    parse_nameservers,
    system_nameservers,
)
from mailweir_runtime.dns.ports import Resolver, Upstream

__all__ = [
    "CachingResolver",
    "DnsMetrics",
    "Limits",
    "NameServersText",
    "NoResolver",
    "Resolver",
    "Upstream",
    "ZoneResolver",
    "declare",
    "open_resolver",
    "parse_nameservers",
    "read_keys",
    "system_nameservers",
]
