"""The wiring of the reputation service."""

import grpc.aio

from mailweir.reputation.v1 import reputation_pb2_grpc
from mailweir_reputation.adapters.strangers import Strangers
from mailweir_reputation.checking import Checker
from mailweir_reputation.metrics import declare
from mailweir_reputation.service import ReputationService
from mailweir_reputation.settings import Settings
from mailweir_runtime.bus.nats import connect_bus
from mailweir_runtime.bus.ports import BusUnavailable
from mailweir_runtime.config import ConfigWatch
from mailweir_runtime.dns import open_resolver
from mailweir_runtime.heartbeat import heartbeat
from mailweir_runtime.lifecycle import Runtime, StartupError
from mailweir_runtime.rpc import serve


async def main(rt: Runtime, settings: Settings) -> None:
    """Serve until the process is told to stop."""
    metrics = declare(rt.registry)
    async with (
        connect_bus(rt) as bus,
        ConfigWatch(rt, bus) as config,
        open_resolver(settings.dns, clock=rt.clock, metrics=metrics.dns),
    ):
        try:
            await config.first(settings.connect_seconds)
        except BusUnavailable as error:
            raise StartupError(f"no policy: {error}") from error
        acquaintance = Strangers()
        checker = Checker(acquaintance, rt.clock, metrics)
        service = ReputationService(
            checker,
            acquaintance,
            config,
            rt.clock,
            batch_items=settings.batch_items,
            reply_seconds=settings.reply_seconds,
        )

        def register(server: grpc.aio.Server) -> None:
            reputation_pb2_grpc.add_ReputationServiceServicer_to_server(service, server)

        async with (
            rt.background(heartbeat(rt, bus, config), name="heartbeat"),
            serve(rt, settings.listen, register),
        ):
            rt.ready()
            await rt.stopping.wait()
