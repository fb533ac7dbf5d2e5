"""A policy as the service asks it: made ready once for each version."""

from dataclasses import dataclass

from mailweir_policy import Policy
from mailweir_ratelimit.policy.allowance import Allowances
from mailweir_ratelimit.policy.limits import Limits
from mailweir_runtime.config import HasPolicy, PolicySnapshot


@dataclass(frozen=True, slots=True)
class Rules:
    """A policy, made ready for counting."""

    policy: Policy
    version: str
    limits: Limits
    allowances: Allowances


def rules_of(snapshot: PolicySnapshot) -> Rules:
    """Return a policy made ready."""
    policy = snapshot.policy
    return Rules(policy, snapshot.version, Limits(policy), Allowances(policy))


class RulesBook:
    """Has the rules of the policy in force."""

    def __init__(self, config: HasPolicy) -> None:
        """Follow `config`."""
        self._config = config
        self._snapshot = config.current
        self._rules = rules_of(self._snapshot)

    @property
    def current(self) -> Rules:
        """Return the rules to use now."""
        snapshot = self._config.current
        if snapshot is not self._snapshot:
            self._snapshot, self._rules = snapshot, rules_of(snapshot)
        return self._rules
