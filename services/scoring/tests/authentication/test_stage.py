"""SPF, DKIM, DMARC and ARC of whole messages: what is found, in how many rounds, and what follows."""

from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from hypothesis import given, strategies as st

from mailweir_core.asking import drive
from mailweir_core.decision import Action
from mailweir_core.dns import DnsAnswer, DnsQuestion, DnsStatus
from mailweir_core.record import Envelope, Listener, Session
from mailweir_mail import parse
from mailweir_mail.auth.arc import ArcResult, ArcStatus, seal
from mailweir_mail.auth.dkim import KeyType, SigningKey, make_private_key, sign, txt_record
from mailweir_mail.auth.results import parse_results
from mailweir_mail.auth.spf import SpfStatus
from mailweir_policy import ScoringPolicy
from mailweir_policy.authentication import AuthenticationPolicy
from mailweir_scoring.adapters.rulefiles import DirectoryRules
from mailweir_scoring.policy.authentication import SYMBOLS, Authentication, authenticate
from mailweir_scoring.policy.authentication.asking import knowing
from mailweir_scoring.policy.facts import Facts, Found, Identity
from mailweir_scoring.policy.pipeline import symbols_of
from mailweir_scoring.policy.ruleset import read_rules
from mailweir_scoring.policy.stages import STAGES
from mailweir_scoring.policy.verdict import Verdict, judge
from mailweir_testkit.builders import mail
from mailweir_testkit.zones import Zones

NOW = 1_756_720_800.0
KEY = SigningKey("example.net", "s1", make_private_key(KeyType.ED25519))
RELAY = SigningKey("lists.example.org", "arc", make_private_key(KeyType.ED25519))
STRANGER = SigningKey("stranger.example", "arc", make_private_key(KeyType.ED25519))
RULES = read_rules(DirectoryRules.shipped().read(), symbols_of(STAGES))


def zones(dmarc: str = "", spf: str = "", **more: str) -> Zones:
    table: dict[str, Any] = {
        "s1._domainkey.example.net": {"TXT": [txt_record(KEY.key)]},
        "arc._domainkey.lists.example.org": {"TXT": [txt_record(RELAY.key)]},
        "arc._domainkey.stranger.example": {"TXT": [txt_record(STRANGER.key)]},
        "example.net": {"TXT": [spf] if spf else []},
        "_dmarc.example.net": {"TXT": [dmarc] if dmarc else []},
        **{name: {"TXT": [text]} for name, text in more.items()},
    }
    return Zones(table)


def facts(
    raw: bytes = mail(),
    *,
    sender: str = "anna@example.net",
    user: str = "",
    local: str = "example.com",
    **policy: Any,
) -> Facts:
    session = Session("s", Listener.MX, "192.0.2.1", helo="mx.example.net", auth_user=user)
    return Facts(
        message=parse(raw),
        texts=(),
        now=NOW,
        envelope=Envelope("r", session, sender, ("bob@example.com",), NOW),
        identity=Identity("mx.example.com", frozenset({local})),
        policy=ScoringPolicy(authentication=AuthenticationPolicy.model_validate(policy)),
    )


@dataclass
class Run:
    found: Found
    zones: Zones
    verdict: Verdict = field(init=False)

    def __post_init__(self) -> None:
        self.verdict = judge(self.found.hits, RULES, ScoringPolicy())

    @property
    def auth(self) -> Authentication:
        assert self.found.facts is not None
        assert isinstance(self.found.facts.auth, Authentication)
        return self.found.facts.auth

    @property
    def symbols(self) -> set[str]:
        return {hit.symbol for hit in self.found.hits}

    def counts(self, symbol: str) -> float:
        return next(s.score for s in self.verdict.signals if s.name == symbol)


def run(given: Facts, answers: Zones) -> Run:
    return Run(drive(authenticate(given), answers.answer), answers)


def signed(raw: bytes = mail(), key: SigningKey = KEY) -> bytes:
    return sign(raw, key, NOW) + raw


def test_all_is_well() -> None:
    ran = run(facts(signed()), zones("v=DMARC1; p=reject", "v=spf1 ip4:192.0.2.1 -all"))
    assert ran.symbols == {"SPF_PASS", "DKIM_VALID", "DMARC_PASS"}
    assert ran.auth.aligned
    assert not ran.auth.failed
    assert ran.verdict.score == 0.0


def test_independent_checks_share_a_round() -> None:
    answers = zones("v=DMARC1; p=reject", "v=spf1 ip4:192.0.2.1 -all")
    run(facts(signed()), answers)
    assert answers.rounds == 1
    assert answers.count("_dmarc.example.net", "TXT") == 1


@pytest.mark.parametrize(
    ("spf", "symbol", "score"),
    [
        ("v=spf1 -all", "SPF_FAIL", 1.0),
        ("v=spf1 ~all", "SPF_SOFTFAIL", 0.5),
        ("v=spf1 nonsense -all", "SPF_PERMERROR", 0.3),
    ],
)
def test_spf_alone_is_weak(spf: str, symbol: str, score: float) -> None:
    ran = run(facts(), zones(spf=spf))
    assert ran.counts(symbol) == score
    assert ran.verdict.action is Action.ACCEPT


def test_helo_is_checked_beside_the_sender() -> None:
    ran = run(facts(), zones(**{"mx.example.net": "v=spf1 -all"}))
    assert "SPF_HELO_FAIL" in ran.symbols
    null = run(facts(sender=""), zones(**{"mx.example.net": "v=spf1 -all"}))
    assert null.auth.helo is None
    assert null.symbols >= {"SPF_FAIL"}


@pytest.mark.parametrize(
    ("policy", "symbol", "score"),
    [("reject", "DMARC_REJECT", 2.0), ("quarantine", "DMARC_QUARANTINE", 1.5), ("none", "DMARC_FAIL", 0.2)],
)  # fmt: skip
def test_what_the_authors_domain_asks_for(policy: str, symbol: str, score: float) -> None:
    ran = run(facts(), zones(f"v=DMARC1; p={policy}"))
    assert ran.counts(symbol) == score
    assert ran.auth.failed
    assert not ran.auth.aligned
    assert ran.verdict.action is Action.ACCEPT


def test_a_signature_of_another_domain_is_not_aligned() -> None:
    other = replace(KEY, domain="other.example")
    record = {"s1._domainkey.other.example": txt_record(KEY.key)}
    ran = run(facts(signed(key=other)), zones("v=DMARC1; p=reject", **record))
    assert ran.symbols >= {"DKIM_VALID", "DMARC_REJECT"}
    assert not ran.auth.aligned


def test_a_broken_signature() -> None:
    ran = run(facts(signed().replace(b"minutes", b"millions")), zones())
    assert ran.symbols >= {"DKIM_INVALID"}
    assert ran.counts("DKIM_INVALID") == 1.0


def test_one_good_signature_outweighs_broken_ones() -> None:
    broken = sign(mail(body="other"), KEY, NOW)
    ran = run(facts(broken + signed()), zones())
    assert "DKIM_VALID" in ran.symbols
    assert "DKIM_INVALID" not in ran.symbols


def test_a_domain_that_tries_dkim_out_is_not_blamed() -> None:
    answers = zones()
    table = dict(answers.table)
    table["s1._domainkey.example.net"] = {"TXT": [f"{txt_record(KEY.key)}; t=y"]}
    ran = run(facts(signed().replace(b"minutes", b"millions")), Zones(table))
    assert not {"DKIM_INVALID", "DKIM_VALID"} & ran.symbols


@pytest.mark.parametrize(
    ("setting", "dmarc", "spf", "symbol"),
    [
        ("spf_fail", "", "v=spf1 -all", "SPF_FAIL"),
        ("spf_softfail", "", "v=spf1 ~all", "SPF_SOFTFAIL"),
        ("dmarc_quarantine", "v=DMARC1; p=quarantine", "", "DMARC_QUARANTINE"),
        ("dmarc_reject", "v=DMARC1; p=reject", "", "DMARC_REJECT"),
    ],
)
def test_the_policy_says_what_follows(setting: str, dmarc: str, spf: str, symbol: str) -> None:
    actions = {
        on: run(facts(**{setting: on}), zones(dmarc, spf)).verdict.action
        for on in ("none", "mark", "hold", "refuse")
    }
    assert actions == {
        "none": Action.ACCEPT,
        "mark": Action.ACCEPT,
        "hold": Action.HOLD,
        "refuse": Action.REJECT,
    }
    assert run(facts(**{setting: "none"}), zones(dmarc, spf)).counts(symbol) == 0.0


def test_an_invalid_signature_may_be_refused() -> None:
    raw = signed().replace(b"minutes", b"millions")
    assert run(facts(raw, dkim_invalid="refuse"), zones()).verdict.action is Action.REJECT


@pytest.mark.parametrize(
    "sender", ["a@example.net, b@example.org", "a@example.net>, <b@example.org"]
)
def test_several_authors_are_no_way_around_a_policy(sender: str) -> None:
    ran = run(facts(mail(sender=sender), dmarc_reject="refuse"), zones("v=DMARC1; p=reject"))
    assert "DMARC_AUTHOR_AMBIGUOUS" in ran.symbols
    assert ran.verdict.action is Action.REJECT


# -- our own domains ---------------------------------------------------------------------------------------


def test_our_own_domain_from_outside_is_refused_by_our_own_record() -> None:
    ran = run(facts(local="example.net"), zones("v=DMARC1; p=reject"))
    assert "OWN_DOMAIN_SPOOFED" in ran.symbols
    assert ran.verdict.action is Action.REJECT
    mild = run(facts(local="example.net", own_domain="mark"), zones("v=DMARC1; p=reject"))
    assert mild.verdict.action is Action.HOLD


def test_without_a_record_it_is_held_or_weighs() -> None:
    quarantine = run(facts(local="example.net"), zones("v=DMARC1; p=quarantine"))
    assert quarantine.verdict.action is Action.HOLD
    assert run(facts(local="example.net"), zones(spf="v=spf1 -all")).verdict.action is Action.HOLD
    nothing = run(facts(local="example.net", sender="x@other.example"), zones())
    assert nothing.counts("OWN_DOMAIN_SPOOFED") == 4.0


def test_our_own_domain_with_proof_is_ours() -> None:
    ran = run(facts(signed(), local="example.net"), zones("v=DMARC1; p=reject"))
    assert "OWN_DOMAIN_SPOOFED" not in ran.symbols


def test_nothing_is_held_against_a_message_when_nobody_answers() -> None:
    answers = Zones(
        {
            "example.net": "TIMEOUT",
            "_dmarc.example.net": "TIMEOUT",
            "s1._domainkey.example.net": "SERVFAIL",
            "mx.example.net": "TIMEOUT",
        }
    )
    ran = run(facts(signed(), local="example.net"), answers)
    assert ran.verdict.score == 0.0
    assert ran.symbols == set()
    assert ran.auth.spf is not None
    assert ran.auth.spf.result is SpfStatus.TEMPERROR


# -- ARC ---------------------------------------------------------------------------------------------------

PASSED = "lists.example.org; dmarc=pass header.from=example.net"


def forwarded(results: str = PASSED, *keys: SigningKey) -> bytes:
    """Return a message whose signature a list broke, sealed by relays one after the other."""
    raw = signed().replace(b"Subject: ", b"Subject: [list] ")
    chain = ArcResult(ArcStatus.NONE)
    for number, key in enumerate(keys or (RELAY,), 1):
        raw = seal(raw, results, chain, key, NOW) + raw
        chain = ArcResult(ArcStatus.PASS, instance=number)
    return raw


def test_a_trusted_relay_stands_in_for_what_it_broke() -> None:
    given = facts(forwarded(), trusted_sealers=["lists.example.org"], dmarc_reject="refuse")
    ran = run(given, zones("v=DMARC1; p=reject", "v=spf1 -all"))
    assert ran.auth.arc.status is ArcStatus.PASS
    assert ran.auth.vouched
    assert ran.auth.aligned
    assert ran.symbols >= {"ARC_TRUSTED", "DMARC_REJECT", "SPF_FAIL", "DKIM_INVALID"}
    assert ran.verdict.action is Action.ACCEPT
    assert ran.verdict.score == -1.0


def test_an_untrusted_relay_stands_for_nothing() -> None:
    given = facts(forwarded(), dmarc_reject="refuse")
    ran = run(given, zones("v=DMARC1; p=reject"))
    assert ran.auth.arc.status is ArcStatus.PASS
    assert "ARC_TRUSTED" not in ran.symbols
    assert ran.verdict.action is Action.REJECT


@pytest.mark.parametrize(
    ("results", "keys"),
    [
        ("lists.example.org; dmarc=fail header.from=example.net", (RELAY,)),
        ("lists.example.org; dmarc=pass header.from=other.example", (RELAY,)),
        ("lists.example.org; dkim=pass header.d=example.net", (RELAY,)),
    ],
)
def test_a_relay_vouches_for_what_it_saw_alone(results: str, keys: tuple[SigningKey, ...]) -> None:
    given = facts(forwarded(results, *keys), trusted_sealers=["lists.example.org"])
    ran = run(given, zones("v=DMARC1; p=reject"))
    assert not ran.auth.vouched
    assert ran.counts("DMARC_REJECT") == 2.0


def test_what_a_stranger_says_before_a_trusted_relay_is_not_believed() -> None:
    trusted = ["lists.example.org"]
    ran = run(
        facts(forwarded(PASSED, STRANGER, RELAY), trusted_sealers=trusted),
        zones("v=DMARC1; p=reject"),
    )
    assert ran.auth.arc.status is ArcStatus.PASS
    assert ran.auth.vouched, "the trusted relay says so itself"
    last = run(
        facts(forwarded(PASSED, RELAY, STRANGER), trusted_sealers=trusted),
        zones("v=DMARC1; p=reject"),
    )
    assert last.auth.arc.status is ArcStatus.PASS
    assert not last.auth.vouched
    assert last.auth.sealer == ""


def test_a_broken_chain() -> None:
    raw = forwarded().replace(b"minutes", b"millions")
    ran = run(facts(raw, trusted_sealers=["lists.example.org"]), zones())
    assert "ARC_INVALID" in ran.symbols
    assert not ran.auth.vouched


# -- whom it is for, what is told --------------------------------------------------------------------------


def test_our_own_users_are_not_checked() -> None:
    answers = zones()
    ran = drive(authenticate(facts(user="anna")), answers.answer)
    assert ran == Found()
    assert answers.asked == []


def test_a_file_has_no_client() -> None:
    given = replace(facts(signed()), envelope=None)
    ran = run(given, zones("v=DMARC1; p=reject"))
    assert ran.auth.spf is None
    assert ran.symbols == {"DKIM_VALID", "DMARC_PASS"}


def test_each_check_can_be_switched_off() -> None:
    answers = zones("v=DMARC1; p=reject")
    ran = run(facts(signed(), spf=False, dkim=False, dmarc=False, arc=False), answers)
    assert answers.asked == []
    assert ran.symbols == set()
    assert dict(ran.found.fields)["Authentication-Results"] == "mx.example.com; none"


def test_the_results_are_told() -> None:
    ran = run(facts(forwarded()), zones("v=DMARC1; p=reject", "v=spf1 ip4:192.0.2.1 -all"))
    ((name, value),) = ran.found.fields
    told = parse_results(value)
    assert name == "Authentication-Results"
    assert told is not None
    assert told.authserv_id == "mx.example.com"
    assert [(r.method, r.result) for r in told.results] == [
        ("spf", "pass"), ("spf", "none"), ("dkim", "fail"), ("dmarc", "pass"), ("arc", "pass"),
    ]  # fmt: skip
    assert told.results[0].get("smtp", "mailfrom") == "anna@example.net"
    assert told.results[1].get("smtp", "helo") == "mx.example.net"
    assert run(facts(results_header=False), zones()).found.fields == ()


def test_what_a_stranger_wrote_cannot_forge_a_result() -> None:
    evil = 'x"; dmarc=pass header.from=bank.example; a="@example.net'
    ran = run(facts(sender=evil), zones())
    told = parse_results(ran.found.fields[0][1])
    assert told is not None
    assert [r.result for r in told.of("dmarc")] == ["none"]


def test_every_symbol_has_a_rule_and_may_decide_only_where_it_is_evidence() -> None:
    own = {r.symbol for r in RULES.rules.values() if r.group == "authentication"}
    assert own == SYMBOLS
    assert "authentication" not in ScoringPolicy().group_caps


def test_what_is_known_is_not_asked_again() -> None:
    from mailweir_core.dns import RecordType

    questions = [DnsQuestion(n, RecordType.TXT) for n in "abc"]
    known = {questions[0]: DnsAnswer(DnsStatus.OK, ("known",))}

    def asks() -> Any:
        first = yield (questions[0], questions[1], questions[1])
        second = yield (questions[1],)
        third = yield (questions[2],)
        return [a.records[0] for a in (*first, *second, *third)]

    seen: list[tuple[str, ...]] = []

    def answer(asked: tuple[DnsQuestion, ...]) -> tuple[DnsAnswer, ...]:
        seen.append(tuple(q.name for q in asked))
        return tuple(DnsAnswer(DnsStatus.OK, (q.name,)) for q in asked)

    assert drive(knowing(known, asks()), answer) == ["known", "b", "b", "b", "c"]
    assert seen == [("b",), ("c",)]


@given(
    head=st.binary(max_size=300),
    sender=st.text(max_size=60),
    text=st.text(max_size=200),
    status=st.sampled_from(list(DnsStatus)),
)
def test_no_message_and_no_answer_raises(
    head: bytes, sender: str, text: str, status: DnsStatus
) -> None:
    raw = b"From: " + head[:60] + b"\r\nDKIM-Signature: " + head + b"\r\n\r\nbody"
    records = (text,) if status is DnsStatus.OK else ()
    rounds = 0

    def answer(asked: tuple[DnsQuestion, ...]) -> tuple[DnsAnswer, ...]:
        nonlocal rounds
        rounds += 1
        return tuple(DnsAnswer(status, records) for _ in asked)

    found = drive(authenticate(facts(raw, sender=sender)), answer)
    assert {hit.symbol for hit in found.hits} <= SYMBOLS
    assert rounds < 30
