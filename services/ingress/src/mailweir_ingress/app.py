"""The wiring of the ingress."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Final

import grpc.aio

from mailweir_core.record import Listener
from mailweir_ingress.adapters import greylist, ratelimit, reputation
from mailweir_ingress.adapters.accounts import BusAccounts
from mailweir_ingress.adapters.bans import BusBans
from mailweir_ingress.adapters.disk import Disk, OwnDisk
from mailweir_ingress.adapters.keeper import BusKeeper
from mailweir_ingress.adapters.keys import KeyDirectory, MemoryKeys
from mailweir_ingress.adapters.passes import BusPasses
from mailweir_ingress.adapters.probe import SmtpProbe
from mailweir_ingress.adapters.scoring import METHOD, GrpcScorer
from mailweir_ingress.adapters.tls import reload_when_changed, server_context
from mailweir_ingress.doors import Bound, Listening, open_doors
from mailweir_ingress.edge import Edge, Services
from mailweir_ingress.metrics import Metrics, declare
from mailweir_ingress.policy.clientele import warning
from mailweir_ingress.ports import Scorer, SigningKeys
from mailweir_ingress.receiving import Means, Receiver
from mailweir_ingress.rules import CurrentRules
from mailweir_ingress.settings import Settings
from mailweir_ingress.smtp.budget import MemoryBudget
from mailweir_ingress.smtp.house import Door, House
from mailweir_ingress.smtp.lobby import Lobby
from mailweir_ingress.smtp.sessions import Sessions
from mailweir_ingress.smtp.strain import Strain
from mailweir_runtime.bus.nats import connect_bus
from mailweir_runtime.bus.ports import Bus, BusUnavailable
from mailweir_runtime.config import ConfigWatch, HasPolicy
from mailweir_runtime.heartbeat import heartbeat
from mailweir_runtime.lifecycle import Runtime, StartupError
from mailweir_runtime.listen import HostPort, parse_host_port
from mailweir_runtime.logs import get_logger
from mailweir_runtime.rpc import open_channel, serve_health
from mailweir_runtime.settings import ServiceSettings

DRAIN_SHARE: Final = 0.9
"""Part of the drain time that sessions get; the rest is for the records of their ends."""

CLIENTS_PART: Final = "clients"

BANS_SECONDS: Final = 2.0
"""How long the doors stay shut at the start until the bans are read."""

_log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Address:
    """A door to open: which kind, and where."""

    listener: Listener
    where: HostPort


@dataclass(frozen=True, slots=True)
class Ingress:
    """A running ingress: where its doors are, and its sessions."""

    bound: Bound
    sessions: Sessions


async def main(rt: Runtime, settings: Settings) -> None:
    """Serve until the process is told to stop."""
    tls = _tls(settings)
    async with AsyncExitStack() as stack:
        bus = await stack.enter_async_context(connect_bus(rt))
        config = await stack.enter_async_context(ConfigWatch(rt, bus))
        try:
            await config.first(settings.connect_seconds)
        except BusUnavailable as error:
            raise StartupError(f"no policy: {error}") from error
        channel = open_channel(settings.scoring_target, idempotent=[METHOD])
        scorer = GrpcScorer(await stack.enter_async_context(channel))
        stack.push_async_callback(scorer.aclose)
        if tls is not None and settings.tls_cert_file and settings.tls_key_file:
            files = (settings.tls_cert_file, settings.tls_key_file)
            await stack.enter_async_context(rt.background(reload_when_changed(tls, *files)))
        services = await stack.enter_async_context(edge_services(settings))
        addresses = addresses_of(settings)
        # before the doors, so that it ends after them: in the drain it says "not serving"
        await stack.enter_async_context(serve_health(rt, settings.health_listen))
        await stack.enter_async_context(
            build(rt, bus, config, scorer, addresses, tls=tls, services=services)
        )
        await stack.enter_async_context(rt.background(heartbeat(rt, bus, config)))
        rt.ready()
        await rt.stopping.wait()


@asynccontextmanager
async def edge_services(settings: Settings) -> AsyncIterator[Services]:
    """Yield the services of the edge whose targets are set, connected while the block lasts."""
    async with AsyncExitStack() as stack:

        async def channel(target: str, *idempotent: str) -> grpc.aio.Channel:
            return await stack.enter_async_context(open_channel(target, idempotent=idempotent))

        who = when = much = None
        if settings.reputation_target:
            opened = await channel(settings.reputation_target, reputation.METHOD)
            who = reputation.GrpcReputation(opened)
            stack.push_async_callback(who.aclose)
        if settings.greylist_target:
            when = greylist.GrpcGreylist(await channel(settings.greylist_target, greylist.METHOD))
            stack.push_async_callback(when.aclose)
        if settings.ratelimit_target:
            much = ratelimit.GrpcRatelimit(await channel(settings.ratelimit_target))
            stack.push_async_callback(much.aclose)
        yield Services(who, when, much)


def addresses_of(settings: Settings) -> list[Address]:
    """Return the doors that the settings name."""
    named = {
        Listener.MX: settings.mx_listen,
        Listener.SUBMISSION: settings.submission_listen,
        Listener.SUBMISSIONS: settings.submissions_listen,
    }
    return [
        Address(listener, parse_host_port(where))
        for listener, all_ in named.items()
        for where in all_
    ]


def _disk(settings: ServiceSettings) -> Disk | None:
    if not isinstance(settings, Settings) or settings.store_directory is None:
        return None
    return OwnDisk(settings.store_directory, settings.store_free_bytes)


@asynccontextmanager
async def _signing_keys(rt: Runtime, metrics: Metrics) -> AsyncIterator[SigningKeys]:
    settings = rt.settings
    if not isinstance(settings, Settings) or settings.signing_keys_dir is None:
        yield MemoryKeys()
        return
    directory = settings.signing_keys_dir
    keys = await asyncio.to_thread(KeyDirectory, directory, metrics.signing_keys)
    async with rt.background(keys.follow()):
        yield keys


def _tls(settings: Settings) -> ssl.SSLContext | None:
    if settings.tls_cert_file is None or settings.tls_key_file is None:
        return None
    return server_context(settings.tls_cert_file, settings.tls_key_file)


@asynccontextmanager
async def build(  # noqa: PLR0913 - one argument per part of what is around it
    rt: Runtime,
    bus: Bus,
    config: HasPolicy,
    scorer: Scorer,
    addresses: Sequence[Address],
    *,
    tls: ssl.SSLContext | None = None,
    services: Services | None = None,
) -> AsyncIterator[Ingress]:
    """Serve SMTP at the addresses while the block lasts, then drain. Raises StartupError."""
    metrics = declare(rt.registry)
    rules = CurrentRules(config)
    edge = Edge(services or Services(), rules, rt.clock, metrics)
    keeper = BusKeeper(bus, rt.settings.shard, rt.version, metrics, _disk(rt.settings))
    accounts = BusAccounts(bus)
    sessions = Sessions(rules, rt.clock)
    budget = MemoryBudget(lambda: rules().policy.session.memory_bytes)
    metrics.memory.set_function(lambda: budget.used)
    bans, passes = BusBans(bus, rt.clock, rt.instance), BusPasses(bus, rt.clock, metrics)
    metrics.gate.bans.set_function(lambda: len(bans.index))
    strain = Strain(rules, rt.clock, sessions, budget)
    strain.tell(metrics.gate.shedding, metrics.gate.lag, metrics.gate.shed)
    async with AsyncExitStack() as stack:
        keys = await stack.enter_async_context(_signing_keys(rt, metrics))
        receiver = Receiver(Means(scorer, keeper, keys, edge), metrics, rt.clock, rt.version)
        house = House(
            rules=rules,
            clock=rt.clock,
            sessions=sessions,
            budget=budget,
            receive=strain.watched(receiver),
            probe=SmtpProbe(rt.clock, metrics),
            accounts=accounts,
            edge=edge,
            bans=bans,
            passes=passes,
            keeper=keeper,
            metrics=metrics,
            log=get_logger("mailweir_ingress.session").bind(),
            pause=asyncio.sleep,
            lets_in=strain.lets_in,
        )
        house.clientele.changed = partial(_tell_of_clients, rt, house)
        doors = {listener: Door(listener, tls, house) for listener in Listener}
        plan = [Listening(doors[address.listener], address.where) for address in addresses]
        stack.push_async_callback(keeper.flush)
        for work in (
            keeper.write_notes, accounts.follow, sessions.sweep_forever, passes.store, strain.measure_forever,
        ):  # fmt: skip
            await stack.enter_async_context(rt.background(work()))
        lobby = await stack.enter_async_context(_lobby(rt, house, bans))
        stack.push_async_callback(_drain, rt, sessions)
        bound = await stack.enter_async_context(open_doors(plan, lobby))
        for listener, places in bound.items():
            _log.info("listening", listener=listener, at=[str(place) for place in places])
        yield Ingress(bound, sessions)


@asynccontextmanager
async def _lobby(rt: Runtime, house: House, bans: BusBans) -> AsyncIterator[Lobby]:
    """Yield what gates share, once the bans are known or take too long.

    At the end no connection without a session is left, and what was turned away is recorded.
    """
    lobby = Lobby(house, rt.tasks.create_task)
    house.metrics.gate.waiting.set_function(lambda: lobby.waiting)
    bans.subscribe(lobby.enforce)
    sweeping = rt.background(lobby.turned_away.sweep_forever())
    async with rt.background(bans.follow()), sweeping:
        if not await bans.first(BANS_SECONDS):
            _log.warning("bans_not_read_yet", detail="nobody is banned until they are")
        try:
            yield lobby
        finally:
            lobby.cut()
            lobby.turned_away.flush()


def _tell_of_clients(rt: Runtime, house: House) -> None:
    """Say where it is seen that all clients have one address, or that they have their own again."""
    clientele = house.clientele
    house.metrics.gate.masked.set(clientele.masked)
    if not clientele.masked:
        rt.recovered(CLIENTS_PART)
        return
    detail = warning(clientele.addresses)
    rt.degraded(detail, part=CLIENTS_PART)
    _log.warning("clients_share_an_address", addresses=clientele.addresses, detail=detail)


async def _drain(rt: Runtime, sessions: Sessions) -> None:
    """Let sessions end in what is left of the drain time; in a test's end, at once."""
    seconds = rt.drain_remaining() * DRAIN_SHARE if rt.stopping.is_set() else 1.0
    left = await sessions.drain(seconds)
    if left:
        _log.warning("sessions_cut_off", sessions=left)
        sessions.cut()
