"""What many messages came to: counts by action, the most frequent signals, the slowest messages."""

import heapq
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from rich.text import Text

from mailweir_core.decision import Action
from mailweir_scoring.cli.scorer import Scored
from mailweir_scoring.cli.show import COLOURS, NAME_CHARACTERS
from mailweir_scoring.policy.verdict import clean

SLOWEST: Final = 10
COMMONEST: Final = 10
BAR: Final = 30


@dataclass(slots=True)
class Tally:
    """Counts over all messages; only the slowest are remembered one by one."""

    actions: Counter[Action] = field(default_factory=Counter)
    signals: Counter[str] = field(default_factory=Counter)
    slowest: list[tuple[float, str]] = field(default_factory=list)
    cpu_seconds: float = 0.0
    unreadable: int = 0

    @property
    def total(self) -> int:
        """Return how many messages were judged."""
        return sum(self.actions.values())

    def take(self, scored: Scored) -> None:
        """Count one message."""
        self.actions[scored.judgement.verdict.action] += 1
        self.signals.update(s.name for s in scored.judgement.verdict.signals)
        self.cpu_seconds += scored.cpu_seconds
        entry = (scored.cpu_seconds, scored.name)
        if len(self.slowest) < SLOWEST:
            heapq.heappush(self.slowest, entry)
        else:
            heapq.heappushpop(self.slowest, entry)


def lines(tally: Tally, seconds: float) -> Iterator[Text]:
    """Yield the summary; `seconds` is the time it all took."""
    yield Text(sentence(tally), "bold")
    total = max(1, tally.total)
    yield Text(
        f"  {seconds:.1f} s, {tally.total / max(seconds, 0.001):.0f} messages a second; "
        f"{tally.cpu_seconds / total * 1000:.2f} ms of CPU each",
        "dim",
    )
    for action in Action:
        if tally.actions[action]:
            yield _share(str(action), tally.actions[action], total, COLOURS[action])
    if tally.signals:
        yield Text("most frequent signals", "bold")
    for name, count in tally.signals.most_common(COMMONEST):
        yield _share(name, count, total, "cyan")
    if tally.slowest:
        yield Text("slowest messages, ms of CPU", "bold")
    for cpu, name in sorted(tally.slowest, reverse=True):
        yield Text(f"  {cpu * 1000:9.1f}  {clean(name, NAME_CHARACTERS)}")


def sentence(tally: Tally) -> str:
    """Return the counts by action in a sentence."""
    parts = [f"{tally.actions[a]} {a}" for a in Action if tally.actions[a]]
    unread = f"; {tally.unreadable} not readable" if tally.unreadable else ""
    return f"{tally.total} messages: {', '.join(parts) or 'none'}{unread}"


def _share(name: str, count: int, total: int, colour: str) -> Text:
    filled = round(count / total * BAR)
    line = Text(f"  {name:<26} {count:7d} {count / total:7.1%} ")
    return line.append("█" * filled, colour)
