"""The recent past of one list: how many different clients it was asked about, and how many it listed."""

from collections import OrderedDict, deque
from statistics import median
from typing import Final

MOST_CLIENTS: Final = 4096
"""Different subjects that a window holds; the oldest go first."""
MOST_WITNESSES: Final = 16
MOST_TIMES: Final = 101
SMOOTHING: Final = 0.2
"""Weight of a window in what is usual."""


class Window:
    """Subjects with the time and the answer of their last question, and the times that answers took."""

    def __init__(self, seconds: float) -> None:
        """Look back for so long."""
        self._seconds = seconds
        self._seen: OrderedDict[str, tuple[float, bool]] = OrderedDict()
        self._listed = 0
        self._times: list[float] = []
        self._settled_at = 0.0
        self.usual = 0.0
        """Share that is usual: an average over past windows, begun with the first one."""
        self._known = False
        self._clear = deque[tuple[float, str]](maxlen=MOST_WITNESSES)

    def __len__(self) -> int:
        """Return how many different subjects are in the window."""
        return len(self._seen)

    @property
    def listed(self) -> int:
        """Return how many of them are listed."""
        return self._listed

    @property
    def share(self) -> float:
        """Return the share of listed ones, 0 to 1."""
        return self._listed / len(self._seen) if self._seen else 0.0

    @property
    def median_seconds(self) -> float:
        """Return the median time of the last answers."""
        return median(self._times) if self._times else 0.0

    def note(self, subject: str, now: float, *, listed: bool) -> None:
        """Take in an answer."""
        self._take_in_what_was(now)
        self._drop(subject)
        self._seen[subject] = (now, listed)
        self._listed += listed
        if not listed:
            self._clear.append((now, subject))
        while self._seen and (self._oldest() <= now - self._seconds or len(self) > MOST_CLIENTS):
            self._drop(next(iter(self._seen)))

    def witnesses(self, now: float) -> tuple[str, ...]:
        """Return some that were not listed before the window began: if they are now, so is everybody."""
        return tuple(dict.fromkeys(s for at, s in self._clear if at <= now - self._seconds))

    def took(self, seconds: float) -> None:
        """Take in how long an answer took."""
        self._times.append(seconds)
        del self._times[:-MOST_TIMES]

    def forget(self) -> None:
        """Begin anew; what is usual stays."""
        self._seen.clear()
        self._listed = 0

    def risen(self, share: float, factor: float, least: int) -> bool:
        """Say whether of `least` or more, over `share` and `factor` times the usual are listed."""
        if len(self) < least or not self._known:
            return False
        return self.share > share and self.share > factor * self.usual

    def _take_in_what_was(self, now: float) -> None:
        """At the end of each window let its share become part of what is usual."""
        if now - self._settled_at < self._seconds:
            return
        if self._seen:
            self.usual += (self.share - self.usual) * (SMOOTHING if self._known else 1.0)
            self._known = True
        self._settled_at = now

    def _oldest(self) -> float:
        return next(iter(self._seen.values()))[0]

    def _drop(self, subject: str) -> None:
        gone = self._seen.pop(subject, None)
        if gone is not None and gone[1]:
            self._listed -= 1
