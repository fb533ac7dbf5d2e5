"""Rules that are expressions: the language, its errors, its limits, and deciding them last."""

import time
from pathlib import Path

import pytest

from mailweir_policy import MessageLimits, ScoringPolicy
from mailweir_scoring.policy.composites import weigh
from mailweir_scoring.policy.expressions import ExpressionError, holds, needs_of, parse, symbols_in
from mailweir_scoring.policy.expressions.fields import NAMES
from mailweir_scoring.policy.facts import Facts, Hit
from mailweir_scoring.policy.kit import Kit
from mailweir_scoring.policy.reading import read_message, texts_of
from mailweir_scoring.policy.ruleset import InvalidRulesError, RuleFile, RuleSet, read_rules
from mailweir_scoring.policy.values import values_of

MESSAGE = (
    b"From: Ann Other <ann@example.net>\r\nTo: Bob <bob@example.com>\r\nReply-To: eve@example.org\r\n"
    b"Subject: =?utf-8?Q?Gr=C3=BC=C3=9Fe?= to WIN\r\nX-Odd: one\r\nX-Odd: two\r\n"
    b"MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=a\r\n\r\n"
    b"--a\r\nContent-Type: text/html\r\n\r\n<p>Hello <a href='https://www.example.org/x'>there</a></p>\r\n"
    b"--a\r\nContent-Type: application/pdf; name=a.pdf\r\n\r\n%PDF-1.7\r\n--a--\r\n"
)


def facts_of(raw: bytes = MESSAGE, rules: RuleSet | None = None, **policy: object) -> Facts:
    message = read_message(raw, MessageLimits(), 50_000)
    kit = Kit(rules or RuleSet({}, ""))
    made = ScoringPolicy.model_validate(policy)
    return Facts(message, texts_of(message, 50_000), 0.0, policy=made, kit=kit)


def decide(text: str, *found: str) -> bool:
    facts = facts_of()
    return holds(parse(text), set(found), lambda field: values_of(facts, field))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("ONE", True),
        ("TWO", False),
        ("!TWO", True),
        ("!!ONE", True),
        ("ONE & TWO", False),
        ("ONE | TWO", True),
        ("TWO & TWO | ONE", True),  # & binds more closely
        ("TWO & (TWO | ONE)", False),
        ("ONE & !(TWO | !ONE)", True),
    ],
)
def test_symbols_are_combined(text: str, expected: bool) -> None:
    assert decide(text, "ONE") is expected


@pytest.mark.parametrize(
    "text",
    [
        "subject ~ /win/i",
        "subject ~ /^Grüße/",
        'from.name = "ann OTHER"',
        "from.address ~ /@example\\.net$/",
        "reply-to.address ~ /example[.]org/",
        "to.name",
        "to.address ~ /^bob@/",
        "body ~ /Hello\\s+there/",
        "body.html ~ /<a href/",
        "url ~ /\\/x$/",
        'url.host = "www.example.org"',
        'attachment.name = "a.pdf"',
        'attachment.type = "application/pdf"',
        'header:X-Odd = "two"',
        "header:x-odd ~ /^o/",
        "!header:X-None",
        "!envelope.sender & !envelope.helo & !body.plain ~ /./",
    ],
)
def test_fields_are_looked_at(text: str) -> None:
    assert decide(text)


def test_every_documented_field_has_values_or_none() -> None:
    facts = facts_of()
    for name in NAMES:
        assert all(isinstance(value, bytes) for value in values_of(facts, name))


@pytest.mark.parametrize(
    ("text", "column", "said"),
    [
        ("", 1, "expected here"),
        ("ONE &", 6, "expected here"),
        ("ONE TWO", 5, "unexpected `TWO`"),
        ("(ONE", 5, "`)` is missing"),
        ("ONE)", 4, "unexpected `)`"),
        ("subjekt ~ /x/", 1, "neither a symbol nor a known field"),
        ("subject ~ x", 11, "a pattern"),
        ("subject = /x/", 12, "a text"),
        ("subject ~ /(/", 12, "not a pattern of RE2"),
        ("subject ~ /(a)\\1/", 12, "not a pattern of RE2"),
        ("subject ~ /(?<=a)b/", 12, "not a pattern of RE2"),
        ("subject ~ /a/g", 12, "unknown flag `g`"),
        ("subject ~ /((a{900}){900}){9}/", 12, "not a pattern of RE2"),
        ("ONE ? TWO", 5, "cannot read `? TWO`"),
        ("subject ~ /" + "a" * 1001 + "/", 12, "longer than 1000"),
        ("(" * 40 + "ONE" + ")" * 40, 32, "nested deeper than 30"),
        (" | ".join(["ONE"] * 101), 601, "more than 100"),
        ("ONE" + " " * 4000, 1, "longer than 4000"),
    ],
)
def test_what_is_wrong_is_said_with_its_column(text: str, column: int, said: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        parse(text)
    assert caught.value.column == column
    assert said in caught.value.message


@pytest.mark.parametrize(
    ("text", "needs"),
    [
        ("AAA", [{"AAA"}]),
        ("AAA & (BBB | CCC) & subject", [{"AAA"}, {"BBB", "CCC"}]),
        ("AAA | BBB & CCC", [{"AAA", "BBB"}]),
        ("(AAA | BBB) & CCC | DDD", [{"CCC", "DDD"}]),
        ("!AAA", []),
        ("AAA | subject", []),
        ("AAA | !BBB", []),
        ("AAA & !BBB", [{"AAA"}]),
    ],
)
def test_a_condition_is_asked_only_where_a_symbol_of_each_set_is_found(
    text: str, needs: list[set[str]]
) -> None:
    condition = parse(text)
    assert [set(need) for need in needs_of(condition)] == needs
    symbols = sorted(set(symbols_in(condition)))
    for number in range(2 ** len(symbols)):
        found = {s for place, s in enumerate(symbols) if number >> place & 1}
        if holds(condition, found, lambda _field: (b"x",)):
            assert all(found & need for need in needs_of(condition))


def test_symbols_are_named_in_order() -> None:
    assert list(symbols_in(parse("(ONE | !TWO) & subject ~ /x/ & SIX"))) == ["ONE", "TWO", "SIX"]


@pytest.mark.parametrize(
    "pattern", ["(a+)+$", "(a|a)*b", "(.*)(.*)(.*)x", "(a?){40}a{40}b", "([a-z]+)*@"]
)
def test_no_pattern_takes_more_than_linear_time(pattern: str) -> None:
    condition = parse(f"body ~ /{pattern}/")

    def cost(size: int) -> float:
        begun = time.process_time()
        holds(condition, set(), lambda _: (b"a" * size,))
        return time.process_time() - begun

    small, large = (min(cost(n) for _ in range(3)) for n in (50_000, 400_000))
    assert large <= 8 * 2 * max(small, 0.01)


def file_of(text: str, group: str = "own") -> RuleFile:
    return RuleFile("own.toml", f'group = "{group}"\n{text}')


def rules_of(text: str, checked: frozenset[str] = frozenset()) -> RuleSet:
    base = "".join(f'[{s}]\nscore = 1\ndescription = "{s}"\n' for s in sorted(checked))
    return read_rules([file_of(base + text)], checked)


OWN = """
[LAST]
score = 2.0
description = "Both"
expression = "BLOCK & FIRST"
replaces = ["FIRST"]
[BLOCK]
expression = 'subject ~ /win/i'
"""


def test_a_rule_needs_no_check_and_may_stand_for_others() -> None:
    rules = rules_of(OWN, frozenset({"FIRST"}))
    assert set(rules.rules) == {"FIRST", "LAST"}  # a block is no signal
    found = weigh(facts_of(rules=rules), [Hit("FIRST")])
    assert found.hits == (Hit("LAST", "BLOCK, FIRST"),)
    assert found.silenced == {"FIRST"}
    assert weigh(facts_of(rules=rules), []).hits == ()


def test_what_is_switched_off_is_not_there_for_expressions() -> None:
    rules = rules_of(OWN, frozenset({"FIRST"}))
    for symbol in ("FIRST", "LAST", "BLOCK"):
        facts = facts_of(rules=rules, signal_scores={symbol: 0.0})
        assert weigh(facts, [Hit("FIRST")]).hits == ()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('[ONE]\nscore = 1\ndescription = "x"\nexpression = "TWO"', "names `TWO`"),
        (
            '[ONE]\nscore = 1\ndescription = "x"\nexpression = "subject ~"',
            "`expression`, column 10",
        ),
        ('[ONE]\nexpression = "TWO"\n[TWO]\nexpression = "!ONE"', "asks for itself"),
        ('[ONE]\nexpression = "ONE"', "asks for itself"),
        ("[ONE]\nexpression = 1", "must be a text"),
        ('[ONE]\nexpression = "subject"\nreplaces = ["X"]', "needs a `score`"),
        ('[ONE]\nscore = 1\ndescription = "x"\nexpression = "subject"\nreplaces = "X"', "a list"),
        (
            '[ONE]\nscore = 1\ndescription = "x"\nexpression = "subject"\nreplaces = ["X_Y"]',
            "`X_Y`",
        ),
        ('[FIRST]\nscore = 1\ndescription = "x"\nreplaces = ["ONE"]', "needs an `expression`"),
        ('[ONE]\nscore = 1\nexpression = "subject"', "needs a `description`"),
    ],
)
def test_what_is_wrong_with_a_rule_names_file_and_symbol(text: str, said: str) -> None:
    with pytest.raises(InvalidRulesError) as caught:
        read_rules([file_of(text)], frozenset())
    assert any(said in p.message for p in caught.value.problems), caught.value.problems
    assert all(p.file == "own.toml" and p.symbol for p in caught.value.problems)


def test_a_checks_symbol_is_not_to_be_had_twice() -> None:
    with pytest.raises(InvalidRulesError, match="a check reports it already"):
        read_rules(
            [file_of('[ONE]\nscore = 1\ndescription = "x"\nexpression = "subject"')],
            frozenset({"ONE"}),
        )


def test_the_documented_example_is_a_rule_file() -> None:
    page = Path(__file__).parents[3] / "docs" / "add-a-rule.md"
    text = page.read_text("utf-8").split("```toml\n")[1].split("```")[0]
    known = frozenset({"DKIM_VALID", "THREAD_REPLY", "SUBJECT_TAIL"})
    base = "".join(f'[{s}]\nscore = 1\ndescription = "{s}"\n' for s in known)
    rules = read_rules([RuleFile("a.toml", text), file_of(base)], known)
    assert [c.symbol for c in rules.composites] == ["OUR_PARTNER", "FAKE_TICKET"]
    raw = MESSAGE.replace(b"Subject: ", b"Subject: [Ticket #12] ")
    hits = weigh(facts_of(raw, rules), []).hits
    assert [hit.symbol for hit in hits] == ["FAKE_TICKET"]


def test_every_documented_field_is_named() -> None:
    page = (Path(__file__).parents[3] / "docs" / "add-a-rule.md").read_text("utf-8")
    assert [name for name in NAMES if f"`{name}`" not in page] == []
