"""rspamd as a peer: a real one on loopback, offline, with its own redis, for accuracy and for speed.

Everything that would ask the network is off; what is left are its own rules and, once taught, its Bayes.
"""

import http.client
import json
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import psutil

PROGRAM: Final = "rspamd"
READY_SECONDS: Final = 60.0
TAUGHT: Final = (200, 204, 208)
"""Learnt, too few words, known already."""
OFF: Final = (
    "antivirus", "arc", "asn", "bimi", "clickhouse", "dcc", "dkim", "dkim_signing", "dmarc", "elastic",
    "fuzzy_check", "greylist", "history_redis", "hfilter", "metadata_exporter", "metric_exporter", "mx_check",
    "neural", "p0f", "ratelimit", "rbl", "replies", "reputation", "rspamd_update", "spf", "surbl",
    "url_redirector",
)  # fmt: skip


class Absent(Exception):
    """Raised where rspamd or redis is not installed."""


@dataclass(slots=True)
class Rspamd:
    """A running rspamd."""

    scan_port: int
    control_port: int
    pids: tuple[int, ...]

    def check(self, raw: bytes) -> float:
        """Return the score of a message."""
        answer = _post(self.scan_port, "/checkv2", raw)
        return float(answer["score"])

    def learn(self, raw: bytes, *, spam: bool) -> None:
        """Teach the Bayes a message; one that it refuses (too short, known) teaches nothing."""
        path = "/learnspam" if spam else "/learnham"
        status, answer = _request(self.control_port, "POST", path, raw)
        if status not in TAUGHT:
            raise RuntimeError(f"rspamd does not learn: {status} {answer[:200]!r}")

    def teach(self, mails: Iterable[tuple[bytes, bool]]) -> None:
        """Teach many: pairs of a message and whether it is spam."""
        for raw, spam in mails:
            self.learn(raw, spam=spam)

    def cpu_seconds(self) -> float:
        """Return the CPU time that rspamd with its children and redis have used."""
        total = 0.0
        for pid in self.pids:
            process = psutil.Process(pid)
            for each in (process, *process.children(recursive=True)):
                with suppress(psutil.NoSuchProcess):
                    used = each.cpu_times()
                    total += used.user + used.system
        return total


@contextmanager
def running(place: Path) -> Iterator[Rspamd]:
    """Run rspamd and redis with their data in `place`. Raises Absent."""
    if not (shutil.which(PROGRAM) and shutil.which("redis-server")):
        raise Absent("rspamd and redis-server are not both installed")
    scan, control, nothing = (_free_port() for _ in range(3))
    _configure(place, scan, control, nothing)
    redis = subprocess.Popen(
        ["redis-server", "--port", "0", "--unixsocket", str(place / "redis.sock"), "--save", "",
         "--appendonly", "no", "--dir", str(place)],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    places = {"LOCAL_CONFDIR": place, "DBDIR": place, "RUNDIR": place, "LOGDIR": place}
    named = [f"--var={name}={path}" for name, path in places.items()]
    with (place / "rspamd.out").open("wb") as out:
        server = subprocess.Popen(
            [PROGRAM, "-f", "--insecure", "-c", "/etc/rspamd/rspamd.conf", *named],
            stdout=out, stderr=subprocess.STDOUT,
        )  # fmt: skip
    try:
        _await_ready(scan, control)
        yield Rspamd(scan, control, (server.pid, redis.pid))
    finally:
        for process in (server, redis):
            process.send_signal(signal.SIGTERM)
        for process in (server, redis):
            with suppress(subprocess.TimeoutExpired):
                process.wait(10)
            process.kill()


def _configure(place: Path, scan: int, control: int, nothing: int) -> None:
    override, local = place / "override.d", place / "local.d"
    override.mkdir(parents=True, exist_ok=True)
    local.mkdir(exist_ok=True)
    (place / "maps.d").mkdir(exist_ok=True)
    for module in OFF:
        (override / f"{module}.conf").write_text("enabled = false;\n")
    (override / "options.inc").write_text(
        f'dns {{ nameserver = ["127.0.0.1:{nothing}"]; timeout = 10ms; retransmits = 1; }}\n'
        "local_addrs = []; task_timeout = 60s;\n"
    )
    (override / "worker-normal.inc").write_text(f'bind_socket = "127.0.0.1:{scan}"; count = 1;\n')
    (override / "worker-controller.inc").write_text(
        f'bind_socket = "127.0.0.1:{control}"; count = 1; secure_ip = ["127.0.0.1"];\n'
    )
    (override / "worker-proxy.inc").write_text("enabled = false;\n")
    (override / "worker-fuzzy.inc").write_text("enabled = false;\n")
    (override / "logging.inc").write_text('level = "error";\n')
    (local / "redis.conf").write_text(f'servers = "{place}/redis.sock";\n')
    (local / "classifier-bayes.conf").write_text(
        f'servers = "{place}/redis.sock"; backend = "redis";\n'
    )


def _await_ready(*ports: int) -> None:
    ends = time.monotonic() + READY_SECONDS
    for port in ports:
        while True:
            with suppress(OSError, http.client.HTTPException):
                _request(port, "GET", "/ping", b"")
                break
            if time.monotonic() > ends:
                raise TimeoutError("rspamd did not come up")
            time.sleep(0.1)


def _request(port: int, method: str, path: str, body: bytes) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
    try:
        connection.request(method, path, body)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def _post(port: int, path: str, raw: bytes) -> dict[str, Any]:
    _status, answer = _request(port, "POST", path, raw)
    found: dict[str, Any] = json.loads(answer)
    return found


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port
