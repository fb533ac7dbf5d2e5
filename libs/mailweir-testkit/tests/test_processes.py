"""Children end with their block, whatever they do; their CPU time is counted with their own children's."""

import os
import signal
import sys
import time
from pathlib import Path

import psutil
import pytest

from mailweir_testkit.processes import child, cpu_seconds, descendants, wait_until

pytestmark = pytest.mark.integration

STUBBORN = "from signal import *; signal(SIGTERM, SIG_IGN); print('up', flush=True); pause()"
PARENT = (
    "import subprocess,sys; subprocess.run([sys.executable,'-c','import time; time.sleep(60)'])"
)
BUSY = "import time\nend=time.process_time()+0.3\nwhile time.process_time()<end: pass"


def test_output_goes_to_the_log_and_the_environment_is_added(tmp_path: Path) -> None:
    log = tmp_path / "log"
    code = "import os; print(os.environ['WORD'], len(os.environ) > 1)"
    with child([sys.executable, "-c", code], log=log, environment={"WORD": "hi"}) as process:
        assert process.wait(10) == 0
    assert log.read_text() == "hi True\n"


def test_a_child_that_ignores_sigterm_is_killed(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with child([sys.executable, "-c", STUBBORN], log=log, grace_seconds=0.2) as process:
        wait_until(lambda: log.read_text() == "up\n", 10, "the start")
    assert process.returncode == -signal.SIGKILL


def test_grandchildren_do_not_survive(tmp_path: Path) -> None:
    with child([sys.executable, "-c", PARENT], log=tmp_path / "log") as process:
        wait_until(lambda: descendants(process.pid), 10, "a grandchild")
        (grandchild,) = descendants(process.pid)
    wait_until(
        lambda: (
            not psutil.pid_exists(grandchild.pid) or grandchild.status() == psutil.STATUS_ZOMBIE
        ),
        5,
        "the grandchild's end",
    )


def test_cpu_time_counts_the_whole_family(tmp_path: Path) -> None:
    code = f"import subprocess,sys,time; subprocess.run([sys.executable,'-c',{BUSY!r}]); time.sleep(30)"
    with child([sys.executable, "-c", code], log=tmp_path / "log") as process:
        wait_until(lambda: cpu_seconds(process.pid) >= 0.3, 10, "0.3 s of CPU time")
        wait_until(lambda: not descendants(process.pid), 10, "the grandchild's end")
        assert cpu_seconds(process.pid) >= 0.3
    assert cpu_seconds(process.pid) == 0.0


def test_what_is_gone_has_no_family_and_no_time() -> None:
    assert descendants(2**22 + 1) == []
    assert cpu_seconds(2**22 + 1) == 0.0


def test_waiting_ends_with_what_was_waited_for() -> None:
    begin = time.monotonic()
    with pytest.raises(TimeoutError, match="the moon"):
        wait_until(lambda: False, 0.05, "the moon")
    assert time.monotonic() - begin < 1
    wait_until(os.getpid, 1, "a pid")
