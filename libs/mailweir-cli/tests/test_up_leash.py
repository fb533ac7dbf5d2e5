"""What a killed supervisor leaves behind: nothing that runs, and a lock that tells the next one."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from mailweir_cli.exits import CommandError, Exit
from mailweir_cli.up import leash
from mailweir_cli.up.lock import data_lock

pytestmark = pytest.mark.integration

SUPERVISOR = """
import os, subprocess, sys, time
from mailweir_cli.up.lock import data_lock
from pathlib import Path
with data_lock(Path(sys.argv[1])) as lock:
    command = [sys.executable, "-c", "import time; time.sleep(60)"]
    if sys.argv[2] == "leashed":
        command = [sys.executable, sys.argv[3], str(os.getpid()), *command]
    child = subprocess.Popen(command, pass_fds=(lock,), start_new_session=True)
    print(child.pid, flush=True)
    time.sleep(60)
"""


def start(lock: Path, how: str) -> tuple[subprocess.Popen[str], psutil.Process]:
    process = subprocess.Popen(
        [sys.executable, "-c", SUPERVISOR, str(lock), how, leash.__file__],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    line = process.stdout.readline()
    process.stdout.close()
    return process, psutil.Process(int(line))


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's leash is Linux's")
def test_a_child_dies_with_a_killed_supervisor_and_the_lock_is_free(tmp_path: Path) -> None:
    process, child = start(tmp_path / "lock", "leashed")
    process.kill()
    process.wait()
    child.wait(5)
    with data_lock(tmp_path / "lock", 0.0):
        assert (tmp_path / "lock").read_text() == f"{os.getpid()}\n"


def test_a_second_supervisor_is_told_who_is_there(tmp_path: Path) -> None:
    process, child = start(tmp_path / "lock", "leashed")
    try:
        with pytest.raises(CommandError) as caught, data_lock(tmp_path / "lock"):
            pass
        assert caught.value.code is Exit.UNAVAILABLE
        assert caught.value.lines == (f"another `mailweir up` (pid {process.pid}) uses {tmp_path}",)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
        child.wait(5)


def test_orphans_without_a_leash_keep_the_next_one_out(tmp_path: Path) -> None:
    process, child = start(tmp_path / "lock", "free")
    process.kill()
    process.wait()
    try:
        with pytest.raises(CommandError, match="gone"), data_lock(tmp_path / "lock", 0.2):
            pass
    finally:
        child.kill()
    with data_lock(tmp_path / "lock", 5.0):
        pass


def test_the_leash_is_refused_when_the_parent_is_another(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, leash.__file__, "1", "/bin/echo", "hello"],
        capture_output=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (
        (1, b"") if sys.platform == "linux" else (0, b"hello\n")
    )


def test_the_command_gets_its_arguments_as_they_are(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, leash.__file__, str(os.getpid()), "/bin/echo", "a b", "$c"],
        capture_output=True,
        check=False,
    )
    assert done.stdout == b"a b $c\n"
