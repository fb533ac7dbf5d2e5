"""How often each rule hits, in mail that was taken for spam and in mail that was not."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

MAX_RULES: Final = 20_000
"""Rules that are counted; those first seen beyond it are not."""


@dataclass(frozen=True, slots=True)
class RuleCount:
    """One rule's hits since the counter was made."""

    name: str
    spam: int
    ham: int

    @property
    def share(self) -> float:
        """Return the part of the rule's hits that were in spam."""
        return self.spam / (self.spam + self.ham)


@dataclass(slots=True)
class HitCounter:
    """Hits by rule. What counts as spam is the caller's word: the verdict first, labels where known.

    Counting by one's own verdicts says which rules agree with it, not which are right.
    """

    spam_messages: int = 0
    ham_messages: int = 0
    _spam: dict[str, int] = field(default_factory=dict)
    _ham: dict[str, int] = field(default_factory=dict)

    def add(self, names: Iterable[str], *, is_spam: bool) -> None:
        """Count one message's hits."""
        counts = self._spam if is_spam else self._ham
        if is_spam:
            self.spam_messages += 1
        else:
            self.ham_messages += 1
        for name in set(names):
            if name in counts or len(counts) < MAX_RULES:
                counts[name] = counts.get(name, 0) + 1

    def correct(self, names: Iterable[str], *, is_spam: bool) -> None:
        """Move one message's hits to the other side: it was counted as the contrary of `is_spam`."""
        source = self._ham if is_spam else self._spam
        for name in set(names):
            if source.get(name, 0):
                source[name] -= 1
        if is_spam:
            self.ham_messages -= 1
        else:
            self.spam_messages -= 1
        self.add(names, is_spam=is_spam)

    def top(self, most: int) -> tuple[RuleCount, ...]:
        """Return the rules with most hits, at most `most`, by hits and then by name."""
        names = self._spam.keys() | self._ham.keys()
        counts = (RuleCount(n, self._spam.get(n, 0), self._ham.get(n, 0)) for n in names)
        found = [c for c in counts if c.spam + c.ham > 0]
        return tuple(sorted(found, key=lambda c: (-c.spam - c.ham, c.name))[:most])
