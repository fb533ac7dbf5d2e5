"""The report for people."""

import io

import pytest
from rich.console import Console

from mailweir_core.decision import Action
from mailweir_core.outcome import Signal, Status
from mailweir_core.reasons import Reason
from mailweir_policy import Thresholds
from mailweir_scoring.cli.scorer import Scored
from mailweir_scoring.cli.show import bar, print_line, print_report
from mailweir_scoring.policy.judgement import Judgement, StageRun, Summary, Versions
from mailweir_scoring.policy.verdict import GroupSum, Verdict

SIGNALS = (
    Signal("BIG_ONE", 7.0, "headers", "A heavy thing", "[bold]proof[/bold]"),
    Signal("GOOD_ONE", -1.5, "favour", "Something in its favour"),
)


def scored(action: Action = Action.TAG, subject: str = "Hello") -> Scored:
    groups = (GroupSum("favour", -1.5, None, -1.5), GroupSum("headers", 7.0, 5.5, 5.5))
    verdict = Verdict(4.0, action, Reason.SUSPICIOUS, SIGNALS, groups)
    runs = (
        StageRun("parse", Status.OK, 0.001),
        StageRun("structure", Status.TEMPERROR, 0.5, "over 0.5 s"),
    )
    judgement = Judgement(
        status=Status.HIT,
        verdict=verdict,
        stages=runs,
        headers=(),
        thresholds=Thresholds(tag=6, quarantine=None, reject=10),
        versions=Versions("v.3", "abc", "0.1.0"),
        summary=Summary(subject=subject),
    )
    return Scored("a/b.eml", "00" * 32, 100, judgement)


def printed(how: object, result: Scored) -> list[str]:
    out = io.StringIO()
    how(Console(file=out, width=200, highlight=False), result)  # type: ignore[operator]
    return out.getvalue().splitlines()


@pytest.mark.parametrize(
    ("points", "scale", "filled"),
    [(0, 15, 0), (7.5, 15, 12), (15, 15, 24), (1000, 15, 24), (-7.5, 15, 12), (0.2, 15, 0)],
)
def test_a_bar_is_filled_by_its_share(points: float, scale: float, filled: int) -> None:
    assert bar(points, scale) == "█" * filled + "░" * (24 - filled)


def test_groups_are_heaviest_first_with_their_caps() -> None:
    lines = printed(print_report, scored())
    assert lines[0] == "a/b.eml  4.00 points, TAG (suspicious)"
    assert lines[1] == "  Hello"
    heads = [n for n, line in enumerate(lines) if "░" in line or "█" in line]
    assert lines[heads[0]].split()[0] == "headers"
    assert lines[heads[0]].endswith("5.50  (7.00, capped at 5.5)")
    assert lines[heads[1]].split()[0] == "favour"
    assert lines[heads[1]].endswith("-1.50")


def test_signals_stand_under_their_group_with_evidence_as_it_is() -> None:
    lines = printed(print_report, scored())
    assert any(line.strip().startswith("7.00 BIG_ONE") for line in lines)
    assert any(line.endswith("A heavy thing [[bold]proof[/bold]]") for line in lines)


def test_the_foot_says_what_judged_and_what_did_not_run() -> None:
    lines = printed(print_report, scored())
    assert "  tag 6, quarantine off, reject 10; 501.0 ms; rules abc, policy v.3" in lines
    assert "  not run: structure: over 0.5 s" in lines


def test_without_a_subject_there_is_no_line_for_it() -> None:
    assert "headers" in printed(print_report, scored(subject=""))[1]


def test_a_line_has_score_action_name_and_symbols() -> None:
    (line,) = printed(print_line, scored(Action.HOLD))
    assert line.split() == ["4.00", "hold", "a/b.eml", "BIG_ONE", "GOOD_ONE"]
