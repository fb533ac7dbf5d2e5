"""Rule files that mean harm: bounded time, and a line that names each."""

import time
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st

from mailweir_spamassassin.build import Evals
from mailweir_spamassassin.conf.source import MemorySource
from mailweir_spamassassin.loading import load
from mailweir_spamassassin.problems import ProblemKind

BOMBS = (
    "body A /(a+)+$/", "body A /(a|aa)+$/", "body A /(?:(?:(?:a*)*)*)*b/", "body A /(a?){60}a{60}/",
    "body A /^(([a-z])+.)+[A-Z]([a-z])+$/", "body A /(.*a){20}/", "body A /(?=(a+)+$)/",
    "body A /(a)\\1+(b|\\1)*c/",
    "rawbody A /x{1,30000}/", "body A /(?:x{1,900}){1,900}/",
    "body A /" + "(?:a|" * 50 + "b" + ")" * 50 + "/",
    "body A /(?<!(?:ab){1,50})c/", "body A /[" + "a-z" * 5000 + "]/", "body A /" + "a?" * 9000 + "/",
)  # fmt: skip


@pytest.mark.parametrize("line", BOMBS)
def test_regex_bombs(line: str, load_text: Any, view: Any) -> None:
    start = time.process_time()
    loaded = load_text(line + "\nbody GOOD /good/")
    message = view(body=(b"a" * 2000 + b"!", b"good", b"aB" * 500), rawbody=(b"x" * 4000,))
    hits = {h.name for h in loaded.book.run(message).hits}
    assert "GOOD" in hits
    assert time.process_time() - start < 8.0


def test_circles_of_metas(load_text: Any) -> None:
    ring = "".join(f"meta R{i} R{(i + 1) % 500}\n" for i in range(500))
    problems = load_text(ring).problems
    assert len(problems) == 500
    assert {p.kind for p in problems} == {ProblemKind.META_CYCLE}


def test_long_chains_of_metas(load_text: Any, view: Any) -> None:
    chain = "body R0 /a/\n" + "".join(f"meta R{i} R{i - 1}\n" for i in range(1, 3000))
    assert len(load_text(chain).book.run(view(body=(b"a",))).hits) == 3000


def test_many_rules(view: Any) -> None:
    text = "".join(f"body R{i} /word{i}x\\b/\n" for i in range(1000))
    start = time.process_time()
    loaded = load(MemorySource({"a.cf": text.encode()}), Evals())
    assert loaded.book is not None
    assert [h.name for h in loaded.book.run(view(body=(b"a word77x",))).hits] == ["R77"]
    assert time.process_time() - start < 15.0


def test_replace_tags_explode(load_text: Any) -> None:
    text = (
        "replace_rules A\nbody A /<A>/\nreplace_tag A "
        + "<B>" * 900
        + "\nreplace_tag B "
        + "<C>" * 900
    )
    assert [p.kind for p in load_text(text + "\nreplace_tag C " + "<A>" * 900).problems] == [
        ProblemKind.REGEX_INVALID
    ]


@pytest.mark.parametrize(
    "text",
    ["\0" * 1000, "\xff\xfe" * 1000, "if " * 500, "score A " + "9" * 5000, "meta A " + "(" * 5000,
     "header A " + ":" * 5000 + " =~ /a/", "header A eval:x(" + "'a'," * 5000 + ")",
     "include " + "../" * 500],
)  # fmt: skip
def test_soup(text: str, load_text: Any) -> None:
    loaded = load_text(text)
    assert loaded.problems
    assert loaded.book is None


_WORDS = st.sampled_from(
    [
        "body", "header", "rawbody", "uri", "full", "meta", "mimeheader", "score", "describe",
        "tflags", "priority", "if",
        "ifplugin", "else", "endif", "include", "require_version", "replace_tag", "replace_rules",
        "lang", "A", "__B", "C",
        "/a/", "/(a/", "m{a}i", "=~", "!~", "eval:check_number('1')", "exists:To", "To", "ALL:raw",
        "[if-unset: x]", "&&",
        "(", ")", "1", "-1.5", "(2)", "multiple", "maxhits=3", "net", "version", ">=", "#", "\\#",
        "a.cf", "<A>", "\t", "\xe9",
    ]
)  # fmt: skip


@settings(max_examples=200)
@given(st.lists(st.lists(_WORDS, max_size=7).map(" ".join), max_size=12).map("\n".join))
def test_any_text_loads_or_is_refused_line_by_line(text: str) -> None:
    loaded = load(MemorySource({"a.cf": text.encode("latin-1")}), Evals(), strict=False)
    lines = text.count("\n") + 1
    assert all(0 <= p.place.line <= lines for p in loaded.problems)
    assert 0 <= loaded.coverage.loaded <= loaded.coverage.lines
