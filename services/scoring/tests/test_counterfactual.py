"""What a verdict hangs on: exactly the fewest signals, and the action really turns without them."""

from itertools import combinations

import pytest
from hypothesis import given, strategies as st

from mailweir_core.decision import Action
from mailweir_policy import ScoringPolicy
from mailweir_scoring.policy.counterfactual import counterfactual
from mailweir_scoring.policy.facts import Hit
from mailweir_scoring.policy.ruleset import Rule, RuleSet
from mailweir_scoring.policy.verdict import Verdict, judge


def world(
    scores: dict[str, tuple[str, float]], caps: dict[str, float]
) -> tuple[RuleSet, ScoringPolicy]:
    rules = {s: Rule(s, score, group, "…") for s, (group, score) in scores.items()}
    return RuleSet(rules, "r"), ScoringPolicy(group_caps=caps)


def verdict_of(rules: RuleSet, policy: ScoringPolicy, without: tuple[str, ...] = ()) -> Verdict:
    return judge([Hit(s) for s in rules.rules if s not in without], rules, policy)


@pytest.mark.parametrize(
    ("scores", "caps", "action", "expected"),
    [
        ({"AAA": ("a", 5.0), "BBB": ("b", 2.0)}, {}, Action.TAG, {"AAA"}),
        ({"AAA": ("a", 5.0), "BBB": ("b", 5.0), "CCC": ("c", 1.0)}, {}, Action.HOLD, {"AAA"}),
        # what the cap cuts off must go as well: 4 of group a alone would change nothing
        (
            {"AAA": ("a", 6.0), "AAB": ("a", 6.0), "BBB": ("b", 2.0)},
            {"a": 6.0},
            Action.HOLD,
            {"BBB"},
        ),
        ({"AAA": ("a", 6.0), "AAB": ("a", 6.0)}, {"a": 6.0}, Action.TAG, {"AAA", "AAB"}),
        ({"AAA": ("a", 7.0), "GOOD": ("g", -2.0)}, {}, Action.ACCEPT, {"GOOD"}),
        ({"AAA": ("a", 1.0)}, {}, Action.ACCEPT, set()),
        ({}, {}, Action.ACCEPT, set()),
        ({"AAA": ("a", 100.0), "BBB": ("b", 100.0)}, {}, Action.REJECT, {"AAA", "BBB"}),
    ],
)
def test_the_fewest_signals(
    scores: dict[str, tuple[str, float]],
    caps: dict[str, float],
    action: Action,
    expected: set[str],
) -> None:
    rules, policy = world(scores, caps)
    verdict = verdict_of(rules, policy)
    assert verdict.action is action
    assert set(counterfactual(verdict, policy)) == expected


signals = st.dictionaries(
    st.sampled_from([f"SYM{n}" for n in range(8)]),
    st.tuples(st.sampled_from("abc"), st.integers(-40, 80).map(lambda n: n / 10)),
)
caps = st.dictionaries(st.sampled_from("abc"), st.integers(0, 90).map(lambda n: n / 10))


@given(signals, caps)
def test_the_action_turns_without_them_and_with_no_fewer(
    scores: dict[str, tuple[str, float]], caps: dict[str, float]
) -> None:
    rules, policy = world(scores, caps)
    verdict = verdict_of(rules, policy)
    found = counterfactual(verdict, policy)
    if found:
        assert verdict_of(rules, policy, found).action is not verdict.action
    accepted = verdict.action is Action.ACCEPT
    usable = [s for s, (_, score) in scores.items() if (score < 0 if accepted else score > 0)]
    for count in range(len(found) if found else len(usable) + 1):
        for fewer in combinations(usable, count):
            assert verdict_of(rules, policy, fewer).action is verdict.action


def test_many_signals_take_no_long_search() -> None:
    scores = {f"SYM{n}": (f"g{n % 10}", 1.0) for n in range(500)}
    rules, policy = world(scores, {})
    verdict = verdict_of(rules, policy)
    assert verdict.action is Action.REJECT
    assert counterfactual(verdict, policy) == ()
