"""The shipped rules: complete, readable, and each one weak enough alone."""

import pytest

from mailweir_core.decision import Action
from mailweir_policy import ScoringPolicy, Thresholds
from mailweir_scoring.adapters.rulefiles import DirectoryRules
from mailweir_scoring.policy.facts import Hit
from mailweir_scoring.policy.pipeline import symbols_of
from mailweir_scoring.policy.ruleset import Rule, read_rules
from mailweir_scoring.policy.stages import STAGES, stages_with
from mailweir_scoring.policy.verdict import judge

RULES = read_rules(DirectoryRules.shipped().read(), symbols_of(STAGES))
OWN = ("headers", "structure", "attachments", "identity", "links", "words", "composites")
EVIDENCE = {"gtube", "antivirus", "authentication"}
"""Groups that may decide alone: what they find is proven, not guessed."""
LEARNT = {"campaign", "statistics", "lists", "spamassassin"}
"""Groups that may mark a mail alone, and never refuse it."""
CONTENT = [r for r in RULES.rules.values() if r.group not in EVIDENCE | LEARNT]
OTHERS = [r for r in RULES.rules.values() if r.group in LEARNT]
CAMPAIGN = [r for r in OTHERS if r.group == "campaign"]


def test_files_are_named_after_their_group() -> None:
    assert {(r.group, r.file) for r in RULES.rules.values()} == {
        (g, f"{g}.toml") for g in RULES.groups
    }
    assert {"antivirus", "attachments", "campaign", "headers", "structure"} < set(RULES.groups)


@pytest.mark.parametrize("rule", CONTENT, ids=lambda r: r.symbol)
def test_no_single_heuristic_reaches_the_tag_threshold(rule: Rule) -> None:
    policy = ScoringPolicy()
    verdict = judge([Hit(rule.symbol)], RULES, policy)
    assert verdict.action is Action.ACCEPT
    assert verdict.score == round(rule.score, 2) != 0


@pytest.mark.parametrize("rule", OTHERS, ids=lambda r: r.symbol)
def test_nothing_learnt_or_listed_is_refused_for_that_alone(rule: Rule) -> None:
    assert judge([Hit(rule.symbol)], RULES, ScoringPolicy()).action is not Action.REJECT


def test_all_that_campaigns_can_say_does_not_refuse() -> None:
    hits = [Hit(r.symbol, weight=2.0) for r in CAMPAIGN if r.score > 0]
    assert judge(hits, RULES, ScoringPolicy()).action is Action.HOLD


@pytest.mark.parametrize("group", ["headers", "structure", "identity", "links", "words"])
def test_no_group_of_content_tags_alone(group: str) -> None:
    hits = [Hit(r.symbol) for r in CONTENT if r.group == group and r.score > 0]
    assert judge(hits, RULES, ScoringPolicy()).action is Action.ACCEPT


def test_every_group_that_guesses_is_capped() -> None:
    assert set(RULES.groups) - EVIDENCE <= set(ScoringPolicy().group_caps)


def test_gtube_is_refused_whatever_the_thresholds_are() -> None:
    for reject in (15.0, 100.0):
        policy = ScoringPolicy(thresholds=Thresholds(tag=1, quarantine=2, reject=reject))
        assert judge([Hit("GTUBE")], RULES, policy).action is Action.REJECT


@pytest.mark.parametrize("rule", RULES.rules.values(), ids=lambda r: r.symbol)
def test_descriptions_are_short_sentences(rule: Rule) -> None:
    text = rule.description
    assert text[0].isupper()
    assert not text.endswith(".")
    assert len(text) <= 90
    assert text.isascii() or "€" in text


def test_stages_have_names_of_their_own_and_stand_in_order() -> None:
    names = [s.name for s in STAGES]
    assert len(set(names)) == len(names)
    assert names.index("antivirus") < names.index("campaign") < names.index("composites")


def test_a_stage_that_asks_is_there_only_if_somebody_answers() -> None:
    names = [s.name for s in STAGES]
    absent = {"antivirus", "auth", "lists", "spamassassin"}
    assert [s.name for s in stages_with(scanner=True, resolver=True, spamassassin=True)] == names
    assert [s.name for s in stages_with(scanner=False)] == [n for n in names if n not in absent]
