"""What SpamAssassin's rules may contribute; where their files are is a process setting."""

from pydantic import Field

from mailweir_policy.base import PolicyModel
from mailweir_policy.fields import Cap


class SpamAssassinPolicy(PolicyModel):
    """SpamAssassin's rules, where the process has a directory of them."""

    enabled: bool = True
    """Look at mail with these rules."""
    score_set: int = Field(0, ge=0, le=3)
    """Which of a rule's four scores counts: 0 without network tests and Bayes, 1 with network tests, 2 with
    Bayes, 3 with both. Rules that ask the network do not run here, so 0 is what the scores were made for."""
    scale: float = Field(1.0, ge=0, le=10)
    """Factor on every score. SpamAssassin calls mail spam from 5 points on, Mailweir tags from 6."""
    rule_cap: Cap = 5.5
    """Most points, up or down, of one rule: a single rule shall not decide."""
    max_score: Cap = 12.0
    """Most points that all of them may add together; their own sum stays visible in the record."""
    evidence: bool = True
    """Keep an excerpt of what each rule matched."""
