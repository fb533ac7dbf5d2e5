"""Rule files: read as a whole or refused with everything that is wrong."""

import pytest

from mailweir_core.reasons import Reason
from mailweir_scoring.policy.ruleset import (
    InvalidRulesError,
    RuleFile,
    RuleSet,
    read_rules,
    version_of,
)

GOOD = """
group = "headers"

[NO_DATE]
score = 1.25
description = "There is no date"

[BIG_TEST]
score = 20
description = "  The test string  "
reason = "gtube"
"""


def refused(text: str, checked: set[str] | None = None, name: str = "a.toml") -> list[str]:
    with pytest.raises(InvalidRulesError) as caught:
        read_rules([RuleFile(name, text)], checked if checked is not None else {"NO_DATE"})
    return [str(p) for p in caught.value.problems]


def table(**values: object) -> str:
    lines = [f"{k} = {v}" for k, v in values.items()]
    return 'group = "headers"\n[NO_DATE]\n' + "\n".join(lines)


def test_rules_are_read_with_group_and_reason() -> None:
    rules = read_rules([RuleFile("a.toml", GOOD)], {"NO_DATE", "BIG_TEST"})
    assert isinstance(rules, RuleSet)
    assert rules.rules["NO_DATE"].score == 1.25
    assert rules.rules["NO_DATE"].group == "headers"
    assert rules.rules["NO_DATE"].reason is None
    assert rules.rules["NO_DATE"].file == "a.toml"
    assert rules.rules["BIG_TEST"].description == "The test string"
    assert rules.rules["BIG_TEST"].reason is Reason.GTUBE
    assert rules.groups == ("headers",)


def test_an_unknown_symbol_names_its_file() -> None:
    text = GOOD.replace("NO_DATE", "NO_DAET")
    assert refused(text, {"NO_DATE", "BIG_TEST"}) == [
        "a.toml: NO_DAET: unknown symbol: no check reports it, and it has no `expression`"
    ]


def test_a_symbol_in_two_files_names_both() -> None:
    files = [RuleFile("a.toml", GOOD), RuleFile("b.toml", table(score=1, description='"x"'))]
    with pytest.raises(InvalidRulesError) as caught:
        read_rules(files, {"NO_DATE", "BIG_TEST"})
    assert str(caught.value) == "b.toml: NO_DATE: defined twice; the first is in a.toml"


def test_a_checked_symbol_without_a_rule_is_an_error() -> None:
    text = table(score=1, description='"x"')
    assert refused(text, {"NO_DATE", "LOST"}) == [
        "a.toml: LOST: a check reports it, but no file has a rule for it"
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (table(score=1), "a.toml: NO_DATE: needs a `description`"),
        (table(score=1, description='"  "'), "a.toml: NO_DATE: needs a `description`"),
        (table(description='"x"'), "a.toml: NO_DATE: needs a number as `score`"),
        (table(score="true", description='"x"'), "a.toml: NO_DATE: needs a number as `score`"),
        (table(score="nan", description='"x"'), "a.toml: NO_DATE: needs a number as `score`"),
        (table(score="'3'", description='"x"'), "a.toml: NO_DATE: needs a number as `score`"),
        (
            table(score=1001, description='"x"'),
            "a.toml: NO_DATE: `score` must be from -1000 to 1000",
        ),
        (
            table(score=1, description='"x"', reason='"because"'),
            "a.toml: NO_DATE: `reason` 'because' is not one of the known reasons",
        ),
        (
            table(score=1, description='"x"', points=3),
            "a.toml: NO_DATE: unknown key `points`",
        ),
        ("[NO_DATE]\nscore = 1", 'a.toml: needs `group = "name"` at its top'),
        ('group = "UPPER"', 'a.toml: needs `group = "name"` at its top'),
        (
            'group = "g1"\nNO_DATE = 3',
            "a.toml: NO_DATE: unknown key: only `group` may stand outside a table",
        ),
        (
            'group = "headers"\n[no_date]\nscore = 1\ndescription = "x"',
            "a.toml: no_date: a symbol is 3 to 48 characters of A-Z, 0-9 and _, the first a letter",
        ),
    ],
)
def test_what_is_wrong_is_said(text: str, expected: str) -> None:
    assert expected in refused(text)


def test_a_file_that_is_no_toml_says_where() -> None:
    (problem,) = refused("group = 'headers'\n[NO_DATE\n")
    assert problem.startswith("a.toml: not TOML: ")
    assert "line 2" in problem


def test_every_problem_is_told_at_once() -> None:
    text = GOOD.replace("1.25", "'much'").replace("20", "inf")
    assert len(refused(text, {"NO_DATE", "BIG_TEST"})) == 2


def test_the_version_follows_the_content_not_the_order() -> None:
    a, b = RuleFile("a.toml", GOOD), RuleFile("b.toml", GOOD)
    assert version_of([a, b]) == version_of([b, a])
    assert version_of([a]) != version_of([a, b])
    assert version_of([a]) != version_of([RuleFile("a.toml", GOOD + " ")])
    assert version_of([RuleFile("a", "bc")]) != version_of([RuleFile("ab", "c")])
    assert len(version_of([a])) == 12
