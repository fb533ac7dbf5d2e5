"""rspamd as a peer: a real one on loopback, offline, with its own redis, for accuracy and for speed.

Everything that would ask the network is off; what is left are its own rules and, once taught, its Bayes.
"""

import http.client
import json
import shutil
import subprocess
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import psutil

from mailweir_testkit.ports import port_for_later
from mailweir_testkit.shared import cache_dir

PROGRAM: Final = "rspamd"
READY_SECONDS: Final = 150.0
TAUGHT: Final = (200, 204, 208)
"""Learnt, too few words, known already."""
OFF: Final = (
    "rbl", "surbl", "fuzzy_check", "asn", "spf", "dkim", "dmarc", "arc", "greylist", "ratelimit", "replies",
    "history_redis", "mx_check", "url_redirector", "neural", "reputation", "emails", "spamtrap", "p0f",
    "dkim_signing", "elastic", "phishing", "clickhouse", "known_senders", "bimi", "whitelist",
)  # fmt: skip
"""Modules that would ask the network, or remember what they saw."""


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
def running() -> Iterator[Rspamd]:
    """Run rspamd and redis with their data in a scratch folder. Raises Absent."""
    if not is_installed():
        raise Absent("rspamd and redis-server are not both installed")
    with ExitStack() as stack:
        place = Path(stack.enter_context(TemporaryDirectory()))
        place.chmod(0o777)  # rspamd gives its rights away
        scan, control, nothing = (port_for_later() for _ in range(3))
        _configure(place, scan, control, nothing)
        redis = stack.enter_context(
            _process(
                "redis-server", "--port", "0", "--unixsocket", f"{place}/redis.sock",
                "--unixsocketperm", "777", "--save", "", "--appendonly", "no", "--dir", str(place),
            )
        )  # fmt: skip
        # patterns are compiled at the first start and kept for the next
        compiled = cache_dir() / "rspamd"
        compiled.mkdir(exist_ok=True)
        places = {"LOCAL_CONFDIR": place, "DBDIR": compiled, "RUNDIR": place, "LOGDIR": place}
        named = [f"--var={name}={path}" for name, path in places.items()]
        server = stack.enter_context(_process(PROGRAM, "-f", "--insecure", *named))
        _await_ready(scan, control)
        yield Rspamd(scan, control, (server.pid, redis.pid))


def is_installed() -> bool:
    """Say whether rspamd and redis are on this machine."""
    return bool(shutil.which(PROGRAM) and shutil.which("redis-server"))


@contextmanager
def _process(*command: str) -> Iterator["subprocess.Popen[bytes]"]:
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield process
    finally:
        process.terminate()
        process.wait(30)


def _configure(place: Path, scan: int, control: int, nothing: int) -> None:
    local = place / "local.d"
    local.mkdir()
    (place / "override.d").mkdir()
    texts = {
        "options.inc": f'dns {{ nameserver = ["127.0.0.1:{nothing}"]; timeout = 0.01s; '
        "retransmits = 1; }\ntask_timeout = 20s;\n",
        "worker-normal.inc": f'bind_socket = "127.0.0.1:{scan}"; count = 1;\n',
        "worker-controller.inc": f'bind_socket = "127.0.0.1:{control}"; secure_ip = "127.0.0.1"; '
        "count = 1;\n",
        "worker-proxy.inc": "enabled = false;\n",
        "worker-fuzzy.inc": "enabled = false; count = -1;\n",
        "redis.conf": f'servers = "{place}/redis.sock";\n',
        "classifier-bayes.conf": 'backend = "redis"; autolearn = false; min_learns = 50;\n',
        "logging.inc": f'type = "file"; filename = "{place}/log"; level = "error";\n',
        **{f"{name}.conf": "enabled = false;\n" for name in OFF},
    }
    for name, text in texts.items():
        (local / name).write_text(text)


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
