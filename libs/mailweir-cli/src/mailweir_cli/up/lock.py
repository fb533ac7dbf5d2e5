"""One `mailweir up` per data directory.

The lock is the kernel's (flock), so it cannot be left behind: it ends with the last process that holds it.
The children inherit it, so that the next `up` waits for what a killed one left running instead of meeting it.
"""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from mailweir_cli.exits import CommandError, Exit

WAIT_SECONDS: Final = 10.0
"""How long to wait for the processes of an `up` that was killed."""
_PAUSE_SECONDS: Final = 0.1


@contextmanager
def data_lock(path: Path, wait_seconds: float = WAIT_SECONDS) -> Iterator[int]:
    """Hold the lock while the block runs; yields its descriptor, for the children to inherit.

    Raises CommandError where another `up` runs, or where its orphans do not end in time.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        _take(descriptor, path, wait_seconds)
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        yield descriptor
    finally:
        os.close(descriptor)


def _take(descriptor: int, path: Path, wait_seconds: float) -> None:
    end = time.monotonic() + wait_seconds
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            pid = _holder(descriptor)
            if _is_alive(pid):
                raise CommandError(
                    Exit.UNAVAILABLE, f"another `mailweir up` (pid {pid}) uses {path.parent}"
                ) from None
            if time.monotonic() > end:
                raise CommandError(
                    Exit.UNAVAILABLE,
                    f"processes of an earlier `mailweir up` (pid {pid}, gone) still use {path.parent};"
                    " end them first",
                ) from None
            time.sleep(_PAUSE_SECONDS)
        else:
            return


def _holder(descriptor: int) -> int:
    text = os.pread(descriptor, 32, 0).strip()
    return int(text) if text.isdigit() else 0


def _is_alive(pid: int) -> bool:
    if pid <= 0:
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
