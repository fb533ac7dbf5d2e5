"""All rules that a command looks at: Mailweir's own and those of SpamAssassin's rule files."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mailweir_scoring.adapters.rulefiles import DirectoryRules
from mailweir_scoring.policy.pipeline import symbols_of
from mailweir_scoring.policy.ruleset import InvalidRulesError, RuleSet, read_rules
from mailweir_scoring.policy.stages import STAGES
from mailweir_scoring.ports import RulesUnreadable
from mailweir_spamassassin.build import Evals
from mailweir_spamassassin.evals import EVALS, UNSUPPORTED_EVALS
from mailweir_spamassassin.loading import Loaded, load_directories
from mailweir_spamassassin.problems import Severity


@dataclass(frozen=True, slots=True)
class Rulesets:
    """Own rules, or what is wrong with them; SpamAssassin's rules where directories were named."""

    own: RuleSet | None
    own_problems: tuple[str, ...]
    spamassassin: Loaded | None

    @property
    def is_flawed(self) -> bool:
        """Say whether anything is wrong, or cannot run (rules that ask the network are not meant to)."""
        if self.own_problems:
            return True
        if self.spamassassin is None:
            return False
        problems = self.spamassassin.problems
        return any(p.severity is not Severity.NOTE and p.kind != "network" for p in problems)


def read_all(directories: Sequence[Path], rules: Path | None) -> Rulesets:
    """Read own rules from `rules` or as shipped, and SpamAssassin's from `directories`."""
    source = DirectoryRules(rules) if rules is not None else DirectoryRules.shipped()
    own, problems = None, tuple[str, ...]()
    try:
        own = read_rules(source.read(), symbols_of(STAGES))
    except InvalidRulesError as error:
        problems = tuple(map(str, error.problems))
    except RulesUnreadable as error:
        problems = (str(error),)
    if not directories:
        return Rulesets(own, problems, None)
    evals = Evals(EVALS, UNSUPPORTED_EVALS)
    return Rulesets(own, problems, load_directories(tuple(directories), evals, strict=False))
