"""One contract for every adapter of a port: rule sources and workers."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mailweir_scoring.adapters.rulefiles import MAX_FILE_BYTES, DirectoryRules, MemoryRules
from mailweir_scoring.adapters.workers import InlineWorkers, ThreadWorkers
from mailweir_scoring.policy.ruleset import RuleFile
from mailweir_scoring.ports import RuleSource, RulesUnreadable, Workers

MakeSource = Callable[[list[RuleFile]], RuleSource]


@pytest.fixture(params=["directory", "memory"])
def source(request: pytest.FixtureRequest, tmp_path: Path) -> MakeSource:
    def directory(files: list[RuleFile]) -> RuleSource:
        for file in files:
            (tmp_path / file.name).write_text(file.text, encoding="utf-8")
        return DirectoryRules(tmp_path)

    return directory if request.param == "directory" else MemoryRules


def test_files_come_by_name(source: MakeSource) -> None:
    files = [RuleFile("b.toml", "bé"), RuleFile("a.toml", "a\n")]
    assert list(source(files).read()) == [RuleFile("a.toml", "a\n"), RuleFile("b.toml", "bé")]


def test_no_file_at_all_is_an_error(source: MakeSource) -> None:
    with pytest.raises(RulesUnreadable, match=r"there is no \*\.toml file"):
        source([]).read()


def test_only_toml_files_of_the_directory_itself_are_read(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text("a")
    (tmp_path / "notes.txt").write_text("no")
    (tmp_path / "dir.toml").mkdir()
    assert [f.name for f in DirectoryRules(tmp_path).read()] == ["a.toml"]


def test_a_missing_directory_is_named(tmp_path: Path) -> None:
    with pytest.raises(RulesUnreadable, match="nowhere: No such file"):
        DirectoryRules(tmp_path / "nowhere").read()


def test_a_file_that_is_no_utf8_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_bytes(b"abc\xff")
    with pytest.raises(RulesUnreadable, match=r"a\.toml: not UTF-8 at byte 3"):
        DirectoryRules(tmp_path).read()


def test_a_huge_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_bytes(b"#" * (MAX_FILE_BYTES + 1))
    with pytest.raises(RulesUnreadable, match="larger than"):
        DirectoryRules(tmp_path).read()


@pytest.fixture(params=["threads", "inline"])
def workers(request: pytest.FixtureRequest) -> Iterator[Workers]:
    made: Workers = ThreadWorkers(2) if request.param == "threads" else InlineWorkers()
    yield made
    made.close()


async def test_work_returns_its_result(workers: Workers) -> None:
    assert await workers.run(lambda: 42) == 42
    assert workers.abandoned == 0


async def test_work_raises_what_it_raises(workers: Workers) -> None:
    def fail() -> None:
        raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        await workers.run(fail)


async def test_closed_workers_take_nothing(workers: Workers) -> None:
    workers.close()
    with pytest.raises(RuntimeError):
        await workers.run(lambda: None)


async def test_threads_leave_the_loop_free() -> None:
    pool, gate = ThreadWorkers(1), threading.Event()
    async with asyncio.TaskGroup() as tasks:
        slow = tasks.create_task(pool.run(gate.wait))
        await asyncio.sleep(0)
        gate.set()  # only reached because the loop goes on while the thread waits
    assert slow.result() is True
    pool.close()


async def test_work_that_nobody_waits_for_is_seen_until_it_ends() -> None:
    pool, gate = ThreadWorkers(1), threading.Event()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await pool.run(gate.wait)
    assert pool.abandoned == 1
    gate.set()
    await pool.run(lambda: None)  # the same thread: it is free again
    assert pool.abandoned == 0
    pool.close()


async def test_work_that_has_not_begun_is_dropped_with_its_caller() -> None:
    pool, gate = ThreadWorkers(1), threading.Event()
    ran: list[str] = []
    async with asyncio.TaskGroup() as tasks:
        first = tasks.create_task(pool.run(gate.wait))
        second = tasks.create_task(pool.run(lambda: ran.append("second")))
        await asyncio.sleep(0.01)
        second.cancel()
        await asyncio.sleep(0)
        gate.set()
    assert first.done()
    await pool.run(lambda: None)
    assert ran == []
    assert pool.abandoned == 0
    pool.close()
