"""`config`: read, checked, replaced, with versions; all or nothing."""

import asyncio
import json
from typing import Any

import pytest

from mailweir_policy import Policy, dumps
from mailweir_runtime.bus.topology import CONFIG
from mailweir_runtime.config import current, history

World = Any  # tests/conftest.py


def document(**scoring: Any) -> dict[str, Any]:
    policy: dict[str, Any] = json.loads(dumps(Policy()))
    policy["scoring"]["thresholds"] |= scoring
    return policy


async def in_force(world: World) -> Any:
    version = await current(world.bus)
    assert version is not None
    return version


async def test_the_policy_in_force_with_its_version(world: World) -> None:
    response = await world.client.get("/api/v1/config")
    assert response.status_code == 200
    assert response.headers["etag"] == '"v.1"'
    assert response.json() == document()
    assert response.content == dumps(Policy())


async def test_what_was_read_can_be_written(world: World) -> None:
    read = await world.client.get("/api/v1/config")
    response = await world.client.put(
        "/api/v1/config", json=read.json(), headers={"If-Match": read.headers["etag"]}
    )
    assert response.status_code == 200
    assert response.json() == {"version": "v.2"}
    assert response.headers["etag"] == '"v.2"'
    again = await world.client.get("/api/v1/config")
    assert again.content == read.content


async def test_a_change_is_in_force_with_author_and_reason(world: World) -> None:
    response = await world.client.put(
        "/api/v1/config", params={"reason": "Grüße, zu viel Spam"}, json=document(tag=5.0)
    )
    assert response.status_code == 200
    version = await in_force(world)
    assert version.policy.scoring.thresholds.tag == 5.0
    assert (version.author, version.reason) == ("admin", "Grüße, zu viel Spam")
    assert world.value("policy_changes_total", result="applied") == 1


@pytest.mark.parametrize(
    ("change", "paths"),
    [
        ({"moon": 1}, ["moon"]),
        ({"session": {"moon": 1}}, ["session.moon"]),
        ({"scoring": {"thresholds": {"tag": 9.0, "quarantine": 8.0}}}, ["scoring.thresholds"]),
        ({"relay": {"trusted_networks": ["10.0.0.1/8"]}}, ["relay.trusted_networks.0"]),
        ({"session": {"sessions": "50"}}, ["session.sessions"]),
        (
            {"session": {"sessions": 0, "moon": 1}, "message": {"bytes": -1}},
            ["message.bytes", "session.moon", "session.sessions"],
        ),
        ({"format": 2}, ["format"]),
    ],
)
async def test_a_wrong_policy_names_every_path_and_changes_nothing(
    world: World, change: Any, paths: list[str]
) -> None:
    for method, path in (("PUT", "/api/v1/config"), ("POST", "/api/v1/config/check")):
        response = await world.client.request(method, path, json=change)
        assert response.status_code == 422
        assert sorted(error["path"] for error in response.json()["errors"]) == paths
    assert (await in_force(world)).number == 1
    assert await history(world.bus) == [1]
    assert world.value("policy_changes_total", result="invalid") == 2


async def test_a_check_changes_nothing(world: World) -> None:
    response = await world.client.post("/api/v1/config/check", json=document(tag=5.0))
    assert response.json() == {"valid": True}
    assert await history(world.bus) == [1]


@pytest.mark.parametrize("header", ['"v.1"', "*", '"v.7", "v.1"'])
async def test_a_precondition_that_holds(world: World, header: str) -> None:
    response = await world.client.put(
        "/api/v1/config", json=document(), headers={"If-Match": header}
    )
    assert response.status_code == 200


@pytest.mark.parametrize("header", ['"v.2"', '"v.10"', 'W/"v.1"', '""'])
async def test_a_precondition_that_does_not(world: World, header: str) -> None:
    response = await world.client.put(
        "/api/v1/config", json=document(), headers={"If-Match": header}
    )
    assert response.status_code == 412
    assert "v.1" in response.json()["detail"]
    assert await history(world.bus) == [1]
    assert world.value("policy_changes_total", result="conflict") == 1


@pytest.mark.parametrize("header", ["v.1", "nonsense", '"v.1', "", '"a" "b"'])
async def test_a_precondition_that_is_none(world: World, header: str) -> None:
    response = await world.client.put(
        "/api/v1/config", json=document(), headers={"If-Match": header}
    )
    assert response.status_code == 422
    assert await history(world.bus) == [1]


async def test_of_two_admins_one_is_told_of_the_other(world: World) -> None:
    async with asyncio.TaskGroup() as tasks:
        asked = [
            tasks.create_task(
                world.client.put(
                    "/api/v1/config", json=document(tag=tag), headers={"If-Match": '"v.1"'}
                )
            )
            for tag in (1.0, 2.0, 3.0)
        ]
    assert sorted(task.result().status_code for task in asked) == [200, 412, 412]


async def test_without_a_precondition_the_last_one_counts(world: World) -> None:
    for tag in (1.0, 2.0, 3.0):
        response = await world.client.put("/api/v1/config", json=document(tag=tag))
        assert response.status_code == 200
    assert (await in_force(world)).policy.scoring.thresholds.tag == 3.0


async def test_a_reason_has_a_length(world: World) -> None:
    response = await world.client.put(
        "/api/v1/config", params={"reason": "x" * 257}, json=document()
    )
    assert response.json()["errors"][0]["path"] == "query.reason"


async def test_versions_newest_first_in_pages(world: World) -> None:
    for n in range(4):
        await world.client.put("/api/v1/config", params={"reason": f"change {n}"}, json=document())
    first = (await world.client.get("/api/v1/config/versions", params={"limit": 3})).json()
    assert [item["version"] for item in first["items"]] == ["v.5", "v.4", "v.3"]
    assert first["items"][0] == {
        "version": "v.5", "number": 5, "created_at": "2025-06-15T15:06:40.000Z", "author": "admin",
        "reason": "change 3", "in_force": True,
    }  # fmt: skip
    rest = (
        await world.client.get(
            "/api/v1/config/versions", params={"limit": 3, "cursor": first["next"]}
        )
    ).json()
    assert [item["version"] for item in rest["items"]] == ["v.2", "v.1"]
    assert (rest["next"], rest["items"][0]["in_force"]) == ("", False)


async def test_one_version_with_its_policy(world: World) -> None:
    await world.client.put("/api/v1/config", json=document(tag=5.0))
    response = await world.client.get("/api/v1/config/versions/1")
    assert response.headers["etag"] == '"v.1"'
    assert response.json()["policy"] == document()
    assert response.json()["in_force"] is False


@pytest.mark.parametrize(
    ("path", "status"), [("99", 404), ("0", 422), ("x", 422), ("-1", 422), ("9999999999", 422)]
)
async def test_versions_that_are_not(world: World, path: str, status: int) -> None:
    assert (await world.client.get(f"/api/v1/config/versions/{path}")).status_code == status


async def test_a_damaged_version_is_unavailable_and_can_be_replaced_by_hand(world: World) -> None:
    bucket = await world.bus.bucket(CONFIG)
    await bucket.put("v.1", b"damaged")
    for path in ("/api/v1/config", "/api/v1/config/versions/1"):
        assert (await world.client.get(path)).status_code == 503
