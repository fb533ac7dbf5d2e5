"""All patterns of one target (the body, one header, …) and the pass over its texts."""

import threading
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Final

import hyperscan

from mailweir_spamassassin.limits import MAX_HITS
from mailweir_spamassassin.perl.exact import Matcher
from mailweir_spamassassin.perl.expression import Expression
from mailweir_spamassassin.perl.joined import join
from mailweir_spamassassin.perl.plan import Option, Plan
from mailweir_spamassassin.scan.database import (
    MAX_EXPRESSIONS,
    MAX_WIDE_EXPRESSIONS,
    Databases,
    UnfitExpression,
)
from mailweir_spamassassin.scan.session import Session

FEW: Final = 2
"""Up to so many patterns are matched one by one: a pass of the scanner costs as much."""


@dataclass(frozen=True, slots=True)
class Pattern:
    """A rule's pattern: it counts up to `most` times, and leaves out the first `skip` texts."""

    rule: int
    plan: Plan
    most: int = 1
    skip: int = 0

    @property
    def matcher(self) -> Matcher:
        """Return the exact matcher."""
        return self.plan.matcher


@dataclass(frozen=True, slots=True)
class _Slot:
    """A pattern in a database, and whether the scanner's word is enough."""

    pattern: Pattern
    sure: bool


@dataclass(frozen=True, slots=True)
class _Pass:
    database: "hyperscan.Database"
    number: int
    slots: tuple[_Slot, ...]


class PatternSet:
    """Patterns over the same texts. Safe to share between threads."""

    __slots__ = ("_alone", "_direct", "_passes", "_together")

    def __init__(
        self, patterns: Sequence[Pattern], databases: Databases, *, joined: bool = False
    ) -> None:
        """Compile; a pattern that the scanner does not take in any form is matched by itself.

        `joined` is for texts of which a message has many: they are put together for the scanner.
        """
        direct = [p for p in patterns if not p.plan.options]
        scanned = [p for p in patterns if p.plan.options]
        if len(scanned) <= FEW:
            direct, scanned = list(patterns), []
        together = _Together(scanned if joined else (), databases)
        self._together = tuple(together.passes)
        builder = _Builder(databases)
        for chunk in _chunks([p for p in scanned if p.rule not in together.rules]):
            builder.add([(p, 0) for p in chunk])
        self._passes = tuple(builder.passes)
        self._direct = (*direct, *builder.unfit)
        without = [p for p in patterns if not p.plan.options]
        self._alone = (*without, *builder.unfit)

    @property
    def searched_alone(self) -> tuple[int, ...]:
        """Return the rules that are matched one by one because the scanner does not take their patterns."""
        return tuple(p.rule for p in self._alone)

    def scan(self, texts: Sequence[bytes], session: Session) -> None:
        """Note in `session` which rules match in which of `texts`."""
        if not texts:
            return
        if self._together:
            self._scan_together(texts, session)
        for number, text in enumerate(texts):
            for each in self._passes:
                self._pass(each, number, text, session)
        for pattern in self._direct:
            self._search(pattern, texts, session)

    def _scan_together(self, texts: Sequence[bytes], session: Session) -> None:
        # where the separator after each text stands; a match ends before it, or with it
        ends = list(accumulate(len(text) + 1 for text in texts))
        whole = join(texts)
        for each in self._together:
            found: list[tuple[int, int]] = []
            scratch = session.scratches[each.number]
            each.database.scan(whole, _note_end, context=found, scratch=scratch)
            for identity, end in found:
                pattern = each.slots[identity].pattern
                at = bisect_left(ends, end - 1)
                if pattern.most == 1:
                    session.hit(pattern.rule, 1, texts[at])
                    continue
                for text in texts[at:]:
                    _count(pattern, text, session)

    @staticmethod
    def _pass(each: _Pass, number: int, text: bytes, session: Session) -> None:
        found: list[int] = []
        each.database.scan(text, _note, context=found, scratch=session.scratches[each.number])
        for identity in found:
            slot = each.slots[identity]
            pattern = slot.pattern
            if number < pattern.skip:
                continue
            if pattern.most == 1:
                if pattern.rule in session.found:
                    continue
                if slot.sure or session.matches(pattern.rule, pattern.matcher, text):
                    session.hit(pattern.rule, 1, text)
            else:
                _count(pattern, text, session)

    @staticmethod
    def _search(pattern: Pattern, texts: Sequence[bytes], session: Session) -> None:
        for text in texts[pattern.skip :]:
            if pattern.most > 1:
                _count(pattern, text, session)
            elif session.matches(pattern.rule, pattern.matcher, text):
                session.hit(pattern.rule, 1, text)
                return


def _count(pattern: Pattern, text: bytes, session: Session) -> None:
    letters = pattern.plan.letters
    if not letters:
        session.count(pattern.rule, pattern.matcher, text, pattern.most)
        return
    left = pattern.most - session.found.get(pattern.rule, 0)
    number = min(left, len(text) - len(text.translate(None, letters)))
    if number > 0:
        session.hit(pattern.rule, number, text)


def _note(identity: int, _start: int, _end: int, _flags: int, found: object) -> bool | None:
    found.append(identity)  # type: ignore[attr-defined]  # the context is the list that `scan` was given
    return None


def _note_end(identity: int, _start: int, end: int, _flags: int, found: object) -> bool | None:
    found.append((identity, end))  # type: ignore[attr-defined]  # as above
    return None


def _chunks(patterns: Sequence[Pattern]) -> list[list[Pattern]]:
    """Return the groups that become a database each: sure patterns, and few at a time of the others."""
    sure = [p for p in patterns if p.plan.options[0].exact]
    wide = [p for p in patterns if not p.plan.options[0].exact]
    chunks = [sure[i : i + MAX_EXPRESSIONS] for i in range(0, len(sure), MAX_EXPRESSIONS)]
    if chunks and len(chunks[-1]) + len(wide) <= MAX_WIDE_EXPRESSIONS:
        chunks[-1] = chunks[-1] + wide
        return chunks
    size = MAX_WIDE_EXPRESSIONS
    return chunks + [wide[i : i + size] for i in range(0, len(wide), size)]


class _Together:
    """Passes over texts put together, for patterns that the scanner decides and that look at all of them."""

    def __init__(self, patterns: Sequence[Pattern], databases: Databases) -> None:
        self._databases = databases
        self.passes: list[_Pass] = []
        self.rules: set[int] = set()
        able = [p for p in patterns if not p.skip]
        forms = [(p, form) for p in able if (form := p.plan.joined) is not None]
        for i in range(0, len(forms), MAX_EXPRESSIONS):
            self._add(forms[i : i + MAX_EXPRESSIONS])

    def _add(self, forms: list[tuple[Pattern, Expression]]) -> None:
        """Compile patterns; one whose joined form does not compile is looked for in each text."""
        try:
            number = self._databases.compile([form for _, form in forms])
        except UnfitExpression:
            if len(forms) > 1:
                self._add(forms[: len(forms) // 2])
                self._add(forms[len(forms) // 2 :])
            return
        self.rules.update(p.rule for p, _ in forms)
        slots = tuple(_Slot(p, sure=True) for p, _ in forms)
        self.passes.append(_Pass(self._databases.made[number], number, slots))


class _Builder:
    def __init__(self, databases: Databases) -> None:
        self._databases = databases
        self.passes: list[_Pass] = []
        self.unfit: list[Pattern] = []

    def add(self, wanted: list[tuple[Pattern, int]]) -> None:
        """Compile patterns, each with its option of that number; fall back for those that do not compile."""
        fit = [(p, p.plan.options[n]) for p, n in wanted if n < len(p.plan.options)]
        self.unfit += [p for p, n in wanted if n >= len(p.plan.options)]
        if not fit:
            return
        try:
            number = self._databases.compile([o.expression for _, o in fit])
        except UnfitExpression:
            self._without_unfit(wanted)
            return
        slots = tuple(_slot(p, o) for p, o in fit)
        self.passes.append(_Pass(self._databases.made[number], number, slots))

    def _without_unfit(self, wanted: list[tuple[Pattern, int]]) -> None:
        known = [(p, n) for p, n in wanted if n < len(p.plan.options)]
        if len(known) == 1:
            pattern, number = known[0]
            self.add([(pattern, number + 1)])
            return
        good: list[tuple[Pattern, int]] = []
        bad: list[tuple[Pattern, int]] = []
        for pattern, number in known:
            fits = self._fits(pattern.plan.options[number])
            (good if fits else bad).append((pattern, number))
        if good and bad:
            self.add(good)
            self.add([(p, n + 1) for p, n in bad])
            return
        middle = len(known) // 2  # each compiles by itself, or none does: smaller groups decide
        self.add(known[:middle])
        self.add(known[middle:])

    @staticmethod
    def _fits(option: Option) -> bool:
        try:
            Databases().compile([option.expression])
        except UnfitExpression:
            return False
        return True


def _slot(pattern: Pattern, option: Option) -> _Slot:
    return _Slot(pattern, option.exact)


def times(flags: Sequence[str]) -> int:
    """Return how often a rule with these flags counts: `multiple` with `maxhits=N`, else once."""
    if "multiple" not in flags:
        return 1
    for flag in flags:
        name, _, number = flag.partition("=")
        if name == "maxhits" and number.isascii() and number.isdigit():
            return max(1, min(int(number[:9]), MAX_HITS))
    return MAX_HITS


Scratches = tuple["hyperscan.Scratch", ...]
"""Working memory of the scanner, one for each database: what one was made for cannot serve another."""


def scratches_of(databases: Databases, local: threading.local) -> Scratches:
    """Return this thread's working memory for the scanner, made at its first use."""
    made: Scratches | None = getattr(local, "scratches", None)
    if made is None:
        made = tuple(hyperscan.Scratch(database) for database in databases.made)
        local.scratches = made
    return made
