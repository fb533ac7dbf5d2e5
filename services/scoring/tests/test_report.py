"""The report on one message for people."""

import io
import re
from dataclasses import replace

import pytest
from rich.console import Console

from mailweir_core.decision import Action
from mailweir_core.outcome import Lookup, Status
from mailweir_policy import ScoringPolicy, Thresholds
from mailweir_scoring.cli.report import AGAINST, FOR, LOOKUPS, bar, print_report, turned
from mailweir_scoring.cli.scorer import Scored
from mailweir_scoring.policy.counterfactual import counterfactual
from mailweir_scoring.policy.facts import Hit
from mailweir_scoring.policy.judgement import Judgement, StageRun, Summary, Versions
from mailweir_scoring.policy.ruleset import Rule, RuleSet
from mailweir_scoring.policy.verdict import judge

RULES = RuleSet(
    {
        "BIG_ONE": Rule("BIG_ONE", 7.0, "headers", "A heavy thing"),
        "OTHER": Rule("OTHER", 3.0, "words", "Another thing"),
        "GOOD_ONE": Rule("GOOD_ONE", -1.5, "favour", "Something in its favour"),
    },
    "abc",
)
POLICY = ScoringPolicy(
    thresholds=Thresholds(tag=6, quarantine=None, reject=12), group_caps={"headers": 5.5}
)
THRESHOLDS = Thresholds()


def scored(*hits: Hit, **fields: object) -> Scored:
    verdict = judge(hits, RULES, POLICY)
    runs = (
        StageRun("parse", Status.OK, 0.001),
        StageRun("headers", Status.HIT, 0.0025),
        StageRun("structure", Status.TEMPERROR, 0.5, "over 0.5 s"),
        StageRun("words", Status.SKIPPED, 0.0, "already decided"),
    )
    judgement = Judgement(
        status=Status.HIT,
        verdict=verdict,
        stages=runs,
        headers=(),
        thresholds=POLICY.thresholds,
        versions=Versions("v.3", "abc", "0.1.0", "prior-1"),
        summary=Summary(subject="Hello"),
        counterfactual=counterfactual(verdict, POLICY),
    )
    return Scored("a/b.eml", "00" * 32, 100, replace(judgement, **fields))  # type: ignore[arg-type]


ALL = (Hit("BIG_ONE", "[bold]proof[/bold]"), Hit("OTHER"), Hit("GOOD_ONE"))


def printed(result: Scored, width: int = 200, *, terminal: bool = False) -> list[str]:
    out = io.StringIO()
    console = Console(
        file=out,
        width=width,
        highlight=False,
        force_terminal=terminal,
        color_system="standard" if terminal else None,
    )
    print_report(console, result)
    return out.getvalue().splitlines()


def plain(line: str) -> str:
    return re.sub(r"\x1b\[[0-9;]*m", "", line)


@pytest.mark.parametrize(
    ("points", "left", "right"),
    [(0, 0, 0), (7.5, 0, 12), (15, 0, 24), (1000, 0, 24), (-2.5, 4, 0), (-1000, 8, 0), (0.2, 0, 0)],
)
def test_a_bar_goes_from_zero_to_both_sides(points: float, left: int, right: int) -> None:
    below, above = bar(points, THRESHOLDS).plain.split("│")
    assert (len(below), len(above)) == (FOR, AGAINST)
    assert below == "░" * (FOR - left) + "█" * left
    assert above.startswith("█" * right)
    assert above.count("█") == right


def test_the_thresholds_are_marked_where_the_bar_does_not_reach() -> None:
    above = bar(0, THRESHOLDS).plain.split("│")[1]
    assert [at + 1 for at, cell in enumerate(above) if cell == "┊"] == [
        10,
        13,
        24,
    ]  # 6, 8, 15 of 15
    assert bar(7, THRESHOLDS).plain.count("┊") == 2
    off = Thresholds(tag=None, quarantine=None, reject=None)
    assert bar(5, off).plain.count("┊") == 0


def test_a_bar_is_scaled_to_the_highest_threshold() -> None:
    assert bar(5, Thresholds(tag=5, quarantine=None, reject=None)).plain.count("█") == AGAINST
    assert bar(-5, Thresholds(tag=-5, quarantine=None, reject=None)).plain.count("█") == FOR


def test_the_head_says_what_became_of_it() -> None:
    lines = printed(scored(*ALL))
    assert lines[0] == "a/b.eml  7.00 points, TAG (suspicious)"
    assert lines[1] == "  Hello"
    assert lines[2].split()[0] == "score"
    assert lines[2].endswith("7.00  tag 6, quarantine off, reject 12")


def test_groups_are_heaviest_first_with_their_caps() -> None:
    lines = printed(scored(*ALL))
    groups = [line for line in lines[3:] if "│" in line]
    assert [line.split()[0] for line in groups] == ["headers", "words", "favour"]
    assert groups[0].endswith("5.50  (7.00, capped at 5.5)")
    assert groups[2].endswith("-1.50")


def test_signals_stand_under_their_group_with_evidence_as_it_is() -> None:
    lines = printed(scored(*ALL))
    at = next(n for n, line in enumerate(lines) if line.split()[:1] == ["headers"])
    assert lines[at + 1].split()[:2] == ["7.00", "BIG_ONE"]
    assert lines[at + 1].endswith("A heavy thing [[bold]proof[/bold]]")


def test_the_foot_says_what_the_verdict_hangs_on() -> None:
    assert "  without BIG_ONE it would be: accept" in printed(scored(*ALL))
    both = printed(scored(Hit("OTHER", weight=5.0), Hit("BIG_ONE"), Hit("GOOD_ONE", weight=-8.0)))
    assert "  without OTHER and GOOD_ONE it would be: accept" in both
    saved = printed(scored(Hit("OTHER"), Hit("BIG_ONE", weight=0.6), Hit("GOOD_ONE")))
    assert "  without GOOD_ONE it would be: tag" in saved
    assert not any("without" in line for line in printed(scored()))


def test_what_it_says_is_what_judging_without_them_gives() -> None:
    for hits in (ALL, ALL[:1], ALL[1:], (Hit("BIG_ONE", weight=3.0), Hit("OTHER", weight=4.0))):
        result = scored(*hits).judgement
        rest = [h for h in hits if h.symbol not in result.counterfactual]
        assert turned(result) is judge(rest, RULES, POLICY).action


def test_what_was_forced_is_undone_by_what_forced_it() -> None:
    result = scored(Hit("OTHER", least=Action.REJECT))
    assert "  without OTHER it would be: accept" in printed(result)
    assert result.judgement.verdict.action is Action.REJECT


def test_the_foot_says_times_what_did_not_run_and_what_judged() -> None:
    lines = printed(scored(*ALL))
    assert "  503.5 ms: parse 1.0, headers 2.5, structure 500.0" in lines
    assert "  not run: structure: over 0.5 s; words: already decided" in lines
    assert "  judged by model prior-1, rules abc, policy v.3, Mailweir 0.1.0" in lines
    versions = Versions("v.3", "abc", "0.1.0")
    assert "  judged by rules abc, policy v.3, Mailweir 0.1.0" in printed(scored(versions=versions))


def test_lookups_are_shown_and_bounded() -> None:
    lookups = tuple(Lookup("dns", f"n{n}.example A", "ok", 0.004) for n in range(LOOKUPS + 3))
    lines = printed(scored(lookups=lookups))
    assert "  asked dns: n0.example A → ok (4 ms)" in lines
    assert sum("asked dns" in line for line in lines) == LOOKUPS
    assert "  asked 3 times more" in lines


def test_nothing_found_is_said_and_no_subject_is_no_line() -> None:
    lines = printed(scored(summary=Summary()))
    assert lines[1].split()[0] == "score"
    assert "  nothing found" in lines


@pytest.mark.parametrize("width", [80, 120])
def test_it_fits_the_terminal(width: int) -> None:
    long = (Hit("BIG_ONE", "e" * 99), Hit("OTHER", "short"))
    lines = printed(scored(*long, summary=Summary(subject="s" * 200)), width, terminal=True)
    assert max(len(plain(line)) for line in lines) <= width
    assert any("\x1b[" in line for line in lines)
    under = next(n for n, line in enumerate(lines) if plain(line).strip().startswith("[eee"))
    assert "BIG_ONE" in lines[under - 1]
    beside = next(line for line in lines if "OTHER" in line)
    assert plain(beside).endswith("Another thing [short]")


@pytest.mark.parametrize("width", [40, 80, 120])
def test_in_a_pipe_there_is_no_colour_and_nothing_is_cut(width: int) -> None:
    lines = printed(scored(Hit("BIG_ONE", "e" * 99)), width)
    assert not any("\x1b" in line or "…" in line for line in lines)
    assert any("e" * 99 in line for line in lines)
    assert printed(scored(*ALL), width) == printed(scored(*ALL), 200)
