"""SpamAssassin's rules as a stage: facts to what they look at, their hits to hits of ours."""

from mailweir_scoring.policy.spamassassin.stage import GROUP, STAGE, SpamAssassin, rules_of

__all__ = ["GROUP", "STAGE", "SpamAssassin", "rules_of"]
