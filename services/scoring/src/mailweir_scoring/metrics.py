"""What the scoring service counts."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from mailweir_core.decision import Action
from mailweir_runtime.dns import DnsMetrics, declare as declare_dns
from mailweir_scoring.campaign_metrics import CampaignMetrics, declare_campaigns
from mailweir_scoring.list_metrics import ListMetrics, declare_lists
from mailweir_scoring.policy.judgement import Judgement
from mailweir_scoring.spamassassin_metrics import SpamAssassinMetrics, declare_spamassassin

SCORE_BUCKETS: Final = (-5.0, -1.0, 0.0, 1.0, 2.0, 4.0, 6.0, 8.0, 10.0, 15.0, 20.0)
SECONDS_BUCKETS: Final = (
    0.0005,
    0.001,
    0.0025,
    0.005,
    0.01,
    0.025,
    0.05,
    0.1,
    0.25,
    0.5,
    1.0,
    2.5,
    8.0,
)
BYTES_BUCKETS: Final = (1024, 4096, 16_384, 65_536, 262_144, 1_048_576, 4_194_304, 26_214_400)


OTHER: Final = "other"
"""Label of the symbols that come from a rule directory or the policy."""


class Cause(StrEnum):
    """Why a stage gave nothing."""

    RAISED = "raised"
    OVERRUN = "overrun"  # its own budget
    DEADLINE = "deadline"  # the budget of the whole verdict
    UNANSWERED = "unanswered"  # what it asked could not tell


@dataclass(frozen=True, slots=True)
class Metrics:
    """The metrics, ready to be counted.

    Series that each message counts are held by their label: looking one up through the client library costs
    more than counting.
    """

    messages: Counter
    score: Histogram
    size: Histogram
    seconds: Histogram
    stage_seconds: Histogram
    stage_failures: Counter
    signals: Counter
    abandoned: Gauge
    campaigns: CampaignMetrics
    dns: DnsMetrics
    lists: ListMetrics
    spamassassin: SpamAssassinMetrics
    by_action: dict[Action, Counter] = field(default_factory=dict)
    by_stage: dict[str, Histogram] = field(default_factory=dict)
    """Of `stage_seconds`."""
    by_signal: dict[str, Counter] = field(default_factory=dict)

    @property
    def other_signal(self) -> Counter:
        """Return the series of all symbols that are not our own: their number has no bound of ours."""
        return self.by_signal[OTHER]

    def prepare(self, stages: Iterable[str], symbols: Iterable[str]) -> None:
        """Close the label sets: every series is there, at zero, from the start."""
        for stage in stages:
            self.by_stage[stage] = self.stage_seconds.labels(stage)
            for cause in Cause:
                self.stage_failures.labels(stage, cause)
        for symbol in (*symbols, OTHER):
            self.by_signal[symbol] = self.signals.labels(symbol)

    def count(self, judgement: Judgement, size: int, seconds: float) -> None:
        """Count one judged message of `size` bytes."""
        verdict = judgement.verdict
        self.by_action[verdict.action].inc()
        self.score.observe(verdict.score)
        self.size.observe(size)
        self.seconds.observe(seconds)
        for signal in verdict.signals:
            (self.by_signal.get(signal.name) or self.other_signal).inc()


def declare(registry: CollectorRegistry) -> Metrics:
    """Declare every metric on `registry`."""
    metrics = Metrics(
        messages=Counter(
            "mailweir_scoring_messages",
            "Messages judged, by action.",
            ["action"],
            registry=registry,
        ),
        score=Histogram(
            "mailweir_scoring_score_points",
            "Scores of the messages judged.",
            buckets=SCORE_BUCKETS,
            registry=registry,
        ),
        size=Histogram(
            "mailweir_scoring_message_bytes",
            "Sizes of the messages judged.",
            buckets=BYTES_BUCKETS,
            registry=registry,
        ),
        seconds=Histogram(
            "mailweir_scoring_message_seconds",
            "Time a whole verdict took.",
            buckets=SECONDS_BUCKETS,
            registry=registry,
        ),
        stage_seconds=Histogram(
            "mailweir_scoring_stage_seconds",
            "Time one stage took, by stage.",
            ["stage"],
            buckets=SECONDS_BUCKETS,
            registry=registry,
        ),
        stage_failures=Counter(
            "mailweir_scoring_stage_failures",
            "Stages that gave nothing, by stage and cause.",
            ["stage", "cause"],
            registry=registry,
        ),
        signals=Counter(
            "mailweir_scoring_signal_hits",
            "Signals found, by symbol; `other` for those of rule directories and of the policy.",
            ["signal"],
            registry=registry,
        ),
        abandoned=Gauge(
            "mailweir_scoring_abandoned_stages",
            "Stages over their budget whose thread is still busy.",
            registry=registry,
        ),
        campaigns=declare_campaigns(registry),
        dns=declare_dns(registry, "scoring"),
        lists=declare_lists(registry),
        spamassassin=declare_spamassassin(registry),
    )
    for action in Action:
        metrics.by_action[action] = metrics.messages.labels(action)
    return metrics
