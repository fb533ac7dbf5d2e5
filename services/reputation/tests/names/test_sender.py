"""Whether a sender's domain exists and takes mail."""

from typing import Any

import pytest

from mailweir_core.asking import drive
from mailweir_policy import Policy
from mailweir_policy.edge import Remedy
from mailweir_reputation.policy.findings import NOTHING
from mailweir_reputation.policy.names.sender import SenderDomain, find_domain
from mailweir_reputation.policy.names.suspects import SUSPECTS, conclude
from mailweir_testkit.zones import Zones

TABLE: dict[str, Any] = {
    "mx.example": {"MX": ["10 mail.mx.example"]},
    "null.example": {"MX": ["0 ."]},
    "odd.example": {"MX": ["0 .", "10 mail.mx.example"]},
    "a.example": {"A": ["192.0.2.1"]},
    "six.example": {"AAAA": ["2001:db8::1"]},
    "text.example": {"TXT": ["x"]},
    "sick.example": "SERVFAIL",
    "slow.example": "TIMEOUT",
    "sick-mx.example": {"MX": "SERVFAIL", "A": ["192.0.2.1"]},
    "sick-a.example": {"A": "TIMEOUT"},
    "xn--bcher-kva.example": {"MX": ["10 mx.example"]},
}


@pytest.mark.parametrize(
    ("domain", "found"),
    [
        ("mx.example", SenderDomain.EXISTS),
        ("MX.Example.", SenderDomain.EXISTS),
        ("a.example", SenderDomain.EXISTS),
        ("six.example", SenderDomain.EXISTS),
        ("odd.example", SenderDomain.EXISTS),
        ("bücher.example", SenderDomain.EXISTS),
        ("[192.0.2.1]", SenderDomain.EXISTS),
        ("null.example", SenderDomain.TAKES_NO_MAIL),
        ("text.example", SenderDomain.MISSING),
        ("gone.example", SenderDomain.MISSING),
        ("sick.example", SenderDomain.UNKNOWN),
        ("slow.example", SenderDomain.UNKNOWN),
        ("sick-mx.example", SenderDomain.UNKNOWN),
        ("sick-a.example", SenderDomain.UNKNOWN),
    ],
)
def test_domains(domain: str, found: SenderDomain) -> None:
    assert drive(find_domain(domain), Zones(TABLE).answer) is found


@pytest.mark.parametrize("suspect", SUSPECTS, ids=lambda s: s.name)
@pytest.mark.parametrize("remedy", list(Remedy))
def test_each_suspect_thing_has_each_remedy(suspect: Any, remedy: Remedy) -> None:
    fields = Policy().edge.suspects.model_dump()
    policy = Policy.model_validate({"edge": {"suspects": dict.fromkeys(fields, remedy)}})
    found = conclude(suspect, "x" * 500, policy)
    if remedy is Remedy.OFF:
        assert found == NOTHING
        return
    (signal,) = found.signals
    assert (signal.name, signal.score, signal.group) == (suspect.name, suspect.score, "edge")
    assert len(signal.evidence) <= 100
    advice = {"reject": "reject", "close": "close"}.get(remedy.value, "none")
    assert found.advice == advice
    assert (found.reason is suspect.reason) == (advice != "none")
    least = policy.greylist.suspicion if remedy is Remedy.GREYLIST else suspect.score
    assert found.suspicion == max(suspect.score, least)


def test_every_remedy_of_the_policy_has_a_suspect_thing() -> None:
    for field in Policy().edge.suspects.model_dump():
        policy = Policy.model_validate({"edge": {"suspects": {field: "close"}}})
        off = {f: "off" for f in Policy().edge.suspects.model_dump() if f != field}
        policy = Policy.model_validate({"edge": {"suspects": {field: "close", **off}}})
        assert sum(conclude(s, "", policy) != NOTHING for s in SUSPECTS) == 1, field


def test_no_suspect_thing_alone_is_spam() -> None:
    assert all(0 < suspect.score <= 2 for suspect in SUSPECTS)
    assert len({suspect.name for suspect in SUSPECTS}) == len(SUSPECTS)
