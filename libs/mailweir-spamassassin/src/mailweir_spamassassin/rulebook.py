"""A set of SpamAssassin's rules ready to run: immutable, safe to share between threads."""

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import compress
from typing import Final

from mailweir_spamassassin.build import Built
from mailweir_spamassassin.conf.model import SCORE_SETS, MetaTest, RuleDef, RuleFileSet
from mailweir_spamassassin.limits import MAX_EVIDENCE_CHARS
from mailweir_spamassassin.meta.expression import names_of
from mailweir_spamassassin.perl.exact import StepLimit
from mailweir_spamassassin.run import MessageRun, Metas, ScoreSet
from mailweir_spamassassin.scan.database import Databases
from mailweir_spamassassin.scan.patterns import scratches_of
from mailweir_spamassassin.scan.session import Session
from mailweir_spamassassin.view.api import MessageView

NO_DESCRIPTION: Final = "No description available"
_MOST_NAMES: Final = 6


@dataclass(frozen=True, slots=True)
class RuleHit:
    """A rule that matched, its score in the set in use, what it says, and a short excerpt of what it saw."""

    name: str
    score: float
    description: str
    evidence: str = ""


@dataclass(frozen=True, slots=True)
class SlowRule:
    """A rule that took long in one message, or was cut short (`stopped`: then it counts as not hit)."""

    name: str
    seconds: float
    stopped: bool


@dataclass(frozen=True, slots=True)
class RunResult:
    """What a message's rules say: the hits that count, by name, their sum, and what was slow."""

    hits: tuple[RuleHit, ...] = ()
    score: float = 0.0
    slow: tuple[SlowRule, ...] = ()
    sub_rules: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class RuleBook:
    """Rules ready to run. Made by `loading.load`."""

    files: RuleFileSet
    built: Built
    metas: Metas
    sets: tuple[ScoreSet, ...]
    databases: Databases = field(repr=False)
    numbers: Mapping[str, int] = field(repr=False)
    _local: threading.local = field(default_factory=threading.local, repr=False)

    @property
    def version(self) -> str:
        """Return a short hash over all files."""
        return self.files.version

    @property
    def rules(self) -> Mapping[str, RuleDef]:
        """Return every rule that the files define, by name, also those that do not run."""
        return self.files.rules

    @property
    def running(self) -> tuple[str, ...]:
        """Return the names of the rules that run, sorted."""
        return self.built.names

    @property
    def searched_alone(self) -> tuple[str, ...]:
        """Return the rules that cost time in every message: the scanner cannot say where they may match."""
        program = self.built.program
        return tuple(self.built.names[n] for n in sorted(program.searched_alone))

    def describe(self, name: str) -> str:
        """Return a rule's description."""
        return self.files.descriptions.get(name, NO_DESCRIPTION)

    def run(
        self,
        view: MessageView,
        *,
        score_set: int = 0,
        evidence: bool = True,
        clock: Callable[[], float] = time.perf_counter,
    ) -> RunResult:
        """Return what the rules find in a message. `score_set` is 0 to 3, see `conf.model.SCORE_SETS`."""
        chosen = self.sets[score_set]
        session = Session(scratches_of(self.databases, self._local), clock)
        built = self.built
        MessageRun(built.program, built.names, view, session, self.files.settings).patterns()
        values = list(chosen.base)
        found = [n for n in session.found if chosen.scores[n]]
        for number in found:
            values[number] = session.found[number]
        self.metas.update(values, found, chosen.scores)
        return self._result(values, session, chosen, evidence=evidence)

    def _result(
        self, values: list[float], session: Session, chosen: ScoreSet, *, evidence: bool
    ) -> RunResult:
        names = self.built.names
        hits: list[RuleHit] = []
        subs: list[str] = []
        for number in compress(range(len(values)), values):
            name = names[number]
            if name.startswith("__"):
                subs.append(name)
                continue
            text = self._evidence(number, session, values) if evidence else ""
            hits.append(RuleHit(name, chosen.scores[number], self.describe(name), text))
        score = round(sum(h.score for h in hits), 6)
        return RunResult(tuple(hits), score, self._slow(session), tuple(subs))

    def _slow(self, session: Session) -> tuple[SlowRule, ...]:
        names = self.built.names
        return tuple(
            SlowRule(names[n], session.slow.get(n, 0.0), n in session.stopped)
            for n in sorted(session.slow.keys() | session.stopped)
        )

    def _evidence(self, number: int, session: Session, values: list[float]) -> str:
        rule = self.files.rules[self.built.names[number]]
        if isinstance(rule.test, MetaTest):
            return self._fired(rule.test, values)
        matcher = self.built.program.matchers.get(number)
        text = session.where.get(number)
        if matcher is None or not text:
            return ""
        try:
            match = matcher.search(text)
        except StepLimit:
            return ""
        return shown(match.group()) if match is not None else ""

    def _fired(self, test: MetaTest, values: list[float]) -> str:
        numbers = self.numbers
        names = dict.fromkeys(names_of(test.expression))
        fired = [n for n in names if n in numbers and values[numbers[n]]]
        return " ".join(fired[:_MOST_NAMES])


def make_book(files: RuleFileSet, built: Built, databases: Databases) -> RuleBook:
    """Return a book of what was built; a rule's score is 0 in a set where it is switched off."""
    metas = Metas.of(built.program.metas)
    scores = [tuple(files.score_of(n)[s] for n in built.names) for s in range(SCORE_SETS)]
    sets = tuple(ScoreSet(s, metas.base(s)) for s in scores)
    numbers = {name: number for number, name in enumerate(built.names)}
    return RuleBook(files, built, metas, sets, databases, numbers)


def shown(text: bytes) -> str:
    """Return an excerpt for people: one line, cut, without control characters."""
    decoded = text[: 4 * MAX_EVIDENCE_CHARS].decode("utf-8", "replace")
    line = " ".join("".join(c if c.isprintable() else " " for c in decoded).split())
    return line if len(line) <= MAX_EVIDENCE_CHARS else line[: MAX_EVIDENCE_CHARS - 1] + "…"
