"""Postfix as a contender: a relay to the sink, or with postscreen before it that turns clients away."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from mailweir_testkit.postfix import private_postfix, why_not

__all__ = ["postfix", "why_not"]

RELAY = """\
myhostname = bench.example.com
relay_domains = example.com
relay_transport = smtp:[127.0.0.1]:{sink}
message_size_limit = 26214400
"""
SCREEN = """\
postscreen_upstream_proxy_protocol = haproxy
postscreen_access_list = cidr:{denied}
postscreen_denylist_action = drop
"""


@contextmanager
def postfix(root: Path, port: int, sink: int, denied: Sequence[str] = ()) -> Iterator[int]:
    """Run Postfix on `port`, relaying all to the sink's port; yields the pid of its master.

    With networks that are `denied`, postscreen stands before it, behind a proxy, and drops these.
    """
    main, doors = RELAY.format(sink=sink), [f"127.0.0.1:{port} inet n - n - - smtpd"]
    if denied:
        listed = root.with_name(f"{root.name}.denied")
        listed.write_text("".join(f"{network} reject\n" for network in denied))
        main += SCREEN.format(denied=listed)
        doors = [
            f"127.0.0.1:{port} inet n - n - 1 postscreen",
            "smtpd pass - - n - - smtpd",
            "dnsblog unix - - n - 0 dnsblog",
            "tlsproxy unix - - n - 0 tlsproxy",
        ]
    with private_postfix(root, main, doors) as master:
        yield master.pid
