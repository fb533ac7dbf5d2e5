"""The shipped rules: complete, readable, and each one weak enough alone."""

import pytest

from mailweir_core.decision import Action
from mailweir_policy import ScoringPolicy, Thresholds
from mailweir_scoring.adapters.rulefiles import DirectoryRules
from mailweir_scoring.policy.facts import Hit
from mailweir_scoring.policy.pipeline import symbols_of
from mailweir_scoring.policy.ruleset import Rule, read_rules
from mailweir_scoring.policy.stages import STAGES
from mailweir_scoring.policy.verdict import judge

RULES = read_rules(DirectoryRules.shipped().read(), symbols_of(STAGES))
CONTENT = [r for r in RULES.rules.values() if r.group != "gtube"]


def test_files_are_named_after_their_group() -> None:
    assert {(r.group, r.file) for r in RULES.rules.values()} == {
        (g, f"{g}.toml") for g in ("attachments", "gtube", "headers", "structure")
    }


@pytest.mark.parametrize("rule", CONTENT, ids=lambda r: r.symbol)
def test_no_single_heuristic_reaches_the_tag_threshold(rule: Rule) -> None:
    policy = ScoringPolicy()
    verdict = judge([Hit(rule.symbol)], RULES, policy)
    assert verdict.action is Action.ACCEPT
    assert verdict.score > 0


@pytest.mark.parametrize("group", ["headers", "structure"])
def test_headers_alone_or_structure_alone_do_not_tag(group: str) -> None:
    hits = [Hit(r.symbol) for r in CONTENT if r.group == group]
    assert judge(hits, RULES, ScoringPolicy()).action is Action.ACCEPT


def test_every_group_but_the_test_is_capped() -> None:
    assert set(ScoringPolicy().group_caps) == set(RULES.groups) - {"gtube"}


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


def test_stages_have_names_of_their_own() -> None:
    names = [s.name for s in STAGES]
    assert names == ["gtube", "headers", "attachments", "structure"]
