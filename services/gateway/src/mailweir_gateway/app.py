"""The wiring of the gateway."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from mailweir_gateway.accounts import Accounts
from mailweir_gateway.adapters.greylist import connect_greylist
from mailweir_gateway.adapters.http_server import serve_http
from mailweir_gateway.adapters.quarantine import connect_quarantine
from mailweir_gateway.adapters.ratelimit import connect_ratelimit
from mailweir_gateway.adapters.reputation import connect_reputation
from mailweir_gateway.adapters.sql import MIGRATIONS, SCHEMA, SqlKeys
from mailweir_gateway.first_start import (
    admin_key,
    demo_account,
    first_policy,
    follow_admin_key,
)
from mailweir_gateway.lists import Lists
from mailweir_gateway.metrics import declare
from mailweir_gateway.ports import Keys
from mailweir_gateway.service import build
from mailweir_gateway.settings import Settings
from mailweir_gateway.tools import Tools
from mailweir_runtime.bus.holdings import watch_holdings
from mailweir_runtime.bus.nats import connect_bus
from mailweir_runtime.bus.ports import Bus, BusError
from mailweir_runtime.config import ConfigWatch, InvalidDocument
from mailweir_runtime.heartbeat import heartbeat
from mailweir_runtime.lifecycle import Runtime, StartupError
from mailweir_runtime.logs import get_logger
from mailweir_runtime.rpc import serve_health
from mailweir_runtime.sql import SqlError, migrate, open_database

_log = get_logger(__name__)


async def main(rt: Runtime, settings: Settings) -> None:
    """Serve until the process is told to stop."""
    async with (
        open_keys(settings.database_url, settings.connect_seconds) as keys,
        connect_bus(rt) as bus,
        connect_quarantine(settings.quarantine_target) as quarantine,
        connect_reputation(settings.reputation_target) as reputation,
        connect_greylist(settings.greylist_target) as greylist,
        connect_ratelimit(settings.ratelimit_target) as ratelimit,
    ):
        accounts = Accounts(bus)
        await prepare(rt, settings, keys, bus, accounts)
        metrics = declare(rt.registry)
        metrics.room.of(settings.database_url)
        watch = watch_holdings(bus, metrics.holdings, settings.store_limit_bytes)
        tools = Tools(
            quarantine=quarantine,
            ratelimit=ratelimit,
            greylist=greylist,
            reputation=reputation,
            bus=bus,
            keys=keys,
            accounts=accounts,
            lists=Lists(bus, rt.clock),
            metrics=metrics,
            clock=rt.clock,
            version=rt.version,
            services=settings.services,
            state=lambda: rt.state,
        )
        async with (
            ConfigWatch(rt, bus) as config,
            rt.background(heartbeat(rt, bus, config), name="heartbeat"),
            rt.background(watch, name="holdings"),
            rt.background(follow_admin_key(keys, settings.key_file, rt.clock), name="admin-key"),
            serve_http(rt, settings.listen, build(tools)) as address,
            serve_health(rt, settings.health_listen),
        ):
            _log.info("http_listening", url=f"http://{address}")
            rt.ready()
            await rt.stopping.wait()


async def prepare(
    rt: Runtime, settings: Settings, keys: Keys, bus: Bus, accounts: Accounts
) -> None:
    """Make what the first start makes; raises StartupError."""
    try:
        await admin_key(keys, settings.key_file, rt.clock)
        await demo_account(bus, accounts, settings.demo_password_file)
        await first_policy(bus, settings.initial_policy_file, rt.clock)
    except SqlError as error:
        raise StartupError(f"cannot use the database: {error}") from error
    except (BusError, InvalidDocument) as error:
        raise StartupError(f"the first start cannot be finished: {error}") from error


@asynccontextmanager
async def open_keys(url: str, seconds: float) -> AsyncIterator[Keys]:
    """Open the database and bring its schema up to date.

    Raises StartupError where it does not answer within `seconds`.
    """
    async with open_database(url, schema=SCHEMA) as database:
        try:
            await migrate(database, MIGRATIONS, patience_seconds=seconds)
        except SqlError as error:
            raise StartupError(f"cannot use the database: {error}") from error
        yield SqlKeys(database)
