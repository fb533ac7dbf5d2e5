"""The stage `spamassassin`: what rules find becomes hits, and what they are worth is capped."""

from dataclasses import replace

from mailweir_core.asking import drive
from mailweir_core.record import Envelope, Listener, Session
from mailweir_mail import parse
from mailweir_policy import ScoringPolicy
from mailweir_policy.spamassassin import SpamAssassinPolicy
from mailweir_scoring.policy.facts import Facts, Found
from mailweir_scoring.policy.kit import Kit, with_rules
from mailweir_scoring.policy.ruleset import RuleSet
from mailweir_scoring.policy.spamassassin import GROUP, STAGE, SpamAssassin, rules_of
from mailweir_spamassassin.build import Evals
from mailweir_spamassassin.conf.source import MemorySource
from mailweir_spamassassin.loading import load

RULES = b"""
body SAYS_HELLO /hello/
describe SAYS_HELLO Says hello
score SAYS_HELLO 1 2 3 4
body __SUB /hello/
meta BOTH __SUB && SAYS_HELLO
score BOTH 100
header MISSING_DATE exists:Subject
score MISSING_DATE -50
"""
MAIL = b"From: a@b.example\r\nSubject: x\r\n\r\nwell, hello there\r\n"


def _module() -> SpamAssassin:
    loaded = load(MemorySource({"a.cf": RULES}), Evals())
    assert loaded.book is not None
    return SpamAssassin.of(loaded.book, frozenset({"MISSING_DATE"}))


def _facts(module: object = None) -> Facts:
    kit = Kit(with_rules(RuleSet({}, ""), ()), spamassassin=module)
    return Facts(parse(MAIL), (), 0.0, kit=kit)


def _ask(facts: Facts) -> Found:
    return drive(STAGE.ask(facts), lambda questions: questions)


def test_hits() -> None:
    hits = {h.symbol: h.evidence for h in _ask(_facts(_module())).hits}
    assert hits == {"SAYS_HELLO": "hello", "BOTH": "__SUB SAYS_HELLO", "SA_MISSING_DATE": ""}


def test_what_the_rules_came_to_is_kept_beside_the_hits() -> None:
    facts = _facts(_module())
    _ask(facts)
    result = facts.memo[GROUP]
    assert (result.score, result.slow, result.sub_rules) == (51.0, (), ("__SUB",))


def test_switched_off_by_the_policy() -> None:
    policy = ScoringPolicy().model_copy(update={"spamassassin": SpamAssassinPolicy(enabled=False)})
    assert _ask(replace(_facts(_module()), policy=policy)).hits == ()


def test_hits_with_an_envelope() -> None:
    session = Session("s", Listener.MX, "192.0.2.1", helo="x.example")
    facts = replace(
        _facts(_module()), envelope=Envelope("r", session, "a@b.example", ("c@d.example",), 0.0)
    )
    assert len(_ask(facts).hits) == 3


def test_without_rules_there_is_nothing() -> None:
    assert _ask(_facts()).hits == ()


def test_rules_are_capped_one_by_one() -> None:
    rules = {r.symbol: r for r in rules_of(_module())}
    assert rules.keys() == {"SAYS_HELLO", "BOTH", "SA_MISSING_DATE"}
    assert (rules["BOTH"].score, rules["SA_MISSING_DATE"].score) == (5.5, -5.5)
    hello = rules["SAYS_HELLO"]
    assert (hello.score, hello.group, hello.description, hello.file) == (
        1.0,
        GROUP,
        "Says hello",
        "a.cf:2",
    )


def test_scale_and_score_set() -> None:
    policy = SpamAssassinPolicy(score_set=3, scale=0.5, rule_cap=100)
    scores = {r.symbol: r.score for r in rules_of(_module(), policy)}
    assert scores == {"SAYS_HELLO": 2.0, "BOTH": 50.0, "SA_MISSING_DATE": -25.0}
