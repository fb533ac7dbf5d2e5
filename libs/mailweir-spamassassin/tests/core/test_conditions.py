"""`if` lines."""

import pytest

from mailweir_spamassassin.conf.conditions import has_plugin, holds
from mailweir_spamassassin.meta.expression import InvalidExpressionError

P = "Mail::SpamAssassin::Plugin::"
C = "Mail::SpamAssassin::Conf::"


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("version >= 4.000000", True),
        ("(version < 4.000000)", False),
        ("version == 4.000001", True),
        ("!(version >= 3.004002)", False),
        ("perl_version >= 5.010000 && version > 3.004001", True),
        (f"plugin({P}MIMEEval)", True),
        (f"plugin ( {P}MIMEEval )", True),
        (f"plugin({P}Shortcircuit)", False),
        (f"!plugin({P}Shortcircuit)", True),
        (f"plugin({P}Dmarc)", True),
        (f"can({C}feature_bug6558_free)", True),
        (f"!(can({C}feature_bug6558_free))", False),
        (f"can({C}compat_welcomelist_blocklist)", False),
        (f"has({P}DKIM::has_arc)", True),
        (f"can({P}TextCat::anything)", False),
        ("local_tests_only", True),
        ("1 ? 0 : 1", False),
        ("2 * 3 - 1 == 5 || 1 / 0", True),
    ],
)
def test_holds(expression: str, expected: bool) -> None:
    assert holds(expression) is expected


@pytest.mark.parametrize(
    "expression",
    [
        "",
        "(",
        "version >=",
        "unknown_word",
        "can(nothing)",
        "rules_matching(A*)",
        "1 2",
        "a::b",
        "system('x')",
    ],
)
def test_what_is_no_condition(expression: str) -> None:
    with pytest.raises(InvalidExpressionError):
        holds(expression)


def test_plugins_of_earlier_names() -> None:
    assert has_plugin(P + "WhiteListSubject")
    assert not has_plugin("Own::Plugin")
