"""Sums, caps, overrides, rounding, actions and reasons."""

from random import Random

import pytest
from hypothesis import given, strategies as st

from mailweir_core.decision import Action
from mailweir_core.reasons import Reason
from mailweir_policy import ScoringPolicy, Thresholds
from mailweir_scoring.policy.counterfactual import counterfactual
from mailweir_scoring.policy.facts import Hit
from mailweir_scoring.policy.ruleset import Rule, RuleSet
from mailweir_scoring.policy.verdict import Verdict, clean, could_reject, judge

SCORES = {
    "A1": ("alpha", 2.0), "A2": ("alpha", 3.5), "A3": ("alpha", -1.0), "A4": ("alpha", 0.07),
    "B1": ("beta", 4.0), "B2": ("beta", 4.0), "B3": ("beta", 0.1), "B4": ("beta", 0.2),
    "FREE": ("free", 5.9), "GOOD": ("free", -2.5),
}  # fmt: skip
RULES = RuleSet(
    {name: Rule(name, score, group, f"about {name}") for name, (group, score) in SCORES.items()}
    | {"TEST": Rule("TEST", 1000.0, "test", "the test string", reason=Reason.GTUBE)},
    "v1",
)
POLICY = ScoringPolicy(group_caps={"alpha": 5.0, "beta": 6.5})
hits = st.lists(
    st.builds(
        Hit,
        st.sampled_from(sorted(SCORES)),
        st.text(max_size=5),
        st.floats(0.1, 3.0, allow_nan=False),
    ),
    max_size=12,
)


def verdict(*symbols: str, policy: ScoringPolicy = POLICY) -> Verdict:
    return judge([Hit(s) for s in symbols], RULES, policy)


def test_nothing_found_is_clean() -> None:
    found = verdict()
    assert (found.score, found.action, found.reason) == (0.0, Action.ACCEPT, Reason.CLEAN)
    assert found.signals == ()
    assert found.groups == ()


def test_signals_are_heaviest_first_and_carry_the_rule() -> None:
    found = verdict("GOOD", "A1", "B1", "A3")
    assert [s.name for s in found.signals] == ["B1", "A1", "A3", "GOOD"]
    assert found.signals[0].description == "about B1"
    assert found.signals[0].group == "beta"


def test_a_group_adds_no_more_than_its_cap() -> None:
    found = verdict("A1", "A2", "B1")
    assert found.score == 9.0
    (alpha, beta) = found.groups
    assert (alpha.group, alpha.total, alpha.cap, alpha.counted) == ("alpha", 5.5, 5.0, 5.0)
    assert (beta.total, beta.counted) == (4.0, 4.0)


def test_a_group_without_a_cap_counts_in_full() -> None:
    assert verdict("FREE", policy=ScoringPolicy(group_caps={})).score == 5.9


def test_what_speaks_for_a_message_counts_before_the_cap() -> None:
    assert verdict("A1", "A2", "A3").score == 4.5


def test_a_symbol_counts_once_by_its_strongest_hit() -> None:
    found = judge([Hit("A1", "weak", 0.5), Hit("A1", "strong", 2.0), Hit("A1", "x")], RULES, POLICY)
    (signal,) = found.signals
    assert (signal.score, signal.evidence) == (4.0, "strong")


def test_own_scores_replace_the_shipped_ones() -> None:
    own = ScoringPolicy(group_caps={}, signal_scores={"A1": 3.25})
    assert verdict("A1", "B1", policy=own).score == 7.25


def test_an_own_score_of_zero_switches_a_signal_off() -> None:
    own = ScoringPolicy(signal_scores={"A1": 0})
    assert verdict("A1", policy=own).signals == ()


def test_an_own_score_for_a_signal_that_is_not_there_does_nothing() -> None:
    own = ScoringPolicy(signal_scores={"NOT_OURS": 50})
    assert verdict("A1", policy=own).score == 2.0


def test_the_score_is_rounded_once() -> None:
    assert verdict("B3", "B4", "A4").score == 0.37


@pytest.mark.parametrize(
    ("symbols", "action", "reason"),
    [
        (("FREE",), Action.ACCEPT, Reason.CLEAN),
        (("FREE", "B3"), Action.TAG, Reason.SUSPICIOUS),
        (("B1", "B2", "A1"), Action.HOLD, Reason.SPAM),
        (("B1", "B2", "A1", "A2", "FREE"), Action.REJECT, Reason.SPAM),
        (("TEST",), Action.REJECT, Reason.GTUBE),
        (("TEST", "FREE", "B1"), Action.REJECT, Reason.GTUBE),
    ],
)
def test_actions_and_reasons(symbols: tuple[str, ...], action: Action, reason: Reason) -> None:
    found = verdict(*symbols)
    assert (found.action, found.reason) == (action, reason)


def test_a_rule_s_own_reason_stands_only_where_something_is_done() -> None:
    policy = ScoringPolicy(signal_scores={"TEST": 1})
    assert verdict("TEST", policy=policy).reason is Reason.CLEAN


def test_without_a_reject_threshold_the_worst_is_held() -> None:
    policy = ScoringPolicy(thresholds=Thresholds(reject=None))
    assert verdict("TEST", policy=policy).action is Action.HOLD


def test_a_hit_without_a_rule_is_a_mistake_of_ours() -> None:
    with pytest.raises(KeyError):
        verdict("NOBODY")


@given(hits)
def test_a_score_never_exceeds_the_caps(found: list[Hit]) -> None:
    capped = [h for h in found if SCORES[h.symbol][0] != "free"]
    assert judge(capped, RULES, POLICY).score <= 5.0 + 6.5


@given(hits, st.randoms(use_true_random=False))
def test_the_order_of_hits_makes_no_difference(found: list[Hit], random: Random) -> None:
    shuffled = list(found)
    random.shuffle(shuffled)
    assert judge(shuffled, RULES, POLICY) == judge(found, RULES, POLICY)


@given(hits, hits)
def test_the_action_follows_the_score(one: list[Hit], other: list[Hit]) -> None:
    order = [Action.ACCEPT, Action.TAG, Action.HOLD, Action.REJECT]
    low, high = sorted(
        (judge(one, RULES, POLICY), judge(other, RULES, POLICY)), key=lambda v: v.score
    )
    assert order.index(low.action) <= order.index(high.action)


@given(
    hits, st.floats(0.5, 30.0), st.dictionaries(st.sampled_from(sorted(SCORES)), st.floats(-5, 20))
)
def test_only_what_could_reject_rejects(
    found: list[Hit], reject: float, own: dict[str, float]
) -> None:
    thresholds = Thresholds(tag=0.2, quarantine=0.3, reject=reject)
    policy = POLICY.model_copy(update={"thresholds": thresholds, "signal_scores": own})
    if judge(found, RULES, policy).action is Action.REJECT:
        assert could_reject(found, RULES, policy)


def test_what_asks_for_more_could_reject_and_little_could_not() -> None:
    assert could_reject([Hit("A4", least=Action.REJECT)], RULES, POLICY)
    assert not could_reject([Hit("A4"), Hit("GOOD")], RULES, POLICY)
    no_reject = POLICY.model_copy(update={"thresholds": Thresholds(reject=None)})
    assert not could_reject([Hit("TEST")], RULES, no_reject)


@given(hits)
def test_what_was_counted_adds_up_to_the_score(found: list[Hit]) -> None:
    result = judge(found, RULES, POLICY)
    assert result.score == pytest.approx(sum(g.counted for g in result.groups), abs=0.0051)


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ("plain", "plain"),
        ("two\r\nlines\tand  blanks", "two lines and blanks"),
        ("bell\x07 nul\x00 esc\x1b[31m", "bell nul esc [31m"),
        ("right\u202eto left", "right to left"),
        ("zero\u200bwidth", "zero width"),
        ("lone \udc80 surrogate", "lone surrogate"),
        ("Grüße, 図書館", "Grüße, 図書館"),
        ("", ""),
    ],
)
def test_evidence_is_one_harmless_line(raw: str, expected: str) -> None:
    assert clean(raw) == expected


def test_evidence_is_cut() -> None:
    assert clean("x" * 500) == "x" * 99 + "…"
    assert clean("x" * 100) == "x" * 100
    assert len(clean(" " * 1_000_000 + "x")) == 0


@given(st.text())
def test_evidence_never_breaks_a_line(text: str) -> None:
    line = clean(text)
    assert len(line) <= 100
    assert line == " ".join(line.split())
    line.encode()


# what no score can soften


@pytest.mark.parametrize(
    ("hits", "action", "forced"),
    [
        ([Hit("AAA", least=Action.HOLD)], Action.HOLD, ("AAA",)),
        (
            [Hit("AAA", least=Action.HOLD), Hit("BBB", least=Action.REJECT)],
            Action.REJECT,
            ("AAA", "BBB"),
        ),
        # the score alone is as strict
        ([Hit("AAA", least=Action.HOLD), Hit("BBB", weight=9.0)], Action.HOLD, ()),
        ([Hit("AAA")], Action.ACCEPT, ()),
        # switched off by the admin
        ([Hit("OFF", least=Action.REJECT)], Action.ACCEPT, ()),
    ],
)
def test_a_hit_may_want_an_action_at_least(
    hits: list[Hit], action: Action, forced: tuple[str, ...]
) -> None:
    rules = RuleSet({s: Rule(s, 1.0, "g", "…") for s in ("AAA", "BBB", "OFF")}, "r")
    policy = ScoringPolicy(signal_scores={"OFF": 0.0})
    verdict = judge(hits, rules, policy)
    assert (verdict.action, verdict.forced) == (action, forced)
    assert counterfactual(verdict, policy) == (
        forced or (("BBB",) if action is Action.HOLD else ())
    )


def test_a_silenced_hit_forces_nothing() -> None:
    rules = RuleSet({"AAA": Rule("AAA", 1.0, "g", "…")}, "r")
    hit = Hit("AAA", least=Action.REJECT)
    assert judge([hit], rules, ScoringPolicy(), frozenset({"AAA"})).action is Action.ACCEPT
