"""rspamd and SpamAssassin as they are installed: offline, taught the mails that our prior is taught."""

import subprocess
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from shutil import which
from typing import Protocol

from corpus import Mail

from mailweir_testkit import rspamd


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
        with rspamd.running() as peer:
            peer.teach((mail.raw, mail.spam) for mail in taught)
            return [peer.check(mail.raw) for mail in asked]


def installed() -> Iterable[Peer]:
    """Yield the peers that are on this machine."""
    if rspamd.is_installed():
        yield Rspamd()
    if which("spamassassin") and which("perl"):
        yield SpamAssassin()
