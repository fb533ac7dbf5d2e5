"""One supervised process: started, asked how it is, started again when it dies, stopped in the end."""

import asyncio
import os
import signal
import sys
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import nullcontext, suppress
from functools import partial
from pathlib import Path
from typing import Final

from mailweir_cli.up import leash
from mailweir_cli.up.backoff import Backoff
from mailweir_cli.up.logfile import LogFile
from mailweir_cli.up.plan import ProcessSpec
from mailweir_cli.up.probe import http_phase, nats_phase, service_phase
from mailweir_cli.up.status import Phase, Status
from mailweir_runtime.listen import LOOPBACK, Reservation

STARTING_POLL_SECONDS: Final = 0.1
POLL_SECONDS: Final = 2.0
UNANSWERED: Final = 3
"""So many questions in a row without an answer, and a process that served is shown as not answering."""
EXIT_SETTINGS: Final = 2
"""A service's exit code for wrong settings, which no new start makes right."""
EXIT_START: Final = 3


class Child:
    """A process and what becomes of it. `changed` is called at every change of the status."""

    def __init__(
        self,
        spec: ProcessSpec,
        log: LogFile,
        surroundings: Mapping[str, str],
        lock: int,
        changed: Callable[["Child"], None],
    ) -> None:
        """Prepare; `lock` is a descriptor that the process inherits."""
        self.spec = spec
        self.log = log
        self.exit_code = 0
        self.last_words: list[str] = []
        self._surroundings = surroundings
        self._lock = lock
        self._changed = changed
        self._backoff = Backoff()
        self._phase = Phase.WAITING
        self._detail = ""
        self._restarts = 0
        self._process: asyncio.subprocess.Process | None = None
        self._stopping = asyncio.Event()
        self._ended = asyncio.Event()
        self._ended.set()
        self._port = spec.port

    @property
    def status(self) -> Status:
        """Return how it is now."""
        pid = self._process.pid if self._process else 0
        listens = [self.spec.listens] if self.spec.listens else []
        if pid and self.spec.probe_variable:
            listens.append(f"metrics 127.0.0.1:{self._port}")
        return Status(
            self.spec.name, self._phase, pid, self._restarts, ", ".join(listens), self._detail
        )

    @property
    def metrics_address(self) -> str:
        """Return where a service's metrics are served; empty before its start, and of others."""
        return f"127.0.0.1:{self._port}" if self.spec.probe_variable and self._port else ""

    async def run(self) -> None:
        """Keep it running until `stop`, or until there is no hope; then the phase is `failed`."""
        self._ended.clear()
        try:
            with Reservation(LOOPBACK) if self.spec.probe_variable else nullcontext() as probe:
                if probe is not None:
                    self._port = probe.address.port
                await self._keep_running()
        finally:
            self._ended.set()

    async def _keep_running(self) -> None:
        while not self._stopping.is_set():
            begin = time.monotonic()
            await self._live_and_die()
            if self._stopping.is_set():
                break
            code = self.exit_code
            pause = self._backoff.died(time.monotonic() - begin)
            if code == EXIT_SETTINGS or self._backoff.hopeless:
                self._became(Phase.FAILED, self._obituary())
                return
            self._restarts += 1
            self._became(Phase.BACKOFF, f"{self._obituary()}; again in {pause:g} s")
            with suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._stopping.wait()
        self._became(Phase.STOPPED, "")

    async def _live_and_die(self) -> None:
        """Run it once; sets `exit_code` and `last_words`."""
        try:
            offset = self.log.size()
            self.exit_code = await self._run_once()
            self.last_words = self.log.last_words(offset)
        except OSError as error:  # no room for its log, no more processes to be had
            self.exit_code = EXIT_START
            self.last_words = [f"cannot be started: {error}"]

    @property
    def reasons(self) -> list[str]:
        """Return why it ended, for the admin: all it said of wrong settings, one line of anything else."""
        if self.exit_code == EXIT_SETTINGS and self.last_words:
            return self.last_words
        said = "" if self.exit_code == EXIT_START else "".join(self.last_words[-1:])
        return [": ".join(part for part in (self._obituary(), said) if part)]

    def _obituary(self) -> str:
        code = self.exit_code
        if code in (EXIT_SETTINGS, EXIT_START) and self.last_words:
            return self.last_words[-1]
        if code < 0:
            return f"killed by {signal.Signals(-code).name}"
        return f"exit code {code}, see {self.log.path}"

    async def _run_once(self) -> int:
        self._became(Phase.STARTING, "")
        process = await self._start()
        if self._stopping.is_set():  # `stop` came while it was being made
            self._signal()
        try:
            async with asyncio.TaskGroup() as group:
                watch = group.create_task(self._watch(), name=f"watch-{self.spec.name}")
                code = await process.wait()
                watch.cancel()
        finally:
            self._process = None
        return code

    async def _start(self) -> asyncio.subprocess.Process:
        environment = {**self.spec.defaults, **self._surroundings, **self.spec.environment}
        if self.spec.probe_variable:
            environment[self.spec.probe_variable] = f"127.0.0.1:{self._port}"
        leashed = (sys.executable, "-I", "-S", str(Path(leash.__file__)), str(os.getpid()))
        with self.log.path.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *leashed,
                *self.spec.command,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=environment,
                start_new_session=True,  # a Ctrl-C at the terminal is for the supervisor alone
                pass_fds=(self._lock,),
            )
        return self._process

    async def _watch(self) -> None:
        """Ask how it is until cancelled."""
        ask = _probe(self.spec)
        served, unanswered = False, 0
        while True:
            answer = await ask(self._port)
            unanswered = 0 if answer else unanswered + 1
            if answer:
                self._became(*answer)
            elif served and unanswered >= UNANSWERED:
                self._became(Phase.DEGRADED, "does not answer")
            if self.status.serving:
                served = self._backoff.was_ready = True
            await asyncio.sleep(POLL_SECONDS if served else STARTING_POLL_SECONDS)

    def _became(self, phase: Phase, detail: str) -> None:
        if (phase, detail) != (self._phase, self._detail):
            self._phase, self._detail = phase, detail
            self._changed(self)

    async def stop(self, grace_seconds: float) -> bool:
        """Let it finish and wait for its end; returns False where it had to be killed after the grace."""
        self._stopping.set()
        self._signal()
        try:
            async with asyncio.timeout(grace_seconds):
                await self._ended.wait()
        except TimeoutError:
            self.kill()
            await self._ended.wait()
            return False
        return True

    def restart(self) -> None:
        """Have it end in its own way; it is started again as if it had died."""
        self._signal()

    def _signal(self) -> None:
        if self._process is not None:
            with suppress(ProcessLookupError):
                self._process.send_signal(self.spec.stop_signal)

    def kill(self) -> None:
        """End it and everything it started, at once."""
        self._stopping.set()
        if self._process is not None:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)


def _probe(spec: ProcessSpec) -> Callable[[int], Awaitable[tuple[Phase, str] | None]]:
    """Return how a process is asked how it is."""
    if spec.probe_variable:
        return service_phase
    return partial(http_phase, path=spec.ready_path) if spec.ready_path else nats_phase
