"""Rules that no file of ours has: what a policy names, and what a rule directory brings."""

from mailweir_policy import ScoringPolicy
from mailweir_scoring.policy.lists import rules_of as list_rules
from mailweir_scoring.policy.ruleset import Rule
from mailweir_scoring.policy.spamassassin import SpamAssassin, rules_of as spamassassin_rules


def rules_of_policy(policy: ScoringPolicy, module: SpamAssassin | None = None) -> tuple[Rule, ...]:
    """Return the rules that a policy makes or values: those of its DNS lists and SpamAssassin's."""
    own = list_rules(policy.lists)
    return own if module is None else (*own, *spamassassin_rules(module, policy.spamassassin))
