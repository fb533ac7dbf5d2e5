"""What is found in one message, and the time that exact matching may take in it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import hyperscan

from mailweir_spamassassin.limits import MESSAGE_SECONDS, SLOW_SECONDS
from mailweir_spamassassin.perl.exact import Matcher, StepLimit


@dataclass(slots=True)
class Session:
    """One message's findings.

    `found` maps a rule's number to how often it hit, `where` to the first text it hit in. `slow` has the time
    of exact matching by rule, `stopped` the rules that were cut short, by their steps or the message's time.
    """

    scratches: "Sequence[hyperscan.Scratch]"
    clock: Callable[[], float]
    found: dict[int, int] = field(default_factory=dict)
    where: dict[int, bytes] = field(default_factory=dict)
    slow: dict[int, float] = field(default_factory=dict)
    stopped: set[int] = field(default_factory=set)
    spent: float = 0.0

    def hit(self, rule: int, times: int, text: bytes) -> None:
        """Note that a rule hit."""
        self.found[rule] = self.found.get(rule, 0) + times
        self.where.setdefault(rule, text)

    def matches(self, rule: int, matcher: Matcher, text: bytes) -> bool:
        """Say whether a rule's pattern matches; one that is stopped does not."""
        if self.spent > MESSAGE_SECONDS or rule in self.stopped:
            self.stopped.add(rule)
            return False
        start = self.clock()
        try:
            found = matcher.search(text) is not None
        except StepLimit:
            self.stopped.add(rule)
            found = False
        self._note_time(rule, self.clock() - start)
        return found

    def count(self, rule: int, matcher: Matcher, text: bytes, most: int) -> None:
        """Note each match of a rule's pattern, up to `most` in the whole message."""
        left = most - self.found.get(rule, 0)
        if left <= 0:
            return
        if self.spent > MESSAGE_SECONDS or rule in self.stopped:
            self.stopped.add(rule)
            return
        start = self.clock()
        try:
            number = matcher.count(text, left)
        except StepLimit:
            self.stopped.add(rule)
            number = 0
        self._note_time(rule, self.clock() - start)
        if number:
            self.hit(rule, number, text)

    def _note_time(self, rule: int, took: float) -> None:
        self.spent += took
        if took > SLOW_SECONDS:
            self.slow[rule] = max(took, self.slow.get(rule, 0.0))
