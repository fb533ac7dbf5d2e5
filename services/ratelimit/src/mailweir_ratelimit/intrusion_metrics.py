"""What intrusion prevention counts."""

from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge

from mailweir_core.bans import OffenceKind
from mailweir_ratelimit.policy.intrusion import Spared

PREFIX: Final = "mailweir_ratelimit"
SUBJECTS: Final = ("network", "account")
LIFTED: Final = ("hand", "protected")
"""Who lifts a ban before its end: a person; a policy or allow list that came to protect its subject."""
STEPS: Final = ("count", "ban", "widen", "strike")


class IntrusionMetrics:
    """Every series of intrusion prevention, set to zero."""

    def __init__(self, registry: CollectorRegistry) -> None:
        """Declare them on the registry that is passed in."""

        def counter(noun: str, text: str, label: str, values: tuple[str, ...]) -> Counter:
            made = Counter(f"{PREFIX}_{noun}_total", text, [label], registry=registry)
            for value in values:
                made.labels(value)
            return made

        kinds = tuple(OffenceKind)
        self.offences = counter("offences", "Offences that counted, by kind.", "kind", kinds)
        self.spared = counter(
            "spared_offences",
            "Offences that did not count, by what spares them.",
            "cause",
            tuple(Spared),
        )
        self.bans = counter("bans", "Bans that were set, by kind.", "kind", kinds)
        self.lifted = counter("lifted_bans", "Bans lifted before their end, by whom.", "by", LIFTED)
        self.failures = counter(
            "intrusion_failures",
            "What was not done since the bus was away, by step.",
            "step",
            STEPS,
        )
        self.widened = Counter(
            f"{PREFIX}_widened_bans_total",
            "Bans of a whole network for the bans within it.",
            registry=registry,
        )
        self.unwidened = Counter(
            f"{PREFIX}_unwidened_bans_total",
            "Networks that were not banned as a whole since somebody in them is protected.",
            registry=registry,
        )
        self.active = Gauge(
            f"{PREFIX}_active_bans", "Bans in force.", ["subject"], registry=registry
        )
        for subject in SUBJECTS:
            self.active.labels(subject)
