"""The wiring of the reputation service."""

import secrets
from typing import Final

import grpc.aio

from mailweir.reputation.v1 import reputation_pb2_grpc
from mailweir_core.clock import Clock
from mailweir_reputation.checking import Checker, Parts
from mailweir_reputation.health import Keeper
from mailweir_reputation.lists import Lists
from mailweir_reputation.metrics import Metrics, declare
from mailweir_reputation.names import Names
from mailweir_reputation.ports import Acquaintance
from mailweir_reputation.remembering import acquainted
from mailweir_reputation.service import Bounds, ReputationService
from mailweir_reputation.settings import Settings
from mailweir_runtime.bus.nats import connect_bus
from mailweir_runtime.bus.ports import BusUnavailable
from mailweir_runtime.config import ConfigWatch
from mailweir_runtime.dns import Limits, NoResolver, Resolver, open_resolver, read_keys
from mailweir_runtime.heartbeat import heartbeat
from mailweir_runtime.lifecycle import Runtime, StartupError
from mailweir_runtime.rpc import serve

DNS_LIMITS: Final = Limits(breaker_longest=30.0)
"""Lists are watched by their health, so the breakers are for other names, which soon deserve another try."""


async def main(rt: Runtime, settings: Settings) -> None:
    """Serve until the process is told to stop."""
    metrics, keys = declare(rt.registry), load_keys(settings)
    async with (
        connect_bus(rt) as bus,
        ConfigWatch(rt, bus) as config,
        open_resolver(
            settings.dns, clock=rt.clock, metrics=metrics.dns, limits=DNS_LIMITS
        ) as resolver,
    ):
        try:
            await config.first(settings.connect_seconds)
        except BusUnavailable as error:
            raise StartupError(f"no policy: {error}") from error
        async with (
            acquainted(rt, bus, config, settings.asn_file, metrics.acquaintances) as acquaintance,
            Keeper(resolver, keys, rt.clock, metrics.lists, secrets.token_bytes) as keeper,
        ):
            config.subscribe(lambda snapshot: keeper.follow(snapshot.policy))
            parts = parts_of(acquaintance, resolver, keeper, rt.clock, metrics)
            service = ReputationService(
                Checker(parts, rt.clock, metrics),
                acquaintance,
                keeper,
                config,
                rt.clock,
                bounds=Bounds(settings.batch_items, settings.reply_seconds),
            )

            def register(server: grpc.aio.Server) -> None:
                reputation_pb2_grpc.add_ReputationServiceServicer_to_server(service, server)

            async with (
                rt.background(heartbeat(rt, bus, config), name="heartbeat"),
                serve(rt, settings.listen, register),
            ):
                rt.ready()
                await rt.stopping.wait()


def parts_of(
    acquaintance: Acquaintance,
    resolver: Resolver,
    keeper: Keeper,
    clock: Clock,
    metrics: Metrics,
) -> Parts:
    """Return who is asked; nobody about names and lists where look-ups are switched off."""
    if isinstance(resolver, NoResolver):
        return Parts(acquaintance)
    lists = Lists(resolver, keeper, clock, metrics.lists)
    return Parts(acquaintance, lists, Names(resolver, clock))


def load_keys(settings: Settings) -> dict[str, str]:
    """Return the keys of DNS lists; raises StartupError where they cannot be read."""
    try:
        return read_keys(settings.list_keys_dir)
    except (OSError, ValueError) as error:
        raise StartupError(f"list_keys_dir: {error}") from error
