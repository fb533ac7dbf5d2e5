"""The supervisor against real processes that serve, die, hang and never get up."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import psutil
import pytest

from mailweir_cli.up import child as child_module, supervisor as supervisor_module
from mailweir_cli.up.disk import Starvation
from mailweir_cli.up.plan import ProcessSpec
from mailweir_cli.up.status import Phase, Status
from mailweir_cli.up.supervisor import Supervisor

pytestmark = pytest.mark.integration

DUMMY = Path(__file__).with_name("dummy.py")


class Stage:
    """A supervisor over dummies, and what they wrote down."""

    def __init__(self, folder: Path, plays: dict[str, str], lock: int) -> None:
        self.notes = folder / "notes"
        self.changes: list[Status] = []
        specs = [
            ProcessSpec(
                name,
                (sys.executable, "-I", "-S", str(DUMMY), how, str(self.notes), name),
                "nowhere",
                probe_variable="DUMMY_METRICS",
            )
            for name, how in plays.items()
        ]
        surroundings = {"PATH": os.defpath}
        self.supervisor = Supervisor(
            specs, folder, surroundings, lock, self.changes.append, Starvation(folder)
        )

    def status(self, name: str) -> Status:
        return next(s for s in self.supervisor.statuses if s.name == name)

    async def until(self, name: str, phase: Phase, restarts: int = 0) -> Status:
        async with asyncio.timeout(10):
            while (s := self.status(name)).phase is not phase or s.restarts < restarts:
                await asyncio.sleep(0.01)
        return s

    def noted(self, word: str) -> list[str]:
        lines = [line.split() for line in self.notes.read_text().splitlines()]
        return [line[1] for line in lines if line[2] == word]


@asynccontextmanager
async def running(folder: Path, **plays: str) -> AsyncIterator[Stage]:
    lock = os.open(folder / "lock", os.O_RDWR | os.O_CREAT)
    stage = Stage(folder, plays, lock)
    try:
        async with stage.supervisor.running():
            yield stage
    finally:
        os.close(lock)


async def test_processes_start_become_ready_and_end_in_the_order_of_the_flow(
    tmp_path: Path,
) -> None:
    names = ("nats", "quarantine", "scoring", "delivery", "gateway", "ingress", "other")
    async with running(tmp_path, **dict.fromkeys(names, "serve")) as stage:
        async with asyncio.timeout(10):
            assert await stage.supervisor.wait_serving()
        assert stage.noted("start")[0] == "nats"
        assert {s.phase for s in stage.supervisor.statuses} == {Phase.READY}
        assert len({s.pid for s in stage.supervisor.statuses}) == len(names)
    ended = stage.noted("stop")
    assert [n for n in ended if n != "other"] == [
        "ingress", "scoring", "delivery", "quarantine", "gateway", "nats",
    ]  # fmt: skip
    assert ended.index("other") < ended.index("delivery")
    assert {s.phase for s in stage.supervisor.statuses} == {Phase.STOPPED}
    assert stage.supervisor.unclean == []


async def test_the_others_wait_for_the_first(tmp_path: Path) -> None:
    async with running(tmp_path, nats="silent", gateway="serve") as stage:
        await stage.until("nats", Phase.STARTING)
        await asyncio.sleep(0.3)
        assert stage.status("gateway").phase is Phase.WAITING


async def test_a_process_that_is_killed_comes_back(tmp_path: Path) -> None:
    async with running(tmp_path, gateway="serve") as stage:
        first = await stage.until("gateway", Phase.READY)
        os.kill(first.pid, signal.SIGKILL)
        second = await stage.until("gateway", Phase.READY, restarts=1)
        assert second.pid != first.pid
        assert "killed by SIGKILL" in next(
            s.detail for s in stage.changes if s.phase is Phase.BACKOFF
        )
        os.kill(second.pid, signal.SIGKILL)
        await stage.until("gateway", Phase.READY, restarts=2)
        assert stage.supervisor.failed is None


async def test_wrong_settings_end_the_attempt_at_once_with_the_one_line(tmp_path: Path) -> None:
    async with running(tmp_path, gateway="settings") as stage:
        await stage.until("gateway", Phase.FAILED)
        async with asyncio.timeout(5):
            assert not await stage.supervisor.wait_serving()
    failed = stage.supervisor.failed
    assert failed is not None
    assert (failed.exit_code, failed.status.restarts) == (2, 0)
    assert failed.status.detail == "MAILWEIR_X: 'loud' is no level"
    assert failed.reasons == ["MAILWEIR_Y: there is no such setting", failed.status.detail]


@pytest.mark.parametrize(("how", "code"), [("start", 3), ("crash", 1)])
async def test_a_start_that_never_succeeds_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str, code: int
) -> None:
    monkeypatch.setattr("mailweir_cli.up.backoff.FIRST_SECONDS", 0.01)
    async with running(tmp_path, gateway=how, ingress="serve") as stage:
        await stage.until("gateway", Phase.FAILED)
    failed = stage.supervisor.failed
    assert failed is not None
    assert failed.exit_code == code
    assert len(stage.noted("start")) >= 4
    assert stage.noted("stop") in ([], ["ingress"])
    if how == "start":
        assert failed.status.detail == "mailweir-x: cannot listen on 127.0.0.1:1"
        assert failed.reasons == [failed.status.detail]
    else:
        assert failed.reasons == [f"exit code 1, see {tmp_path}/gateway.log: ValueError: at last"]


async def test_a_process_that_the_system_cannot_start_is_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mailweir_cli.up.backoff.FIRST_SECONDS", 0.1)
    (tmp_path / "gateway.log").mkdir()
    async with running(tmp_path, gateway="serve") as stage:
        status = await stage.until("gateway", Phase.BACKOFF)
        assert status.detail.startswith("cannot be started: ")
        (tmp_path / "gateway.log").rmdir()
        await stage.until("gateway", Phase.READY, restarts=1)


async def test_the_first_process_begins_anew_when_a_full_disk_has_room_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervisor_module, "_TIDY_SECONDS", 0.02)
    over = [False]
    monkeypatch.setattr(Starvation, "is_over", lambda _: over.pop() if over else False)
    async with running(tmp_path, nats="serve", gateway="serve") as stage:
        await stage.until("gateway", Phase.READY)
        over.append(True)
        await stage.until("nats", Phase.READY, restarts=1)
        assert stage.noted("stop") == ["nats"]
        assert (await stage.until("gateway", Phase.READY)).restarts == 0


async def test_a_degraded_process_serves_and_says_why(tmp_path: Path) -> None:
    async with running(tmp_path, gateway="degraded") as stage:
        status = await stage.until("gateway", Phase.DEGRADED)
        assert status.serving
        assert status.detail == "a part is missing"


async def test_a_process_that_falls_silent_is_shown_as_that_and_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(child_module, "POLL_SECONDS", 0.02)
    async with running(tmp_path, gateway="mute") as stage:
        before = await stage.until("gateway", Phase.READY)
        status = await stage.until("gateway", Phase.DEGRADED)
        assert (status.detail, status.pid) == ("does not answer", before.pid)


async def test_a_process_that_does_not_end_is_killed_after_the_grace(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervisor_module, "GRACE_SECONDS", 0.3)
    async with running(tmp_path, gateway="stubborn", ingress="serve") as stage:
        await stage.until("ingress", Phase.READY)
        status = await stage.until("gateway", Phase.READY)
    assert stage.supervisor.unclean == ["gateway"]
    assert not psutil.pid_exists(status.pid)


async def test_kill_ends_everything_at_once(tmp_path: Path) -> None:
    async with running(tmp_path, gateway="stubborn", ingress="stubborn") as stage:
        pids = [(await stage.until(n, Phase.READY)).pid for n in ("gateway", "ingress")]
        stage.supervisor.kill()
    assert stage.supervisor.killed
    assert not any(psutil.pid_exists(pid) for pid in pids)


async def test_a_stop_during_the_pause_does_not_wait_for_its_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mailweir_cli.up.backoff.FIRST_SECONDS", 60.0)
    async with running(tmp_path, gateway="crash") as stage:
        await stage.until("gateway", Phase.BACKOFF)
    assert stage.status("gateway").phase is Phase.STOPPED


async def test_a_stop_in_the_middle_of_the_start_is_not_missed(tmp_path: Path) -> None:
    for pause in (0.0, 0.001, 0.02):
        async with running(tmp_path, gateway="serve") as stage:
            await asyncio.sleep(pause)
        assert stage.status("gateway").phase in (Phase.STOPPED, Phase.WAITING)


async def test_a_log_that_grows_is_set_aside(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervisor_module, "_TIDY_SECONDS", 0.05)
    monkeypatch.setattr("mailweir_cli.up.logfile.LogFile.trim.__defaults__", (10,))
    async with running(tmp_path, gateway="serve") as stage:
        await stage.until("gateway", Phase.READY)
        async with asyncio.timeout(5):
            while not (tmp_path / "gateway.log.1").exists():
                await asyncio.sleep(0.01)
    assert "a line of JSON" in (tmp_path / "gateway.log.1").read_text()


def test_a_settings_error_has_the_code_that_services_use() -> None:
    assert child_module.EXIT_SETTINGS == 2
