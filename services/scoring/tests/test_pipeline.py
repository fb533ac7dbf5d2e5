"""Stages and checks as data."""

from mailweir_policy import MessageLimits, ScoringPolicy, StagePolicy
from mailweir_scoring.adapters.rulefiles import DirectoryRules
from mailweir_scoring.policy.facts import Facts, Hit
from mailweir_scoring.policy.pipeline import (
    Stage,
    check,
    symbols_of,
    unknown_names,
)
from mailweir_scoring.policy.reading import read_message, texts_of
from mailweir_scoring.policy.ruleset import read_rules
from mailweir_scoring.policy.stages import STAGES

RULES = read_rules(DirectoryRules.shipped().read(), symbols_of(STAGES))


@check("ONE", "TWO")
def first(_facts: Facts) -> list[Hit]:
    return [Hit("ONE"), Hit("TWO", "seen", 0.5)]


@check("THREE")
def second(_facts: Facts) -> list[Hit]:
    return [Hit("THREE")]


def test_a_stage_runs_its_checks_in_order() -> None:
    policy = ScoringPolicy()
    message = read_message(b"Subject: x\r\n\r\ny", MessageLimits(), policy.scan_bytes)
    facts = Facts(message, texts_of(message, policy.scan_bytes), 0.0)
    stage = Stage("both", (first, second))
    assert stage.run(facts) == (Hit("ONE"), Hit("TWO", "seen", 0.5), Hit("THREE"))
    assert stage.symbols == {"ONE", "TWO", "THREE"}
    assert symbols_of([stage, Stage("none", ())]) == {"ONE", "TWO", "THREE"}


def test_names_that_a_policy_has_and_nothing_here_are_told() -> None:
    policy = ScoringPolicy(
        stages={"headerz": StagePolicy(), "headers": StagePolicy(), "parse": StagePolicy()},
        group_caps={"headers": 5.0, "hats": 1.0},
        signal_scores={"GTUBE": 5, "GTUBES": 5},
    )
    assert unknown_names(policy, STAGES, RULES) == ("headerz", "hats", "GTUBES")


def test_the_default_policy_names_nothing_unknown() -> None:
    assert unknown_names(ScoringPolicy(), STAGES, RULES) == ()
