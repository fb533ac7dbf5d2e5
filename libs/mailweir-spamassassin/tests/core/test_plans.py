"""Plans that are kept: the same as made anew, and made anew where the file is of no use."""

from pathlib import Path

import pytest

from mailweir_spamassassin.captures import MARK, marked
from mailweir_spamassassin.perl import plans as module
from mailweir_spamassassin.perl.literal import InvalidRegexError, PerlRegex
from mailweir_spamassassin.perl.parse import parse_regex
from mailweir_spamassassin.perl.plan import Plan, plan_for
from mailweir_spamassassin.perl.plans import Plans
from mailweir_spamassassin.perl.shape import has_literal

REGEXES = (
    PerlRegex("abc"),
    PerlRegex("abc", "i"),
    PerlRegex(r"(a.)b\1(?!x)"),
    PerlRegex("^\xe9[\x80-\xff]$"),
    PerlRegex("[aeiou]"),
    PerlRegex("a*"),
)


def _said(plan: Plan) -> tuple[object, ...]:
    return plan.matcher.source, plan.options, plan.letters, plan.joined


def _kept(directory: Path) -> Path:
    plans = Plans(directory)
    for regex in REGEXES:
        plans.plan_for(regex)
    plans.store()
    (path,) = directory.glob("plans-*.json")
    return path


@pytest.mark.parametrize("regex", REGEXES, ids=str)
def test_a_kept_plan_says_the_same(tmp_path: Path, regex: PerlRegex) -> None:
    _kept(tmp_path)
    kept, made = Plans(tmp_path).plan_for(regex), plan_for(regex)
    assert _said(kept) == _said(made)
    assert (kept.matcher.search(b"xabcx") is None) is (made.matcher.search(b"xabcx") is None)


def test_a_kept_plan_is_not_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _kept(tmp_path)
    monkeypatch.setattr(module, "plan_for", None)
    plans = Plans(tmp_path)
    assert all(plans.plan_for(regex).matcher.source for regex in REGEXES)


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"KEY": []}', '{"KEY": [1, 2, 3, 4]}'])
def test_a_file_of_no_use(tmp_path: Path, text: str) -> None:
    path = _kept(tmp_path)
    key = next(iter(module._read(path)))
    path.write_text(text.replace("KEY", key))
    plans = Plans(tmp_path)
    assert [_said(plans.plan_for(r)) for r in REGEXES] == [_said(plan_for(r)) for r in REGEXES]
    plans.store()
    assert len(module._read(path)) == len(REGEXES)


def test_what_is_not_asked_for_any_more_is_dropped(tmp_path: Path) -> None:
    path = _kept(tmp_path)
    plans = Plans(tmp_path)
    plans.plan_for(REGEXES[0])
    plans.store()
    assert len(module._read(path)) == 1


def test_a_place_that_cannot_be_written_to(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    plans = Plans(tmp_path / "file")
    assert plans.plan_for(REGEXES[0]).options
    plans.store()
    assert (tmp_path / "file").read_text() == ""


def test_a_wrong_pattern_is_wrong_each_time(tmp_path: Path) -> None:
    for _ in range(2):
        plans = Plans(tmp_path)
        with pytest.raises(InvalidRegexError):
            plans.plan_for(PerlRegex("("))
        plans.store()


@pytest.mark.parametrize(
    ("pattern", "needed"),
    [
        ("%{A}", True),
        ("x.*%{A}$", True),
        ("(?<!y)%{A}|%{A}", False),
        ("(?:%{A})?x", False),
        ("x(?=%{A})", False),
        ("%{B}x", False),
        ("%{B}%{A}", True),
    ],
)
def test_a_text_that_must_be_there(pattern: str, needed: bool) -> None:
    assert has_literal(parse_regex(marked(PerlRegex(pattern, "i"), "A")), MARK) is needed
