"""A document that is no policy is refused with the path of everything that is wrong with it."""

import json
from typing import Any

import pytest

from mailweir_policy.document import InvalidPolicyError, dumps, loads, policy_from
from mailweir_policy.policy import Policy


def paths(document: dict[str, Any]) -> dict[str, str]:
    with pytest.raises(InvalidPolicyError) as caught:
        policy_from(document)
    return {p.path: p.message for p in caught.value.problems}


def test_every_problem_has_its_path() -> None:
    got = paths(
        {
            "moon": 1,
            "scoring": {"thresholds": {"tag": 9, "quarantine": 8}},
            "relay": {"trusted_networks": ["10.0.0.0/8", "10.0.0.1/8"]},
        }
    )
    assert got["moon"] == "unknown key"
    assert got["scoring.thresholds"] == "tag (9) must be below quarantine (8)"
    assert "host bits" in got["relay.trusted_networks.1"]
    assert len(got) == 3


def test_a_refused_element_is_one_problem_not_two() -> None:
    assert list(paths({"delivery": {"routes": [{"domain": "*", "next_hops": ["http://x"]}]}})) == [
        "delivery.routes.0.next_hops.0"
    ]
    assert list(paths({"delivery": {"routes": [{"domain": "*", "next_hops": []}]}})) == [
        "delivery.routes.0.next_hops"
    ]


@pytest.mark.parametrize("text", ["", "{", "[]", "3", "null", '{"format": 2}'])
def test_what_is_no_policy_at_all_is_refused(text: str) -> None:
    with pytest.raises(InvalidPolicyError):
        loads(text)


def test_writing_is_stable_and_reads_back() -> None:
    domain = {"name": "example.com", "recipients": "list"}
    addresses = [f"{c}@example.com" for c in "gfedcba"]
    policy = policy_from({"relay": {"domains": [{**domain, "addresses": addresses}]}})
    assert loads(dumps(policy)) == policy
    assert dumps(policy) == dumps(loads(dumps(policy)))
    written = json.loads(dumps(policy))["relay"]["domains"][0]["addresses"]
    assert written == sorted(addresses)
    assert loads(dumps(Policy())) == Policy()
