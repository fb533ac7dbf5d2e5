"""Waiting for a database: how long, how often it is said, and what happens when the process stops."""

import asyncio

import pytest
from prometheus_client import CollectorRegistry, Counter

from mailweir_quarantine import patience as module
from mailweir_quarantine.patience import Patience
from mailweir_runtime.bus.memory import MemoryBus
from mailweir_runtime.bus.topology import RECORDER, judged_subject
from mailweir_runtime.sql import SqlRefused, SqlUnavailable


class Runtime:
    def __init__(self) -> None:
        self.said: list[str] = []

    def degraded(self, detail: str, *, part: str = "") -> None:
        self.said.append(f"{part}: {detail}")

    def recovered(self, part: str = "") -> None:
        self.said.append(f"{part}: recovered")


class Flaky:
    """Work that fails so many times first."""

    def __init__(self, failures: int) -> None:
        self.left, self.calls = failures, 0

    async def __call__(self) -> None:
        self.calls += 1
        if self.left:
            self.left -= 1
            raise SqlUnavailable("locked")


@pytest.fixture
def rt() -> Runtime:
    return Runtime()


@pytest.fixture
def errors() -> Counter:
    return Counter("errors", "Errors.", ["operation"], registry=CollectorRegistry())


def counted(errors: Counter) -> float:
    return float(errors.labels("record")._value.get())


async def test_work_that_goes_through_is_done_once(rt: Runtime, errors: Counter) -> None:
    work = Flaky(0)
    assert await Patience(rt, errors, asyncio.Event()).keep((), "record", work)
    assert (work.calls, counted(errors)) == (1, 0)


async def test_it_is_tried_until_it_goes_through(rt: Runtime, errors: Counter) -> None:
    work = Flaky(3)
    patience = Patience(rt, errors, asyncio.Event(), first=0.001)
    assert await patience.keep((), "record", work)
    assert (work.calls, counted(errors)) == (4, 3)
    assert rt.said == [
        "database: the database does not answer: locked",
        "database: the database does not answer: locked",
        "database: the database does not answer: locked",
        "database: recovered",
    ]


async def test_pauses_grow_up_to_a_bound(
    rt: Runtime, errors: Counter, monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses: list[float] = []

    async def no_wait(self: Patience, seconds: float) -> bool:
        pauses.append(seconds)
        return False

    monkeypatch.setattr(Patience, "_stops_within", no_wait)
    await Patience(rt, errors, asyncio.Event()).keep((), "record", Flaky(8))
    assert pauses[0] == module.FIRST_SECONDS
    assert pauses == sorted(pauses)
    assert pauses[-1] == module.MOST_SECONDS


async def test_when_the_process_stops_the_messages_go_back_at_once(
    rt: Runtime, errors: Counter
) -> None:
    bus, stopping = MemoryBus(), asyncio.Event()
    for n in range(3):
        await bus.publish(judged_subject("s0", f"R{n}"), b"x")
    messages = await (await bus.consumer(RECORDER)).fetch(10, 0.1)
    await messages[0].park("unreadable")
    patience = Patience(rt, errors, stopping)
    asyncio.get_running_loop().call_later(0.01, stopping.set)
    async with asyncio.timeout(module.FIRST_SECONDS):
        assert not await patience.keep(messages, "record", Flaky(10**6))
    again = await (await bus.consumer(RECORDER)).fetch(10, 0.1)
    assert [message.attempt for message in again] == [2, 2]


async def test_what_will_never_go_through_is_not_waited_for(rt: Runtime, errors: Counter) -> None:
    async def refused() -> None:
        raise SqlRefused("too long")

    with pytest.raises(SqlRefused):
        await Patience(rt, errors, asyncio.Event()).keep((), "record", refused)
    assert rt.said == []
