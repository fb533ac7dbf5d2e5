"""From the first line of a process to its exit code: `run()`.

Order: settings (all errors at once) → logging → /metrics and probes → the service's `main` connects and
listens → `rt.ready()`. SIGTERM or SIGINT sets `rt.stopping`: readiness goes first, `main` stops accepting,
lets work end and returns; after `drain_seconds`, or at the second SIGINT, it is cancelled. What `main` leaves
running in `rt.tasks` when it returns is cancelled. A task that raises ends the process.

Exit codes: 0 clean, 1 crash or work cut off, 2 wrong settings, 3 the start failed for a reason outside.
"""

import asyncio
import faulthandler
import gc
import signal
import socket
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Final, NoReturn

import uvloop

from mailweir_runtime import logs
from mailweir_runtime.deadman import Deadman
from mailweir_runtime.endpoint import Endpoint, serve_endpoint
from mailweir_runtime.listen import HostPort, parse_host_port
from mailweir_runtime.runtime import Runtime, StartupError, default_instance
from mailweir_runtime.settings import S, SettingsError, load

__all__ = ["Main", "Runtime", "StartupError", "run"]

Main = Callable[[Runtime, S], Awaitable[None]]

EXIT_CLEAN: Final = 0
EXIT_CRASH: Final = 1
EXIT_SETTINGS: Final = 2
EXIT_START: Final = 3

FORCE_SECONDS: Final = 5.0
"""What is left for cleaning up once `main` was cancelled; then the process ends whatever hangs."""

_log = logs.get_logger(__name__)


class _Finished(Exception):
    """Raised to leave the task group once `main` has returned: it cancels what is left."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


def run(name: str, settings_type: type[S], main: Main[S]) -> NoReturn:
    """Run a service to its end and exit; see the module's docstring for the order and the codes."""
    try:
        settings = load(settings_type)
    except SettingsError as error:
        sys.stderr.write("".join(f"{line}\n" for line in error.lines))
        sys.exit(EXIT_SETTINGS)
    faulthandler.enable()  # a native parser that crashes says where
    logs.configure(
        log_format=settings.log_format,
        level=settings.log_level,
        service=name,
        instance=settings.instance or default_instance(),
    )
    sys.exit(_run_to_end(name, settings, main))


def _run_to_end(name: str, settings: S, main: Main[S]) -> int:
    factory = uvloop.new_event_loop if settings.event_loop == "uvloop" else asyncio.new_event_loop
    deadman = Deadman()
    try:
        with asyncio.Runner(loop_factory=factory) as runner:
            return runner.run(_process(name, settings, main, deadman))
    except StartupError as error:
        sys.stderr.write(f"mailweir-{name}: {error}\n")
        return EXIT_START
    except KeyboardInterrupt:  # SIGINT before our handler stood: nothing had begun
        return EXIT_CLEAN
    except Exception:  # noqa: BLE001 - the last one: what a process died of is logged
        _log.exception("crashed")
        return EXIT_CRASH
    finally:
        deadman.disarm()


async def _process(name: str, settings: S, main: Main[S], deadman: Deadman) -> int:
    try:
        async with asyncio.TaskGroup() as tasks:
            rt = Runtime(name, settings, tasks)
            rt.state_changed.append(_settle)
            with _endpoint(rt):
                tasks.create_task(rt.watch_loop(), name="loop-watch")
                task = tasks.create_task(_call(main, rt, settings), name="main")
                raise _Finished(await _supervise(rt, task, deadman))
    except BaseExceptionGroup as group:
        return _judge(group)


def _settle(state: str) -> None:
    """Take what the start has made out of the garbage collector's sight, once all of it is there.

    Modules, tables and models live as long as the process; looking through them again and again was a
    twelfth of what a message costs.
    """
    if state == "ready" and not gc.get_freeze_count():
        gc.collect()
        gc.freeze()


async def _call(main: Main[S], rt: Runtime, settings: S) -> None:
    await main(rt, settings)


def _judge(group: BaseExceptionGroup[BaseException]) -> int:
    """Return the exit code, or raise what the process died of; a reason for the admin goes first."""
    start, _ = group.split(StartupError)
    if start is not None:
        raise _first(start)
    finished, rest = group.split(_Finished)
    if rest is not None:
        raise rest
    outcome = None if finished is None else _first(finished)
    return outcome.code if isinstance(outcome, _Finished) else EXIT_CRASH


def _first(error: BaseException) -> BaseException:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


@contextmanager
def _endpoint(rt: Runtime) -> Iterator[None]:
    listen = parse_host_port(rt.settings.metrics_listen)
    endpoint = Endpoint(rt.registry, rt.live, rt.readiness)
    with ExitStack() as stack:
        try:
            bound = stack.enter_context(serve_endpoint(listen, endpoint))
        except OSError as error:
            raise StartupError(f"metrics: cannot listen on {listen}: {error.strerror}") from error
        host = socket.gethostname() if bound.host in ("", "0.0.0.0", "::") else bound.host
        rt.metrics_url = f"http://{HostPort(host, bound.port)}/metrics"
        _log.info("metrics_listening", url=rt.metrics_url)
        yield


async def _supervise(rt: Runtime, task: asyncio.Task[None], deadman: Deadman) -> int:
    """Wait for `main` under the signals; return the exit code. Raises CancelledError in a crash."""
    stop = _Stop(rt, task, deadman)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.on_signal, number)
    try:
        await asyncio.wait((task,))
    except (
        asyncio.CancelledError
    ):  # a task raised; the group cancels all others, which must end too
        deadman.arm(FORCE_SECONDS)
        raise
    deadman.arm(FORCE_SECONDS)
    return EXIT_CRASH if stop.was_cut else EXIT_CLEAN


class _Stop:
    """What the signals do to `main`."""

    def __init__(self, rt: Runtime, task: asyncio.Task[None], deadman: Deadman) -> None:
        self.was_cut = False
        self._rt = rt
        self._task = task
        self._deadman = deadman
        self._interrupts = 0

    def on_signal(self, number: signal.Signals) -> None:
        """Drain at the first signal, cut at the second SIGINT."""
        self._interrupts += number == signal.SIGINT
        if not self._rt.stopping.is_set():
            self._begin(number)
        elif self._interrupts > 1:
            self.cut()

    def _begin(self, number: signal.Signals) -> None:
        seconds, starting = self._rt.settings.drain_seconds, self._rt.state == "starting"
        _log.info("stopping", signal=number.name, drain_seconds=seconds)
        self._deadman.arm(seconds + FORCE_SECONDS)
        self._rt.drain()
        if starting:  # nothing has been taken on yet
            self._task.cancel()
        else:
            asyncio.get_running_loop().call_later(seconds, self.cut)

    def cut(self) -> None:
        """Cancel `main`: its time is over."""
        if not self._task.done():
            self.was_cut = True
            _log.warning("drain_cut_off")
            self._deadman.arm(FORCE_SECONDS)
            self._task.cancel()
