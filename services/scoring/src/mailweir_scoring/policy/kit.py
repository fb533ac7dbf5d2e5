"""The hot data that messages are judged with: immutable, and swapped as a whole between two messages."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from mailweir_model import Model
from mailweir_model.fingerprint import FuzzyBook
from mailweir_scoring.policy.ruleset import Rule, RuleSet

if TYPE_CHECKING:  # it stands on the facts, and they on this
    from mailweir_scoring.policy.spamassassin import SpamAssassin


@dataclass(frozen=True, slots=True)
class Kit:
    """Rules, model, SpamAssassin's rules, known campaigns; None: there is none, its stage finds nothing."""

    rules: RuleSet
    model: Model | None = None
    spamassassin: "SpamAssassin | None" = None
    fuzzy: FuzzyBook | None = None


def with_rules(rules: RuleSet, more: Iterable[Rule]) -> RuleSet:
    """Return the rule set with more rules; a symbol that is there already keeps its rule."""
    added = {rule.symbol: rule for rule in more}
    return replace(rules, rules={**added, **rules.rules}) if added else rules
