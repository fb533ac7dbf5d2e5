"""Whole files: conditions, includes, directives, and what is said about bad ones."""

from pathlib import Path

import pytest

from mailweir_spamassassin.conf.model import (
    EvalTest,
    ExistsTest,
    HeaderTest,
    NetworkTest,
    PatternTest,
    RuleFileSet,
    Target,
)
from mailweir_spamassassin.conf.reader import read
from mailweir_spamassassin.conf.source import DirectorySource, MemorySource, as_text
from mailweir_spamassassin.problems import Problem, ProblemKind, ProblemLog, Severity


def _read(text: str, **more: str) -> tuple[RuleFileSet, tuple[Problem, ...]]:
    files = {"a.cf": text.encode(), **{f"{n}.inc": t.encode() for n, t in more.items()}}
    problems = ProblemLog()
    return read(MemorySource(files), problems), problems.all()


def _good(text: str, **more: str) -> RuleFileSet:
    files, problems = _read(text, **more)
    assert problems == ()
    return files


def _bad(text: str, **more: str) -> list[tuple[str, ProblemKind]]:
    return [(str(p.place), p.kind) for p in _read(text, **more)[1]]


def test_each_kind_of_rule() -> None:
    rules = _good(
        "body A /a/i\nrawbody B m{b}\nuri C /c/\nfull D /d/\nheader E Subject =~ /e/\n"
        "header F X-Y:raw:addr !~ /f/\n"
        "header G exists:X-Z\nheader H To =~ /h/ [if-unset: none at all]\n"
        "mimeheader I Content-Type =~ /i/\n"
        "meta J A && B\nheader K eval:check_this('a', \"b\", 3)\nbody L eval:check_that()\n"
        "header M eval:check_rbl('x', 'zone.')\nurirhssub N zone. A 2\nfull O eval:other( '1' )\n"
    ).rules
    assert rules["A"].test == PatternTest("/a/i")
    assert rules["F"].test == HeaderTest("X-Y", "raw:addr", "/f/", negated=True)
    assert rules["G"].test == ExistsTest("X-Z")
    assert rules["H"].test == HeaderTest("To", "", "/h/", unset="none at all")
    assert (rules["I"].target, rules["J"].target) == (Target.MIMEHEADER, Target.META)
    assert rules["K"].test == EvalTest("check_this", ("a", "b", "3"))
    assert rules["L"].test == EvalTest("check_that", ())
    assert rules["M"].test == NetworkTest("check_rbl")
    assert rules["N"].test == NetworkTest("urirhssub")
    assert str(rules["J"].place) == "a.cf:10"
    assert rules["A"].source == "body /a/i"


def test_scores() -> None:
    files = _good(
        "body A /a/\nscore A 1.5\nbody B /b/\nscore B 1 2 3 4\nscore B (1) (0) (-1) (0)\nbody C /c/\n"
        "body T_D /d/\nbody E /e/\ntflags E nice userconf\nbody F /f/\nscore F 0"
    )
    assert files.score_of("A") == (1.5,) * 4
    assert files.score_of("B") == (2, 2, 2, 4)
    assert files.score_of("C") == (1.0,) * 4
    assert files.score_of("T_D") == (0.01,) * 4
    assert files.score_of("E") == (-1.0,) * 4
    assert files.score_of("F") == (0,) * 4


@pytest.mark.parametrize(
    "line",
    [
        "score A",
        "score A x",
        "score A 1 2",
        "score A 1e3",
        "score A (1)",
        "score A 99999999",
        "score A nan",
    ],
)
def test_bad_scores(line: str) -> None:
    places = _bad(f"{line}\nbody A /a/")
    assert len(places) == 1
    assert places[0][0] == "a.cf:1"


def test_everything_else_is_kept() -> None:
    files = _good(
        "describe A Gr\xfc\xdfe\ntflags A multiple maxhits=3\npriority A -5\nbody A /a/\n"
        "freemail_domains a.com b.com\nfreemail_domains c.com\nwhitelist_from x@y\nblacklist_from z@y\n"
        "report Line one\nreport _SUMMARY_\nclear-report-template\nreport The end\n"
        "replace_tag X [xX]\nreplace_pre P (?:p)\nreplace_inter I \\s?\nreplace_post Q {1,2}\n"
        "replace_start {\nreplace_end }\nreplace_rules A B\nrequired_hits 5"
    )
    assert files.descriptions["A"] == "Gr\xfc\xdfe"
    assert files.flags["A"] == ("multiple", "maxhits=3")
    assert files.priorities["A"] == -5
    assert files.settings["freemail_domains"] == ("a.com b.com", "c.com")
    assert files.settings["welcomelist_from"] == ("x@y",)
    assert files.settings["blocklist_from"] == ("z@y",)
    assert files.settings["required_score"] == ("5",)
    assert files.templates["report"] == ("The end",)
    tags = files.replace
    assert (tags.tags["X"], tags.pre["P"], tags.inter["I"], tags.post["Q"]) == (
        "[xX]",
        "(?:p)",
        r"\s?",
        "{1,2}",
    )
    assert (tags.start, tags.end, tags.rules) == ("{", "}", {"A", "B"})


def test_conditions_nest() -> None:
    text = (
        "if version > 3\nbody A /a/\nif version > 5\nbody B /b/\nelse\nbody C /c/\nendif\nelse\n"
        "body D /d/\n"
        "if version > 3\nbody E /e/\nelse\nbody F /f/\nendif\nendif\nifplugin No::Such\nbody G /g/\n"
        "endif\nbody H /h/"
    )
    assert set(_good(text).rules) == {"A", "C", "H"}


def test_lines_out_of_force_may_be_anything() -> None:
    assert _good("if 0\nnonsense\nbody\ninclude nowhere\nendif\nbody A /a/").rules.keys() == {"A"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("endif", [("a.cf:1", ProblemKind.CONDITION)]),
        ("else", [("a.cf:1", ProblemKind.CONDITION)]),
        ("if 1\nelse\nelse\nendif", [("a.cf:3", ProblemKind.CONDITION)]),
        ("if 1\nbody A /a/", [("a.cf:1", ProblemKind.CONDITION)]),
        ("if (\nbody A /a/\nendif", [("a.cf:1", ProblemKind.CONDITION)]),
        ("nonsense 1", [("a.cf:1", ProblemKind.DIRECTIVE_UNKNOWN)]),
        ("body", [("a.cf:1", ProblemKind.NAME)]),
        ("body A", [("a.cf:1", ProblemKind.SYNTAX)]),
        ("body 1A /a/", [("a.cf:1", ProblemKind.NAME)]),
        ("body A-B /a/", [("a.cf:1", ProblemKind.NAME)]),
        (f"body {'A' * 101} /a/", [("a.cf:1", ProblemKind.NAME)]),
        ("header A Subject", [("a.cf:1", ProblemKind.SYNTAX)]),
        ("header A Subject:upper =~ /a/", [("a.cf:1", ProblemKind.SYNTAX)]),
        ("header A eval:what", [("a.cf:1", ProblemKind.SYNTAX)]),
        ("header A eval:what('a' 'b')", [("a.cf:1", ProblemKind.SYNTAX)]),
        ("meta A B &&", [("a.cf:1", ProblemKind.META_INVALID)]),
        ("priority A high", [("a.cf:1", ProblemKind.VALUE)]),
        ("replace_tag X", [("a.cf:1", ProblemKind.SYNTAX)]),
        ("replace_start", [("a.cf:1", ProblemKind.SYNTAX)]),
        ("require_version 9.000000\nbody A", [("a.cf:1", ProblemKind.VERSION)]),
        ("uri_detail A host =~ /x/", [("a.cf:1", ProblemKind.TEST_UNSUPPORTED)]),
        ("body A /a/\nbody A /b/", [("a.cf:2", ProblemKind.DUPLICATE)]),
        ("score A 3", [("a.cf:1", ProblemKind.UNDEFINED)]),
        ("include nowhere.inc", [("a.cf:1", ProblemKind.UNREADABLE)]),
        ("include a.cf", [("a.cf:1", ProblemKind.INCLUDE)]),
        ("\n".join(["if 1"] * 70), [("a.cf:65", ProblemKind.LIMIT)]),
    ],
)
def test_problems_have_a_place_and_a_kind(
    text: str, expected: list[tuple[str, ProblemKind]]
) -> None:
    assert _bad(text)[: len(expected)] == expected


def test_includes() -> None:
    files = _good(
        "include b.inc\nscore A 3\nrequire_version @@VERSION@@", b="body A /a/\nscore A 2"
    )
    assert files.score_of("A") == (3.0,) * 4
    assert files.files == ("a.cf", "b.inc")
    assert str(files.rules["A"].place) == "b.inc:1"


def test_include_loops_end() -> None:
    assert _bad("include b.inc", b="include c.inc\nbody A /a/", c="include b.inc") == [
        ("c.inc:1", ProblemKind.INCLUDE)
    ]
    chain = {f"f{i}": f"include f{i + 1}.inc" for i in range(20)}
    assert [kind for _, kind in _bad("include f0.inc", **chain)] == [ProblemKind.INCLUDE]


def test_many_includes_of_one_file_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mailweir_spamassassin.conf.reader.MAX_FILES", 50)
    lines = "\n".join(["include b.inc"] * 9)
    more = {n: "\n".join([f"include {n}{n}.inc"] * 9) for n in ("b", "bb", "bbbb")}
    assert ProblemKind.LIMIT in {kind for _, kind in _bad(lines, **more)}


def test_a_condition_does_not_reach_out_of_an_included_file() -> None:
    files, problems = _read("include b.inc\nbody A /a/", b="if 0\nbody B /b/")
    assert files.rules.keys() == {"A"}
    assert [(str(p.place), p.kind) for p in problems] == [("b.inc:1", ProblemKind.CONDITION)]


def test_too_many_rules(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mailweir_spamassassin.conf.directives.MAX_RULES", 2)
    files, problems = _read("".join(f"body R{i} /x/\n" for i in range(9)))
    assert files.rules.keys() == {"R0", "R1"}
    assert [p.kind for p in problems] == [ProblemKind.LIMIT]


def test_problems_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mailweir_spamassassin.problems.MAX_PROBLEMS", 5)
    problems = _read("nonsense\n" * 100)[1]
    assert len(problems) == 6
    assert "95 more" in problems[-1].text


def test_directories_in_order(tmp_path: Path) -> None:
    shipped, own = tmp_path / "shipped", tmp_path / "own"
    for directory, text in ((shipped, "body A /a/\nscore A 1"), (own, "score A 2")):
        directory.mkdir()
        (directory / "b.cf").write_text(text)
        (directory / "readme.txt").write_text("nonsense")
    (shipped / "a.cf").write_bytes(b"describe A caf\xe9")
    problems = ProblemLog()
    files = read(DirectorySource((shipped, own)), problems)
    assert problems.all() == ()
    assert files.files == (str(shipped / "a.cf"), str(shipped / "b.cf"), str(own / "b.cf"))
    assert files.score_of("A") == (2.0,) * 4
    assert files.descriptions["A"] == "caf\xe9"


def test_includes_stay_within_the_directories(tmp_path: Path) -> None:
    rules = tmp_path / "rules"
    rules.mkdir()
    (tmp_path / "secret.inc").write_text("body SECRET /a/")
    (rules / "near.inc").write_text("body NEAR /a/")
    (rules / "a.cf").write_text("include ../secret.inc\ninclude near.inc\ninclude /etc/passwd")
    problems = ProblemLog()
    files = read(DirectorySource((rules,)), problems)
    assert files.rules.keys() == {"NEAR"}
    assert [(p.place.line, p.kind) for p in problems.all()] == [
        (1, ProblemKind.UNREADABLE),
        (3, ProblemKind.UNREADABLE),
    ]


def test_a_directory_that_is_not_there(tmp_path: Path) -> None:
    problems = ProblemLog()
    assert read(DirectorySource((tmp_path / "none",)), problems).rules == {}
    assert [p.kind for p in problems.all()] == [ProblemKind.UNREADABLE]


def test_versions_tell_sets_apart() -> None:
    assert _good("body A /a/").version == _good("body A /a/").version
    assert _good("body A /a/").version != _good("body A /b/").version


def test_texts_are_utf8_where_they_can_be() -> None:
    assert as_text("gr\xc3\xbc\xc3\x9fe") == "grüße"
    assert as_text("gr\xfc") == "grü"


def test_every_kind_has_a_severity() -> None:
    assert {k.severity for k in ProblemKind} == set(Severity)
    assert ProblemKind.SYNTAX.severity is Severity.ERROR
