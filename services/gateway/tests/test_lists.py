"""`lists`: entries of allow and block lists, and whole lists as text."""

from typing import Any

import pytest

from mailweir_core.clock import rfc3339
from mailweir_core.entries import entry_id, load_entry, make_entry
from mailweir_core.hits import Hits, dump_hits, entry_hits_key
from mailweir_gateway.policy.listtext import MAX_LINES, read_lines
from mailweir_runtime.bus.memory_kv import MemoryKeyValue
from mailweir_runtime.bus.ports import BusUnavailable
from mailweir_runtime.bus.topology import LIST_HITS, LISTS
from mailweir_testkit.events import NOW

World = Any  # tests/conftest.py
URL = "/api/v1/lists"


async def add(world: World, item: str, **more: Any) -> Any:
    return await world.client.post(URL, json={"kind": "block", "item": item, **more})


async def load(world: World, text: str | bytes, **query: Any) -> Any:
    return await world.client.post(
        f"{URL}/import",
        content=text if isinstance(text, bytes) else text.encode(),
        params={"kind": "block", **query},
        headers={"content-type": "text/plain; charset=utf-8"},
    )


async def stored(world: World) -> dict[str, Any]:
    bucket = await world.bus.bucket(LISTS)
    return {e.key: load_entry(e.value or b"") for e in await bucket.entries()}


async def test_an_entry_is_stored_in_normal_form(world: World) -> None:
    response = await add(
        world,
        "@EXAMPLE.net",
        owner="domain:Example.com",
        recipients=["Bob@example.com"],
        note="loud",
    )
    assert response.status_code == 201
    shown = response.json()
    assert (shown["kind"], shown["item"], shown["owner"]) == (
        "block", "@example.net", "domain:example.com",
    )  # fmt: skip
    assert (shown["recipients"], shown["note"], shown["by"]) == (
        ["bob@example.com"],
        "loud",
        "admin",
    )
    assert (shown["expires_at"], shown["hits"], shown["hit_at"]) == (None, 0, None)
    assert (await world.client.get(f"{URL}/{shown['id']}")).json() == shown
    [entry] = (await stored(world)).values()
    assert (entry.id, entry.at) == (shown["id"], world.clock.now())


async def test_said_twice_it_is_one_entry(world: World) -> None:
    first = await add(world, "192.0.2.0/24")
    second = await add(world, "192.0.2.0/24")
    assert second.status_code == 409
    assert first.json()["id"] in second.json()["detail"]


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({"kind": "grey", "item": "192.0.2.1"}, "kind"),
        ({"kind": "block"}, "item"),
        ({"kind": "block", "item": "example.net"}, "item"),
        ({"kind": "block", "item": "0.0.0.0/0"}, "item"),
        ({"kind": "block", "item": "192.0.2.1", "owner": "nobody"}, "item"),
        ({"kind": "block", "item": "192.0.2.1", "recipients": ["@a.example"] * 101}, "recipients"),
        (
            {"kind": "block", "item": "192.0.2.1", "expires_at": "2020-01-01T00:00:00Z"},
            "expires_at",
        ),
        ({"kind": "block", "item": "192.0.2.1", "expires_at": "2099-01-01T00:00:00"}, "expires_at"),
        ({"kind": "block", "item": "192.0.2.1", "note": "x" * 501}, "note"),
        ({"kind": "block", "item": "192.0.2.1", "hits": 5}, "hits"),
    ],
)
async def test_what_is_no_entry(world: World, body: Any, path: str) -> None:
    response = await world.client.post(URL, json=body)
    assert response.status_code == 422
    assert path in [error["path"] for error in response.json()["errors"]]
    assert await stored(world) == {}


async def test_an_entry_ends(world: World) -> None:
    until = rfc3339(world.clock.now() + 60)
    made = (await add(world, "192.0.2.1", expires_at=until)).json()
    assert made["expires_at"] == until
    world.clock.advance(59)
    assert (await world.client.get(f"{URL}/{made['id']}")).status_code == 200
    world.clock.advance(2)
    assert (await world.client.get(f"{URL}/{made['id']}")).status_code == 404
    assert (await world.client.get(URL)).json()["items"] == []


async def test_an_entry_is_changed_and_keeps_its_id(world: World) -> None:
    made = (await add(world, "192.0.2.1")).json()
    body = {"kind": "allow", "item": "192.0.2.2", "note": "a mistake"}
    changed = (await world.client.put(f"{URL}/{made['id']}", json=body)).json()
    assert (changed["id"], changed["kind"], changed["item"]) == (made["id"], "allow", "192.0.2.2")
    assert (await world.client.get(URL)).json()["items"] == [changed]
    assert (await world.client.put(f"{URL}/none", json=body)).status_code == 404


async def test_an_entry_is_removed_once(world: World) -> None:
    made = (await add(world, "192.0.2.1")).json()
    assert (await world.client.delete(f"{URL}/{made['id']}")).status_code == 204
    assert (await world.client.delete(f"{URL}/{made['id']}")).status_code == 404


async def test_pages_filters_and_text(world: World) -> None:
    for number in range(5):
        world.clock.advance(1)
        await add(world, f"192.0.2.{number}", note=f"number {number}")
    await add(world, "@example.net", kind="allow", owner="user:bob@example.com")
    first = (await world.client.get(URL, params={"limit": 4, "kind": "block"})).json()
    query = {"limit": 4, "kind": "block", "cursor": first["next"]}
    second = (await world.client.get(URL, params=query)).json()
    items = [e["item"] for e in first["items"] + second["items"]]
    assert items == [f"192.0.2.{n}" for n in (4, 3, 2, 1, 0)]
    assert second["next"] == ""
    mine = (await world.client.get(URL, params={"owner": "user:bob@example.com"})).json()["items"]
    assert [e["item"] for e in mine] == ["@example.net"]
    noted = (await world.client.get(URL, params={"text": "NUMBER 3"})).json()["items"]
    assert [e["item"] for e in noted] == ["192.0.2.3"]


async def test_entries_of_one_moment_come_in_pages_too(world: World) -> None:
    for number in range(7):
        await add(world, f"192.0.2.{number}")
    seen, cursor = [], ""
    for _ in range(4):
        page = (await world.client.get(URL, params={"limit": 2, "cursor": cursor})).json()
        seen += [e["item"] for e in page["items"]]
        cursor = page["next"]
    assert cursor == ""
    assert sorted(seen) == [f"192.0.2.{n}" for n in range(7)]


@pytest.mark.parametrize("query", [{"cursor": "x"}, {"kind": "grey"}, {"limit": 0}, {"moon": 1}])
async def test_what_is_no_question(world: World, query: Any) -> None:
    assert (await world.client.get(URL, params=query)).status_code == 422


async def test_how_often_an_entry_counted(world: World) -> None:
    ids = [(await add(world, f"192.0.2.{number}")).json()["id"] for number in range(3)]
    bucket = await world.bus.bucket(LIST_HITS)
    await bucket.put(entry_hits_key(ids[0]), dump_hits(Hits(7, NOW)))
    await bucket.put(entry_hits_key(ids[1]), b"damaged")
    found = (await world.client.get(f"{URL}/{ids[0]}")).json()
    assert (found["hits"], found["hit_at"]) == (7, rfc3339(NOW))
    listed = {e["item"]: e["hits"] for e in (await world.client.get(URL)).json()["items"]}
    assert listed == {"192.0.2.0": 7, "192.0.2.1": 0, "192.0.2.2": 0}


async def test_an_entry_that_cannot_be_read_is_left_out(world: World) -> None:
    bucket = await world.bus.bucket(LISTS)
    await bucket.put("damaged", b"{}")
    await add(world, "192.0.2.1")
    assert len((await world.client.get(URL)).json()["items"]) == 1
    assert (await world.client.get(f"{URL}/damaged")).status_code == 404


# --- import ----------------------------------------------------------------------------------------------


async def test_a_list_is_imported(world: World) -> None:
    text = "# a list\n192.0.2.0/24 ; since 2024\n\n  @example.net\r\nhost:*.example.org # a pool\n"
    response = await load(world, text, note="from elsewhere", owner="tenant:blue")
    assert response.json() == {"added": 3, "known": 0}
    found = (await stored(world)).values()
    assert {e.item for e in found} == {"192.0.2.0/24", "@example.net", "host:*.example.org"}
    assert {(e.note, e.owner, e.by) for e in found} == {("from elsewhere", "tenant:blue", "admin")}


async def test_the_same_list_again_adds_nothing(world: World) -> None:
    assert (await load(world, "192.0.2.1\n192.0.2.1\n192.0.2.2\n")).json() == {
        "added": 2,
        "known": 1,
    }
    again = await load(world, "192.0.2.1\n192.0.2.3\n", note="newer")
    assert again.json() == {"added": 1, "known": 1}
    noted = (await stored(world))[entry_id("block", "192.0.2.1", "system", ())]
    assert noted.note == "newer"


async def test_every_wrong_line_is_named_and_nothing_is_imported(world: World) -> None:
    response = await load(world, "192.0.2.1\nnonsense\n\n192.0.2.1/24\n@example.net\n")
    assert response.status_code == 422
    assert [e["path"] for e in response.json()["errors"]] == ["line.2", "line.4"]
    assert "192.0.2.0/24" in response.json()["errors"][1]["message"]
    assert await stored(world) == {}


@pytest.mark.parametrize(
    ("query", "path"),
    [
        ({"kind": "grey"}, "query.kind"),
        ({"expires_at": "2020-01-01T00:00:00Z"}, "expires_at"),
        ({"owner": "nobody"}, "line.1"),
        ({"moon": "1"}, "query.moon"),
    ],
)
async def test_what_is_no_import(world: World, query: Any, path: str) -> None:
    response = await load(world, "192.0.2.1\n", **query)
    assert response.status_code == 422
    assert response.json()["errors"][0]["path"] == path


async def test_an_import_is_text(world: World) -> None:
    response = await world.client.post(
        f"{URL}/import", json=["192.0.2.1"], params={"kind": "block"}
    )
    assert (response.status_code, response.headers["accept"]) == (415, "text/plain")
    response = await load(world, b"192.0.2.1\n\xff\n")
    assert (response.status_code, response.json()["detail"]) == (422, "not UTF-8 at byte 10")
    assert (await load(world, b"\xef\xbb\xbf192.0.2.1\n")).json()["added"] == 1


async def test_an_import_that_fails_half_way_is_taken_back(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = make_entry("block", "192.0.2.1", note="old", by="bob", at=NOW)
    await world.tools.lists.put(old)
    real, done = MemoryKeyValue.put, [0]

    async def failing(
        self: MemoryKeyValue, key: str, value: bytes, *, ttl_seconds: float = 0
    ) -> int:
        done[0] += 1
        if done[0] == 90:
            raise BusUnavailable("as the test wants")
        return await real(self, key, value, ttl_seconds=ttl_seconds)

    monkeypatch.setattr(MemoryKeyValue, "put", failing)
    response = await load(world, "".join(f"192.0.2.{n}\n" for n in range(200)), note="new")
    assert response.status_code == 503
    assert await stored(world) == {old.id: old}


async def test_without_the_bus(world: World) -> None:
    world.bus.outage = BusUnavailable("as the test wants")
    for response in (
        await world.client.get(URL), await add(world, "192.0.2.1"), await load(world, "192.0.2.1\n"),
        await world.client.delete(f"{URL}/x"),
    ):  # fmt: skip
        assert response.status_code == 503
    assert world.value("outages_total", part="bus") == 4


def test_an_import_has_an_end() -> None:
    def entry_of(item: str) -> Any:
        return make_entry("block", item)

    text = "192.0.2.1\n" * (MAX_LINES + 5)
    read = read_lines(text, entry_of)
    assert len(read.entries) == MAX_LINES
    assert [number for number, _ in read.errors] == [MAX_LINES + 1]
    assert read_lines("192.0.2.1\n" * MAX_LINES, entry_of).errors == ()
