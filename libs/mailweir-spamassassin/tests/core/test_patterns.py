"""Perl's patterns: the scanner and the exact engine together find what the exact engine finds alone."""

import threading
import time

import pytest
from hypothesis import given, settings, strategies as st

from mailweir_spamassassin.perl.coarse import coarser
from mailweir_spamassassin.perl.compact import compact
from mailweir_spamassassin.perl.exact import Matcher, StepLimit
from mailweir_spamassassin.perl.expression import write, write_runs, write_wider
from mailweir_spamassassin.perl.literal import InvalidRegexError, PerlRegex
from mailweir_spamassassin.perl.nodes import ANY, Chars, Node, caseless, mask_of
from mailweir_spamassassin.perl.parse import UnreadableRegexError, parse_regex
from mailweir_spamassassin.perl.plan import plan_for
from mailweir_spamassassin.perl.shape import is_exact, is_nullable, positions, required_runs
from mailweir_spamassassin.scan.database import Databases
from mailweir_spamassassin.scan.patterns import Pattern, PatternSet, scratches_of, times
from mailweir_spamassassin.scan.session import Session


def _node(pattern: str, flags: str = "") -> Node:
    return parse_regex(PerlRegex(pattern, flags))


def _scan(
    regexes: list[PerlRegex], texts: tuple[bytes, ...], most: int = 1, *, joined: bool = False
) -> dict[int, int]:
    databases = Databases()
    patterns = [Pattern(i, plan_for(r), most) for i, r in enumerate(regexes)]
    made = PatternSet(patterns, databases, joined=joined)
    session = Session(scratches_of(databases, threading.local()), time.perf_counter)
    made.scan(texts, session)
    return session.found


@pytest.mark.parametrize(
    ("pattern", "flags", "hits", "misses"),
    [
        (r"\bfoo\b", "", [b"a foo b", b"foo"], [b"food", b"FOO"]),
        (r"\bfoo\b", "i", [b"FOO", b"fOo."], [b"food"]),
        (r"foo(?!bar)", "", [b"foobaz", b"foobar foo"], [b"foobar"]),
        (r"(?<!x)foo", "", [b"foo", b"yfoo"], [b"xfoo"]),
        (r"(a.)b\1", "", [b"axbax"], [b"axbay"]),
        (r"^a.c$", "", [b"abc", b"abc\n"], [b"xabc", b"abcd"]),
        (r"^a", "m", [b"b\na"], [b"b a"]),
        (r"a.b", "", [b"a b"], [b"a\nb"]),
        (r"a.b", "s", [b"a\nb"], [b"ab"]),
        (r"a b # c", "x", [b"ab"], [b"a b"]),
        (r"a\ b [ ] c", "x", [b"a b c"], [b"abc"]),
        (r"(?i)a(?-i)b", "", [b"Ab", b"ab"], [b"aB"]),
        (r"(?i:a)b|C", "", [b"Ab", b"C"], [b"c", b"AB"]),
        (r"(?^:a)", "i", [b"a"], [b"A"]),
        (r"[[:punct:]]x[^[:alpha:]]", "", [b"!x1"], [b"ax1", b"!xa"]),
        (r"[\w.-]+@[a-f\d]{2,4}", "", [b"x.y@ab"], [b"@ab", b"x@g"]),
        (r"[]a]b", "", [b"]b", b"ab"], [b"b"]),
        (r"[a\]-]b", "", [b"-b", b"]b"], [b"b"]),
        (r"[\x41-\x43]\x{44}", "", [b"AD"], [b"DD"]),
        (r"[i\x{0456}]t", "", [b"it"], [b"\xd1\x96t"]),
        (r"[\x{400}-\x{4ff}a]x\x4", "", [b"ax\x04"], [b"\xd0x\x04"]),
        (r"a[\x{400}]|b[^\x{400}]", "", [b"bc"], [b"a\xd0", b"a"]),
        (r"[\x{61}-\x{460}]\o{102}", "", [b"aB", b"\xffB"], [b"AB"]),
        (r"\\x{2}", "", [b"\\xx"], [b"\\x\x02"]),
        (r"\xe9", "i", [b"\xe9"], [b"\xc9"]),
        (r"a\Q.*\Eb", "", [b"a.*b"], [b"axb"]),
        (r"(?>a+)b", "", [b"aab"], [b"aa"]),
        (r"a++b", "", [b"aab"], [b"b"]),
        (r"a{2,}b{,3}c{2}", "", [b"aacc", b"aaabbbcc"], [b"acc"]),
        (r"a{x}", "", [b"a{x}"], [b"ax"]),
        (r"(?<name>a)(?:b|c)(?#d)e", "", [b"abe"], [b"ae"]),
        (r"(a)?(?(1)b|c)", "", [b"ab", b"c"], [b"a"]),
        (r"a\Kb", "", [b"ab"], [b"b"]),
        (r"\d\D\s\S\h\R", "", [b"1a x \n"], [b"1a x"]),
        (r"x\Z", "", [b"x\n", b"x"], [b"x\n\n"]),
        (r"x\z", "", [b"x"], [b"x\n"]),
        (r"\102\0", "", [b"B\0"], [b"B0"]),
        (r"\cA\t\e", "", [b"\x01\t\x1b"], [b"A"]),
        (r"^x*$", "", [b"", b"xx"], [b"y"]),
        (r"(?:^|\s)x", "", [b"x", b"a x"], [b"ax"]),
        (r"a.*^b", "ms", [b"a\nb"], [b"ab"]),
    ],
)  # fmt: skip
def test_patterns(pattern: str, flags: str, hits: list[bytes], misses: list[bytes]) -> None:
    # Twice, with others beside it: alone a pattern does not go through the scanner.
    regexes = [PerlRegex(pattern, flags), PerlRegex("zzz1"), PerlRegex("zzz2"), PerlRegex("zzz3")]
    for text in hits:
        assert _scan(regexes, (text,)) == {0: 1}, text
        assert _scan(regexes[:1], (b"", text)) == {0: 1}, text
    for text in misses:
        assert _scan(regexes, (text,)) == {}, text


_ATOMS = st.sampled_from(
    [
        "a",
        "b",
        "ab",
        ".",
        r"\w",
        r"\s",
        r"\b",
        "[ab]",
        "[^a]",
        "^",
        "$",
        "c",
        r"\d",
        "(?!a)",
        "(?<=b)",
        r"\x41",
        " ",
        "A",
    ]
)
_PIECES = st.recursive(
    _ATOMS,
    lambda inner: st.one_of(
        st.tuples(inner, inner).map("".join),
        st.tuples(inner, inner).map(lambda p: f"(?:{p[0]}|{p[1]})"),
        st.tuples(inner, st.sampled_from(["*", "+", "?", "{2}", "{1,3}", "{0,2}?", "++"])).map(
            lambda p: f"(?:{p[0]}){p[1]}"
        ),
    ),
    max_leaves=8,
)


@settings(max_examples=150)
@given(
    st.lists(_PIECES, min_size=3, max_size=5),
    st.sampled_from(["", "i", "s", "m", "ms"]),
    st.lists(st.text(alphabet="abcA1 \n", max_size=12).map(str.encode), min_size=1, max_size=4),
    st.booleans(),
)
def test_the_scanner_misses_nothing_and_the_exact_engine_decides(
    patterns: list[str], flags: str, texts: list[bytes], joined: bool
) -> None:
    regexes = [PerlRegex(p, flags) for p in patterns]
    expected = {
        i for i, r in enumerate(regexes) if any(Matcher(r).search(t) is not None for t in texts)
    }
    assert set(_scan(regexes, tuple(texts), joined=joined)) == expected


_OTHER = ("never", "nowhere", "neither")  # enough patterns for the scanner to be asked


@pytest.mark.parametrize(
    ("pattern", "flags", "texts", "counts"),
    [
        ("^b", "", (b"ab", b"a\nb"), 0),
        ("^b", "", (b"ab", b"b"), 1),
        ("^b", "m", (b"ab", b"a\nb"), 1),
        ("a$", "", (b"ab", b"xa\n", b"b"), 1),
        ("a$", "", (b"a\n\n", b"ab"), 0),
        (r"a\z", "", (b"a\n", b"ab"), 0),
        ("^a$", "", (b"xa", b"ax", b"a", b""), 1),
        ("a$", "m", (b"xa\nb",), 1),
        (r"(?:^|\s)b\b", "", (b"xb", b"a b"), 1),
        ("a[^x]b", "", (b"xa", b"b"), 0),
        (r"a\W?b", "s", (b"a", b"b"), 0),
        (r"\xffb", "", (b"a\xffb",), 1),
        (r"a[\x80-\xff]b", "", (b"a\xffb",), 1),
        (r"a[\x80-\xfe]b", "", (b"a\xffb",), 0),
        (r"a.b", "", (b"a\xffb", b"\xff"), 1),
        (r"^\B\xfe", "", (b"", b"\xfe"), 1),
        (r"^\bb", "", (b"", b"b"), 1),
        (r"^(?:^a|b)", "", (b"xa", b"b"), 1),
        (r"a(?:$|x)$", "", (b"ax", b"xa"), 2),
        ("[ab]c", "", (b"xac", b"bc bc", b"b"), 3),
    ],
)
def test_texts_put_together_do_not_run_into_each_other(
    pattern: str, flags: str, texts: tuple[bytes, ...], counts: int
) -> None:
    regexes = [PerlRegex(pattern, flags), *map(PerlRegex, _OTHER)]
    exact = sum(Matcher(regexes[0]).count(text, 9) for text in texts)
    assert exact == counts
    for joined in (False, True):
        assert _scan(regexes, texts, joined=joined).get(0, 0) == min(1, counts)
        assert _scan(regexes, texts, most=9, joined=joined).get(0, 0) == counts


def test_which_patterns_have_a_joined_form() -> None:
    able = ["^a", "a$", "(?:^|x)a", r"[\x80-\xff]a", "a.*b"]
    unable = ["^(?:^a|b)", r"\xffa", r"[\x80-\xfe]a", "a(?=b)", "a*"]
    assert [plan_for(PerlRegex(p)).joined is not None for p in able] == [True] * len(able)
    assert [plan_for(PerlRegex(p)).joined is not None for p in unable] == [False] * len(unable)


def test_the_first_text_in_which_a_rule_hits_is_kept() -> None:
    databases = Databases()
    patterns = [
        Pattern(i, plan_for(PerlRegex(p))) for i, p in enumerate(("b$", "c", "^bb", *_OTHER))
    ]
    made = PatternSet(patterns, databases, joined=True)
    session = Session(scratches_of(databases, threading.local()), time.perf_counter)
    made.scan((b"a", b"ab\n", b"cb", b"bb"), session)
    assert session.where == {0: b"ab\n", 1: b"cb", 2: b"bb"}
    made.scan((), session)
    assert set(session.found) == {0, 1, 2}


@settings(max_examples=150)
@given(_PIECES, st.text(alphabet="abcA1 \n", max_size=12).map(str.encode))
def test_wider_forms_are_wider(pattern: str, text: bytes) -> None:
    node = _node(pattern)
    if is_nullable(node) or Matcher(PerlRegex(pattern)).search(text) is None:
        return
    forms = [write_wider(node, 1), write_wider(coarser(node), 1), write_wider(node, 24)]
    runs = required_runs(node)
    if runs is not None:
        forms.append(write_runs(runs))
    for form in forms:
        assert Matcher(PerlRegex(form.text, "i" if form.caseless else "")).search(text) is not None


@pytest.mark.parametrize(
    ("pattern", "exact"),
    [("abc", True), ("a(?:b|c)+", True), ("a(?=b)", False), (r"(a)\1", False), ("a++", False)],
)  # fmt: skip
def test_what_the_scanner_decides(pattern: str, exact: bool) -> None:
    assert is_exact(_node(pattern)) is exact


@pytest.mark.parametrize(
    ("pattern", "nullable"),
    [("a*", True), ("a", False), ("(?:a|b?)", True), ("^$", True), ("a{0,3}b?", True), ("(?!x)y", False)],
)  # fmt: skip
def test_what_may_match_nothing(pattern: str, nullable: bool) -> None:
    assert is_nullable(_node(pattern)) is nullable


def test_sizes() -> None:
    assert positions(_node("a{10}(?:bc){2,5}")) == 20
    assert positions(_node("(?:a{200}){200}")) == 40_000
    assert positions(_node("(?:a{200}){200}"), 1) == 1


def test_required_texts() -> None:
    abc = tuple(mask_of(c) for c in (b"a", b"b", b"c"))
    assert required_runs(_node(r"\d+abc(?!x)\d*")) == (abc,)
    assert required_runs(_node("(?:abc)+")) == (abc,)
    assert required_runs(_node("(?:abc)?")) is None
    assert required_runs(_node("x|abc")) is None
    assert len(required_runs(_node("abcd|efgh")) or ()) == 2


def test_case_of_letters_alone() -> None:
    assert caseless(mask_of(b"aZ1\xe9")) == mask_of(b"aAzZ1\xe9")
    assert write(_node("ab[c-e]", "i")).text == "ab[c-e]"
    assert write(_node("ab[c-e]", "i")).caseless
    assert not write(_node("ab1")).caseless
    assert _node(".", "s") == Chars(ANY)


@pytest.mark.parametrize(
    "pattern",
    ["(", ")", "a)", "(?:a", "(?<n>a", "(" * 100 + ")" * 100, r"\p{L}", "(*ACCEPT)a", r"\b{wb}"],
)
def test_shapes_that_are_not_followed(pattern: str) -> None:
    with pytest.raises(UnreadableRegexError):
        _node(pattern)


@pytest.mark.parametrize("pattern", ["(", "a)", "[a", "a**b", "(?<n", "\\", "(?z)", "a{3,2}"])
def test_bad_patterns_are_refused(pattern: str) -> None:
    with pytest.raises(InvalidRegexError):
        plan_for(PerlRegex(pattern))


@given(st.text(alphabet="ab()[]{}|*+?\\^$.:=!<>PQ123,-#xi ", max_size=30))
@settings(max_examples=400)
def test_any_text_is_a_plan_or_refused(pattern: str) -> None:
    try:
        plan = plan_for(PerlRegex(pattern))
    except InvalidRegexError:
        return
    assert all(option.expression.text for option in plan.options)


# --- large patterns ---------------------------------------------------------------------------------------

LETTER = (
    "(?:[aA@\\xe0]|"
    + "|".join(f"[\\xc3][\\x{n:02x}]" for n in range(0xA0, 0xC0))
    + "|&#(?:97|65);)"
)


def test_disguised_letters_become_sets() -> None:
    node = _node(LETTER * 10)
    assert positions(coarser(node), 1) < 60 < positions(node)


def test_patterns_too_large_for_the_exact_engine_are_written_smaller() -> None:
    regex = PerlRegex(f"(?:^|\\s)(?:{LETTER * 90}|{LETTER * 70}x)", "i")
    matcher = plan_for(regex).matcher
    assert matcher.search(b"b " + b"a@" * 45) is not None
    assert matcher.search(b"b " + b"a" * 70 + b"X") is not None
    assert matcher.search(b"b " + b"a" * 70 + b"y") is None


def test_compact_leaves_what_it_might_change() -> None:
    for pattern in (
        r"(a)\1" + "x" * 99,
        "a" * 200,
        "(?:short)(?:short)",
        "(?i)a(?-i)" + "(?:" + "b" * 99 + ")" * 1,
    ):
        assert compact(pattern) == pattern


@settings(max_examples=60)
@given(_PIECES, st.lists(st.text(alphabet="abcA1 \n", max_size=8).map(str.encode), max_size=5))
def test_compact_keeps_the_meaning(piece: str, texts: list[bytes]) -> None:
    padded = f"(?:{piece}|{'z' * 60})"
    pattern = f"b?{padded}a?{padded}{{0,2}}"
    small = compact(pattern)
    assert "(?&" in small
    one, two = Matcher(PerlRegex(pattern)), Matcher(PerlRegex(small))
    for text in texts:
        assert (one.search(text) is None) is (two.search(text) is None)


# --- limits -----------------------------------------------------------------------------------------------


def test_a_regex_bomb_ends_soon() -> None:
    matcher = Matcher(PerlRegex("(?:a+)+[bc]$"))
    start = time.process_time()
    with pytest.raises(StepLimit):
        matcher.search(b"a" * 5_000)
    with pytest.raises(StepLimit):
        matcher.count(b"a" * 500_000, 3)
    assert time.process_time() - start < 1.0


def test_a_stopped_rule_is_named_and_does_not_hit() -> None:
    databases = Databases()
    made = PatternSet([Pattern(7, plan_for(PerlRegex("(?:a+)+(?!x)[bc]$")))], databases)
    session = Session(scratches_of(databases, threading.local()), time.perf_counter)
    made.scan((b"a" * 5_000 + b"bd",), session)
    assert (session.found, session.stopped) == ({}, {7})


def test_a_message_has_its_time() -> None:
    clock = iter(range(0, 1000, 2))
    session = Session((), lambda: float(next(clock)))
    matcher = Matcher(PerlRegex("a"))
    assert session.matches(1, matcher, b"a")
    assert session.slow == {1: 2.0}
    assert not session.matches(2, matcher, b"a")
    assert session.stopped == {2}


# --- counting ---------------------------------------------------------------------------------------------


def test_counting_rules() -> None:
    regexes = [PerlRegex("a+"), PerlRegex("b"), PerlRegex("zzz"), PerlRegex("yyy")]
    texts = (b"a aa", b"aaa b", b"b b b")
    assert _scan(regexes, texts, most=100) == {0: 3, 1: 4}
    assert _scan(regexes, texts, most=2) == {0: 2, 1: 2}
    assert _scan(regexes, texts) == {0: 1, 1: 1}
    assert _scan(regexes[:1], texts, most=2) == {0: 2}


def test_single_letters_are_counted_alike() -> None:
    regexes = [PerlRegex("e", "i"), PerlRegex("[0-9]"), PerlRegex("zzz"), PerlRegex("yyy")]
    assert _scan(regexes, (b"eE1", b"e23x"), most=100) == {0: 3, 1: 3}
    assert _scan(regexes, (b"eE1", b"e23x"), most=2) == {0: 2, 1: 2}


def test_flags_for_counting() -> None:
    assert times(()) == 1
    assert times(("maxhits=3",)) == 1
    assert times(("multiple", "maxhits=3")) == 3
    assert times(("multiple", "maxhits=0")) == 1
    assert times(("multiple", "maxhits=x")) > 1000


@pytest.mark.parametrize("joined", [False, True])
def test_skipped_texts(joined: bool) -> None:
    databases = Databases()
    patterns = [Pattern(i, plan_for(PerlRegex("a")), skip=i) for i in range(4)]
    made = PatternSet(patterns, databases, joined=joined)
    session = Session(scratches_of(databases, threading.local()), time.perf_counter)
    made.scan((b"a", b"b", b"a"), session)
    assert set(session.found) == {0, 1, 2}


def test_an_expression_that_the_scanner_refuses_is_found_out() -> None:
    regexes = [
        PerlRegex(p)
        for p in ("aaa", r"b(?=c)\b\B[d]", "ccc", "(?:x{1,900}y){1,900}", "ddd", r"e[^\x00-\xff]")
    ]
    assert set(_scan(regexes, (b"aaa ccc ddd xy",))) == {0, 2, 3, 4}
