"""The commands `mailweir rules check|list|explain`."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from mailweir_scoring.cli.rules import EXIT_BAD_INPUT, EXIT_FLAWED, EXIT_GOOD, app

RULES = (
    "body __A /alpha/\nbody B /be+ta/i\ndescribe B Says beta\nscore B 1 2 3 4\n"
    "tflags B nice\nmeta M __A && B\nbody OFF /x/\nscore OFF 0\n"
    "header NET eval:check_rbl('a', 'b.')\nrawbody SLOW /^x*$/\n"
)


@pytest.fixture
def rules(tmp_path: Path) -> Path:
    """Return a directory of good rules."""
    (tmp_path / "a.cf").write_text(RULES)
    return tmp_path


def _run(*arguments: str | Path) -> tuple[int, str]:
    result = CliRunner().invoke(app, [str(a) for a in arguments])
    assert result.exception is None or isinstance(result.exception, SystemExit)
    return result.exit_code, result.output


def test_check_of_own_rules_alone() -> None:
    code, output = _run("check")
    assert code == EXIT_GOOD
    assert output.startswith("own rules: ")
    assert "SpamAssassin" not in output


def test_check(rules: Path) -> None:
    code, output = _run("check", rules)
    assert code == EXIT_GOOD
    assert "5 of 5 lines loaded (100.0%) from 1 files; 1 more ask the network" in output
    assert "1 searched for in every text by themselves: SLOW" in output


def test_check_names_what_is_wrong(rules: Path) -> None:
    (rules / "b.cf").write_text("body C /(/\nheader D eval:no_such_test()\nbody B /again/\n")
    code, output = _run("check", rules)
    assert code == EXIT_FLAWED
    assert f"{rules}/b.cf:1: regex-invalid: C: " in output
    assert f"{rules}/b.cf:2: eval-unknown: D: " in output
    assert f"{rules}/b.cf:3: duplicate: B: " in output


def test_check_as_json(rules: Path) -> None:
    (rules / "b.cf").write_text("body C /(/\n")
    code, output = _run("check", "--json", rules)
    document = json.loads(output)
    assert code == EXIT_FLAWED
    assert document["own"]["problems"] == []
    found = document["spamassassin"]
    assert (found["lines"], found["loaded"], found["network"]) == (7, 5, 1)
    problem = next(p for p in found["problems"] if p["rule"] == "C")
    assert (problem["file"], problem["line"]) == (f"{rules}/b.cf", 1)
    assert (problem["kind"], problem["severity"]) == ("regex-invalid", "error")


def test_check_of_own_rules_elsewhere(tmp_path: Path) -> None:
    (tmp_path / "own.toml").write_text('group = "headers"\n[NO_SUCH_RULE]\nscore = 1\n')
    code, output = _run("check", "--rules", tmp_path)
    assert code == EXIT_FLAWED
    assert "own.toml: NO_SUCH_RULE: " in output
    assert _run("check", "--rules", tmp_path / "none")[0] == EXIT_FLAWED


def test_what_is_no_directory() -> None:
    code, output = _run("check", "/no/such/directory")
    assert code == EXIT_BAD_INPUT
    assert "/no/such/directory is no directory" in output


def test_list(rules: Path) -> None:
    code, output = _run("list", "--json", rules)
    assert code == EXIT_GOOD
    rows = {row["name"]: row for row in json.loads(output)}
    assert rows["B"] == {
        "name": "B", "score": 1.0, "group": "spamassassin", "state": "runs", "description": "Says beta",
        "place": f"{rules}/a.cf:2",
    }  # fmt: skip
    assert rows["OFF"]["state"] == rows["NET"]["state"] == "silent"
    assert "__A" not in rows
    assert {"gtube", "headers"} <= {row["group"] for row in rows.values()}
    assert "Says beta" in _run("list", rules)[1]


def test_explain(rules: Path) -> None:
    code, output = _run("explain", "M", rules, "--json")
    assert code == EXIT_GOOD
    found = json.loads(output)
    assert found["depends_on"] == ["__A", "B"]
    assert (found["definition"], found["place"]) == ("meta __A && B", f"{rules}/a.cf:6")
    found = json.loads(_run("explain", "B", rules, "--json")[1])
    assert (found["scores"], found["flags"], found["used_by"]) == ([1, 2, 3, 4], ["nice"], ["M"])
    lines = _run("explain", "OFF", rules)[1].splitlines()
    assert lines[0] == "OFF  (spamassassin, silent)"
    assert "  why silent   its score is 0" in lines
    assert "asks the network" in _run("explain", "NET", rules)[1]


def test_explain_of_an_own_rule_and_of_none() -> None:
    assert _run("explain", "GTUBE")[1].startswith("GTUBE  (gtube, runs)")
    code, output = _run("explain", "NO_SUCH_RULE")
    assert (code, "no rule 'NO_SUCH_RULE'" in output) == (EXIT_BAD_INPUT, True)
