"""Several processes at once on a real broker: what one makes of an entry holds for all."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from mailweir_core.clock import SystemClock
from mailweir_greylist.adapters.store import KvStore
from mailweir_greylist.checking import Checker
from mailweir_greylist.metrics import declare
from mailweir_greylist.policy.keys import client_key
from mailweir_greylist.policy.question import Question
from mailweir_policy.greylist import GreylistPolicy
from mailweir_testkit.nats import connected_bus, running_server

pytestmark = [pytest.mark.integration, pytest.mark.timeout(60)]
POLICY = GreylistPolicy(delay_seconds=1.5, pending_seconds=60, answer_seconds=5)


async def test_of_many_at_once_one_is_first_and_one_returns(ask: Callable[..., Question]) -> None:
    async with running_server() as nats, connected_bus(nats.url) as a, connected_bus(nats.url) as b:
        metrics = declare(CollectorRegistry())
        clock = SystemClock()
        stores = [KvStore(bus, metrics) for bus in (a, b)]
        checkers = [Checker(stores[n % 2], clock, metrics) for n in range(20)]

        async def all_at_once() -> list[str]:
            async with asyncio.TaskGroup() as tasks:
                asked: list[Any] = [
                    tasks.create_task(checker.check([ask()], POLICY)) for checker in checkers
                ]
            return [str(answer.finding) for task in asked for ((answer,),) in [task.result()]]

        found = await all_at_once()
        assert sorted(found) == ["early"] * 19 + ["first"]
        await asyncio.sleep(1.6)
        found = await all_at_once()
        assert sorted(found) == ["authorised"] * 19 + ["returned"]
        key = client_key("192.0.2.0/24")
        client = (await stores[0].read([key]))[key].entry
        assert client is not None
        assert client.passes == 1
        assert sum(checker.tally.deferred for checker in checkers) == 1
        assert sum(checker.tally.returned for checker in checkers) == 1
