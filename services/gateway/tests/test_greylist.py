"""`greylist`: who is waited for, who is let through; `dnslists` and `reputation`."""

from typing import Any

import pytest

from mailweir_core.clock import rfc3339
from mailweir_gateway.models.greylist import Forecast, GreyEntry
from mailweir_gateway.models.reputation import HistoryShape, ZoneShape
from mailweir_testkit.events import NOW

World = Any  # tests/conftest.py
GREYLIST = "/api/v1/greylist"
AT = rfc3339(NOW)


def entry(number: int, state: str = "pending", **more: Any) -> GreyEntry:
    fields = {
        "id": f"t.{number}", "state": state, "client": "spf:example.net", "sender": "anna@example.net",
        "recipient": "bob@example.com", "first_at": AT, "last_at": AT, "due_at": AT, "expires_at": AT,
        "attempts": 1, "passes": 0, "authorised_by": "",
    }  # fmt: skip
    return GreyEntry(**{**fields, **more})


async def test_the_newest_first_in_pages(world: World) -> None:
    for number in range(5):
        world.greylist.add(entry(number))
    first = (await world.client.get(GREYLIST, params={"limit": 3})).json()
    assert first["items"][0] == entry(4).model_dump()
    second = (await world.client.get(GREYLIST, params={"limit": 3, "cursor": first["next"]})).json()
    assert [e["id"] for e in first["items"] + second["items"]] == [
        f"t.{n}" for n in (4, 3, 2, 1, 0)
    ]
    assert second["next"] == ""


async def test_by_state_and_text(world: World) -> None:
    world.greylist.add(entry(1))
    world.greylist.add(entry(2, "authorised"))
    world.greylist.add(entry(3, sender="carol@example.org"))
    pending = (await world.client.get(GREYLIST, params={"state": "pending"})).json()["items"]
    assert [e["id"] for e in pending] == ["t.3", "t.1"]
    carol = (await world.client.get(GREYLIST, params={"text": "Carol"})).json()["items"]
    assert [e["id"] for e in carol] == ["t.3"]


@pytest.mark.parametrize(
    "query", [{"state": "counted"}, {"limit": 0}, {"moon": 1}, {"text": "x" * 201}]
)
async def test_what_is_no_question(world: World, query: Any) -> None:
    assert (await world.client.get(GREYLIST, params=query)).status_code == 422


async def test_authorised_by_hand(world: World) -> None:
    world.greylist.add(entry(1))
    response = await world.client.post(f"{GREYLIST}/t.1/authorise")
    assert response.status_code == 200
    assert (response.json()["state"], response.json()["authorised_by"]) == ("authorised", "admin")
    assert (await world.client.post(f"{GREYLIST}/t.9/authorise")).status_code == 404


async def test_forgotten_once(world: World) -> None:
    world.greylist.add(entry(1))
    assert (await world.client.delete(f"{GREYLIST}/t.1")).status_code == 204
    assert (await world.client.delete(f"{GREYLIST}/t.1")).status_code == 404
    assert (await world.client.get(GREYLIST)).json()["items"] == []


@pytest.mark.parametrize("bad", ["a%20b", "x" * 129, "%00"])
async def test_what_is_no_id(world: World, bad: str) -> None:
    response = await world.client.post(f"{GREYLIST}/{bad}/authorise")
    assert response.status_code == 422
    assert response.json()["errors"][0]["path"] == "path.id"


async def test_the_forecast(world: World) -> None:
    world.greylist.found = Forecast(
        since=AT, log_only=True, log_only_until=None, checked=100, deferred=10, returned=8, lost=2,
        median_wait_ms=312_000.0,
    )  # fmt: skip
    assert (await world.client.get(f"{GREYLIST}/forecast")).json() == {
        "since": AT, "log_only": True, "log_only_until": None, "checked": 100, "deferred": 10,
        "returned": 8, "lost": 2, "median_wait_ms": 312_000.0,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", ""), ("GET", "/forecast"), ("POST", "/t.1/authorise"), ("DELETE", "/t.1")],
)
async def test_without_the_service(world: World, method: str, path: str) -> None:
    world.greylist.outage = True
    response = await world.client.request(method, GREYLIST + path)
    assert response.status_code == 503
    assert world.value("outages_total", part="greylist") == 1


# --- reputation ------------------------------------------------------------------------------------------


async def test_how_the_lists_fare(world: World) -> None:
    zone = ZoneShape(
        name="example", title="Example list", state="muted", remedy="name a resolver of your own",
        muted_until=AT, queries=10, hits=2, errors=1, hit_share=0.2, usual_share=0.1, median_ms=20.0,
        probed_at=None,
    )  # fmt: skip
    world.reputation.lists = [zone]
    assert (await world.client.get("/api/v1/dnslists")).json() == [zone.model_dump()]


@pytest.mark.parametrize(
    "subject", ["192.0.2.1", "192.0.2.0/24", "2001:db8::/64", "example.net", "anna@example.net"]
)
async def test_what_is_remembered(world: World, subject: str) -> None:
    known = HistoryShape(kind="ip", key=subject, messages=4, spam=1, mean_score=1.5, seen_at=AT)
    world.reputation.memories[subject] = [known]
    response = await world.client.get(f"/api/v1/reputation/{subject}")
    assert response.json() == {"subject": subject, "items": [known.model_dump()]}


async def test_nothing_is_remembered(world: World) -> None:
    response = await world.client.get("/api/v1/reputation/192.0.2.9")
    assert (response.status_code, response.json()["items"]) == (200, [])
    assert (await world.client.get("/api/v1/reputation/" + "x" * 201)).status_code == 422


async def test_without_reputation(world: World) -> None:
    world.reputation.outage = True
    for path in ("dnslists", "reputation/192.0.2.1"):
        assert (await world.client.get(f"/api/v1/{path}")).status_code == 503
    assert world.value("outages_total", part="reputation") == 2
