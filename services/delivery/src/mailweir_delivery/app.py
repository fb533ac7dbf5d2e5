"""Wires delivery: the bus, the policy, next hops, the pull loop."""

import ssl
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager

from mailweir_delivery.adapters.ledger import Ledger
from mailweir_delivery.adapters.mail_hosts import DnsMailHosts
from mailweir_delivery.adapters.maildir import MaildirCarrier
from mailweir_delivery.adapters.smtp.carrier import SmtpCarrier
from mailweir_delivery.adapters.smtp.late import LateReplies
from mailweir_delivery.adapters.smtp.terms import TlsContexts
from mailweir_delivery.attempt import Tools
from mailweir_delivery.budget import ByteBudget
from mailweir_delivery.dispatch import Dispatcher, Outside
from mailweir_delivery.lanes import Lanes
from mailweir_delivery.metrics import Metrics, declare
from mailweir_delivery.policy.routing import Kind
from mailweir_delivery.ports import Carrier, MailHosts
from mailweir_delivery.service import Deliverer
from mailweir_delivery.settings import Settings
from mailweir_runtime.bus.nats import connect_bus
from mailweir_runtime.bus.ports import Bus, BusUnavailable
from mailweir_runtime.bus.pull import pull
from mailweir_runtime.bus.topology import DELIVERER
from mailweir_runtime.config import ConfigWatch
from mailweir_runtime.dns import declare as declare_dns, open_resolver, system_nameservers
from mailweir_runtime.heartbeat import heartbeat
from mailweir_runtime.lifecycle import Runtime, StartupError
from mailweir_runtime.rpc import serve_health


async def main(rt: Runtime, settings: Settings) -> None:
    """Deliver until `rt.stopping`, then end what is in flight."""
    contexts = tls_contexts(settings)
    async with (
        mail_hosts(rt, settings) as hosts,
        connect_bus(rt) as bus,
        ConfigWatch(rt, bus) as config,
        rt.background(heartbeat(rt, bus, config), name="heartbeat"),
        serve_health(rt, settings.health_listen),
    ):
        try:
            await config.first(settings.connect_seconds)
        except BusUnavailable as error:
            raise StartupError(str(error)) from error
        with next_hops(hosts, contexts, declare(rt.registry, rt.clock)) as outside:
            await _deliver(rt, settings, bus, config, outside)


async def _deliver(
    rt: Runtime, settings: Settings, bus: Bus, config: ConfigWatch, outside: Outside
) -> None:
    lanes = Lanes(rt.clock)
    dispatcher = Dispatcher(outside, lanes, rt.clock)
    tools = Tools(dispatcher, Ledger(bus, outside.metrics), outside.metrics, rt.clock)
    budget = ByteBudget(settings.body_memory_bytes)
    deliverer = Deliverer(bus, config, tools, budget, rt.stopping)
    rt.ready()
    async with rt.background(_stop_lanes(rt, lanes), name="stop-lanes"):
        await pull(
            bus,
            DELIVERER,
            deliverer.handle,
            concurrency=settings.workers,
            stopping=rt.stopping,
        )


async def _stop_lanes(rt: Runtime, lanes: Lanes) -> None:
    """Give back at once what waits for a place when the process is to end."""
    await rt.stopping.wait()
    lanes.stop()


@contextmanager
def next_hops(hosts: MailHosts, contexts: TlsContexts, metrics: Metrics) -> Iterator[Outside]:
    """Hold what speaks to next hops; their connections are closed at the end."""
    late = LateReplies(metrics)
    smtp = SmtpCarrier(contexts, late, metrics)
    carriers: Mapping[Kind, Carrier] = {
        Kind.SMTP: smtp,
        Kind.LMTP: smtp,
        Kind.MAILDIR: MaildirCarrier(),
    }
    try:
        yield Outside(carriers, hosts, late, metrics)
    finally:
        smtp.close()
        late.close()


@asynccontextmanager
async def mail_hosts(rt: Runtime, settings: Settings) -> AsyncIterator[MailHosts]:
    """Hold the DNS as the settings name it, the system's where they do not; raises StartupError."""
    try:
        servers = settings.dns or system_nameservers()
    except ValueError as error:
        raise StartupError(f"dns: {error}") from error
    metrics = declare_dns(rt.registry, "delivery")
    async with open_resolver(servers, clock=rt.clock, metrics=metrics) as resolver:
        yield DnsMailHosts(resolver)


def tls_contexts(settings: Settings) -> TlsContexts:
    """Return how to encrypt; raises StartupError for a file of authorities that cannot be read."""
    try:
        return TlsContexts.load(str(settings.tls_ca_file or ""))
    except (OSError, ssl.SSLError) as error:
        raise StartupError(f"tls_ca_file {settings.tls_ca_file}: {error}") from error
