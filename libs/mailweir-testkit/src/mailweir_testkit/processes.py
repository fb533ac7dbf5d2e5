"""Child processes of tests: started in a group of their own, ended for certain, their CPU time read."""

import os
import signal
import subprocess
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import psutil

_TICK: Final = 1.0 / os.sysconf("SC_CLK_TCK")


@contextmanager
def child(
    command: Sequence[str],
    *,
    log: Path,
    environment: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    grace_seconds: float = 10.0,
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a command until the block ends, output appended to `log`; then SIGTERM, after the grace SIGKILL.

    `environment` is added to the present one. Nothing of the command's process group survives.
    """
    with log.open("ab") as out:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            env=None if environment is None else {**os.environ, **environment},  # noqa: TID251 - a child inherits
            cwd=cwd,
            start_new_session=True,
        )
    try:
        yield process
    finally:
        family = descendants(process.pid)
        stop(process, grace_seconds)
        kill_all(family)


def stop(process: subprocess.Popen[bytes], grace_seconds: float = 10.0) -> int:
    """End a process with SIGTERM, with SIGKILL after the grace; return its exit code."""
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        try:
            return process.wait(grace_seconds)
        except subprocess.TimeoutExpired:
            process.kill()
    return process.wait()


def descendants(pid: int) -> list[psutil.Process]:
    """Return the live children of a process, and theirs."""
    try:
        return psutil.Process(pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return []


def kill_all(processes: Iterable[psutil.Process]) -> None:
    """SIGKILL those still alive; psutil compares start times, so a reused pid is spared."""
    for process in processes:
        try:
            process.kill()
        except psutil.NoSuchProcess:
            continue


def cpu_seconds(pid: int) -> float:
    """Return user + system time of a process and all below it, of ended and awaited ones too (Linux)."""
    family = [pid, *(p.pid for p in descendants(pid))]
    return sum(_ticks(member) for member in family) * _TICK


def _ticks(pid: int) -> int:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    # behind the command's name in brackets: utime, stime, cutime, cstime are fields 14 to 17 of proc(5)
    fields = stat.rpartition(")")[2].split()
    return sum(int(value) for value in fields[11:15])


def wait_until(check: object, seconds: float, what: str, pause: float = 0.05) -> None:
    """Call `check` until it is true; raises TimeoutError naming `what`."""
    assert callable(check)
    end = time.monotonic() + seconds
    while not check():
        if time.monotonic() > end:
            raise TimeoutError(f"{what} did not happen within {seconds:g} s")
        time.sleep(pause)
