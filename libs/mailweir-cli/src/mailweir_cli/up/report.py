"""What `mailweir up` shows while it runs: a live table on a terminal, a line per change elsewhere."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Final, Protocol

from rich.console import Console, RenderableType
from rich.live import Live
from rich.table import Table

from mailweir_cli.output import escaped, table
from mailweir_cli.up.status import Phase, Status

_STYLES: Final = {
    Phase.READY: "green",
    Phase.DEGRADED: "yellow",
    Phase.BACKOFF: "red",
    Phase.FAILED: "bold red",
}
_COLUMNS: Final = ("process", ">pid", "state", ">restarts", "listens on", "")


class Reporter(Protocol):
    """Where the changes and the results go."""

    def changed(self, status: Status) -> None:
        """Show that a process has another status."""
        ...

    def say(self, what: RenderableType) -> None:
        """Show a sentence or a table; text may have rich's markup."""
        ...

    def begin(self, statuses: Callable[[], Sequence[Status]]) -> None:
        """Start showing; `statuses` gives how all are."""
        ...

    def end(self) -> None:
        """Stop showing."""
        ...


class LineReporter:
    """A line per change, with the time of day: for logs, pipes and `--plain`."""

    def __init__(self, console: Console, now: Callable[[], datetime]) -> None:
        """Take where to write, and the clock."""
        self._console = console
        self._now = now

    def changed(self, status: Status) -> None:
        """Write a line."""
        pid = f" (pid {status.pid})" if status.pid else ""
        detail = f": {status.detail}" if status.detail else ""
        text = escaped(f"{status.name} {status.phase.value}{pid}{detail}")
        self.say(f"{self._now():%H:%M:%S} {text}")

    def say(self, what: RenderableType) -> None:
        """Write it; an output that is gone or full is no reason to stop mail."""
        with suppress(OSError):
            self._console.print(what, highlight=False)

    def begin(self, statuses: Callable[[], Sequence[Status]]) -> None:
        """Do nothing: changes come by themselves."""

    def end(self) -> None:
        """Do nothing."""


class TableReporter:
    """A table that stays at the bottom of the terminal."""

    def __init__(self, console: Console) -> None:
        """Take where to draw."""
        self._console = console
        self._statuses: Callable[[], Sequence[Status]] = tuple
        # refreshed by hand: the thread that rich would start has nothing to add
        self._live = Live(console=console, auto_refresh=False, transient=False)

    def changed(self, status: Status) -> None:  # noqa: ARG002 - the table shows all of them
        """Draw the table again."""
        if self._live.is_started:
            with suppress(OSError):
                self._live.update(status_table(self._statuses()), refresh=True)

    def say(self, what: RenderableType) -> None:
        """Write above the table."""
        with suppress(OSError):
            self._console.print(what, highlight=False)

    def begin(self, statuses: Callable[[], Sequence[Status]]) -> None:
        """Draw the table."""
        self._statuses = statuses
        self._live.start()
        self._live.update(status_table(statuses()), refresh=True)

    def end(self) -> None:
        """Leave the last table standing."""
        self._live.stop()


def status_table(statuses: Sequence[Status]) -> Table:
    """Return one row per process."""
    rows = []
    for status in statuses:
        style = _STYLES.get(status.phase, "dim")
        rows.append(
            (
                status.name,
                str(status.pid or ""),
                f"[{style}]{status.phase.value}[/{style}]",
                str(status.restarts),
                escaped(status.listens),
                escaped(status.detail),
            )
        )
    return table("", _COLUMNS, rows)
