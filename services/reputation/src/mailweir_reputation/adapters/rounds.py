"""Many calls to the bus side by side, a bounded number at a time."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, TypeVar

from mailweir_runtime.bus.ports import BusError

T = TypeVar("T")

AT_ONCE: Final = 64


async def side_by_side(work: Sequence[Callable[[], Awaitable[T]]]) -> list[T]:
    """Return the results in order; all of a round end before its first BusError is raised."""
    results: list[T] = []
    for start in range(0, len(work), AT_ONCE):
        async with asyncio.TaskGroup() as tasks:
            running = [tasks.create_task(_caught(each)) for each in work[start : start + AT_ONCE]]
        for task in running:
            result = task.result()
            if isinstance(result, BusError):
                raise result
            results.append(result)
    return results


async def _caught(work: Callable[[], Awaitable[T]]) -> T | BusError:
    try:
        return await work()
    except BusError as error:
        return error
