"""From settings and policy to the stages that ask the DNS, and to what a judgement tells of them."""

from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry
from pydantic import ValidationError

from mailweir_core.clock import ManualClock
from mailweir_core.dns import DnsQuestion, RecordType
from mailweir_core.record import Envelope, Listener, Session
from mailweir_policy import Policy, ScoringPolicy
from mailweir_runtime.config import PolicySnapshot
from mailweir_runtime.dns import NoResolver, Resolver, ZoneResolver
from mailweir_runtime.lifecycle import StartupError
from mailweir_scoring.adapters.resolver import dns_answerers
from mailweir_scoring.adapters.rulefiles import DirectoryRules
from mailweir_scoring.adapters.workers import InlineWorkers
from mailweir_scoring.app import load_keys
from mailweir_scoring.engine import Engine
from mailweir_scoring.metrics import declare
from mailweir_scoring.policy.judgement import Judgement
from mailweir_scoring.policy.kit import Kit
from mailweir_scoring.policy.lists import ListQuery
from mailweir_scoring.policy.made import rules_of_policy
from mailweir_scoring.policy.pipeline import symbols_of
from mailweir_scoring.policy.ruleset import read_rules
from mailweir_scoring.policy.stages import STAGES
from mailweir_scoring.settings import Settings
from mailweir_scoring.walk import Task, Tools
from mailweir_testkit.builders import mail

TXT, A = RecordType.TXT, RecordType.A
RECORDS = {
    "example.net": {TXT: ("v=spf1 -all",)},
    "_dmarc.example.net": {TXT: ("v=DMARC1; p=reject",)},
    "bad.example.uri.bl.example": {A: ("127.0.0.2",)},
}
LISTS = {
    "zones": [
        {"name": "uri", "zone": "uri.bl.example", "kinds": ["domain"], "checks": ["urls"]},
    ]
}
ENVELOPE = Envelope(
    "r",
    Session("s", Listener.MX, "192.0.2.1", helo="client.example.net"),
    "anna@example.net",
    ("bob@example.com",),
    1_756_720_800.0,
)


async def judged(resolver: Resolver, **scoring: object) -> Judgement:
    """Judge a message by the two stages that ask the DNS, with the shipped rules."""
    metrics, clock = declare(CollectorRegistry()), ManualClock()
    engine = Engine(
        Tools(
            stages=tuple(s for s in STAGES if s.name in ("auth", "lists")),
            workers=InlineWorkers(),
            clock=clock,
            metrics=metrics,
            inline_bytes=1_000_000,
            program="0.1.0",
            answerers=dns_answerers(resolver, clock, metrics.lists, {}),
            policy_rules=rules_of_policy,
        ),
        Kit(read_rules(DirectoryRules.shipped().read(), symbols_of(STAGES))),
    )
    policy = Policy(scoring=ScoringPolicy.model_validate({"lists": LISTS, **scoring}))
    raw = mail(body="http://www.bad.example/\r\n")
    return await engine.judge(Task(raw, ENVELOPE), PolicySnapshot(policy, "v.1"))


async def test_a_judgement_tells_signals_look_ups_and_results() -> None:
    judgement = await judged(ZoneResolver(RECORDS))
    scores = {s.name: s.score for s in judgement.verdict.signals}
    assert scores.items() >= {"SPF_FAIL": 1.0, "DMARC_REJECT": 2.0, "LIST_URI": 2.0}.items()
    told = {(lookup.kind, lookup.question): lookup.answer for lookup in judgement.lookups}
    assert told["dns", "_dmarc.example.net TXT"] == "ok v=DMARC1; p=reject"
    assert told["list", "uri: bad.example"] == "listed 127.0.0.2"
    assert judgement.headers[0].name == "Authentication-Results"
    assert "spf=fail" in judgement.headers[0].value


async def test_a_score_of_the_policy_replaces_that_of_a_list() -> None:
    judgement = await judged(ZoneResolver(RECORDS), signal_scores={"LIST_URI": 5.0})
    assert {s.name: s.score for s in judgement.verdict.signals}["LIST_URI"] == 5.0


@pytest.mark.parametrize("stage", ["auth", "lists"])
async def test_a_stage_that_is_switched_off_asks_nothing(stage: str) -> None:
    judgement = await judged(ZoneResolver(RECORDS), stages={stage: {"enabled": False}})
    kinds = {lookup.kind for lookup in judgement.lookups}
    assert kinds == {"list" if stage == "auth" else "dns"}


async def test_what_is_decided_is_not_asked_of_lists() -> None:
    judgement = await judged(ZoneResolver(RECORDS), authentication={"dmarc_reject": "refuse"})
    assert judgement.verdict.action == "reject"
    assert {lookup.kind for lookup in judgement.lookups} == {"dns"}
    assert judgement.headers[0].name == "Authentication-Results"


def test_somebody_answers_only_where_there_is_a_resolver() -> None:
    metrics = declare(CollectorRegistry()).lists
    assert dns_answerers(NoResolver(), ManualClock(), metrics, {}) == {}
    known = dns_answerers(ZoneResolver({}), ManualClock(), metrics, {})
    assert known.keys() == {DnsQuestion, ListQuery}


def test_settings_name_servers_by_address() -> None:
    assert Settings(dns=" 127.0.0.1:53, [::1]:53").dns == "127.0.0.1:53,[::1]:53"
    assert Settings().dns == ""
    with pytest.raises(ValidationError, match="no name server"):
        Settings(dns="resolver.example:53")


def test_keys_that_cannot_be_read_end_the_start(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("two words")
    with pytest.raises(StartupError, match="not a key"):
        load_keys(Settings(list_keys_dir=tmp_path))
    with pytest.raises(StartupError, match="list_keys_dir"):
        load_keys(Settings(list_keys_dir=tmp_path / "absent"))
