"""`mailweir score`: what it prints, what it returns."""

import hashlib
import io
import json
import re
import socket
from pathlib import Path
from typing import Any

import pytest
import typer
from rich.console import Console
from typer.testing import CliRunner, Result

from mailweir_cli.samples import load_samples
from mailweir_model import shipped
from mailweir_policy import Policy, ScoringPolicy, Thresholds, dumps
from mailweir_scoring.cli.command import _with_progress, score
from mailweir_scoring.cli.inputs import Unreadable
from mailweir_scoring.cli.scorer import Result as Result_
from mailweir_scoring.policy.stages import stages_with

KEYS = [
    "path", "sha256", "score", "action", "reason", "signals", "timings_ms", "model", "rules", "config",
    "counterfactual", "skipped", "lookups",
]  # fmt: skip
HAM, GTUBE = load_samples(0.0)[0].content, load_samples(0.0)[7].content


@pytest.fixture
def app() -> typer.Typer:
    made = typer.Typer()
    made.command()(score)
    return made


@pytest.fixture
def ham(tmp_path: Path) -> Path:
    path = tmp_path / "ham.eml"
    path.write_bytes(HAM)
    return path


@pytest.fixture
def spam(tmp_path: Path) -> Path:
    path = tmp_path / "spam.eml"
    path.write_bytes(GTUBE)
    return path


def run(app: typer.Typer, *arguments: object, stdin: bytes | None = None) -> Result:
    return CliRunner().invoke(app, [str(a) for a in arguments], input=stdin)


def documents(result: Result) -> list[dict[str, Any]]:
    return [json.loads(line) for line in result.stdout.splitlines()]


def test_json_has_the_promised_form(app: typer.Typer, spam: Path) -> None:
    result = run(app, "--json", spam)
    (document,) = documents(result)
    assert list(document) == KEYS
    assert document["path"] == str(spam)
    assert document["sha256"] == hashlib.sha256(GTUBE).hexdigest()
    assert document["score"] == 1000.0
    assert (document["action"], document["reason"]) == ("reject", "gtube")
    (signal,) = document["signals"]
    assert list(signal) == ["name", "score", "group", "description", "evidence"]
    assert signal["name"] == "GTUBE"
    assert list(document["timings_ms"]) == ["parse", *(s.name for s in stages_with(scanner=False))]
    assert document["model"] == shipped().version
    assert document["counterfactual"] == ["GTUBE"]
    assert {"stage": "structure", "status": "skipped", "detail": "already decided"} in document[
        "skipped"
    ]
    assert document["lookups"] == []
    assert len(document["rules"]) == 12
    assert document["config"] == "default"
    assert result.exit_code == 1


def test_nothing_but_ham_is_zero(app: typer.Typer, ham: Path) -> None:
    result = run(app, ham)
    assert result.exit_code == 0
    assert "ACCEPT (clean)" in result.stdout
    assert "judged by model" in result.stdout
    assert result.stderr == ""


def test_the_report_shows_groups_signals_and_why(app: typer.Typer, spam: Path) -> None:
    text = run(app, spam).stdout
    assert "1000.00 points, REJECT (gtube)" in text
    assert "Test of the spam filter" in text
    assert "█" * 24 in text
    assert "GTUBE" in text
    assert "tag 6, quarantine 8, reject 15" in text
    assert "not run: structure: already decided" in text


def test_standard_input(app: typer.Typer) -> None:
    result = run(app, "--json", "-", stdin=HAM)
    assert [d["path"] for d in documents(result)] == ["-"]
    assert result.exit_code == 0


def test_an_mbox_is_numbered(app: typer.Typer, tmp_path: Path) -> None:
    box = tmp_path / "box"
    box.write_bytes(b"From x\n" + HAM + b"\r\nFrom y\n" + GTUBE)
    found = documents(run(app, "--json", box))
    assert [(d["path"], d["action"]) for d in found] == [
        (f"{box}#1", "accept"), (f"{box}#2", "reject"),
    ]  # fmt: skip


def test_what_cannot_be_read_gets_a_line_and_the_rest_is_judged(
    app: typer.Typer, ham: Path, spam: Path, tmp_path: Path
) -> None:
    result = run(app, "--json", ham, tmp_path / "missing", spam)
    assert [d["action"] for d in documents(result)] == ["accept", "reject"]
    assert result.stderr == (f"mailweir score: {tmp_path}/missing: No such file or directory\n")
    assert result.exit_code == 2


def test_a_policy_of_one_s_own(app: typer.Typer, ham: Path, tmp_path: Path) -> None:
    policy = tmp_path / "strict.json"
    strict = ScoringPolicy(thresholds=Thresholds(tag=-99, quarantine=-98, reject=None))
    policy.write_bytes(dumps(Policy(scoring=strict)))
    result = run(app, "--json", "--config", policy, ham)
    (document,) = documents(result)
    assert (document["action"], document["config"]) == ("hold", "strict.json")
    assert "reject off" in run(app, "--config", policy, ham).stdout
    assert result.exit_code == 1


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ('{"scoring": {"treshold": 1}}', "scoring.treshold: unknown key"),
        ("nonsense", "(document): not JSON"),
        (None, "No such file or directory"),
    ],
)
def test_a_wrong_policy_is_said(
    app: typer.Typer, ham: Path, tmp_path: Path, text: str | None, line: str
) -> None:
    policy = tmp_path / "p.json"
    if text is not None:
        policy.write_text(text)
    result = run(app, "--config", policy, ham)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert f"{policy}: {line}" in result.stderr


def test_no_argument_is_wrong_usage(app: typer.Typer) -> None:
    assert run(app).exit_code == 2
    assert run(app, "--jobs", "0", "x").exit_code == 2


def test_many_get_a_line_each_and_a_summary(app: typer.Typer, tmp_path: Path) -> None:
    for number in range(25):
        (tmp_path / f"{number:02d}.eml").write_bytes(GTUBE if number == 7 else HAM)
    result = run(app, tmp_path)
    lines = result.stdout.splitlines()
    assert lines[7].split()[:2] == ["1000.00", "reject"]
    assert lines[25] == "25 messages: 24 accept, 1 reject"
    assert "messages a second" in lines[26]
    assert "most frequent signals" in lines
    slowest = lines[lines.index("slowest messages, ms of CPU") + 1 :]
    assert len(slowest) == 10
    assert all(line.split()[1].startswith(str(tmp_path)) for line in slowest)
    assert "\x1b" not in result.stdout
    assert result.stderr == ""  # the bar is for terminals
    assert "points" in run(app, "--details", tmp_path).stdout


def test_json_has_no_summary(app: typer.Typer, tmp_path: Path) -> None:
    for number in range(25):
        (tmp_path / f"{number:02d}.eml").write_bytes(HAM)
    assert len(documents(run(app, "--json", tmp_path))) == 25


def test_the_bar_shows_how_many_how_fast_and_for_how_long(tmp_path: Path) -> None:
    out = io.StringIO()
    console = Console(file=out, force_terminal=True, width=120)
    results: list[Result_] = [Unreadable(f"{n}", "empty") for n in range(40)]
    assert list(_with_progress(results, 40, console, show=True)) == results
    text = out.getvalue()
    assert "40/40" in text
    assert "/s" in text
    assert re.search(r"\d:\d\d:\d\d", text)


def test_rules_of_spamassassin_take_part(app: typer.Typer, ham: Path, tmp_path: Path) -> None:
    rules = tmp_path / "rules"
    rules.mkdir()
    (rules / "own.cf").write_text(
        "header MY_RULE Subject =~ /./\ndescribe MY_RULE It has one\nscore MY_RULE 2.5\n"
    )
    (document,) = documents(run(app, "--json", "--spamassassin", rules, ham))
    (found,) = [s for s in document["signals"] if s["name"] == "MY_RULE"]
    assert (found["score"], found["group"], found["description"]) == (
        2.5,
        "spamassassin",
        "It has one",
    )


@pytest.mark.timeout(60)
@pytest.mark.parametrize("content", [None, "", "nonsense\n"])
def test_a_directory_without_rules_is_said(
    app: typer.Typer, ham: Path, tmp_path: Path, content: str | None
) -> None:
    rules = tmp_path / "rules"
    if content is not None:
        rules.mkdir()
        (rules / "own.cf").write_text(content)
    for jobs in (1, 2):
        result = run(app, "--json", "--jobs", jobs, "--spamassassin", rules, ham)
        assert result.exit_code == 2
        assert result.stdout == ""
        assert str(rules) in result.stderr


def test_a_name_server_is_an_address(app: typer.Typer, ham: Path) -> None:
    result = run(app, "--dns", "nowhere", ham)
    assert result.exit_code == 2
    assert result.stderr.startswith("mailweir score: --dns: ")


def test_with_a_name_server_what_was_asked_is_shown(app: typer.Typer, ham: Path) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as mute:
        mute.bind(("127.0.0.1", 0))
        target = f"127.0.0.1:{mute.getsockname()[1]}"
        (document,) = documents(run(app, "--json", "--dns", target, ham))
    assert document["lookups"]
    assert {x["kind"] for x in document["lookups"]} == {"dns"}
    assert all("temperror" in x["answer"] for x in document["lookups"])


@pytest.mark.timeout(60)  # each process imports everything anew
def test_several_processes_give_the_same_in_the_same_order(
    app: typer.Typer, tmp_path: Path
) -> None:
    for number in range(70):
        (tmp_path / f"{number:02d}.eml").write_bytes(GTUBE if number % 9 == 0 else HAM)
    (tmp_path / "33.eml").write_bytes(b"")
    one, two = (run(app, "--json", "--jobs", n, tmp_path) for n in (1, 2))
    strip = [{**d, "timings_ms": 0} for d in documents(one)]
    assert [{**d, "timings_ms": 0} for d in documents(two)] == strip
    assert len(strip) == 69
    assert one.exit_code == two.exit_code == 2
    assert one.stderr == two.stderr == f"mailweir score: {tmp_path}/33.eml: empty\n"


def test_a_name_that_would_move_the_terminal_is_tamed(app: typer.Typer, tmp_path: Path) -> None:
    path = tmp_path / "[red]a\x1b[2J.eml"
    path.write_bytes(HAM)
    text = run(app, path).stdout
    assert "\x1b" not in text
    assert "[red]a" in text


def test_a_message_without_a_verdict_is_bad_input(
    app: typer.Typer, ham: Path, tmp_path: Path
) -> None:
    policy = tmp_path / "p.json"
    policy.write_text('{"scoring": {"budget_seconds": 1e-9}}')
    result = run(app, "--json", "--config", policy, ham)
    (document,) = documents(result)
    assert (document["action"], document["reason"]) == ("defer", "scoring-unavailable")
    assert "not judged: parse: " in result.stderr
    assert result.exit_code == 2


@pytest.mark.parametrize("sample", load_samples(1_767_225_600.0), ids=lambda s: s.name)
def test_the_sample_mails_are_judged_as_promised(app: typer.Typer, sample: Any) -> None:
    (document,) = documents(run(app, "--json", "-", stdin=sample.content))
    assert document["action"] in sample.expected
