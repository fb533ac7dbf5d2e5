"""The batcher: what goes together, what order and time mean, how it fails and ends."""

import asyncio
import contextvars
from collections.abc import Callable, Sequence

import pytest

from mailweir_runtime.rpc import Batcher, RpcFailed, RpcFailure, batcher as module

FOREVER = 15.0
LABEL: contextvars.ContextVar[str] = contextvars.ContextVar("LABEL", default="none")


class Wire:
    """A `send` that waits for the test's leave and notes what came."""

    def __init__(self, *, held: bool = False) -> None:
        """Answer at once, or only when `go` is set."""
        self.batches: list[list[int]] = []
        self.timeouts: list[float] = []
        self.running = 0
        self.most = 0
        self.go = asyncio.Event()
        self.fail_with: Exception | None = None
        if not held:
            self.go.set()

    async def __call__(self, items: Sequence[int], timeout: float) -> Sequence[str]:
        """Note, wait, answer."""
        self.batches.append(list(items))
        self.timeouts.append(timeout)
        self.running += 1
        self.most = max(self.most, self.running)
        try:
            await self.go.wait()
        finally:
            self.running -= 1
        if self.fail_with is not None:
            raise self.fail_with
        return [f"answer {item}" for item in items]


async def ask_all(batcher: Batcher[int, str], items: Sequence[int]) -> list[str]:
    """Ask all at once; return the answers in the order of the items."""
    async with asyncio.TaskGroup() as tasks:
        asked = [tasks.create_task(batcher.ask(item, FOREVER)) for item in items]
    return [task.result() for task in asked]


async def turns(number: int = 5) -> None:
    """Let the loop turn a few times."""
    for _ in range(number):
        await asyncio.sleep(0)


async def test_an_idle_batcher_sends_at_once() -> None:
    wire = Wire(held=True)
    batcher = Batcher(wire)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(batcher.ask(1, FOREVER))
        await asyncio.sleep(0)  # the question is put
        await asyncio.sleep(0)  # and sent in the turn after that: no timer
        assert wire.batches == [[1]]
        wire.go.set()


async def test_what_is_asked_during_a_call_goes_together_into_the_next() -> None:
    wire = Wire(held=True)
    batcher = Batcher(wire)
    async with asyncio.TaskGroup() as tasks:
        first = tasks.create_task(batcher.ask(0, FOREVER))
        await turns()
        rest = [tasks.create_task(batcher.ask(n, FOREVER)) for n in range(1, 6)]
        await turns()
        assert wire.batches == [[0]]
        wire.go.set()

    assert wire.batches == [[0], [1, 2, 3, 4, 5]]
    assert first.result() == "answer 0"
    assert [task.result() for task in rest] == [f"answer {n}" for n in range(1, 6)]
    assert wire.most == 1


async def test_every_asker_gets_the_answer_to_its_own_question() -> None:
    batcher = Batcher(Wire(), max_items=7, max_in_flight=3)

    assert await ask_all(batcher, range(100)) == [f"answer {n}" for n in range(100)]


async def test_a_call_has_at_most_max_items() -> None:
    wire = Wire()
    await ask_all(Batcher(wire, max_items=4), range(10))

    assert [len(batch) for batch in wire.batches] == [4, 4, 2]
    assert [item for batch in wire.batches for item in batch] == list(range(10))


async def test_a_call_has_at_most_max_bytes_and_a_large_item_goes_alone() -> None:
    wire = Wire()
    batcher = Batcher(wire, max_bytes=10, size_of=lambda item: item)
    await ask_all(batcher, [4, 6, 1, 50, 3, 3, 3, 3])

    assert wire.batches == [[4, 6], [1], [50], [3, 3, 3], [3]]


async def test_at_most_max_in_flight_calls_run() -> None:
    wire = Wire(held=True)
    batcher = Batcher(wire, max_items=1, max_in_flight=3)
    async with asyncio.TaskGroup() as tasks:
        for n in range(10):
            tasks.create_task(batcher.ask(n, FOREVER))
        await turns()
        assert wire.running == 3
        wire.go.set()

    assert wire.most == 3
    assert sorted(item for batch in wire.batches for item in batch) == list(range(10))


async def test_a_failed_call_fails_all_of_its_batch_and_no_other() -> None:
    wire = Wire(held=True)
    wire.fail_with = RpcFailed(RpcFailure.EXHAUSTED, "full")
    batcher = Batcher(wire)
    async with asyncio.TaskGroup() as tasks:
        asked = [tasks.create_task(expect_failure(batcher, n)) for n in range(3)]
        await turns()
        wire.go.set()
    assert [task.result().kind for task in asked] == [RpcFailure.EXHAUSTED] * 3
    assert [task.result().detail for task in asked] == ["full"] * 3
    assert len({id(task.result()) for task in asked}) == 3

    wire.fail_with = None
    assert await batcher.ask(7, FOREVER) == "answer 7"


async def expect_failure(
    batcher: Batcher[int, str], item: int, timeout: float = FOREVER
) -> RpcFailed:
    """Ask and return the failure."""
    with pytest.raises(RpcFailed) as caught:
        await batcher.ask(item, timeout)
    return caught.value


async def test_a_mistake_in_send_is_a_failure_too() -> None:
    wire = Wire()
    wire.fail_with = ValueError("secret detail")
    failure = await expect_failure(Batcher(wire), 1)

    assert failure.kind is RpcFailure.INTERNAL
    assert "secret" not in str(failure)


async def test_a_wrong_number_of_answers_is_a_failure() -> None:
    async def short(items: Sequence[int], timeout: float) -> Sequence[str]:
        return ["one"]

    batcher = Batcher(short)
    async with asyncio.TaskGroup() as tasks:
        asked = [tasks.create_task(expect_failure(batcher, n)) for n in range(2)]

    assert [str(task.result()) for task in asked] == ["internal: 1 answers to 2 questions"] * 2


async def test_an_asker_that_gives_up_before_the_call_is_not_sent() -> None:
    wire = Wire(held=True)
    batcher = Batcher(wire)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(batcher.ask(0, FOREVER))
        await turns()
        gone = tasks.create_task(batcher.ask(1, FOREVER))
        stays = tasks.create_task(batcher.ask(2, FOREVER))
        await turns()
        gone.cancel()
        await turns()
        wire.go.set()

    assert wire.batches == [[0], [2]]
    assert stays.result() == "answer 2"
    assert gone.cancelled()


async def test_an_asker_that_gives_up_during_the_call_harms_nobody() -> None:
    wire = Wire(held=True)
    batcher = Batcher(wire)
    async with asyncio.TaskGroup() as tasks:
        gone = tasks.create_task(batcher.ask(1, FOREVER))
        stays = tasks.create_task(batcher.ask(2, FOREVER))
        await turns()
        assert wire.batches == [[1, 2]]
        gone.cancel()
        await turns()
        wire.go.set()

    assert stays.result() == "answer 2"


async def test_each_item_has_its_own_time() -> None:
    wire = Wire(held=True)
    batcher = Batcher(wire)
    async with asyncio.TaskGroup() as tasks:
        patient = tasks.create_task(batcher.ask(1, FOREVER))
        hasty = tasks.create_task(expect_failure(batcher, 2, timeout=0.05))
        failure = await hasty
        assert failure.kind is RpcFailure.DEADLINE
        assert not patient.done()
        wire.go.set()

    assert patient.result() == "answer 1"


async def test_a_call_has_the_time_of_its_most_patient_item() -> None:
    wire = Wire()
    batcher = Batcher(wire)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(batcher.ask(1, 1.0))
        tasks.create_task(batcher.ask(2, 3.0))

    assert wire.batches == [[1, 2]]
    assert 2.5 < wire.timeouts[0] <= 3.0


async def test_an_item_without_time_is_not_sent() -> None:
    wire = Wire()
    failure = await expect_failure(Batcher(wire), 1, timeout=0.0)

    assert failure.kind is RpcFailure.DEADLINE
    assert wire.batches == []


async def test_too_many_waiting_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_WAITING", 2)
    wire = Wire(held=True)
    batcher = Batcher(wire)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(batcher.ask(0, FOREVER))
        await turns()
        for n in (1, 2):
            tasks.create_task(batcher.ask(n, FOREVER))
        await turns()
        failure = await expect_failure(batcher, 3)
        wire.go.set()

    assert failure.kind is RpcFailure.EXHAUSTED
    assert wire.batches == [[0], [1, 2]]


async def test_a_question_just_as_the_sender_ends_is_not_lost() -> None:
    wire = Wire()
    batcher = Batcher(wire)
    for n in range(
        50
    ):  # each of these comes in the turn in which the last sender finds nothing more
        assert await batcher.ask(n, 1.0) == f"answer {n}"


async def test_closing_waits_for_the_answers() -> None:
    wire = Wire(held=True)
    batcher = Batcher(wire)
    async with asyncio.TaskGroup() as tasks:
        asked = [tasks.create_task(batcher.ask(n, FOREVER)) for n in range(2)]
        await turns()
        late = tasks.create_task(batcher.ask(2, FOREVER))
        await turns()
        closing = tasks.create_task(batcher.aclose())
        await turns()
        assert not closing.done()
        refused = await expect_failure(batcher, 3)
        wire.go.set()

    assert refused.kind is RpcFailure.UNAVAILABLE
    assert [task.result() for task in (*asked, late)] == ["answer 0", "answer 1", "answer 2"]
    assert wire.running == 0


async def test_closing_an_idle_batcher_is_nothing() -> None:
    batcher = Batcher(Wire())
    await batcher.aclose()
    await batcher.aclose()


async def test_a_close_that_is_cut_off_leaves_nobody_waiting() -> None:
    wire = Wire(held=True)
    batcher = Batcher(wire)
    async with asyncio.TaskGroup() as tasks:
        sent = tasks.create_task(expect_failure(batcher, 1))
        await turns()
        waiting = tasks.create_task(expect_failure(batcher, 2))
        await turns()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await batcher.aclose()

    assert {sent.result().kind, waiting.result().kind} == {RpcFailure.UNAVAILABLE}
    assert wire.running == 0


async def test_a_sender_knows_nothing_of_its_askers() -> None:
    seen: list[str] = []

    async def send(items: Sequence[int], timeout: float) -> Sequence[str]:
        seen.append(LABEL.get())
        return [""] * len(items)

    LABEL.set("asker")
    await Batcher(send).ask(1, FOREVER)

    assert seen == ["none"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"max_items": 0},
        {"max_in_flight": 0},
        {"max_bytes": 10},
        {"size_of": len},
    ],
)
def test_limits_that_make_no_sense_are_refused(wrong: dict[str, object]) -> None:
    async def send(items: Sequence[str], timeout: float) -> Sequence[str]:
        return items

    with pytest.raises(ValueError, match="max_"):
        Batcher(send, **wrong)  # type: ignore[arg-type]  # what is tried here


class TestPatience:
    async def test_a_quick_call_has_none_beside_it(self) -> None:
        wire = Wire(held=True)
        batcher = Batcher(wire, max_in_flight=4, patience=FOREVER)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(batcher.ask(1, FOREVER))
            await turns()
            for item in (2, 3, 4):
                tasks.create_task(batcher.ask(item, FOREVER))
            await turns()
            assert wire.batches == [[1]]
            wire.go.set()
        assert wire.batches == [[1], [2, 3, 4]]
        await batcher.aclose()

    async def test_a_slow_call_keeps_nobody_waiting(self) -> None:
        wire = Wire(held=True)
        batcher = Batcher(wire, max_in_flight=3, patience=0.02)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(batcher.ask(1, FOREVER))
            await turns()
            tasks.create_task(batcher.ask(2, FOREVER))
            tasks.create_task(batcher.ask(3, FOREVER))
            await turns()
            assert wire.batches == [[1]]
            await _until(lambda: len(wire.batches) == 2)
            tasks.create_task(batcher.ask(4, FOREVER))
            await _until(lambda: len(wire.batches) == 3)
            tasks.create_task(batcher.ask(5, FOREVER))
            await asyncio.sleep(0.05)
            assert wire.batches == [[1], [2, 3], [4]], "three calls are the most"
            wire.go.set()
        assert wire.batches == [[1], [2, 3], [4], [5]]
        await batcher.aclose()

    async def test_a_timer_does_not_outlive_the_end(self) -> None:
        wire = Wire(held=True)
        batcher = Batcher(wire, max_in_flight=2, patience=0.02)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(batcher.ask(1, FOREVER))
            await turns()
            late = tasks.create_task(batcher.ask(2, FOREVER))
            await turns()
            wire.go.set()
            await batcher.aclose()
            assert await late == "answer 2"
        await asyncio.sleep(0.05)
        assert wire.batches == [[1], [2]]


async def _until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(FOREVER):
        while not true():
            await asyncio.sleep(0.001)
