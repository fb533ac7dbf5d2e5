"""A Postfix of one's own: private configuration and queue, loopback ports, no system service."""

import os
import shutil
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

MAIN = """\
compatibility_level = 3.6
queue_directory = {root}/spool
data_directory = {root}/data
mail_owner = postfix
setgid_group = postdrop
myhostname = bench.example.com
mydestination =
relay_domains = example.com
relay_transport = smtp:[127.0.0.1]:{sink}
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mynetworks = 127.0.0.0/8
alias_maps =
alias_database =
smtp_dns_support_level = disabled
smtpd_peername_lookup = no
message_size_limit = 26214400
maillog_file = {root}/log/postfix.log
maillog_file_prefixes = {root}
"""


_OURS = ("smtpd", "postscreen", "dnsblog", "tlsproxy")
SCREEN = """\
postscreen_upstream_proxy_protocol = haproxy
postscreen_access_list = cidr:{denied}
postscreen_denylist_action = drop
"""


def why_not() -> str:
    """Return why Postfix cannot take part, or the empty string."""
    if shutil.which("postfix") is None:
        return "not installed (Debian: apt-get install postfix)"
    return "" if os.geteuid() == 0 else "needs root: its processes run under accounts of their own"


def _daemons() -> Path:
    done = subprocess.run(
        ["postconf", "-d", "-h", "daemon_directory"], capture_output=True, text=True, check=True
    )
    return Path(done.stdout.strip())


def _master_cf(port: int, *, screened: bool) -> str:
    """Return the shipped services without chroot, with smtpd on our port, or postscreen before it."""
    lines = []
    for line in Path("/etc/postfix/master.cf").read_text().splitlines():
        words = line.split()
        if not words or line[0] in "# \t" or words[7] in _OURS or words[7] == "pipe":
            continue
        words[4] = "n"
        lines.append(" ".join(words))
    if not screened:
        return "\n".join([f"127.0.0.1:{port} inet n - n - - smtpd", *lines]) + "\n"
    screen = [
        f"127.0.0.1:{port} inet n - n - 1 postscreen",
        "smtpd pass - - n - - smtpd",
        "dnsblog unix - - n - 0 dnsblog",
        "tlsproxy unix - - n - 0 tlsproxy",
    ]
    return "\n".join([*screen, *lines]) + "\n"


@contextmanager
def postfix(root: Path, port: int, sink: int, denied: Sequence[str] = ()) -> Iterator[int]:
    """Run Postfix on `port`, relaying all to the sink's port; yields the pid of its master.

    With networks that are `denied`, postscreen stands before it, behind a proxy, and drops these.
    """
    conf = root / "conf"
    for folder in (conf, root / "spool", root / "data", root / "log"):
        folder.mkdir(parents=True)
    root.chmod(0o755)
    shutil.chown(root / "data", "postfix")
    screen = ""
    if denied:
        (conf / "denied").write_text("".join(f"{network} reject\n" for network in denied))
        screen = SCREEN.format(denied=conf / "denied")
    (conf / "main.cf").write_text(MAIN.format(root=root, sink=sink) + screen)
    (conf / "master.cf").write_text(_master_cf(port, screened=bool(denied)))
    subprocess.run(["postfix", "-c", conf, "check"], check=True, capture_output=True)
    master = [_daemons() / "master", "-c", conf, "-d"]
    environment = {"MAIL_CONFIG": str(conf), "PATH": os.defpath}
    with (root / "log" / "master.out").open("wb") as out:
        process = subprocess.Popen(master, stdout=out, stderr=out, env=environment, cwd=root)
    try:
        pid_file = root / "spool" / "pid" / "master.pid"
        end = time.monotonic() + 15
        while not (pid_file.exists() and pid_file.read_text().strip()):
            if process.poll() is not None or time.monotonic() > end:
                raise RuntimeError((root / "log" / "master.out").read_text())
            time.sleep(0.05)
        yield process.pid
    finally:
        process.terminate()
        process.wait(20)
