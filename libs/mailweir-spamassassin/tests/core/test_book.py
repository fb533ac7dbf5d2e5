"""Rule books: every kind of rule, scores, metas, captured texts, what is left out and why."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from mailweir_spamassassin.build import Evals
from mailweir_spamassassin.conf.source import MemorySource
from mailweir_spamassassin.loading import load, load_directories
from mailweir_spamassassin.problems import ProblemKind
from mailweir_spamassassin.rulebook import NO_DESCRIPTION, RuleBook, shown


def _names(book: RuleBook, view: Any, score_set: int = 0) -> set[str]:
    return {h.name for h in book.run(view, score_set=score_set).hits}


def test_every_target(book: Any, view: Any) -> None:
    rules = book(
        "body B /hello/\nrawbody R /<b>/\nuri U m{//evil\\.}\nfull F /^X: 1/m\nheader H Subject =~ /hi/\n"
        "header N X-None !~ /./\nheader E exists:Subject\nheader E2 exists:X-None\n"
        "mimeheader M Content-Type =~ /pdf/\n"
        "header A From:addr =~ /@a\\.com$/\nheader U1 X-None =~ /^none$/ [if-unset: none]\n"
        "header Z X-None =~ /^$/\nmimeheader ME exists:X-Part\n"
    )
    message = view(
        headers={"Subject": b"hi", "From:addr": b"x@a.com"}, body=(b"hi", b"say hello"), rawbody=(b"a<b>",),
        full=b"Y: 2\nX: 1\n\n", uris=(b"http://evil.com",),
        parts={"Content-Type": (b"a/pdf", b"b"), "X-Part": (b"",)},
    )  # fmt: skip
    assert _names(rules, message) == {"B", "R", "U", "F", "H", "N", "E", "M", "A", "U1", "Z", "ME"}
    assert _names(rules, view()) == {"N", "U1", "Z"}


def test_negated_headers(book: Any, view: Any) -> None:
    rules = book("header A To !~ /x/\nheader B To !~ /y/\nheader C To =~ /y/\nheader D To !~ /z/\n")
    assert _names(rules, view(headers={"To": b"xy"})) == {"C", "D"}
    assert _names(rules, view()) == {"A", "B", "D"}


def test_scores_by_set_and_rules_off(book: Any, view: Any) -> None:
    rules = book(
        "body A /a/\nscore A 1 2 0 4\nbody B /a/\nscore B 0\nmeta M A || B\nscore M 0.5\nmeta N !A\n"
        "score N 9"
    )
    message = view(body=(b"a",))
    assert rules.run(message).score == 1.5
    assert rules.run(message, score_set=1).score == 2.5
    assert rules.run(message, score_set=2).score == 9
    assert "B" not in rules.running


def test_metas(book: Any, view: Any) -> None:
    rules = book(
        "body __A /a/\ntflags __A multiple\nbody __B /b/\nmeta COUNT __A >= 3\nmeta BOTH __A && __B\n"
        "meta NOT !__A\n"
        "meta CHAIN BOTH + NOT > 0\nmeta __LOW NOT - 2\nmeta DEEP __LOW\n"
        "meta WORTH (__A * 2) == 6 && rules_matching(__*) > 0\n"
        "meta GONE NOBODY || NET\nheader NET eval:check_number('1')\nmeta ONLY ()\nmeta ALWAYS 1\n"
    )
    assert _names(rules, view(body=(b"aaa b",))) == {
        "COUNT",
        "BOTH",
        "CHAIN",
        "WORTH",
        "GONE",
        "NET",
        "ALWAYS",
        "DEEP",
    }
    assert _names(rules, view(body=(b"x",))) == {"NOT", "CHAIN", "GONE", "NET", "ALWAYS", "DEEP"}
    assert set(rules.run(view(body=(b"ab",))).sub_rules) == {"__A", "__B", "__LOW"}


def test_a_rule_that_is_off_is_nothing_to_metas(book: Any, view: Any) -> None:
    rules = book("body __A /a/\nscore __A 0\nmeta M __A\nmeta N !__A")
    assert _names(rules, view(body=(b"a",))) == {"N"}


def test_evals(book: Any, view: Any) -> None:
    rules = book(
        "ok_locales en\nheader A eval:check_number('2')\nheader B eval:check_number('0')\nbody P /p/\n"
        "body C eval:check_seen('P')\nheader D eval:check_in_whitelist('1')\n"
        "body E eval:check_target('body')\n"
        "header F eval:check_target('header')\nmeta TWO A == 2\n"
    )
    assert _names(rules, view(body=(b"p",))) == {"A", "P", "C", "D", "E", "F", "TWO"}
    assert _names(rules, view()) == {"A", "D", "E", "F", "TWO"}


def test_captured_texts(book: Any, view: Any) -> None:
    rules = book(
        "body __NAME /Hello (?<WHO>\\w+)/\nheader SAME From =~ /\\b%{WHO}\\b/i\n"
        "header OTHER From !~ /%{WHO}/i\n"
        "body AGAIN /bye %{WHO}/\nbody LITERAL /100\\%{WHO}/\n"
    )
    message = view(headers={"From": b"a.b <x@y>"}, body=(b"Hello a", b"bye a", b"100%{WHO}"))
    assert _names(rules, message) == {"SAME", "AGAIN", "LITERAL"}
    message = view(headers={"From": b"zed"}, body=(b"Hello a", b"bye b"))
    assert _names(rules, message) == {"OTHER"}
    assert _names(rules, view(headers={"From": b"a"}, body=(b"bye a",))) == set()


def test_captured_texts_are_no_patterns(book: Any, view: Any) -> None:
    rules = book("header __N From =~ /(?<WHO>.+)/\nbody SAME /^%{WHO}$/\n")
    assert _names(rules, view(headers={"From": b"a.(*"}, body=(b"a.(*",))) == {"SAME"}
    assert _names(rules, view(headers={"From": b"a.c"}, body=(b"abc",))) == set()


def test_nosubject_and_multiple(book: Any, view: Any) -> None:
    rules = book(
        "body A /word/\nbody B /word/\ntflags B nosubject\nbody __C /o/\ntflags __C multiple maxhits=2\n"
        "meta D __C == 2\n"
        "header __H To =~ /@/\ntflags __H multiple\nmeta E __H == 3\n"
    )
    message = view(headers={"To": b"a@b, c@d, e@f"}, body=(b"word", b"ooo"))
    assert _names(rules, message) == {"A", "D", "E"}


def test_replace_tags(book: Any, view: Any) -> None:
    rules = book(
        "replace_tag O [o0]\nreplace_inter S \\s?\nbody A /<inter S><O><O>ps/\nbody B /<O>ps/\n"
        "replace_rules A\n"
    )
    assert _names(rules, view(body=(b"0 ops",))) == {"A"}
    assert _names(rules, view(body=(b"<O>ps",))) == {"B"}


def test_what_hits_say(book: Any, view: Any) -> None:
    rules = book(
        "body A /hel+o/\ndescribe A Says hello\nscore A 0.5\nmeta M A && __X\nbody __X /wor/\n"
        "score M -0.25\n"
        "header N X-No !~ /a/\nheader K eval:check_number('1')\n"
    )
    result = rules.run(view(body=(b"subject", b"well, hellllo \x00world")))
    hits = {h.name: h for h in result.hits}
    assert (hits["A"].score, hits["A"].description, hits["A"].evidence) == (
        0.5,
        "Says hello",
        "hellllo",
    )
    assert (hits["M"].description, hits["M"].evidence) == (NO_DESCRIPTION, "A __X")
    assert (hits["N"].evidence, hits["K"].evidence) == ("", "")
    assert result.score == pytest.approx(0.5 - 0.25 + 2)
    assert all(h.evidence == "" for h in rules.run(view(body=(b"hello",)), evidence=False).hits)


def test_excerpts_are_one_short_line() -> None:
    assert shown(b"a\x00b\r\n  c\xff") == "a b c\N{REPLACEMENT CHARACTER}"
    assert len(shown(b"x" * 500)) == 60
    assert shown("größe".encode()) == "größe"


def test_what_does_not_run_is_named(load_text: Any, view: Any) -> None:
    loaded = load_text(
        "body GOOD /a/\nbody BAD /(/\nheader FAR eval:check_far_away()\nheader WHAT eval:check_what()\n"
        "header RBL eval:check_rbl('a', 'b.c.')\nheader NET eval:check_number('1')\n"
        "tflags NET net\nmeta ONE TWO\nmeta TWO ONE\n"
    )
    kinds = {p.rule: p.kind for p in loaded.problems}
    assert kinds == {
        "BAD": ProblemKind.REGEX_INVALID, "FAR": ProblemKind.TEST_UNSUPPORTED,
        "WHAT": ProblemKind.EVAL_UNKNOWN,
        "RBL": ProblemKind.NETWORK, "NET": ProblemKind.NETWORK, "ONE": ProblemKind.META_CYCLE,
        "TWO": ProblemKind.META_CYCLE,
    }  # fmt: skip
    assert "far away service" in next(p.text for p in loaded.problems if p.rule == "FAR")
    assert (loaded.coverage.lines, loaded.coverage.loaded, loaded.coverage.network) == (8, 1, 2)
    assert loaded.coverage.share == pytest.approx(1 / 6)
    assert _names(loaded.book, view(body=(b"a",))) == {"GOOD"}


def test_a_strict_load_refuses_errors_and_takes_what_is_only_unsupported(load_text: Any) -> None:
    assert load_text("body GOOD /a/\nbody BAD /(/", strict=True).book is None
    assert (
        load_text("body GOOD /a/\nnonsense\nheader FAR eval:check_far_away()", strict=True).book
        is not None
    )
    assert load_text("", strict=False).book is None
    assert [p.kind for p in load_text("").errors] == [ProblemKind.UNREADABLE]


def test_net_rules_answered_without_the_network(load_text: Any, view: Any) -> None:
    text = "header SPF eval:check_number('1')\ntflags SPF net\nbody NET /a/\ntflags NET net"
    assert load_text(text).book.running == ("NET",)
    assert _names(load_text(text, net=True).book, view(body=(b"a",))) == {"NET", "SPF"}


def test_rules_that_nothing_needs_do_not_run(book: Any) -> None:
    rules = book(
        "body __USED /a/\nbody __LEFT /a/\nmeta A __USED\nmeta __M __LEFT\nmeta OFF __LEFT\nscore OFF 0"
    )
    assert set(rules.running) == {"A", "__USED"}
    assert set(rules.rules) == {"__USED", "__LEFT", "A", "__M", "OFF"}


def test_names_from_the_scanner_alone(book: Any) -> None:
    assert book("rawbody A /^x*$/\nbody B /b/").searched_alone == ("A",)


def test_threads_share_a_book(book: Any, view: Any) -> None:
    rules = book("".join(f"body R{i} /word{i}\\b/i\n" for i in range(200)))
    texts = [f"say Word{i} now" for i in range(200)]
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda t: _names(rules, view(body=(t.encode(),))), texts * 3))
    assert found == [{f"R{i}"} for i in range(200)] * 3


def test_a_cache_of_compiled_patterns(tmp_path: Path, view: Any) -> None:
    source = MemorySource({"a.cf": "".join(f"body R{i} /word{i}/\n" for i in range(9)).encode()})
    cache = tmp_path / "cache"
    for _ in range(2):
        loaded = load(source, Evals(), cache=cache)
        assert loaded.book is not None
        assert _names(loaded.book, view(body=(b"word7",))) == {"R7"}
    (file,) = cache.glob("*.hs")
    file.write_bytes(b"damaged")
    again = load(source, Evals(), cache=cache).book
    assert again is not None
    assert _names(again, view(body=(b"word7",))) == {"R7"}
    (tmp_path / "file").write_text("")
    assert load(source, Evals(), cache=tmp_path / "file").book is not None


def test_directories(tmp_path: Path, view: Any) -> None:
    (tmp_path / "a.cf").write_text("body A /a/\nscore A 3")
    loaded = load_directories((tmp_path,), Evals())
    assert loaded.book is not None
    assert loaded.book.version == loaded.files.version
    assert loaded.book.run(view(body=(b"a",))).score == 3
