"""The whole answer about a message: the verdict, how it came about, and what follows from what failed."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from mailweir_core.decision import Action
from mailweir_core.outcome import Lookup, Status
from mailweir_core.reasons import Reason
from mailweir_mail import Message
from mailweir_policy import ScoringPolicy, StageFailure, Thresholds
from mailweir_scoring.policy.counterfactual import counterfactual
from mailweir_scoring.policy.facts import Hit
from mailweir_scoring.policy.headers import Field, spam_headers
from mailweir_scoring.policy.ruleset import RuleSet
from mailweir_scoring.policy.verdict import Verdict, clean, judge

SUMMARY_CHARACTERS: Final = 200
"""Subject, Message-ID and From address in the record are cut to this."""


@dataclass(frozen=True, slots=True)
class StageRun:
    """What one stage did: OK, HIT, SKIPPED (`detail` says why) or TEMPERROR (`detail` says what failed)."""

    stage: str
    status: Status
    seconds: float = 0.0
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Failure:
    """A stage that raised or overran, and what the policy wants done about it."""

    stage: str
    detail: str
    follows: StageFailure


@dataclass(frozen=True, slots=True)
class Versions:
    """What judged: policy, rules and model version (empty without a model), and the program's."""

    config: str
    rules: str
    program: str
    model: str = ""


@dataclass(frozen=True, slots=True)
class Summary:
    """What a list of messages shows of one."""

    subject: str = ""
    message_id: str = ""
    from_address: str = ""


@dataclass(frozen=True, slots=True)
class Course:
    """How the pipeline went: what was found, what each stage did, what failed."""

    hits: tuple[Hit, ...] = ()
    runs: tuple[StageRun, ...] = ()
    failures: tuple[Failure, ...] = ()
    silenced: frozenset[str] = frozenset()
    lookups: tuple[Lookup, ...] = ()
    fields: tuple[tuple[str, str], ...] = ()
    """Header fields that stages have for the message, beside those about the score."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """A message's verdict with its explanation. `status` is TEMPERROR where there is none to rely on.

    `counterfactual` names the fewest signals without which the thresholds would give another action.
    """

    status: Status
    verdict: Verdict
    stages: tuple[StageRun, ...]
    headers: tuple[Field, ...]
    thresholds: Thresholds
    versions: Versions
    summary: Summary = Summary()
    detail: str = ""
    lookups: tuple[Lookup, ...] = ()
    counterfactual: tuple[str, ...] = ()


def conclude(
    course: Course,
    rules: RuleSet,
    policy: ScoringPolicy,
    versions: Versions,
    summary: Summary = Summary(),
    *,
    verdict: Verdict | None = None,
) -> Judgement:
    """Return the judgement: the verdict on what was found, after what the failures lead to.

    Whoever has the verdict on these hits already gives it.
    """
    if verdict is None:
        verdict = judge(course.hits, rules, policy, course.silenced)
    hangs_on = counterfactual(verdict, policy)
    status, verdict, detail = _after_failures(verdict, course.failures)
    skipped = [r.stage for r in course.runs if r.status in (Status.SKIPPED, Status.TEMPERROR)]
    own = tuple(Field(name, value) for name, value in course.fields)
    about_score = spam_headers(
        verdict,
        policy.headers,
        tag=policy.thresholds.tag,
        skipped=skipped,
        version=versions.program,
    )
    return Judgement(
        status=status,
        verdict=verdict,
        stages=course.runs,
        headers=() if status is Status.TEMPERROR else (*own, *about_score),
        thresholds=policy.thresholds,
        versions=versions,
        summary=summary,
        detail=detail,
        lookups=course.lookups,
        counterfactual=hangs_on,
    )


def unjudged(policy: ScoringPolicy, versions: Versions, detail: str) -> Judgement:
    """Return the answer where nothing could be found out at all."""
    verdict = Verdict(0.0, Action.DEFER, Reason.SCORING_UNAVAILABLE)
    return Judgement(Status.TEMPERROR, verdict, (), (), policy.thresholds, versions, detail=detail)


def summary_of(message: Message) -> Summary:
    """Return what lists show of a message."""
    sender = message.from_.first
    address = sender.address if sender is not None else ""
    values = (message.subject, message.headers.get("message-id") or "", address)
    return Summary(*(clean(v, SUMMARY_CHARACTERS) for v in values))


def _after_failures(verdict: Verdict, failures: Sequence[Failure]) -> tuple[Status, Verdict, str]:
    found = Status.HIT if any(s.score > 0 for s in verdict.signals) else Status.OK
    detail = "; ".join(f"{f.stage}: {f.detail}" for f in failures)
    wanted = {f.follows for f in failures}
    if verdict.action is Action.REJECT:  # what is missing could not have saved it
        return found, verdict, detail
    if StageFailure.TEMPFAIL in wanted:
        late = replace(verdict, action=Action.DEFER, reason=Reason.SCORING_UNAVAILABLE)
        return Status.TEMPERROR, late, detail
    if StageFailure.HOLD in wanted and verdict.action is not Action.HOLD:
        return found, replace(verdict, action=Action.HOLD, reason=Reason.UNSCANNED), detail
    return found, verdict, detail
