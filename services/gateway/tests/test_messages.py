"""`messages` and `quarantine` over the quarantine in memory."""

from typing import Any

import pytest

from mailweir_testkit.events import NOW, ref_of

World = Any  # tests/conftest.py
ITEM = {
    "id", "received_at", "client_ip", "helo", "sender", "recipients", "subject", "bytes", "score",
    "action", "reason", "state",
}  # fmt: skip


async def test_a_list_shows_exactly_what_a_list_shows(world: World) -> None:
    ref = world.record(1, "delivered")
    page = (await world.client.get("/api/v1/messages")).json()
    assert set(page) == {"items", "next"}
    [item] = page["items"]
    assert set(item) == ITEM
    assert item["id"] == ref
    assert item["received_at"] == "2025-06-15T15:06:40.000Z"
    assert item["recipients"] == ["bob@example.com"]
    assert (item["state"], item["score"], item["bytes"]) == ("delivered", 1.5, 2000)


async def test_pages_are_walked_by_cursor(world: World) -> None:
    refs = [world.record(n, "delivered") for n in range(5)]
    seen, cursor = [], ""
    while True:
        query = {"limit": 2, **({"cursor": cursor} if cursor else {})}
        page = (await world.client.get("/api/v1/messages", params=query)).json()
        seen += [item["id"] for item in page["items"]]
        cursor = page["next"]
        if not cursor:
            break
    assert seen == refs[::-1]


async def test_a_strange_cursor_is_named(world: World) -> None:
    response = await world.client.get("/api/v1/messages?cursor=x")
    assert response.status_code == 422
    assert response.json()["errors"][0]["path"] == "query.cursor"


async def test_every_filter_reaches_the_quarantine(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Any] = []
    real = world.quarantine.search

    async def search(wanted: Any) -> Any:
        asked.append(wanted)
        return await real(wanted)

    monkeypatch.setattr(world.quarantine, "search", search)
    query = {
        "limit": 7, "sender": "a@", "recipient": "b@", "subject": "c", "action": "hold",
        "state": "held", "reason": "spam", "since": "2025-06-15T15:06:40Z",
        "until": "2025-06-15T17:06:41+02:00",
    }  # fmt: skip
    assert (await world.client.get("/api/v1/messages", params=query)).status_code == 200
    [wanted] = asked
    assert (wanted.limit, wanted.sender, wanted.recipient, wanted.subject) == (7, "a@", "b@", "c")
    assert (wanted.action, wanted.state, wanted.reason) == ("hold", "held", "spam")
    assert (wanted.since, wanted.until) == (NOW, NOW + 1)


async def test_one_message_explains_itself(world: World) -> None:
    ref = world.record(1, "delivered")
    found = (await world.client.get(f"/api/v1/messages/{ref}")).json()
    assert set(found) >= ITEM | {
        "session", "checks", "signals", "thresholds", "versions", "skipped", "deliveries", "refused",
    }  # fmt: skip
    assert found["session"]["client_ip"] == "192.0.2.1"
    assert found["session"]["listener"] == "mx"
    [scoring, greylist] = found["checks"]
    assert (scoring["check"], scoring["status"], scoring["ms"]) == ("scoring", "hit", 12.0)
    assert scoring["lookups"] == [
        {"kind": "dns", "question": "x.example", "answer": "NXDOMAIN", "ms": 10.0}
    ]
    assert greylist["status"] == "skipped"
    assert found["skipped"] == ["greylist", "structure"]
    assert found["signals"][0]["name"] == "SUBJECT_ALL_CAPS"
    assert found["thresholds"] == {"tag": 6.0, "quarantine": None, "reject": None}
    assert found["versions"] == {"program": "0.1.0", "config": "v.1", "rules": "r1", "model": ""}
    assert found["kind"] == "message"
    assert found["deliveries"] == [
        {
            "recipient": "bob@example.com", "status": "delivered", "next_hop": "127.0.0.1:25",
            "reply": "250 OK", "enhanced": "2.0.0", "attempt": 1, "at": "2025-06-15T15:06:41.000Z",
        }
    ]  # fmt: skip
    assert found["refused"] == [
        {"address": "c@example.com", "action": "reject", "reason": "unknown-recipient", "reply": ""}
    ]
    assert found["next_attempt_at"] is None


async def test_an_unknown_message_is_404(world: World) -> None:
    for path in (
        f"messages/{ref_of(9)}",
        f"quarantine/{ref_of(9)}",
        f"quarantine/{ref_of(9)}/source",
    ):
        assert (await world.client.get(f"/api/v1/{path}")).status_code == 404
    assert (await world.client.delete(f"/api/v1/quarantine/{ref_of(9)}")).status_code == 404
    assert (await world.client.post(f"/api/v1/quarantine/{ref_of(9)}/release")).status_code == 404


async def test_the_quarantine_lists_what_is_held(world: World) -> None:
    held = world.hold(1)
    world.record(2, "delivered")
    page = (await world.client.get("/api/v1/quarantine")).json()
    assert [item["id"] for item in page["items"]] == [held]
    assert (await world.client.get(f"/api/v1/quarantine/{held}")).json()["state"] == "held"


async def test_what_is_not_held_is_not_in_the_quarantine(world: World) -> None:
    ref = world.record(1, "delivered")
    response = await world.client.get(f"/api/v1/quarantine/{ref}")
    assert response.status_code == 404
    assert "delivered" in response.json()["detail"]


async def test_the_source_is_a_file_and_never_a_page(world: World) -> None:
    ref = world.record(1, "held", source=b"Subject: x\r\n\r\n<script>alert(1)</script>" * 500)
    response = await world.client.get(f"/api/v1/quarantine/{ref}/source")
    assert response.status_code == 200
    assert response.content == b"Subject: x\r\n\r\n<script>alert(1)</script>" * 500
    assert response.headers["content-type"] == "message/rfc822"
    assert response.headers["content-disposition"] == f'attachment; filename="{ref}.eml"'
    assert "sandbox" in response.headers["content-security-policy"]
    assert response.headers["x-content-type-options"] == "nosniff"
    assert response.headers["cache-control"] == "no-store"


async def test_release_and_release_again(world: World) -> None:
    ref = world.hold(1)
    for _ in range(2):
        response = await world.client.post(f"/api/v1/quarantine/{ref}/release")
        assert response.status_code == 200
        assert response.json() == {"id": ref, "state": "released", "done": True, "detail": ""}
    assert world.quarantine.actors == ["admin", "admin"]


async def test_delete(world: World) -> None:
    ref = world.hold(1)
    response = await world.client.delete(f"/api/v1/quarantine/{ref}")
    assert response.json()["state"] == "deleted"
    assert (await world.client.post(f"/api/v1/quarantine/{ref}/release")).status_code == 409


async def test_what_cannot_be_done_is_a_conflict(world: World) -> None:
    ref = world.record(1, "delivered")
    response = await world.client.post(f"/api/v1/quarantine/{ref}/release")
    assert response.status_code == 409
    assert "delivered" in response.json()["detail"]


@pytest.mark.parametrize(("command", "state"), [("release", "released"), ("delete", "deleted")])
async def test_bulk_answers_for_each(world: World, command: str, state: str) -> None:
    one, two = world.hold(1), world.record(2, "bounced")
    response = await world.client.post(
        f"/api/v1/quarantine/{command}", json={"ids": [one, two, ref_of(9)]}
    )
    assert response.status_code == 200
    results = response.json()["results"]
    assert [(r["id"], r["state"], r["done"]) for r in results] == [
        (one, state, True), (two, "bounced", False), (ref_of(9), "", False),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({}, "ids"),
        ({"ids": []}, "ids"),
        ({"ids": ["x"]}, "ids.0"),
        ({"ids": [ref_of(1), 5]}, "ids.1"),
        ({"ids": ref_of(1)}, "ids"),
        ({"ids": [ref_of(1)], "force": True}, "force"),
        ({"ids": [ref_of(1)] * 501}, "ids"),
    ],
)
async def test_bulk_is_checked_whole(world: World, body: Any, path: str) -> None:
    world.hold(1)
    response = await world.client.post("/api/v1/quarantine/release", json=body)
    assert response.status_code == 422
    assert path in [error["path"] for error in response.json()["errors"]]
    assert (await world.client.get(f"/api/v1/quarantine/{ref_of(1)}")).json()["state"] == "held"
