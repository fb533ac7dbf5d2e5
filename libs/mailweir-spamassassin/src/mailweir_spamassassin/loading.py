"""From a source of rule files to a rule book, with everything that is wrong or not supported."""

from dataclasses import dataclass
from pathlib import Path

from mailweir_spamassassin.build import Evals, Makers, build
from mailweir_spamassassin.conf.model import RuleFileSet
from mailweir_spamassassin.conf.reader import read
from mailweir_spamassassin.conf.source import DirectorySource, Source
from mailweir_spamassassin.perl.plans import Plans
from mailweir_spamassassin.problems import Place, Problem, ProblemKind, ProblemLog, Severity
from mailweir_spamassassin.rulebook import RuleBook, make_book
from mailweir_spamassassin.scan.database import Cache, Databases


@dataclass(frozen=True, slots=True)
class Coverage:
    """Lines that define a rule and are in force by their conditions.

    `lines` are all of them, `loaded` those whose rule runs (or is replaced by a later line), `network` those
    that would ask the network and stay silent as with SpamAssassin's `--local`; the rest is in the problems.
    """

    lines: int
    loaded: int
    network: int

    @property
    def share(self) -> float:
        """Return the part of the lines that run, of those that need no network."""
        local = self.lines - self.network
        return self.loaded / local if local else 1.0


@dataclass(frozen=True, slots=True)
class Loaded:
    """What became of a source; `book` is None where an error forbids to use it."""

    book: RuleBook | None
    files: RuleFileSet
    problems: tuple[Problem, ...]
    coverage: Coverage

    @property
    def errors(self) -> tuple[Problem, ...]:
        """Return the problems for which a set is refused."""
        return tuple(p for p in self.problems if p.severity is Severity.ERROR)


def load(
    source: Source,
    evals: Evals,
    *,
    strict: bool = True,
    net: bool = False,
    cache: Path | None = None,
) -> Loaded:
    """Read and compile rule files; nothing is kept from earlier calls.

    A `strict` caller gets no book where any line is wrong, and goes on with the last good one; else the
    wrong lines are left out. Rules that are right but cannot run here forbid nothing. `net` lets `net` rules
    run whose eval test is answered without the network. `cache` is a directory, writable by this program
    alone, for compiled patterns: it saves seconds at each start.
    """
    problems = ProblemLog()
    files = read(source, problems)
    if not files.rules:
        problems.add(Place("(directory)"), ProblemKind.UNREADABLE, "no rule in it")
    databases = Databases(Cache(cache))
    plans = Plans(cache)
    built = build(files, evals, Makers(plans, databases), problems, net=net)
    plans.store()
    found = problems.all()
    refused = not files.rules or (strict and any(p.severity is Severity.ERROR for p in found))
    book = None if refused else make_book(files, built, databases)
    return Loaded(book, files, found, _coverage(files, found))


def load_directories(
    directories: tuple[Path, ...],
    evals: Evals,
    *,
    strict: bool = True,
    net: bool = False,
    cache: Path | None = None,
) -> Loaded:
    """Load the `*.cf` files of directories, later ones over earlier ones; see `load`."""
    return load(DirectorySource(directories), evals, strict=strict, net=net, cache=cache)


def _coverage(files: RuleFileSet, problems: tuple[Problem, ...]) -> Coverage:
    bad = {p.place: p.kind for p in problems if p.severity is not Severity.NOTE}
    lost = [bad[line.place] for line in files.lines if line.place in bad]
    network = sum(kind is ProblemKind.NETWORK for kind in lost)
    return Coverage(len(files.lines), len(files.lines) - len(lost), network)
