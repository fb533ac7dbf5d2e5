"""`limits`: how far they are used, and other limits as a new version of the policy."""

from typing import Any

import pytest

from mailweir_gateway.models.limits import BucketShape, UsageShape
from mailweir_policy import Policy
from mailweir_policy.ratelimit import OutboundLimit
from mailweir_runtime.bus.ports import BusUnavailable
from mailweir_runtime.config import current, load_version, propose

World = Any  # tests/conftest.py
LIMITS = "/api/v1/limits"
ANNA = f"{LIMITS}/users/anna@example.com"
DOMAIN = f"{LIMITS}/domains/example.com"


def usage(subject: str) -> UsageShape:
    return UsageShape(
        subject=subject, kind="user", unit="messages", used=160, limit=200,
        source="ratelimit.outbound.default_user", held=2, next_at=None,
    )  # fmt: skip


async def policy(world: World) -> Policy:
    found = await current(world.bus)
    assert found is not None
    return found.policy


# --- usage -----------------------------------------------------------------------------------------------


async def test_usage(world: World) -> None:
    world.ratelimit.entries = [usage("anna@example.com"), usage("bob@example.com")]
    first = (await world.client.get(LIMITS, params={"limit": 1})).json()
    assert first["items"] == [usage("anna@example.com").model_dump()]
    second = (await world.client.get(LIMITS, params={"cursor": first["next"]})).json()
    assert [u["subject"] for u in second["items"]] == ["bob@example.com"]
    one = (await world.client.get(LIMITS, params={"subject": "bob@example.com"})).json()
    assert [u["subject"] for u in one["items"]] == ["bob@example.com"]


async def test_counters(world: World) -> None:
    state = BucketShape(
        limit="connections", key="192.0.2.1", unit="connections", used=3, capacity=60, empty_at=None
    )
    world.ratelimit.counters["192.0.2.1"] = [state]
    response = await world.client.get(f"{LIMITS}/buckets", params={"subject": "192.0.2.1"})
    assert response.json() == {"subject": "192.0.2.1", "items": [state.model_dump()]}
    assert (await world.client.get(f"{LIMITS}/buckets")).status_code == 422


async def test_without_the_service_limits_can_still_be_set(world: World) -> None:
    world.ratelimit.outage = True
    assert (await world.client.get(LIMITS)).status_code == 503
    assert (await world.client.put(ANNA, json={"messages": 500})).status_code == 200


# --- users -----------------------------------------------------------------------------------------------


async def test_what_holds_before_anything_is_set(world: World) -> None:
    response = await world.client.get(ANNA)
    assert response.headers["etag"] == '"v.1"'
    assert response.json() == {
        "login": "anna@example.com",
        "user": {
            "messages": 200, "recipients": 0, "bytes": 0, "source": "ratelimit.outbound.default_user",
        },
        "domain": {"messages": 0, "recipients": 0, "bytes": 0, "source": "ratelimit.outbound.domains"},
        "version": "v.1",
    }  # fmt: skip


async def test_an_override_is_a_new_version_with_an_author(world: World) -> None:
    response = await world.client.put(f"{LIMITS}/users/Anna@Example.com", json={"messages": 500})
    assert response.status_code == 200
    found = response.json()
    assert found["user"] == {
        "messages": 500, "recipients": 0, "bytes": 0,
        "source": "ratelimit.outbound.users[anna@example.com].limit",
    }  # fmt: skip
    assert (found["version"], response.headers["etag"]) == ("v.2", '"v.2"')
    version = await load_version(world.bus, 2)
    assert version is not None
    assert (version.author, version.reason) == ("admin", "outbound limit of anna@example.com")
    [one] = version.policy.ratelimit.outbound.users
    assert (one.login, one.limit) == ("anna@example.com", OutboundLimit(messages=500))
    assert world.value("policy_changes_total", result="applied") == 1


async def test_an_override_replaces_the_one_before_and_no_other(world: World) -> None:
    await world.client.put(f"{LIMITS}/users/bob@example.com", json={"messages": 7})
    await world.client.put(ANNA, json={"messages": 500})
    await world.client.put(ANNA, json={"recipients": 9})
    found = (await policy(world)).ratelimit.outbound.users
    assert [(u.login, u.limit.messages, u.limit.recipients) for u in found] == [
        ("anna@example.com", 0, 9), ("bob@example.com", 7, 0),
    ]  # fmt: skip


async def test_the_same_again_is_no_new_version(world: World) -> None:
    for _ in range(2):
        response = await world.client.put(ANNA, json={"messages": 500})
        assert response.json()["version"] == "v.2"


async def test_an_override_is_taken_away(world: World) -> None:
    await world.client.put(ANNA, json={"messages": 500})
    response = await world.client.delete(ANNA)
    assert response.json()["user"]["source"] == "ratelimit.outbound.default_user"
    assert response.json()["version"] == "v.3"
    assert (await world.client.delete(ANNA)).status_code == 404


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({"messages": -1}, "messages"),
        ({"messages": 1_000_000_001}, "messages"),
        ({"messages": "5"}, "messages"),
        ({"bytes": 1 << 51}, "bytes"),
        ({"moon": 1}, "moon"),
    ],
)
async def test_what_is_no_limit(world: World, body: Any, path: str) -> None:
    response = await world.client.put(ANNA, json=body)
    assert response.status_code == 422
    assert response.json()["errors"][0]["path"] == path
    assert (await policy(world)).ratelimit.outbound.users == ()


@pytest.mark.parametrize("login", ["bob", "bob@", "@example.com", "bob@exa mple"])
async def test_what_is_no_login_with_a_limit(world: World, login: str) -> None:
    response = await world.client.put(f"{LIMITS}/users/{login}", json={"messages": 1})
    assert response.status_code == 422
    assert response.json()["errors"][0]["path"] == "path.login"


async def test_a_precondition_is_kept(world: World) -> None:
    head = {"If-Match": '"v.9"'}
    response = await world.client.put(ANNA, json={"messages": 500}, headers=head)
    assert (response.status_code, response.json()["detail"]) == (412, "version v.1 is in force")
    head = {"If-Match": '"v.1"'}
    assert (await world.client.put(ANNA, json={"messages": 500}, headers=head)).status_code == 200
    response = await world.client.put(ANNA, json={}, headers={"If-Match": "nonsense"})
    assert response.json()["errors"][0]["path"] == "header.If-Match"


async def test_somebody_elses_change_meanwhile_is_kept(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = Policy()
    rivals = iter(["bob"])

    async def raced(bus: Any, wanted: Policy, **more: Any) -> str:
        rival = next(rivals, None)
        if rival:
            changed = other.model_copy(
                update={"ratelimit": other.ratelimit.model_copy(update={"good_factor": 3.0})}
            )
            await propose(bus, changed, author=rival, reason="", clock=world.clock, expected="v.1")
        return await propose(bus, wanted, **more)

    monkeypatch.setattr("mailweir_gateway.api.changing.propose", raced)
    response = await world.client.put(ANNA, json={"messages": 500})
    assert (response.status_code, response.json()["version"]) == (200, "v.3")
    found = (await policy(world)).ratelimit
    assert found.good_factor == 3.0
    assert [u.login for u in found.outbound.users] == ["anna@example.com"]


async def test_changes_without_end_are_a_conflict(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    numbers = iter(range(1, 100))

    async def raced(bus: Any, wanted: Policy, **more: Any) -> str:
        factor = 1.0 + next(numbers)
        rival = Policy()
        rival = rival.model_copy(
            update={"ratelimit": rival.ratelimit.model_copy(update={"good_factor": factor})}
        )
        await propose(
            bus, rival, author="bob", reason="", clock=world.clock, expected=more["expected"]
        )
        return await propose(bus, wanted, **more)

    monkeypatch.setattr("mailweir_gateway.api.changing.propose", raced)
    response = await world.client.put(ANNA, json={"messages": 500})
    assert response.status_code == 409
    assert world.value("policy_changes_total", result="conflict") == 1


async def test_without_the_bus(world: World) -> None:
    world.bus.outage = BusUnavailable("as the test wants")
    assert (await world.client.put(ANNA, json={"messages": 500})).status_code == 503
    assert (await world.client.get(ANNA)).status_code == 503


# --- domains ---------------------------------------------------------------------------------------------


async def test_a_domains_limits(world: World) -> None:
    body = {"total": {"messages": 5000, "bytes": 1_000_000}, "users": {"messages": 50}}
    response = await world.client.put(DOMAIN, json=body)
    assert response.json() == {
        "domain": "example.com",
        "total": {
            "messages": 5000, "recipients": 0, "bytes": 1_000_000,
            "source": "ratelimit.outbound.domains[example.com].total",
        },
        "users": {
            "messages": 50, "recipients": 0, "bytes": 0,
            "source": "ratelimit.outbound.domains[example.com].users",
        },
        "version": "v.2",
    }  # fmt: skip
    anna = (await world.client.get(ANNA)).json()
    assert anna["user"]["messages"] == 50
    assert anna["domain"]["messages"] == 5000


async def test_a_domain_without_a_limit_for_each(world: World) -> None:
    response = await world.client.put(DOMAIN, json={"total": {"messages": 5000}})
    assert response.json()["users"]["source"] == "ratelimit.outbound.default_user"


async def test_a_domains_limits_are_taken_away(world: World) -> None:
    assert (await world.client.delete(DOMAIN)).status_code == 404
    await world.client.put(f"{LIMITS}/domains/EXAMPLE.com", json={"total": {"messages": 5000}})
    response = await world.client.delete(DOMAIN)
    assert response.json()["total"]["source"] == "ratelimit.outbound.domains"
    assert (await policy(world)).ratelimit.outbound.domains == ()
    assert (await world.client.get(DOMAIN)).json() == response.json()


async def test_what_is_no_domain(world: World) -> None:
    response = await world.client.put(f"{LIMITS}/domains/exa mple", json={})
    assert response.json()["errors"][0]["path"] == "path.domain"
    response = await world.client.put(DOMAIN, json={"users": {"messages": -1}})
    assert response.json()["errors"][0]["path"] == "users.messages"
