"""A Postfix of one's own: private configuration and queue, ports on loopback, no system service touched.

It has to be started by root, since its processes run under accounts of their own. `postfix_sender` is one
that sends: what is handed to it goes to one relay, and what the relay defers is tried again.
"""

import os
import re
import shutil
import smtplib
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from subprocess import Popen
from typing import Final

from mailweir_testkit.ports import port_for_later
from mailweir_testkit.processes import child, wait_until

START_SECONDS: Final = 20.0
RETRY_SECONDS: Final = 2
"""How soon a deferred message is tried again at least; its queue is looked at every second."""
_MAIN: Final = """\
compatibility_level = 3.6
queue_directory = {root}/spool
data_directory = {root}/data
mail_owner = postfix
setgid_group = postdrop
mydestination =
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mynetworks = 127.0.0.0/8
alias_maps =
alias_database =
smtp_dns_support_level = disabled
smtpd_peername_lookup = no
maillog_file = {root}/log/postfix.log
maillog_file_prefixes = {root}
"""
_SENDER: Final = """\
myhostname = sender.example.net
default_transport = smtp:[127.0.0.1]:{relay}
queue_run_delay = 1s
minimal_backoff_time = {retry}s
maximal_backoff_time = {most}s
"""
_DOORS: Final = ("smtpd", "postscreen", "dnsblog", "tlsproxy")
"""Shipped services that take mail in: whoever starts a Postfix says which of them it has, and where."""
_STATUS: Final = re.compile(r"to=<([^>]*)>.*status=(\w+) \((.*)\)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Attempt:
    """One delivery attempt as the log has it: `status` is sent, deferred or bounced."""

    recipient: str
    status: str
    reply: str


@dataclass(frozen=True, slots=True)
class Postfix:
    """A running one. `port`: where it takes mail to send."""

    root: Path
    port: int

    def send(self, sender: str, recipient: str, content: bytes) -> None:
        """Hand it a message; it sends it in its own time."""
        with smtplib.SMTP("127.0.0.1", self.port, timeout=20) as client:
            client.sendmail(sender, [recipient], content)

    def attempts(self, recipient: str) -> list[Attempt]:
        """Return how it fared with a recipient so far."""
        log = self.root / "log" / "postfix.log"
        found = _STATUS.findall(log.read_text(errors="replace")) if log.exists() else []
        return [Attempt(*row) for row in found if row[0] == recipient]


def why_not() -> str:
    """Return why it cannot be started here, or the empty string."""
    if shutil.which("postfix") is None:
        return "Postfix is not installed (Debian: apt-get install postfix)"
    return "" if os.geteuid() == 0 else "Postfix needs root to start"


@contextmanager
def private_postfix(root: Path, main: str, doors: Sequence[str]) -> Iterator["Popen[bytes]"]:
    """Run one below a new folder until the block ends; yields its master process.

    `main` is what main.cf says beside what all of them have, `doors` the lines of master.cf for what takes
    mail in. Raises ChildProcessError where it does not start.
    """
    conf = root / "conf"
    for folder in (conf, root / "spool", root / "data", root / "log"):
        folder.mkdir(parents=True)
    _let_in(root)
    shutil.chown(root / "data", "postfix")
    (conf / "main.cf").write_text(_MAIN.format(root=root) + main)
    (conf / "master.cf").write_text("\n".join([*doors, *_shipped_services()]) + "\n")
    subprocess.run(["postfix", "-c", conf, "check"], check=True, capture_output=True)
    command = [str(_daemons() / "master"), "-c", str(conf), "-d"]
    log, pid = root / "log" / "master.out", root / "spool" / "pid" / "master.pid"
    with child(command, log=log, environment={"MAIL_CONFIG": str(conf)}, cwd=root) as process:

        def runs() -> bool:
            if process.poll() is not None:
                raise ChildProcessError(f"Postfix ended: {log.read_text()}")
            return pid.exists() and bool(pid.read_text().strip())

        wait_until(runs, START_SECONDS, "Postfix running")
        yield process


@contextmanager
def postfix_sender(root: Path, relay: int) -> Iterator[Postfix]:
    """Run one that relays everything to a port on loopback, until the block ends."""
    made = Postfix(root, port_for_later())
    main = _SENDER.format(relay=relay, retry=RETRY_SECONDS, most=2 * RETRY_SECONDS)
    with private_postfix(root, main, [f"127.0.0.1:{made.port} inet n - n - - smtpd"]):

        def listens() -> bool:
            try:
                with smtplib.SMTP("127.0.0.1", made.port, timeout=5):
                    return True
            except OSError:
                return False

        wait_until(listens, START_SECONDS, "Postfix listening")
        yield made


def _let_in(root: Path) -> None:
    """Let Postfix's accounts pass to a folder that pytest made for its owner alone."""
    for folder in (root, *root.parents):
        if folder.stat().st_uid == os.geteuid() and not folder.stat().st_mode & 0o001:
            folder.chmod(folder.stat().st_mode | 0o011)


def _daemons() -> Path:
    done = subprocess.run(
        ["postconf", "-d", "-h", "daemon_directory"], capture_output=True, text=True, check=True
    )
    return Path(done.stdout.strip())


def _shipped_services() -> Iterator[str]:
    """Yield the shipped lines of master.cf without chroot, and without what takes mail in."""
    for line in Path("/etc/postfix/master.cf").read_text().splitlines():
        words = line.split()
        if not words or line[0] in "# \t" or words[7] in _DOORS or words[7] == "pipe":
            continue
        words[4] = "n"
        yield " ".join(words)
