"""The stage `campaign`: what it asks, what it finds."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest

from mailweir_core.asking import drive
from mailweir_core.record import Envelope
from mailweir_mail import parse
from mailweir_model.fingerprint import Fingerprint, FuzzyBook, FuzzyEntry, Kind, fingerprints
from mailweir_policy import BulkPolicy, CampaignPolicy, FuzzyPolicy, ScoringPolicy
from mailweir_scoring.policy.campaign.model import CampaignAnswer, CampaignQuestion
from mailweir_scoring.policy.campaign.stage import SYMBOLS, campaign
from mailweir_scoring.policy.facts import Facts, Hit
from mailweir_scoring.policy.kit import Kit
from mailweir_scoring.policy.reading import texts_of
from mailweir_scoring.policy.ruleset import RuleSet

WORDS = (
    "dear customer we have the very best bread butter cheese fruit honey lemon onion pepper salt "
    "sugar water wine coffee tea rice beans corn wheat flour oil milk cream eggs fish meat soup "
    "salad cake pie juice jam nuts seeds herbs spice sauce pasta pizza toast snack lunch dinner "
    "supper breakfast brunch feast table chair plate glass spoon fork knife bowl cup pan pot oven "
    "stove fridge sink shelf drawer"
)
LIST = "List-Id: <news.shop.example>\nList-Unsubscribe: <http://shop.example/u>\n"


@dataclass(frozen=True)
class Auth:
    aligned: bool


@pytest.fixture
def facts(envelope: Envelope) -> Callable[..., Facts]:
    def make(text: str = WORDS, head: str = "", **fields: Any) -> Facts:
        raw = f"From: Shop <a@shop.example>\nSubject: Offer\n{head}\n{text}\n".encode()
        message = parse(raw)
        made = Facts(message, texts_of(message, 50_000), envelope.received_at, envelope)
        return replace(made, **fields)

    return make


def run(facts: Facts, copies: int = 1) -> tuple[list[Hit], list[CampaignQuestion]]:
    asked: list[CampaignQuestion] = []

    def answer(questions: tuple[Any, ...]) -> tuple[Any, ...]:
        asked.extend(questions)
        return tuple(CampaignAnswer(copies) for _ in questions)

    found = drive(campaign(facts), answer)
    assert {h.symbol for h in found.hits} <= SYMBOLS
    return list(found.hits), asked


def with_policy(**bulk: Any) -> ScoringPolicy:
    return ScoringPolicy(campaign=CampaignPolicy(bulk=BulkPolicy(**bulk)))


def book(*entries: tuple[Fingerprint, float, float]) -> Kit:
    return Kit(
        RuleSet({}, ""), fuzzy=FuzzyBook([FuzzyEntry(f, spam, ham) for f, spam, ham in entries])
    )


def text_print(facts: Facts) -> Fingerprint:
    return next(f for f in fingerprints(facts.message) if f.kind is Kind.TEXT)


# copies


def test_a_mail_from_outside_is_counted(facts: Callable[..., Facts]) -> None:
    hits, asked = run(facts())
    assert hits == []
    assert [(q.window, q.at) for q in asked] == [(3600.0, facts().now)]
    assert len(asked[0].families[0]) == 8


@pytest.mark.parametrize(
    ("copies", "weight"), [(19, None), (20, 1.0), (63, 1.5), (200, 2.0), (10**6, 2.0)]
)
def test_from_the_threshold_on_copies_weigh(
    facts: Callable[..., Facts], copies: int, weight: float | None
) -> None:
    hits, _ = run(facts(), copies)
    assert [round(h.weight, 1) for h in hits] == ([] if weight is None else [weight])
    assert [h.evidence for h in hits] == [f"{copies} copies within 60 minutes"] * len(hits)


@pytest.mark.parametrize(
    ("head", "auth", "weight"),
    [
        ("", None, 1.0),
        ("", Auth(aligned=False), 1.0),
        ("", Auth(aligned=True), 0.4),
        (LIST, None, 0.4),  # nobody looked who wrote it
        (LIST, Auth(aligned=False), 1.0),  # anybody can write such a header
        (LIST, Auth(aligned=True), 0.1),
    ],
)
def test_lists_and_authenticated_senders_weigh_less(
    facts: Callable[..., Facts], head: str, auth: Auth | None, weight: float
) -> None:
    (hit,) = run(facts(head=head, auth=auth), 20)[0]
    assert (hit.symbol, hit.weight) == ("BULK_SEEN", pytest.approx(weight))


def test_a_share_of_zero_is_silence(facts: Callable[..., Facts]) -> None:
    policy = with_policy(list_share=0)
    assert run(facts(head=LIST, auth=Auth(aligned=True), policy=policy), 500)[0] == []


@pytest.mark.parametrize("ours", [{"auth_user": "ann"}, {"trusted": True}])
def test_our_own_users_mail_is_neither_counted_nor_looked_up(
    facts: Callable[..., Facts], envelope: Envelope, ours: dict[str, Any]
) -> None:
    own = replace(envelope, session=replace(envelope.session, **ours))
    known = book((text_print(facts()), 20, 0))
    assert run(facts(envelope=own, kit=known), 500) == ([], [])


def test_a_file_is_looked_up_and_not_counted(facts: Callable[..., Facts]) -> None:
    hits, asked = run(facts(envelope=None, kit=book((text_print(facts()), 20, 0))))
    assert [h.symbol for h in hits] == ["FUZZY_DENIED"]
    assert asked == []


def test_switches(facts: Callable[..., Facts]) -> None:
    assert run(facts(policy=with_policy(enabled=False)), 500) == ([], [])
    off = ScoringPolicy(campaign=CampaignPolicy(fuzzy=FuzzyPolicy(enabled=False)))
    known = book((text_print(facts()), 20, 0))
    assert run(facts(kit=known, policy=off))[0] == []


def test_what_no_copy_is_known_by_is_not_asked(facts: Callable[..., Facts]) -> None:
    assert run(facts(text="Thanks!"), 500) == ([], [])


# labels


@pytest.mark.parametrize(
    ("spam", "ham", "symbol", "weight"),
    [
        (20, 0, "FUZZY_DENIED", 0.76),
        (100, 0, "FUZZY_DENIED", 1.0),
        (20, 5, "FUZZY_PROBABLE", 0.64),  # somebody wants it
        (0, 20, "FUZZY_WHITE", 0.76),
        (0.5, 0, None, 0),  # less than one label
        (3, 3, None, 0),
    ],
)
def test_a_known_text(
    facts: Callable[..., Facts], spam: float, ham: float, symbol: str | None, weight: float
) -> None:
    hits, _ = run(facts(kit=book((text_print(facts()), spam, ham))))
    assert [(h.symbol, round(h.weight, 2)) for h in hits] == ([(symbol, weight)] if symbol else [])


def test_a_text_that_is_only_alike_is_probable(facts: Callable[..., Facts]) -> None:
    own = text_print(facts())
    changed = Fingerprint(Kind.TEXT, own.value[:64] + "0" * 64)
    (hit,) = run(facts(kit=book((changed, 20, 0))))[0]
    assert hit.symbol == "FUZZY_PROBABLE"
    assert hit.evidence == "text, 50% alike, 20 labels"


def test_names_and_templates_alone_say_nothing(facts: Callable[..., Facts]) -> None:
    subject = next(f for f in fingerprints(facts().message) if f.kind is Kind.SUBJECT)
    assert run(facts(kit=book((subject, 20, 0))))[0] == []


def test_links_alone_are_probable(facts: Callable[..., Facts]) -> None:
    text = "http://a.example/x http://b.example/y http://c.example/z"
    made = facts(text=text)
    links = next(f for f in fingerprints(made.message) if f.kind is Kind.LINKS)
    assert [h.symbol for h in run(facts(text=text, kit=book((links, 20, 0))))[0]] == [
        "FUZZY_PROBABLE"
    ]
    assert run(facts(text=text, kit=book((links, 0, 20))))[0] == []


def test_spam_outweighs_what_else_is_wanted(facts: Callable[..., Facts]) -> None:
    text = f"{WORDS} http://a.example/x http://b.example/y http://c.example/z"
    prints = {f.kind: f for f in fingerprints(facts(text=text).message)}
    kit = book((prints[Kind.TEXT], 0, 20), (prints[Kind.LINKS], 20, 0))
    assert [h.symbol for h in run(facts(text=text, kit=kit))[0]] == ["FUZZY_PROBABLE"]


def test_an_empty_book_costs_no_fingerprint(facts: Callable[..., Facts]) -> None:
    kit = Kit(RuleSet({}, ""), fuzzy=FuzzyBook())
    assert run(facts(envelope=None, kit=kit)) == ([], [])
