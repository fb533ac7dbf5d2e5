"""Lines: comments, escapes, translations, keys."""

import pytest

from mailweir_spamassassin.conf.lines import lines_of
from mailweir_spamassassin.limits import MAX_LINE_CHARS
from mailweir_spamassassin.problems import ProblemKind, ProblemLog


def _lines(text: str) -> list[tuple[int, str, str]]:
    return [
        (line.place.line, line.key, line.value) for line in lines_of("a.cf", text, ProblemLog())
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("score A 1.0", [(1, "score", "A 1.0")]),
        ("\n\n  body  A   /x  y/ \t", [(3, "body", "A   /x  y/")]),
        ("score A 1 # why\n# all of it\n#", [(1, "score", "A 1")]),
        (r"body A /a\#b/ # c", [(1, "body", "A /a#b/")]),
        ("Clear-Report-Template", [(1, "clear_report_template", "")]),
        ("report", [(1, "report", "")]),
        ("score A 1\r\nscore B 2\r\n", [(1, "score", "A 1"), (2, "score", "B 2")]),
        ("lang en describe A hello", [(1, "describe", "A hello")]),
        ("lang en_US describe A hello", [(1, "describe", "A hello")]),
        ("lang de describe A hallo", []),
        ("language x", [(1, "language", "x")]),
        ("", []),
    ],
)
def test_lines(text: str, expected: list[tuple[int, str, str]]) -> None:
    assert _lines(text) == expected


def test_a_huge_line_is_left_out_and_named() -> None:
    problems = ProblemLog()
    text = "body A /" + "x" * MAX_LINE_CHARS + "/\nscore A 1"
    assert [line.key for line in lines_of("a.cf", text, problems)] == ["score"]
    (problem,) = problems.all()
    assert (problem.kind, str(problem.place)) == (ProblemKind.LIMIT, "a.cf:1")
