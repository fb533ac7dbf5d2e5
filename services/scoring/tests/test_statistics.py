"""What the model's opinion is worth, and that it never refuses mail by itself."""

from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given, strategies as st

from mailweir_mail import parse
from mailweir_model import Opinion, Term, shipped
from mailweir_policy import ScoringPolicy
from mailweir_policy.statistics import StatisticsPolicy
from mailweir_scoring.adapters.rulefiles import DirectoryRules
from mailweir_scoring.policy.checks.statistics import (
    HAM_UNIT,
    UNIT,
    evidence_of,
    points_of,
    statistics,
)
from mailweir_scoring.policy.facts import Facts, Hit
from mailweir_scoring.policy.kit import Kit
from mailweir_scoring.policy.pipeline import symbols_of
from mailweir_scoring.policy.ruleset import read_rules
from mailweir_scoring.policy.stages import STAGES

RULES = read_rules(DirectoryRules.shipped().read(), symbols_of(STAGES))
KIT = Kit(RULES, model=shipped())
POLICY = StatisticsPolicy()
SPAM = (
    b"From: Prize <a1@example.net>\r\nTo: x@example.org\r\nSubject: Claim your money now!!!\r\n\r\n"
    b"Dear friend, you have won 5,000,000 dollars. Click here to claim your prize now.\r\n"
    b"Order now and save 80% on cheap pills, limited time offer! To be removed click below.\r\n"
)

opinions = st.builds(
    Opinion,
    probability=st.floats(0, 1),
    rarity=st.floats(0, 5),
    score=st.floats(-4, 4),
    abstained=st.sampled_from([None, "too few words"]),
)


def facts(raw: bytes, policy: StatisticsPolicy = POLICY, kit: Kit = KIT) -> Facts:
    return Facts(parse(raw), (), 0.0, policy=ScoringPolicy(statistics=policy), kit=kit)


def hits(raw: bytes, policy: StatisticsPolicy = POLICY, kit: Kit = KIT) -> list[Hit]:
    return list(statistics.run(facts(raw, policy, kit)))


def test_spam_is_called_so_with_the_words_that_counted() -> None:
    (hit,) = hits(SPAM)
    assert hit.symbol == "STATISTICS_SPAM"
    assert hit.evidence.startswith("p=")
    assert "click" in hit.evidence or "claim" in hit.evidence


def test_without_a_model_or_switched_off_nothing_is_said() -> None:
    assert hits(SPAM, kit=Kit(RULES)) == []
    assert hits(SPAM, StatisticsPolicy(enabled=False)) == []
    assert hits(SPAM, StatisticsPolicy(weight=0)) == []


def test_the_rules_are_the_units() -> None:
    assert RULES.rules["STATISTICS_SPAM"].score == UNIT
    assert RULES.rules["STATISTICS_HAM"].score == -HAM_UNIT


@given(opinions)
def test_points_keep_their_bounds_and_never_refuse(opinion: Opinion) -> None:
    reject = ScoringPolicy().thresholds.reject
    assert reject is not None
    points = points_of(opinion, POLICY)
    assert -POLICY.most_for_ham <= points <= POLICY.most < reject
    if opinion.abstained:
        assert 0 <= points <= POLICY.most_without_content


@given(opinions, st.floats(0, 3))
def test_no_weight_refuses_either(opinion: Opinion, weight: float) -> None:
    policy = StatisticsPolicy(weight=weight)
    assert -policy.most_for_ham <= points_of(opinion, policy) <= policy.most


def test_the_likelier_the_more() -> None:
    steps = [Opinion(chance / 1000, 0.0, 0.0) for chance in range(1001)]
    points = [points_of(o, POLICY) for o in steps]
    assert all(a <= b for a, b in pairwise(points))
    assert max(b - a for a, b in pairwise(points[50:951])) < 0.05  # no cliff
    assert (points[0], points[-1]) == (-POLICY.most_for_ham, POLICY.most)


def test_what_is_likely_but_not_sure_is_not_tagged_for_it() -> None:
    tag = ScoringPolicy().thresholds.tag
    assert tag is not None
    assert points_of(Opinion(0.99, 2.0, 0.0), POLICY) < tag
    assert points_of(Opinion(0.99995, 3.3, 0.0), POLICY) >= tag


def test_a_sure_ham_takes_points_off() -> None:
    sure = Opinion(0.0001, 0.0, -2.0)
    assert points_of(sure, POLICY) == -3.0
    assert points_of(replace(sure, abstained="too few words"), POLICY) == 0.0
    assert points_of(replace(sure, probability=1.0, abstained="too few words"), POLICY) == 2.5


def test_evidence() -> None:
    opinion = Opinion(0.987, 3.0, 1.0, (Term("money", 2.0),), (Term("patch", -1.0),))
    assert evidence_of(opinion, spam=True) == "p=0.99 money"
    assert evidence_of(opinion, spam=False) == "p=0.99 patch"
    unknown = replace(opinion, abstained="language not taught (greek)")
    assert evidence_of(unknown, spam=True) == "p=0.99 language not taught (greek)"
    assert evidence_of(Opinion(0.5, 1.5, 0.0), spam=True) == "p=0.50"


GENUINE = {
    "german": "Hallo Frau Weber, anbei die Rechnung für März. Bitte bis zum Monatsende überweisen.",
    "french": "Bonjour, votre rendez-vous du mardi est confirmé. Merci de prévenir en cas d'empêchement.",
    "spanish": "Buenos días, le enviamos la factura del mes pasado. Si tiene alguna duda, llámenos.",
    "russian": "Добрый день! Высылаю протокол вчерашней встречи. Если есть замечания, напишите до пятницы.",
    "japanese": "お世話になっております。来週の打ち合わせの資料をお送りします。ご確認をお願いいたします。",
    "turkish": "Merhaba, toplantı saatini yarın ona aldık. Katılamayacaksanız lütfen haber verin.",
    "chinese": "您好，附件是上周会议的记录，请查收。如有问题请与我联系。",
    "arabic": "مرحبا، تم تأكيد موعدكم يوم الثلاثاء. يرجى الاتصال بنا إذا كان لديكم أي سؤال.",
}


@pytest.mark.parametrize("name", GENUINE)
def test_another_language_is_not_tagged_by_statistics(name: str) -> None:
    body = GENUINE[name]
    raw = (
        "Received: from mail.example.com (mail.example.com [192.0.2.1]) by mx.example.org; "
        "Mon, 2 Mar 2026 10:00:01 +0000\r\nFrom: Ann <ann@example.com>\r\nTo: bob@example.org\r\n"
        "Subject: =?utf-8?q?Info?=\r\nMessage-ID: <20260302100000.1234@example.com>\r\n"
        "Date: Mon, 2 Mar 2026 10:00:00 +0000\r\nMIME-Version: 1.0\r\n"
        f"Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n{body}\r\n"
    ).encode()
    tag = ScoringPolicy().thresholds.tag
    assert tag is not None
    points = sum(h.weight * RULES.rules[h.symbol].score for h in hits(raw))
    assert points <= POLICY.most_without_content < tag
