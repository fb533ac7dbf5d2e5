"""Lanes: who gets a place at a destination, who waits, who is put back."""

import asyncio

import pytest

from mailweir_core.clock import ManualClock
from mailweir_delivery.lanes import (
    MAX_LANES,
    PUT_BACK_FIRST_SECONDS,
    PUT_BACK_MOST_SECONDS,
    Lane,
    Lanes,
    PutBack,
    Suspended,
)
from mailweir_delivery.policy.window import FIRST_SIZE, SUSPEND_AFTER

LIMIT = 20
PATIENCE = 0.05


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def lanes(clock: ManualClock) -> Lanes:
    return Lanes(clock, PATIENCE)


async def enter(lanes: Lanes, destination: str = "x") -> Lane:
    lane = await lanes.enter(destination, LIMIT)
    assert isinstance(lane, Lane)
    return lane


async def fill(lanes: Lanes, destination: str = "x") -> list[Lane]:
    return [await enter(lanes, destination) for _ in range(FIRST_SIZE)]


async def test_a_full_lane_lets_the_next_one_wait_for_a_place(lanes: Lanes) -> None:
    inside = await fill(lanes)
    async with asyncio.TaskGroup() as tasks:
        waiting = tasks.create_task(enter(lanes))
        await asyncio.sleep(0)
        assert not waiting.done()
        lanes.leave(inside.pop(), 0.01, LIMIT)
    assert waiting.result() is inside[0]
    assert waiting.result().in_use == FIRST_SIZE


async def test_success_widens_the_lane(lanes: Lanes) -> None:
    for _ in range(30):
        lanes.leave(await enter(lanes), 0.01, LIMIT)
    for _ in range(LIMIT):
        await enter(lanes)
    assert isinstance(await lanes.enter("x", LIMIT), PutBack)


async def test_other_destinations_do_not_notice(lanes: Lanes) -> None:
    await fill(lanes)
    assert isinstance(await lanes.enter("x", LIMIT), PutBack)
    await enter(lanes, "y")


async def test_who_waits_in_vain_is_put_back_and_the_others_at_once(lanes: Lanes) -> None:
    await fill(lanes)
    loop = asyncio.get_running_loop()
    begun = loop.time()
    assert isinstance(await lanes.enter("x", LIMIT), PutBack)
    assert loop.time() - begun >= PATIENCE * 0.9
    begun = loop.time()
    for _ in range(50):
        assert isinstance(await lanes.enter("x", LIMIT), PutBack)
    assert loop.time() - begun < PATIENCE


async def test_a_slow_transaction_does_not_end_the_haste_but_a_quick_one_does(lanes: Lanes) -> None:
    inside = await fill(lanes)
    await lanes.enter("x", LIMIT)
    lane = inside.pop()
    assert lane.slow
    lanes.leave(lane, PATIENCE * 2, LIMIT)
    assert lane.slow
    lanes.leave(inside.pop(), PATIENCE / 2, LIMIT)
    assert not lane.slow


async def test_what_is_put_back_spreads_over_time(lanes: Lanes, clock: ManualClock) -> None:
    await fill(lanes)
    await lanes.enter("x", LIMIT)
    delays = []
    for _ in range(200):
        refusal = await lanes.enter("x", LIMIT)
        assert isinstance(refusal, PutBack)
        delays.append(refusal.delay_seconds)
    assert delays == sorted(delays)
    assert delays[0] >= PUT_BACK_FIRST_SECONDS
    assert delays[-1] - delays[0] > 3
    for _ in range(5000):
        refusal = await lanes.enter("x", LIMIT)
        assert isinstance(refusal, PutBack)
        assert refusal.delay_seconds <= PUT_BACK_MOST_SECONDS
    clock.advance(120)
    refusal = await lanes.enter("x", LIMIT)
    assert isinstance(refusal, PutBack)
    assert refusal.delay_seconds < PUT_BACK_FIRST_SECONDS + 0.1


async def test_faults_suspend_the_lane_and_send_away_who_waits(
    lanes: Lanes, clock: ManualClock
) -> None:
    inside = await fill(lanes)
    async with asyncio.TaskGroup() as tasks:
        waiting = tasks.create_task(lanes.enter("x", LIMIT))
        await asyncio.sleep(0)
        suspends = [lanes.leave_with_fault(lane, "refused", 30.0) for lane in inside]
    assert suspends == [False] * (SUSPEND_AFTER - 1) + [True] + [False] * (
        FIRST_SIZE - SUSPEND_AFTER
    )
    assert waiting.result() == Suspended("refused")
    assert await lanes.enter("x", LIMIT) == Suspended("refused")
    clock.advance(30)
    await enter(lanes)  # one may try
    assert isinstance(await lanes.enter("x", LIMIT), PutBack)


async def test_a_fault_shrinks_the_lane_until_it_has_emptied(lanes: Lanes) -> None:
    first, *others = await fill(lanes)
    lanes.leave_with_fault(first, "refused", 30.0)
    assert isinstance(await lanes.enter("x", LIMIT), PutBack)
    for lane in others:
        lanes.abandon(lane, LIMIT)
    await enter(lanes)


async def test_stopping_sends_everybody_away_at_once(lanes: Lanes) -> None:
    await fill(lanes)
    async with asyncio.TaskGroup() as tasks:
        waiting = tasks.create_task(lanes.enter("x", LIMIT))
        await asyncio.sleep(0)
        lanes.stop()
    assert waiting.result() == PutBack(0.0, "stopping")
    assert await lanes.enter("fresh", LIMIT) == PutBack(0.0, "stopping")


async def test_who_is_cancelled_while_waiting_takes_no_place(lanes: Lanes) -> None:
    inside = await fill(lanes)
    async with asyncio.TaskGroup() as tasks:
        waiting = tasks.create_task(lanes.enter("x", LIMIT))
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.sleep(0)
        lanes.leave(inside[0], 0.01, LIMIT)
    assert inside[0].in_use == FIRST_SIZE - 1
    assert not inside[0].waiting


async def test_who_is_cancelled_in_the_moment_of_getting_a_place_gives_it_back(
    lanes: Lanes,
) -> None:
    inside = await fill(lanes)
    async with asyncio.TaskGroup() as tasks:
        waiting = tasks.create_task(lanes.enter("x", LIMIT))
        await asyncio.sleep(0)
        lanes.leave(inside[0], 0.01, LIMIT)
        assert inside[0].in_use == FIRST_SIZE
        waiting.cancel()
    assert inside[0].in_use == FIRST_SIZE - 1


async def test_lanes_without_work_are_forgotten_before_there_are_too_many(lanes: Lanes) -> None:
    kept = await enter(lanes, "busy")
    for number in range(MAX_LANES + 10):
        lanes.leave(await enter(lanes, f"d{number}"), 0.01, LIMIT)
    assert len(lanes) == MAX_LANES
    assert await enter(lanes, "busy") is kept
