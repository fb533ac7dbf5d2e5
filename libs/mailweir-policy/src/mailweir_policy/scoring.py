"""How content is judged: thresholds, budgets, group caps, headers, and what a failed stage leads to."""

from enum import StrEnum
from itertools import pairwise
from typing import Annotated, Final, Self

from pydantic import Field, model_validator

from mailweir_core.decision import Action
from mailweir_policy.antivirus import AntivirusPolicy
from mailweir_policy.authentication import AuthenticationPolicy
from mailweir_policy.base import PolicyModel
from mailweir_policy.campaign import CampaignPolicy
from mailweir_policy.fields import Bytes, Cap, Score, Seconds
from mailweir_policy.lists import ListsPolicy
from mailweir_policy.spamassassin import SpamAssassinPolicy
from mailweir_policy.statistics import StatisticsPolicy


class Thresholds(PolicyModel):
    """Scores from which an action holds; each None switches its action off."""

    tag: Score | None = 6.0
    """Mark as spam in the headers, deliver."""
    quarantine: Score | None = 8.0
    """Keep in quarantine."""
    reject: Score | None = 15.0
    """Refuse with 550."""

    @model_validator(mode="after")
    def _order(self) -> Self:
        named = [
            (n, v) for n in ("tag", "quarantine", "reject") if (v := getattr(self, n)) is not None
        ]
        for (low, a), (high, b) in pairwise(named):
            if a >= b:
                raise ValueError(f"{low} ({a:g}) must be below {high} ({b:g})")
        return self

    def action(self, score: float) -> Action:
        """Return what a message of this score has coming."""
        for threshold, action in (
            (self.reject, Action.REJECT),
            (self.quarantine, Action.HOLD),
            (self.tag, Action.TAG),
        ):
            if threshold is not None and score >= threshold:
                return action
        return Action.ACCEPT


class StageFailure(StrEnum):
    """What follows when a stage fails or runs out of its budget."""

    SKIP = "skip"  # go on without it; the verdict names it
    TEMPFAIL = "tempfail"  # 451: the client comes again
    HOLD = "hold"  # take it, and hold it for a later scan


class StagePolicy(PolicyModel):
    """One stage of the scoring pipeline."""

    enabled: bool = True
    budget_seconds: Seconds = 1.0
    on_failure: StageFailure = StageFailure.SKIP


class HeaderPolicy(PolicyModel):
    """Which headers a delivered message is given (SpamAssassin's names, as users know them)."""

    flag: bool = True
    """`X-Spam-Flag: YES|NO`."""
    score: bool = True
    """`X-Spam-Score: 7.3`."""
    level: bool = True
    """`X-Spam-Level: *******`."""
    status: bool = True
    """`X-Spam-Status: Yes, score=... required=... tests=...`."""
    report: bool = False
    """`X-Spam-Report` with a line per signal."""


class ScoringPolicy(PolicyModel):
    """Content scoring."""

    thresholds: Thresholds = Thresholds()
    budget_seconds: Seconds = 8.0
    """For the whole verdict; later gets 451."""
    stages: dict[str, StagePolicy] = Field(default_factory=dict)
    """By stage name (`parse`, `gtube`, `headers`, ...). What is not named has the defaults, but for `parse`,
    whose failure is a tempfail: nothing is known about a message that was not read. That of
    `antivirus` is one too, and its budget is 6 s."""
    group_caps: dict[str, Cap] = Field(
        default_factory=lambda: {
            "headers": 5.5,
            "structure": 5.5,
            "attachments": 9.0,
            "campaign": 14.0,
            "edge": 5.5,
            "lists": 9.0,
            "statistics": 6.5,
            "identity": 5.5,
            "links": 5.5,
            "words": 4.5,
            "composites": 6.5,
            "spamassassin": 12.0,
        }
    )
    """Most points that a group of signals may add together."""
    signal_scores: dict[str, Score] = Field(default_factory=dict)
    """Own scores by signal name, in place of the shipped ones; 0 switches a signal off."""
    scan_bytes: Bytes = 524_288
    """Bytes of a message whose text is scanned; headers and attachments are always looked at."""
    headers: HeaderPolicy = HeaderPolicy()
    languages: tuple[Annotated[str, Field(pattern="^[a-z]{2}$")], ...] = ()
    """Languages written here (ISO 639-1); text in a script of none of them is a signal. Empty: all."""
    forbidden_charsets: tuple[Annotated[str, Field(max_length=40, pattern="^[^A-Z]+$")], ...] = ()
    """Character sets, lower case, whose use is a signal, such as `koi8-r`."""
    authentication: AuthenticationPolicy = AuthenticationPolicy()
    lists: ListsPolicy = ListsPolicy()
    statistics: StatisticsPolicy = StatisticsPolicy()
    campaign: CampaignPolicy = CampaignPolicy()
    antivirus: AntivirusPolicy = AntivirusPolicy()
    spamassassin: SpamAssassinPolicy = SpamAssassinPolicy()

    def cap(self, group: str) -> float | None:
        """Return the most that a group may add, None for any; of SpamAssassin's two limits the lower."""
        cap = self.group_caps.get(group)
        if group != "spamassassin":
            return cap
        most = self.spamassassin.max_score
        return most if cap is None else min(cap, most)

    def stage(self, name: str) -> StagePolicy:
        """Return the policy of a stage, the defaults where it is not named."""
        return self.stages.get(name) or _DEFAULT_STAGES.get(name) or _DEFAULT_STAGE


_DEFAULT_STAGE: Final = StagePolicy()
_DEFAULT_STAGES: Final = {
    "parse": StagePolicy(on_failure=StageFailure.TEMPFAIL),
    # longer than one scan may take, so that the scanner's own answer says what failed
    "antivirus": StagePolicy(budget_seconds=6.0, on_failure=StageFailure.TEMPFAIL),
    # SPF may ask ten times in a row; a list is asked once, and waits for the slowest of them
    "auth": StagePolicy(budget_seconds=4.0),
    "lists": StagePolicy(budget_seconds=2.0),
}
