"""SpamAssassin's rules from directories, and what is told of them while they run."""

from collections.abc import Sequence, Set as AbstractSet
from pathlib import Path
from typing import Final

from mailweir_runtime.logs import get_logger
from mailweir_scoring.policy.spamassassin import SpamAssassin
from mailweir_scoring.ports import RulesUnreadable
from mailweir_scoring.spamassassin_metrics import RuleState, SpamAssassinMetrics, Trouble
from mailweir_spamassassin.build import Evals
from mailweir_spamassassin.evals import EVALS, UNSUPPORTED_EVALS
from mailweir_spamassassin.loading import load_directories
from mailweir_spamassassin.problems import ProblemKind
from mailweir_spamassassin.rulebook import RunResult

MOST_LINES: Final = 50
"""Of a rule directory's faults that are told; `mailweir rules check` tells all."""
_log = get_logger(__name__)


def read_spamassassin(
    directories: Sequence[Path],
    own: AbstractSet[str],
    *,
    cache: Path | None = None,
    strict: bool = True,
) -> SpamAssassin:
    """Return the rules of directories, later ones over earlier; `own` are the symbols that are taken.

    Takes seconds, without a cache half a minute. Raises RulesUnreadable with a line for each thing that is
    wrong; unless `strict`, wrong lines are left out, and nothing is wrong but that no rule runs.
    """
    evals = Evals(EVALS, UNSUPPORTED_EVALS)
    try:
        loaded = load_directories(tuple(directories), evals, strict=strict, net=True, cache=cache)
    except OSError as error:
        raise RulesUnreadable(f"{error.filename}: {error.strerror or error}") from error
    if strict and loaded.errors:
        lines = [str(problem) for problem in loaded.errors[:MOST_LINES]]
        raise RulesUnreadable("\n".join(lines))
    if loaded.book is None or not loaded.book.running:
        named = ", ".join(map(str, directories))
        raise RulesUnreadable(f"{named}: there is no rule of SpamAssassin's that can run")
    return SpamAssassin.of(loaded.book, own)


class RuleWatch:
    """Counts what SpamAssassin's rules do, and names each that is slow once."""

    def __init__(self, metrics: SpamAssassinMetrics) -> None:
        """Count on these."""
        self._metrics = metrics
        self._named: set[tuple[str, Trouble]] = set()

    def loaded(self, module: SpamAssassin | None) -> None:
        """Tell how many rules there are."""
        if module is None:
            return
        book, gauge = module.book, self._metrics.rules
        idle = book.built.idle.values()
        network = sum(reason.startswith(ProblemKind.NETWORK) for reason in idle)
        gauge.labels(RuleState.RUNNING).set(len(book.running))
        gauge.labels(RuleState.ALONE).set(len(book.searched_alone))
        gauge.labels(RuleState.NETWORK).set(network)
        gauge.labels(RuleState.IDLE).set(len(book.rules.keys() - set(book.running)) - network)

    def ran(self, result: RunResult) -> None:
        """Count what came of one message."""
        self._metrics.hits.inc(len(result.hits))
        for rule in result.slow:
            trouble = Trouble.STOPPED if rule.stopped else Trouble.SLOW
            self._metrics.troubles[trouble].inc()
            if (rule.name, trouble) not in self._named:
                self._named.add((rule.name, trouble))
                _log.warning("rule_slow", rule=rule.name, seconds=rule.seconds, what=trouble)
