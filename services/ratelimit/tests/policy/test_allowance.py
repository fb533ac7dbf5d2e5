"""Which outbound limit holds, and where it stands."""

from typing import Any

import pytest

from mailweir_policy import Policy
from mailweir_policy.ratelimit import RatelimitPolicy
from mailweir_ratelimit.policy.allowance import Allowances, Kind

OUTBOUND = {
    "default_user": {"messages": 200},
    "domains": [
        {
            "domain": "example.com",
            "total": {"messages": 1000, "bytes": 5000},
            "users": {"messages": 50},
        },
        {"domain": "example.org", "total": {"messages": 10}},
    ],
    "users": [{"login": "boss@example.com", "limit": {"messages": 5000}}],
}


def allowances(**changes: Any) -> Allowances:
    outbound = {**OUTBOUND, **changes}
    return Allowances(Policy(ratelimit=RatelimitPolicy.model_validate({"outbound": outbound})))


@pytest.mark.parametrize(
    ("login", "messages", "source"),
    [
        ("boss@example.com", 5000, "ratelimit.outbound.users[boss@example.com].limit"),
        ("BOSS@Example.com", 5000, "ratelimit.outbound.users[boss@example.com].limit"),
        ("ann@example.com", 50, "ratelimit.outbound.domains[example.com].users"),
        ("bob@example.org", 200, "ratelimit.outbound.default_user"),
        ("eve@example.net", 200, "ratelimit.outbound.default_user"),
        ("local", 200, "ratelimit.outbound.default_user"),
    ],
)
def test_the_users_own_limit(login: str, messages: int, source: str) -> None:
    own = allowances().user(login)
    assert (own.kind, own.subject) == (Kind.USER, login.casefold())
    assert (own.limit.messages, own.source) == (messages, source)


@pytest.mark.parametrize(
    ("domain", "messages", "source"),
    [
        ("example.com", 1000, "ratelimit.outbound.domains[example.com].total"),
        ("example.org", 10, "ratelimit.outbound.domains[example.org].total"),
        ("example.net", 0, "ratelimit.outbound.domains"),
    ],
)
def test_the_domains_limit(domain: str, messages: int, source: str) -> None:
    found = allowances().domain(domain)
    assert (found.limit.messages, found.source) == (messages, source)


def test_both_hold_the_users_first() -> None:
    own, domain = allowances().of("boss@example.com")
    assert (own.limit.messages, domain.limit.messages) == (5000, 1000)
    assert own.key != domain.key
    assert len(allowances().of("local")) == 1


def test_the_global_switches() -> None:
    off = allowances(user_limits=False, domain_limits=False)
    assert [one.limit.messages for one in off.of("boss@example.com")] == [0, 0]
    assert off.user("boss@example.com").source == "ratelimit.outbound.user_limits"
    without = allowances(overrides=False)
    assert without.user("boss@example.com").limit.messages == 50


def test_a_user_and_a_domain_of_one_name_are_two() -> None:
    found = allowances()
    assert found.user("example.com").key != found.domain("example.com").key
