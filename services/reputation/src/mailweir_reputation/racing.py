"""Several parts at once, until nothing that is still out could change the answer."""

import asyncio
from collections.abc import Callable, Sequence

from mailweir_reputation.policy.findings import NOTHING, Finding

Running = asyncio.Task[Finding]


async def run_until(running: Sequence[Running], settled: Callable[[], bool]) -> None:
    """Wait until all are done, or `settled` says so; cancel the rest. Raises what a part raised."""
    out = {task for task in running if not task.done()}
    while out and not settled():
        done, out = await asyncio.wait(out, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    for task in out:
        task.cancel()


def found_by(task: Running) -> Finding:
    """Return what a part has found so far."""
    if not task.done() or task.cancelled():
        return NOTHING
    return task.result()
