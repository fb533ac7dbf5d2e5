"""rspamd and SpamAssassin as they are installed: offline, taught the mails that our prior is taught."""

import http.client
import json
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from shutil import which
from typing import Final, Protocol

from corpus import Mail

START_SECONDS: Final = 150.0
"""rspamd compiles its patterns at the first start; they are kept for the next."""
_QUIET: Final = (
    "rbl", "surbl", "fuzzy_check", "asn", "spf", "dkim", "dmarc", "arc", "greylist", "ratelimit", "replies",
    "history_redis", "mx_check", "url_redirector", "neural", "reputation", "emails", "spamtrap", "p0f",
    "dkim_signing", "elastic", "phishing", "clickhouse", "known_senders", "bimi", "whitelist",
)  # fmt: skip
"""Modules that would ask the network, or remember what they saw."""


class Peer(Protocol):
    """Another filter; `tag` is the score from which it calls a message spam by default."""

    name: str
    tag: float

    def scores(self, taught: Sequence[Mail], asked: Sequence[Mail]) -> list[float]:
        """Return its scores, after teaching its Bayes from nothing (nothing taught: rules alone)."""


class SpamAssassin(Peer):
    """Debian's rules through one Perl process."""

    name = "SpamAssassin"
    tag = 5.0

    def scores(self, taught: Sequence[Mail], asked: Sequence[Mail]) -> list[float]:
        """Return the scores of the mails asked about."""
        with tempfile.TemporaryDirectory() as folder:
            script = Path(__file__).with_name("spamassassin.pl")
            arguments = ["perl", str(script), *([folder] if taught else [])]
            with subprocess.Popen(
                arguments,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
            ) as process:
                for mail in taught:
                    _ask(process, f"learn {'spam' if mail.spam else 'ham'} {mail.path}")
                found = [float(_ask(process, f"check {mail.path}")) for mail in asked]
                assert process.stdin is not None
                process.stdin.close()
        return found


def _ask(process: "subprocess.Popen[str]", line: str) -> str:
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(line + "\n")
    process.stdin.flush()
    return process.stdout.readline()


class Rspamd(Peer):
    """rspamd's shipped rules in a worker of its own; tokens in a redis of its own."""

    name = "rspamd"
    tag = 6.0

    def scores(self, taught: Sequence[Mail], asked: Sequence[Mail]) -> list[float]:
        """Return the scores of the mails asked about."""
        with _rspamd() as (worker, controller):
            for mail in taught:
                _post(controller, "/learnspam" if mail.spam else "/learnham", mail.raw)
            return [float(_post(worker, "/checkv2", mail.raw)["score"]) for mail in asked]


@contextmanager
def _rspamd() -> Iterator[tuple[int, int]]:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        folder.chmod(0o777)  # rspamd gives its rights away
        worker, controller, redis = _free_ports(3)
        _configure(folder, worker, controller, redis)
        stack.enter_context(
            _running(
                [
                    "redis-server",
                    "--port",
                    str(redis),
                    "--bind",
                    "127.0.0.1",
                    "--save",
                    "",
                    "--dir",
                    str(folder),
                ]
            )
        )
        _await(redis)
        compiled = Path(tempfile.gettempdir()) / "mailweir-rspamd"
        compiled.mkdir(exist_ok=True)
        compiled.chmod(0o777)
        places = {"LOCAL_CONFDIR": folder, "DBDIR": compiled, "RUNDIR": folder, "LOGDIR": folder}
        variables = [f"--var={name}={place}" for name, place in places.items()]
        stack.enter_context(_running(["rspamd", "-f", "-i", *variables]))
        _await(worker)
        _await(controller)
        yield worker, controller


def _configure(folder: Path, worker: int, controller: int, redis: int) -> None:
    local, override = folder / "local.d", folder / "override.d"
    local.mkdir()
    override.mkdir()
    texts = {
        "options.inc": 'dns { nameserver = ["127.0.0.1:9"]; timeout = 0.01s; retransmits = 1; }\n'
        "task_timeout = 20s;\n",
        "worker-normal.inc": f'bind_socket = "127.0.0.1:{worker}"; count = 1;\n',
        "worker-controller.inc": f'bind_socket = "127.0.0.1:{controller}"; secure_ip = "127.0.0.1"; '
        "count = 1;\n",
        "worker-proxy.inc": "enabled = false;\n",
        "worker-fuzzy.inc": "enabled = false; count = -1;\n",
        "redis.conf": f'servers = "127.0.0.1:{redis}";\n',
        "classifier-bayes.conf": 'backend = "redis"; autolearn = false; min_learns = 50;\n',
        "logging.inc": f'type = "file"; filename = "{folder}/log"; level = "error";\n',
        **{f"{name}.conf": "enabled = false;\n" for name in _QUIET},
    }
    for name, text in texts.items():
        (local / name).write_text(text)


@contextmanager
def _running(arguments: list[str]) -> Iterator[None]:
    process = subprocess.Popen(arguments, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield
    finally:
        process.terminate()
        process.wait(30)


def _free_ports(count: int) -> list[int]:
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


def _await(port: int) -> None:
    end = time.monotonic() + START_SECONDS
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            if time.monotonic() > end:
                raise
            time.sleep(0.1)
        else:
            return


def _post(port: int, path: str, body: bytes) -> dict[str, float]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request("POST", path, body)
        answer = connection.getresponse().read()
    finally:
        connection.close()
    found: dict[str, float] = json.loads(answer or b"{}")  # 204: nothing to learn
    return found


def installed() -> Iterable[Peer]:
    """Yield the peers that are on this machine."""
    if which("rspamd") and which("redis-server"):
        yield Rspamd()
    if which("spamassassin") and which("perl"):
        yield SpamAssassin()
