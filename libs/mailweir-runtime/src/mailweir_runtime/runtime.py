"""What a service's `main` is given: settings, clock, metrics, tasks, and the process's state."""

import asyncio
import os
import re
import socket
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from importlib.metadata import PackageNotFoundError, version as package_version
from typing import Any, Final

from prometheus_client import CollectorRegistry

from mailweir_core.clock import Clock, SystemClock
from mailweir_runtime import logs
from mailweir_runtime.endpoint import Probe
from mailweir_runtime.metrics import RuntimeMetrics, new_registry
from mailweir_runtime.settings import ServiceSettings

STALL_SECONDS: Final = 5.0
"""A loop that has not turned for so long is dead: /livez says 503."""
TICK_SECONDS: Final = 0.25

_log = logs.get_logger(__name__)


class StartupError(Exception):
    """Raised when the start fails for a reason outside the process; the text is one line for the admin."""


class Runtime:
    """What a service's `main` is given. One per process; tests make their own.

    `tasks` owns every background task: one that raises takes the process down. `stopping` is set by
    SIGTERM or SIGINT. `state` is starting, ready, degraded or draining; `detail` says why it is degraded.
    """

    def __init__(
        self, name: str, settings: ServiceSettings, tasks: asyncio.TaskGroup, *,
        clock: Clock | None = None, registry: CollectorRegistry | None = None,
    ) -> None:  # fmt: skip
        """Begin in the state `starting`; `tasks` must have been entered."""
        self.name = name
        self.settings = settings
        self.tasks = tasks
        self.clock: Clock = clock or SystemClock()
        self.registry = registry or new_registry()
        self.stopping = asyncio.Event()
        self.version = _version(name)
        self.instance = settings.instance or default_instance()
        self.metrics_url = ""
        self.state_changed: list[Callable[[str], None]] = []
        self.metrics = RuntimeMetrics(name, self.version, self.instance, self.registry)
        self._started = False
        self._problems: dict[str, str] = {}
        self._drain_by = float("inf")
        self._last = (self.state, self.detail)
        self._last_turn = self.clock.monotonic()

    @property
    def state(self) -> str:
        """Return starting, ready, degraded or draining."""
        if self.stopping.is_set():
            return "draining"
        if not self._started:
            return "starting"
        return "degraded" if self._problems else "ready"

    @property
    def detail(self) -> str:
        """Return what is degraded, one sentence each; empty when nothing is."""
        return "; ".join(self._problems.values())

    @property
    def serving(self) -> bool:
        """Say whether new work is welcome: ready or degraded."""
        return self.state in ("ready", "degraded")

    def ready(self) -> None:
        """Say that the service has started, or has recovered from `degraded(detail)`."""
        self._started = True
        self._forget("")
        self._changed()

    def degraded(self, detail: str, *, part: str = "") -> None:
        """Say that the service works with less; `part` keeps the problems of several parts apart."""
        # replaced, not changed: the endpoint's thread reads it
        self._problems = {**self._problems, part: detail}
        self._changed()

    def recovered(self, part: str = "") -> None:
        """Say that a part works again."""
        self._forget(part)
        self._changed()

    def drain(self) -> None:
        """Set `stopping`; from here on `drain_remaining` counts down."""
        if not self.stopping.is_set():
            self._drain_by = self.clock.monotonic() + self.settings.drain_seconds
            self.stopping.set()
            self._changed()

    def drain_remaining(self) -> float:
        """Return the seconds left for running work, never below 0; infinite before the drain began."""
        return max(0.0, self._drain_by - self.clock.monotonic())

    @asynccontextmanager
    async def background(
        self, work: Coroutine[Any, Any, None], *, name: str = ""
    ) -> AsyncIterator[asyncio.Task[None]]:
        """Run `work` while the block lasts, then cancel it and wait for its end.

        So a loop that uses a connection ends before the connection is closed around it.
        """
        task = self.tasks.create_task(work, name=name or None)
        try:
            yield task
        finally:
            task.cancel()
            await asyncio.wait((task,))

    def live(self) -> Probe:
        """Say whether the event loop turned lately; called from the endpoint's thread."""
        age = self.clock.monotonic() - self._last_turn
        if age < STALL_SECONDS:
            return Probe(True, "ok")
        return Probe(False, f"the event loop has not turned for {age:.1f} s")

    def readiness(self) -> Probe:
        """Say whether new work is welcome; called from the endpoint's thread."""
        state, detail = self.state, self.detail
        return Probe(self.serving, f"{state}: {detail}" if detail else state)

    async def watch_loop(self) -> None:
        """Note each turn of the loop and how late it was; runs for as long as the process."""
        while True:
            due = self.clock.monotonic() + TICK_SECONDS
            await asyncio.sleep(TICK_SECONDS)
            self._last_turn = self.clock.monotonic()
            self.metrics.loop_lag.observe(max(0.0, self._last_turn - due))

    def _forget(self, part: str) -> None:
        self._problems = {k: v for k, v in self._problems.items() if k != part}

    def _changed(self) -> None:
        state, detail = self.state, self.detail
        (last_state, last_detail), self._last = self._last, (state, detail)
        if (state, detail) != (last_state, last_detail):
            _log.info("state_changed", state=state, detail=detail)
        if state != last_state:
            self.metrics.state.state(state)
            for callback in self.state_changed:
                callback(state)


def default_instance() -> str:
    """Return `<hostname>-<pid>` in characters that a bus key may have."""
    # of a long name the end: there pods of one deployment differ
    host = re.sub(r"[^A-Za-z0-9_-]", "-", socket.gethostname())[-55:].strip("-")
    return f"{host or 'host'}-{os.getpid()}"


def _version(name: str) -> str:
    try:
        return package_version(f"mailweir-{name}")
    except PackageNotFoundError:  # a test's service
        return package_version("mailweir-runtime")
