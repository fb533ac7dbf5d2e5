"""What is shown: a line of JSON or of text, and the summary of many."""

import io
import json

import pytest
from rich.console import Console

from mailweir_core.decision import Action
from mailweir_core.outcome import Lookup, Signal, Status
from mailweir_core.reasons import Reason
from mailweir_policy import Thresholds
from mailweir_scoring.cli.scorer import Scored
from mailweir_scoring.cli.show import as_json, print_line, put
from mailweir_scoring.cli.summary import COMMONEST, SLOWEST, Tally, lines
from mailweir_scoring.policy.judgement import Judgement, StageRun, Versions
from mailweir_scoring.policy.verdict import GroupSum, Verdict

SIGNALS = (
    Signal("BIG_ONE", 7.0, "headers", "A heavy thing", "[bold]proof[/bold]"),
    Signal("GOOD_ONE", -1.5, "favour", "Something in its favour"),
)


def scored(action: Action = Action.TAG, name: str = "a/b.eml", cpu: float = 0.002) -> Scored:
    groups = (GroupSum("favour", -1.5, None, -1.5), GroupSum("headers", 7.0, 5.5, 5.5))
    verdict = Verdict(4.0, action, Reason.SUSPICIOUS, SIGNALS, groups)
    runs = (
        StageRun("parse", Status.OK, 0.001),
        StageRun("structure", Status.TEMPERROR, 0.5, "over 0.5 s"),
        StageRun("words", Status.SKIPPED, 0.0, "switched off"),
    )
    judgement = Judgement(
        status=Status.HIT,
        verdict=verdict,
        stages=runs,
        headers=(),
        thresholds=Thresholds(tag=6, quarantine=None, reject=10),
        versions=Versions("v.3", "abc", "0.1.0", "prior-1"),
        lookups=(Lookup("dns", "example.net TXT", "ok v=spf1", 0.0123),),
        counterfactual=("BIG_ONE",),
    )
    return Scored(name, "00" * 32, 100, judgement, cpu)


def printed(how: object, result: object, *, width: int = 200, terminal: bool = False) -> str:
    out = io.StringIO()
    console = Console(
        file=out,
        width=width,
        highlight=False,
        force_terminal=terminal,
        color_system="standard" if terminal else None,
    )
    how(console, result)  # type: ignore[operator]
    return out.getvalue()


def test_json_has_the_promised_form() -> None:
    document = json.loads(as_json(scored()))
    assert document == {
        "path": "a/b.eml",
        "sha256": "00" * 32,
        "score": 4.0,
        "action": "tag",
        "reason": "suspicious",
        "signals": [
            {"name": "BIG_ONE", "score": 7.0, "group": "headers", "description": "A heavy thing",
             "evidence": "[bold]proof[/bold]"},
            {"name": "GOOD_ONE", "score": -1.5, "group": "favour",
             "description": "Something in its favour", "evidence": ""},
        ],
        "timings_ms": {"parse": 1.0, "structure": 500.0, "words": 0.0},
        "model": "prior-1",
        "rules": "abc",
        "config": "v.3",
        "counterfactual": ["BIG_ONE"],
        "skipped": [
            {"stage": "structure", "status": "temperror", "detail": "over 0.5 s"},
            {"stage": "words", "status": "skipped", "detail": "switched off"},
        ],
        "lookups": [{"kind": "dns", "question": "example.net TXT", "answer": "ok v=spf1", "ms": 12.3}],
    }  # fmt: skip
    assert "\n" not in as_json(scored())


def test_a_line_has_score_action_name_and_symbols() -> None:
    line = printed(print_line, scored(Action.HOLD))
    assert line.split() == ["4.00", "hold", "a/b.eml", "BIG_ONE", "GOOD_ONE"]


def test_on_a_terminal_a_line_is_cut_and_coloured_elsewhere_neither() -> None:
    long = scored(name="x" * 150)
    narrow = printed(print_line, long, width=80, terminal=True)
    assert "\x1b[" in narrow
    assert narrow.count("\n") == 1
    assert "…" in narrow
    piped = printed(print_line, long, width=80)
    assert "\x1b" not in piped
    assert "x" * 150 in piped
    assert piped.count("\n") == 1


# the summary


def summary(tally: Tally, seconds: float = 2.0, **how: object) -> list[str]:
    def show(console: Console, made: Tally) -> None:
        for line in lines(made, seconds):
            put(console, line)

    return printed(show, tally, **how).splitlines()  # type: ignore[arg-type]


@pytest.fixture
def tally() -> Tally:
    made = Tally()
    for number in range(30):
        action = Action.REJECT if number % 3 == 0 else Action.ACCEPT
        made.take(scored(action, f"{number:02d}.eml", number / 1000))
    return made


def test_the_summary_counts_actions_and_signals(tally: Tally) -> None:
    shown = summary(tally)
    assert shown[0] == "30 messages: 20 accept, 10 reject"
    assert shown[1] == "  2.0 s, 15 messages a second; 14.50 ms of CPU each"
    assert shown[2].split()[:3] == ["accept", "20", "66.7%"]
    assert shown[3].split()[:3] == ["reject", "10", "33.3%"]
    assert shown[2].count("█") == 20
    assert shown[4] == "most frequent signals"
    assert {line.split()[0] for line in shown[5:7]} == {"BIG_ONE", "GOOD_ONE"}


def test_the_slowest_are_named_slowest_first(tally: Tally) -> None:
    shown = summary(tally)
    at = shown.index("slowest messages, ms of CPU")
    assert [line.split() for line in shown[at + 1 :]] == [
        [f"{29 - n:.1f}", f"{29 - n}.eml"] for n in range(SLOWEST)
    ]


def test_the_summary_says_what_was_not_readable() -> None:
    assert summary(Tally(unreadable=2))[0] == "0 messages: none; 2 not readable"


def test_only_the_most_frequent_signals_are_named() -> None:
    made = Tally()
    made.take(scored())
    made.signals.update(f"SYM{n}" for n in range(50))
    shown = summary(made)
    at = shown.index("most frequent signals")
    assert shown.index("slowest messages, ms of CPU") - at - 1 == COMMONEST


@pytest.mark.parametrize("width", [80, 120])
def test_the_summary_fits_the_terminal(tally: Tally, width: int) -> None:
    tally.take(scored(name="y" * 300))
    assert "\x1b" not in "".join(summary(tally, width=width))
    shown = summary(tally, width=width, terminal=True)
    assert max(len(_plain(line)) for line in shown) <= width


def _plain(line: str) -> str:
    return "".join(
        piece.partition("m")[2] if n else piece for n, piece in enumerate(line.split("\x1b["))
    )
