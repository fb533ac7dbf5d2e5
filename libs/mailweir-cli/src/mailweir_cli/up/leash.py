"""Run a command that dies with its parent: `python leash.py PARENT-PID COMMAND…`. Stands alone, stdlib only.

A supervisor that is killed with SIGKILL can clean up nothing. On Linux the kernel does it: PR_SET_PDEATHSIG
outlives the exec. Set here rather than between fork and exec of the supervisor, which has threads. SIGKILL,
since a child that drained for half a minute would hold the ports of the next `up`; nothing acknowledged is
lost by it. Elsewhere the child runs without a leash, and the data directory's lock keeps the next `up` out.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def main() -> None:
    """Tie this process to its parent and become the command."""
    parent, command = int(sys.argv[1]), sys.argv[2:]
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != parent:  # it died before the leash was on
            sys.exit(1)
    os.execv(command[0], command)  # noqa: S606 - the supervisor's own command line


if __name__ == "__main__":
    main()
