"""`services`, `users`, `health`, `version`, the page at `/`."""

import base64
import hashlib
import json
import re
from typing import Any

import pytest

from mailweir.events.v1 import events_pb2
from mailweir_core.passwords import PasswordHash, verify
from mailweir_gateway.policy.accounts import bucket_key, decode
from mailweir_runtime.bus.topology import ACCOUNTS, SERVICES

World = Any  # tests/conftest.py
PASSWORD = "correct horse battery"


# --- services --------------------------------------------------------------------------------------------


async def test_services_that_live_and_one_that_is_silent(world: World) -> None:
    bucket = await world.bus.bucket(SERVICES)
    status = events_pb2.ServiceStatus(
        name="ingress", instance="host-7", pid=7, state="degraded", version="0.1.0",
        config_version="v.1", rules_version="r1", metrics_url="http://127.0.0.1:1/metrics",
        started_at=1_750_000_000.0, at=1_750_000_005.0, detail="no bus",
    )  # fmt: skip
    await bucket.put("ingress.host-7", status.SerializeToString())
    gateway, ingress = (await world.client.get("/api/v1/services")).json()
    assert ingress == {
        "name": "ingress", "pid": 7, "pod": "host-7", "state": "degraded", "version": "0.1.0",
        "config": "v.1", "rules": "r1", "model": "", "metrics_url": "http://127.0.0.1:1/metrics",
        "started_at": "2025-06-15T15:06:40.000Z", "seen_at": "2025-06-15T15:06:45.000Z",
        "detail": "no bus",
    }  # fmt: skip
    assert (gateway["name"], gateway["state"], gateway["pid"]) == ("gateway", "down", None)


async def test_every_process_of_a_service_is_listed(world: World) -> None:
    bucket = await world.bus.bucket(SERVICES)
    for n in range(3):
        status = events_pb2.ServiceStatus(name="ingress", instance=f"h-{n}", state="ready")
        await bucket.put(f"ingress.h-{n}", status.SerializeToString())
    listed = (await world.client.get("/api/v1/services")).json()
    assert [(s["name"], s["pod"]) for s in listed] == [
        ("gateway", None), ("ingress", "h-0"), ("ingress", "h-1"), ("ingress", "h-2"),
    ]  # fmt: skip


# --- users -----------------------------------------------------------------------------------------------


async def stored(world: World, login: str) -> Any:
    bucket = await world.bus.bucket(ACCOUNTS)
    entry = await bucket.get(bucket_key(login))
    return None if entry is None or entry.value is None else decode(entry.value)


async def put(world: World, login: str, **body: Any) -> Any:
    return await world.client.put(f"/api/v1/users/{login}", json={"senders": [], **body})


async def test_an_account_is_made_and_the_password_is_only_hashed(world: World) -> None:
    response = await put(world, "Bob@example.com", password=PASSWORD, senders=["Bob@Example.com"])
    assert response.status_code == 200
    expected = {"login": "bob@example.com", "senders": ["bob@example.com"], "disabled": False}
    assert response.json() == expected
    assert (await world.client.get("/api/v1/users")).json() == {"items": [expected]}
    account = await stored(world, "bob@example.com")
    assert verify(PASSWORD, account.password)
    bucket = await world.bus.bucket(ACCOUNTS)
    [entry] = await bucket.entries()
    assert PASSWORD.encode() not in (entry.value or b"")


async def test_a_change_without_a_password_keeps_it(world: World) -> None:
    await put(world, "bob", password=PASSWORD)
    response = await put(world, "bob", senders=["@example.com", "a@b.example"], disabled=True)
    assert response.json()["disabled"] is True
    account = await stored(world, "bob")
    assert verify(PASSWORD, account.password)
    assert account.senders == ("@example.com", "a@b.example")


async def test_a_new_password_replaces_the_old(world: World) -> None:
    await put(world, "bob", password=PASSWORD)
    await put(world, "bob", password="another one")
    account = await stored(world, "bob")
    assert not verify(PASSWORD, account.password)
    assert verify("another one", account.password)


async def test_a_new_account_needs_a_password(world: World) -> None:
    response = await put(world, "bob")
    assert response.status_code == 422
    assert response.json()["errors"][0]["path"] == "password"
    assert await stored(world, "bob") is None


async def test_an_account_is_removed(world: World) -> None:
    await put(world, "bob", password=PASSWORD)
    response = await world.client.delete("/api/v1/users/BOB")
    assert (response.status_code, response.content) == (204, b"")
    assert (await world.client.delete("/api/v1/users/bob")).status_code == 404
    assert (await world.client.get("/api/v1/users")).json() == {"items": []}


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({"password": "short"}, "password"),
        ({"password": "x" * 257}, "password"),
        ({"password": 12345678}, "password"),
        ({"senders": ["nobody"]}, "senders.0"),
        ({"senders": ["a@b", "a b@c"]}, "senders.1"),
        ({"senders": ["a@b"] * 101}, "senders"),
        ({"senders": "a@b"}, "senders"),
        ({"disabled": "yes"}, "disabled"),
        ({"admin": True}, "admin"),
    ],
)
async def test_what_an_account_cannot_be(world: World, body: Any, path: str) -> None:
    response = await put(world, "bob", **{"password": PASSWORD, **body})
    assert response.status_code == 422
    assert path in [error["path"] for error in response.json()["errors"]]
    assert await stored(world, "bob") is None


@pytest.mark.parametrize("login", ["a%20b", "a%00b", "x" * 255, "a%5Cb"])
async def test_what_a_login_cannot_be(world: World, login: str) -> None:
    response = await world.client.put(
        f"/api/v1/users/{login}", json={"senders": [], "password": PASSWORD}
    )
    assert response.status_code == 422
    assert response.json()["errors"][0]["path"] == "path.login"


@pytest.mark.parametrize("login", ["..", "a%2Fb"])
async def test_what_is_no_path_to_a_user(world: World, login: str) -> None:
    response = await world.client.put(
        f"/api/v1/users/{login}", json={"senders": [], "password": PASSWORD}
    )
    assert response.status_code in (404, 405)


async def test_an_account_that_cannot_be_read_is_left_out_and_can_be_replaced(world: World) -> None:
    bucket = await world.bus.bucket(ACCOUNTS)
    await bucket.put(bucket_key("bob"), b"damaged")
    await put(world, "carol", password=PASSWORD)
    listed = (await world.client.get("/api/v1/users")).json()["items"]
    assert [user["login"] for user in listed] == ["carol"]
    assert (await put(world, "bob")).status_code == 422
    assert (await put(world, "bob", password=PASSWORD)).status_code == 200


async def test_what_is_stored_is_what_the_ingress_reads(world: World) -> None:
    await put(world, "bob@example.com", password=PASSWORD, senders=["@example.com"])
    bucket = await world.bus.bucket(ACCOUNTS)
    [entry] = await bucket.entries()
    assert re.fullmatch(r"[a-z2-7]+", entry.key)
    document = json.loads(entry.value)
    assert set(document) == {"login", "scrypt", "senders", "disabled"}
    assert set(document["scrypt"]) == {"n", "r", "p", "salt", "hash"}
    assert verify(PASSWORD, PasswordHash.from_dict(document["scrypt"]))


# --- the gateway itself ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("state", "status"),
    [("starting", 503), ("ready", 200), ("degraded", 200), ("draining", 503)],
)
async def test_health_needs_no_key(world: World, state: str, status: int) -> None:
    world.state[0] = state
    world.client.headers.pop("authorization")
    response = await world.client.get("/api/v1/health")
    assert (response.status_code, response.json()) == (status, {"state": state})


async def test_version(world: World) -> None:
    response = await world.client.get("/api/v1/version")
    assert response.json() == {"product": "Mailweir", "version": "1.2.3", "api": "v1"}


async def test_the_page_needs_nothing_from_elsewhere(world: World) -> None:
    world.client.headers.pop("authorization")
    response = await world.client.get("/")
    assert response.status_code == 200
    assert response.headers["content-type"] == "text/html; charset=utf-8"
    page = response.text
    assert "Mailweir" in page
    assert "1.2.3" in page
    assert "<script" not in page
    assert "http" not in re.sub(r"<[^>]*>", "", page)
    assert not re.search(r'(?:src|href)="(?!/)', page)


async def test_the_pages_style_is_the_one_its_policy_allows(world: World) -> None:
    response = await world.client.get("/")
    style = re.search(r"<style>(.*?)</style>", response.text, re.DOTALL)
    assert style is not None
    digest = base64.b64encode(hashlib.sha256(style[1].encode()).digest()).decode()
    policy = response.headers["content-security-policy"]
    assert f"style-src 'sha256-{digest}'" in policy
    assert "unsafe" not in policy
