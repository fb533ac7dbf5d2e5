"""The runtime's state, its drain, and the tasks it owns."""

import asyncio

import pytest

from mailweir_core.clock import ManualClock
from mailweir_runtime.runtime import STALL_SECONDS, Runtime, default_instance
from mailweir_runtime.settings import ServiceSettings
from mailweir_testkit.runtime import running_runtime


def state_metric(rt: Runtime, state: str) -> float | None:
    """Return the value of the state's sample."""
    return rt.registry.get_sample_value(
        f"mailweir_{rt.name}_state", {f"mailweir_{rt.name}_state": state}
    )


async def test_it_starts_starting_and_turns_ready() -> None:
    async with running_runtime() as rt:
        assert (rt.state, rt.serving) == ("starting", False)
        assert state_metric(rt, "starting") == 1.0
        rt.ready()
        assert (rt.state, rt.serving) == ("ready", True)
        assert state_metric(rt, "ready") == 1.0
        assert state_metric(rt, "starting") == 0.0


async def test_degraded_serves_and_says_why() -> None:
    async with running_runtime() as rt:
        rt.ready()
        rt.degraded("the list is old")

        assert (rt.state, rt.detail, rt.serving) == ("degraded", "the list is old", True)
        assert rt.readiness().ok
        assert rt.readiness().line == "degraded: the list is old"


async def test_ready_ends_degraded() -> None:
    async with running_runtime() as rt:
        rt.degraded("the list is old")
        assert rt.state == "starting"
        rt.ready()
        assert (rt.state, rt.detail) == ("ready", "")


async def test_parts_recover_each_for_itself() -> None:
    async with running_runtime() as rt:
        rt.ready()
        rt.degraded("no bus", part="bus")
        rt.degraded("old config", part="config")
        assert rt.detail == "no bus; old config"
        rt.recovered("bus")
        assert (rt.state, rt.detail) == ("degraded", "old config")
        rt.ready()  # says nothing about the configuration
        assert rt.state == "degraded"
        rt.recovered("config")
        assert rt.state == "ready"


async def test_recovering_from_nothing_is_nothing() -> None:
    async with running_runtime() as rt:
        rt.recovered("bus")
        assert rt.state == "starting"


async def test_draining_is_final() -> None:
    async with running_runtime() as rt:
        rt.ready()
        rt.drain()
        rt.ready()
        rt.degraded("late")

        assert rt.state == "draining"
        assert rt.stopping.is_set()
        assert not rt.readiness().ok


async def test_callbacks_hear_each_change_of_state_once() -> None:
    heard: list[str] = []
    async with running_runtime() as rt:
        rt.state_changed.append(heard.append)
        rt.ready()
        rt.ready()
        rt.degraded("one")
        rt.degraded("two")
        rt.recovered()
        rt.drain()
        rt.drain()

    assert heard == ["ready", "degraded", "ready", "draining"]


async def test_the_drain_has_an_end() -> None:
    clock = ManualClock()
    async with running_runtime(settings=ServiceSettings(drain_seconds=10), clock=clock) as rt:
        assert rt.drain_remaining() == float("inf")
        rt.drain()
        clock.advance(4)
        rt.drain()  # a second signal gives no more time
        assert rt.drain_remaining() == pytest.approx(6)
        clock.advance(60)
        assert rt.drain_remaining() == 0


async def test_a_loop_that_stands_still_is_not_alive() -> None:
    clock = ManualClock()
    async with running_runtime(clock=clock) as rt:
        assert rt.live().ok
        clock.advance(STALL_SECONDS + 0.1)
        assert not rt.live().ok
        assert "5.1 s" in rt.live().line


async def test_the_watch_notes_each_turn_and_its_lag() -> None:
    async with running_runtime() as rt:
        async with rt.background(rt.watch_loop()):
            await asyncio.sleep(0.6)
        turns = rt.registry.get_sample_value("mailweir_test_loop_lag_seconds_count")
        assert turns is not None
        assert turns >= 2
        assert rt.live().ok


async def test_background_work_ends_with_its_block() -> None:
    ended: list[str] = []

    async def forever() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            ended.append("work")

    async with running_runtime() as rt:
        async with rt.background(forever(), name="forever"):
            await asyncio.sleep(0)
        ended.append("block")

    assert ended == ["work", "block"]


async def test_background_work_that_is_done_is_left_alone() -> None:
    async def once() -> None:
        await asyncio.sleep(0)

    async with running_runtime() as rt, rt.background(once()) as task:
        await task
    assert not task.cancelled()


async def test_a_crash_in_the_background_ends_the_block() -> None:
    async def crash() -> None:
        raise ValueError("broken")

    with pytest.raises(ExceptionGroup) as caught:
        async with running_runtime() as rt, rt.background(crash()):
            await asyncio.sleep(5)

    assert caught.group_contains(ValueError, match="broken")


async def test_it_knows_who_it_is() -> None:
    async with running_runtime("ingress", ServiceSettings(instance="pod-1")) as rt:
        assert rt.instance == "pod-1"
        labels = {"version": rt.version, "instance": "pod-1"}
        assert rt.registry.get_sample_value("mailweir_ingress_build_info", labels) == 1.0


async def test_a_made_up_service_has_the_library_s_version() -> None:
    async with running_runtime("nonesuch") as rt:
        assert rt.version[0].isdigit()


def test_the_default_instance_fits_a_bus_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("socket.gethostname", lambda: "ma shine.ex*ample>")

    instance = default_instance()

    assert instance.startswith("ma-shine-ex-ample-")
    assert set(instance) <= set("abcdefghijklmnopqrstuvwxyz0123456789-")


def test_of_a_long_name_the_end_tells_pods_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    found = set()
    for pod in ("x2x9k", "q7r4m"):
        name = f"a-release-with-a-very-long-name-of-its-own-reputation-7cfd6b9c8b-{pod}"
        monkeypatch.setattr("socket.gethostname", lambda name=name: name)
        found.add(default_instance())

    assert len(found) == 2
    assert all(len(instance) < 64 for instance in found)
