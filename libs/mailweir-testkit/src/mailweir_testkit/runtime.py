"""A `Runtime` for a test, without a process around it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from mailweir_core.clock import Clock
from mailweir_runtime.runtime import Runtime
from mailweir_runtime.settings import ServiceSettings


class _Leave(Exception):
    """Raised to cancel what still runs when the block ends."""


@asynccontextmanager
async def running_runtime(
    name: str = "test", settings: ServiceSettings | None = None, *, clock: Clock | None = None
) -> AsyncIterator[Runtime]:
    """Yield a runtime in the state `starting`; what runs in `rt.tasks` at the end is cancelled.

    What the block raises comes out as it is; a crash in `rt.tasks` cancels it and comes out as a group.
    """
    failure: BaseException | None = None
    try:
        async with asyncio.TaskGroup() as tasks:
            try:
                yield Runtime(name, settings or ServiceSettings(), tasks, clock=clock)
            except BaseException as error:  # noqa: BLE001 - raised again outside of the group
                failure = error
            raise _Leave
    except* _Leave:
        pass
    if failure is not None:
        raise failure
