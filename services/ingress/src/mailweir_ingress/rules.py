"""The rules in force: compiled when the policy changes, not when they are asked for."""

from mailweir_ingress.policy.rules import Rules, compile_rules
from mailweir_runtime.config import HasPolicy, PolicySnapshot


class CurrentRules:
    """Call it for the rules of the policy in force."""

    def __init__(self, config: HasPolicy) -> None:
        """Follow `config`, which must have a policy by now."""
        self._config = config
        self._snapshot: PolicySnapshot | None = None
        self._rules: Rules | None = None

    def __call__(self) -> Rules:
        """Return the rules in force."""
        snapshot = self._config.current
        if self._rules is None or snapshot is not self._snapshot:
            self._rules = compile_rules(snapshot.policy, snapshot.version)
            self._snapshot = snapshot
        return self._rules
