"""What follows from findings and failures, and how it goes over the wire."""

from itertools import permutations

import pytest

from mailweir.common.v1 import common_pb2
from mailweir_core.decision import Action
from mailweir_core.outcome import Status
from mailweir_core.reasons import Reason
from mailweir_mail import parse
from mailweir_policy import HeaderPolicy, ScoringPolicy, StageFailure, Thresholds
from mailweir_scoring.convert import result_to_proto
from mailweir_scoring.policy.facts import Hit
from mailweir_scoring.policy.judgement import (
    Course,
    Failure,
    StageRun,
    Summary,
    Versions,
    conclude,
    summary_of,
    unjudged,
)
from mailweir_scoring.policy.ruleset import Rule, RuleSet

RULES = RuleSet(
    {
        "LIGHT": Rule("LIGHT", 1.0, "headers", "light"),
        "HEAVY": Rule("HEAVY", 9.0, "other", "heavy"),
        "DEADLY": Rule("DEADLY", 99.0, "more", "deadly"),
    },
    "rules1",
)
VERSIONS = Versions("v.1", "rules1", "0.1.0", "model1")


def course(*symbols: str, failures: tuple[StageFailure, ...] = ()) -> Course:
    failed = tuple(Failure(f"s{n}", "broke", f) for n, f in enumerate(failures))
    runs = tuple(StageRun(f.stage, Status.TEMPERROR, 0.5, f.detail) for f in failed)
    return Course(tuple(Hit(s) for s in symbols), runs, failed)


@pytest.mark.parametrize(
    ("symbols", "failures", "status", "action", "reason"),
    [
        ((), (), Status.OK, Action.ACCEPT, Reason.CLEAN),
        (("LIGHT",), (), Status.HIT, Action.ACCEPT, Reason.CLEAN),
        (("LIGHT",), ("skip",), Status.HIT, Action.ACCEPT, Reason.CLEAN),
        ((), ("skip",), Status.OK, Action.ACCEPT, Reason.CLEAN),
        (("LIGHT",), ("hold",), Status.HIT, Action.HOLD, Reason.UNSCANNED),
        (("HEAVY",), ("hold",), Status.HIT, Action.HOLD, Reason.SPAM),
        (("HEAVY",), ("tempfail",), Status.TEMPERROR, Action.DEFER, Reason.SCORING_UNAVAILABLE),
        (("DEADLY",), ("tempfail", "hold"), Status.HIT, Action.REJECT, Reason.SPAM),
    ],
)
def test_what_follows(
    symbols: tuple[str, ...],
    failures: tuple[str, ...],
    status: Status,
    action: Action,
    reason: Reason,
) -> None:
    wanted = tuple(map(StageFailure, failures))
    judgement = conclude(course(*symbols, failures=wanted), RULES, ScoringPolicy(), VERSIONS)
    assert judgement.status is status
    assert (judgement.verdict.action, judgement.verdict.reason) == (action, reason)


def test_the_gravest_failure_counts_in_any_order() -> None:
    for order in permutations(StageFailure):
        judgement = conclude(course(failures=order), RULES, ScoringPolicy(), VERSIONS)
        assert judgement.status is Status.TEMPERROR
        assert judgement.headers == ()


def test_headers_name_what_gave_nothing() -> None:
    found = course("LIGHT", failures=(StageFailure.SKIP,))
    judgement = conclude(found, RULES, ScoringPolicy(), VERSIONS)
    assert "skipped=s0" in judgement.headers[-1].value


def test_headers_follow_the_policy() -> None:
    policy = ScoringPolicy(headers=HeaderPolicy(flag=False, score=False, level=False, status=False))
    assert conclude(course("LIGHT"), RULES, policy, VERSIONS).headers == ()


def test_an_answer_without_any_verdict() -> None:
    judgement = unjudged(ScoringPolicy(), VERSIONS, "the sky fell")
    assert judgement.status is Status.TEMPERROR
    assert judgement.verdict.action is Action.DEFER
    assert (judgement.stages, judgement.headers) == ((), ())


def test_a_summary_is_short_and_clean() -> None:
    raw = (
        b"From: =?utf-8?Q?Ann_B=C3=A9?= <Ann@Example.net>\r\nSubject: =?utf-8?B?R3LDvMOfZQ==?=\x1b[2J "
        + b"x" * 500 + b"\r\nMessage-ID: <1@example.net>\r\n\r\n"
    )  # fmt: skip
    summary = summary_of(parse(raw))
    assert summary.subject.startswith("Grüße")
    assert "\x1b" not in summary.subject
    assert len(summary.subject) == 200
    assert summary.message_id == "<1@example.net>"
    assert summary.from_address == "Ann@Example.net"
    assert summary_of(parse(b"")) == Summary()


def test_everything_goes_over_the_wire() -> None:
    policy = ScoringPolicy(thresholds=Thresholds(tag=5, quarantine=None, reject=20))
    found = course("LIGHT", "HEAVY", failures=(StageFailure.SKIP,))
    judgement = conclude(found, RULES, policy, VERSIONS, Summary("s", "<m>", "f@example.net"))
    result = result_to_proto(judgement)
    assert result.status == common_pb2.STATUS_HIT
    assert (result.score, result.action, result.reason) == (10.0, "tag", "suspicious")
    assert [s.name for s in result.signals] == ["HEAVY", "LIGHT"]
    assert result.stages[0].stage == "s0"
    assert result.stages[0].status == common_pb2.STATUS_TEMPERROR
    assert (result.stages[0].seconds, result.stages[0].detail) == (0.5, "broke")
    assert {h.name: h.value for h in result.headers}["X-Spam-Flag"] == "YES"
    assert result.thresholds.HasField("tag")
    assert not result.thresholds.HasField("quarantine")
    assert result.thresholds.reject == 20
    assert (result.config_version, result.rules_version) == ("v.1", "rules1")
    assert result.model_version == "model1"
    assert (result.subject, result.message_id) == ("s", "<m>")
    assert result.from_address == "f@example.net"
    assert result.detail == "s0: broke"
