"""What is counted of SpamAssassin's rules. Their names come with a rule directory, so no label has them."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from prometheus_client import CollectorRegistry, Counter, Gauge


class RuleState(StrEnum):
    """What became of the rules that the directories define."""

    RUNNING = "running"
    NETWORK = "network"  # asks the network, so it stays silent
    IDLE = "idle"  # cannot run here, or counts nothing
    ALONE = "alone"  # of those that run: no scan narrows its pattern down


class Trouble(StrEnum):
    """What a rule may do to a message."""

    SLOW = "slow"
    STOPPED = "stopped"  # counts as not hit


@dataclass(frozen=True, slots=True)
class SpamAssassinMetrics:
    """The metrics, every series at zero from the start."""

    rules: Gauge
    troubles: Mapping[Trouble, Counter]
    hits: Counter


def declare_spamassassin(registry: CollectorRegistry) -> SpamAssassinMetrics:
    """Declare them on a registry."""
    troubles = Counter(
        "mailweir_scoring_spamassassin_rule_troubles",
        "Times that one of SpamAssassin's rules took long or was cut short in a message; the log names it.",
        ["trouble"],
        registry=registry,
    )
    metrics = SpamAssassinMetrics(
        rules=Gauge(
            "mailweir_scoring_spamassassin_rules",
            "SpamAssassin's rules by what became of them; `alone` is a part of `running`.",
            ["state"],
            registry=registry,
        ),
        troubles={t: troubles.labels(t) for t in Trouble},
        hits=Counter(
            "mailweir_scoring_spamassassin_hits",
            "Hits of SpamAssassin's rules, those that count nothing left out.",
            registry=registry,
        ),
    )
    for state in RuleState:
        metrics.rules.labels(state)
    return metrics
