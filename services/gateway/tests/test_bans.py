"""`bans`: who is turned away, and the feed."""

from typing import Any

import pytest

World = Any  # tests/conftest.py
BANS = "/api/v1/bans"


async def ban(world: World, subject: str, **more: Any) -> Any:
    return await world.client.post(BANS, json={"subject": subject, **more})


async def test_a_ban_by_hand(world: World) -> None:
    response = await ban(world, "192.0.2.0/24", seconds=60.0, reason="loud")
    assert response.status_code == 201
    made = response.json()
    assert (made["subject"], made["kind"], made["code"]) == ("192.0.2.0/24", "manual", "U")
    assert (made["evidence"], made["by"], made["close_all"]) == ("loud", "admin", True)
    assert made["until"] > made["since"]
    assert (await world.client.get(BANS)).json() == {"items": [made], "next": ""}
    assert world.ratelimit.actors == ["admin"]


async def test_a_ban_without_an_end(world: World) -> None:
    made = (await ban(world, "account:Anna@example.com", close_all=False)).json()
    assert (made["subject"], made["until"]) == ("account:anna@example.com", None)
    assert made["close_all"] is False


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({}, "subject"),
        ({"subject": ""}, "subject"),
        ({"subject": "nonsense"}, "subject"),
        ({"subject": "192.0.2.1/24"}, "subject"),
        ({"subject": "x" * 301}, "subject"),
        ({"subject": "192.0.2.1", "seconds": -1.0}, "seconds"),
        ({"subject": "192.0.2.1", "seconds": 1e12}, "seconds"),
        ({"subject": "192.0.2.1", "seconds": "60"}, "seconds"),
        ({"subject": "192.0.2.1", "reason": "x" * 201}, "reason"),
        ({"subject": "192.0.2.1", "kind": "score"}, "kind"),
    ],
)
async def test_what_is_no_ban(world: World, body: Any, path: str) -> None:
    response = await world.client.post(BANS, json=body)
    assert response.status_code == 422
    assert path in [error["path"] for error in response.json()["errors"]]
    assert (await world.client.get(BANS)).json()["items"] == []


@pytest.mark.parametrize("subject", ["192.0.2.0/24", "2001:db8::/64", "account:anna@example.com"])
@pytest.mark.parametrize("written", ["{}", "whole"])
async def test_a_ban_is_lifted_once(world: World, subject: str, written: str) -> None:
    await ban(world, subject)
    path = subject if written == "{}" else subject.replace("/", "%2F")
    assert (await world.client.delete(f"{BANS}/{path}")).status_code == 204
    again = await world.client.delete(f"{BANS}/{path}")
    assert (again.status_code, again.json()["detail"]) == (404, "there is no such ban")


async def test_an_address_means_its_network(world: World) -> None:
    await ban(world, "192.0.2.7")
    assert (await world.client.delete(f"{BANS}/192.0.2.7")).status_code == 204


async def test_nonsense_is_no_ban_to_lift(world: World) -> None:
    response = await world.client.delete(f"{BANS}/nonsense")
    assert response.status_code == 422
    assert response.json()["errors"][0]["path"] == "path.subject"


async def test_pages_and_text(world: World) -> None:
    for number in range(5):
        await ban(world, f"192.0.2.{number}", reason="odd" if number % 2 else "even")
    first = (await world.client.get(BANS, params={"limit": 3})).json()
    second = (await world.client.get(BANS, params={"limit": 3, "cursor": first["next"]})).json()
    assert [b["subject"] for b in first["items"] + second["items"]] == [
        f"192.0.2.{n}/32" for n in range(5)
    ]
    odd = (await world.client.get(BANS, params={"text": "ODD"})).json()["items"]
    assert [b["subject"] for b in odd] == ["192.0.2.1/32", "192.0.2.3/32"]


@pytest.mark.parametrize(
    "query", [{"limit": 0}, {"limit": 501}, {"text": "x" * 201}, {"kind": "x"}]
)
async def test_what_is_no_question(world: World, query: Any) -> None:
    assert (await world.client.get(BANS, params=query)).status_code == 422


async def test_the_feed_joins_networks_and_leaves_accounts_out(world: World) -> None:
    for subject in (
        "2001:db8::/64", "192.0.2.128/25", "account:anna@example.com", "192.0.2.0/25", "192.0.2.7",
        "198.51.100.1",
    ):  # fmt: skip
        assert (await ban(world, subject)).status_code == 201
    response = await world.client.get(f"{BANS}/export")
    assert response.headers["content-type"] == "text/plain; charset=utf-8"
    assert response.text == "192.0.2.0/24\n198.51.100.1/32\n2001:db8::/64\n"


async def test_the_feed_has_all_however_many(world: World) -> None:
    for number in range(2100):
        subject = f"10.{number // 100}.{number % 100}.1/32"
        await world.ratelimit.ban(subject, 0.0, "", "admin", close_all=False)
    text = (await world.client.get(f"{BANS}/export")).text
    assert len(text.splitlines()) == 2100


async def test_an_empty_feed_is_empty(world: World) -> None:
    response = await world.client.get(f"{BANS}/export")
    assert (response.status_code, response.text) == (200, "")


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", ""), ("GET", "/export"), ("POST", ""), ("DELETE", "/192.0.2.1")],
)
async def test_without_the_service(world: World, method: str, path: str) -> None:
    world.ratelimit.outage = True
    body = {"subject": "192.0.2.1"} if method == "POST" else None
    response = await world.client.request(method, BANS + path, json=body)
    assert (response.status_code, response.headers["retry-after"]) == (503, "5")
    assert response.json()["detail"] == "the service ratelimit does not answer"
    assert world.value("outages_total", part="ratelimit") == 1
