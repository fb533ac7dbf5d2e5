"""The last resort: ends the process when its ending hangs."""

import os
import sys
import threading
from typing import Final

EXIT_FORCED: Final = 1


class Deadman:
    """A timer in a thread of its own, since what hangs may be the event loop or the joining of threads."""

    def __init__(self) -> None:
        """Begin disarmed."""
        self._timer: threading.Timer | None = None

    def arm(self, seconds: float) -> None:
        """End the process in `seconds`; an earlier time replaces a later one and the other way round."""
        self.disarm()
        self._timer = threading.Timer(seconds, _end)
        self._timer.daemon = True
        self._timer.start()

    def disarm(self) -> None:
        """Let the process live."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def _end() -> None:
    sys.stderr.write("the process did not end in time and was ended by force\n")
    sys.stderr.flush()
    os._exit(EXIT_FORCED)
