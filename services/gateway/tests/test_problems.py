"""Every error is a problem body (RFC 9457), whoever makes it."""

import re
from typing import Any

import httpx2
import pytest
from structlog.testing import capture_logs

from mailweir_gateway.api.middleware import MAX_BODY_BYTES, SECURITY_HEADERS
from mailweir_gateway.api.problems import KINDS, MEDIA_TYPE, Problem, render
from mailweir_runtime.bus.ports import BusUnavailable
from mailweir_runtime.sql import SqlUnavailable
from mailweir_testkit.events import ref_of

World = Any  # tests/conftest.py
JSON = {"content-type": "application/json"}


def problem_of(response: httpx2.Response, status: int) -> dict[str, Any]:
    """Check that a response is a problem of this status, whole and consistent; return its body."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == MEDIA_TYPE
    body: dict[str, Any] = response.json()
    assert set(body) == {"type", "title", "status", "detail", "instance", "errors"}
    assert body["status"] == status
    assert body["type"] == f"urn:mailweir:problem:{KINDS[status][0]}"
    assert body["title"] == KINDS[status][1]
    assert body["detail"]
    assert body["instance"] == f"urn:mailweir:request:{response.headers['x-request-id']}"
    assert re.fullmatch(r"[0-9A-Z]{26}", response.headers["x-request-id"])
    return body


@pytest.mark.parametrize("status", KINDS)
def test_every_kind_has_its_body(status: int) -> None:
    response = render(Problem(status, "why", errors=[("a.b", "is wrong")]), "R" * 26)
    shown = httpx2.Response(
        response.status_code,
        headers={**dict(response.headers), "x-request-id": "R" * 26},
        content=bytes(response.body),
    )
    body = problem_of(shown, status)
    assert body["detail"] == "why"
    assert body["errors"] == [{"path": "a.b", "message": "is wrong"}]


def test_a_status_without_a_kind_still_has_a_body() -> None:
    response = render(Problem(418), "R" * 26)
    assert b"urn:mailweir:problem:status-418" in bytes(response.body)


@pytest.mark.parametrize("path", ["/nowhere", "/api/v1/nowhere", "/api/v1/messages/", "/api/v2/x"])
async def test_404(world: World, path: str) -> None:
    problem_of(await world.client.get(path), 404)


async def test_405_names_what_is_allowed(world: World) -> None:
    response = await world.client.delete("/api/v1/messages")
    problem_of(response, 405)
    assert response.headers["allow"] == "GET"


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer x", "Basic eDp5", "bearer mw_short"])
async def test_401_without_a_key(world: World, header: str) -> None:
    headers = {"Authorization": header} if header else {}
    world.client.headers.pop("authorization")
    response = await world.client.get("/api/v1/messages", headers=headers)
    problem_of(response, 401)
    assert response.headers["www-authenticate"].startswith("Bearer")
    assert world.value("key_failures_total") == 1


async def test_401_for_a_wrong_key(world: World) -> None:
    headers = {"Authorization": f"Bearer mw_{'x' * 43}"}
    body = problem_of(await world.client.get("/api/v1/messages", headers=headers), 401)
    assert "no such" in body["detail"]


async def test_401_for_two_keys(world: World) -> None:
    key = world.client.headers["authorization"]
    response = await world.client.get(
        "/api/v1/messages", headers=[("Authorization", key), ("Authorization", key)]
    )
    problem_of(response, 401)


async def test_413_by_length_and_by_what_comes(world: World) -> None:
    declared = await world.client.put(
        "/api/v1/config", content=b"x" * (MAX_BODY_BYTES + 1), headers=JSON
    )
    problem_of(declared, 413)

    async def pieces() -> Any:
        for _ in range(3):
            yield b"x" * (MAX_BODY_BYTES // 2)

    problem_of(await world.client.put("/api/v1/config", content=pieces(), headers=JSON), 413)


@pytest.mark.parametrize(
    "kind", ["text/plain", "application/xml", "", "text/json", "application/x"]
)
async def test_415(world: World, kind: str) -> None:
    response = await world.client.post(
        "/api/v1/config/check", content=b"{}", headers={"content-type": kind}
    )
    problem_of(response, 415)


async def test_a_charset_is_no_other_type(world: World) -> None:
    response = await world.client.post(
        "/api/v1/config/check",
        content=b"{}",
        headers={"content-type": "Application/JSON; charset=utf-8"},
    )
    assert response.status_code == 200


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "required"),
        (b"{", "not JSON"),
        (b"nonsense", "not JSON"),
        (b'{"a": 1, "a": 2}', "twice"),
        (b'{"a": NaN}', "NaN"),
        (b'{"a": 1e999}', "too big"),
        (b'{"a": ' + b"9" * 5000 + b"}", "too long"),
        (b"\xff\xfe", "UTF-8"),
        (b'{"a": "\\ud800"}', "surrogate"),
        (b"[" * 100_000 + b"]" * 100_000, "deeply"),
        (b'{"a": ' + b"[" * 70 + b"]" * 70 + b"}", "deeply"),
        (b"[]", "dictionary"),
        (b"null", "dictionary"),
        (b'"text"', "dictionary"),
    ],
    ids=lambda value: str(value)[:20],
)
async def test_422_for_json_that_is_none(world: World, content: bytes, said: str) -> None:
    response = await world.client.post("/api/v1/config/check", content=content, headers=JSON)
    body = problem_of(response, 422)
    assert said in str(body["errors"]) + body["detail"]


@pytest.mark.parametrize(
    ("query", "paths"),
    [
        ("limit=0", ["query.limit"]),
        ("limit=501", ["query.limit"]),
        ("limit=x", ["query.limit"]),
        ("limit=1&limit=x", ["query.limit"]),
        ("senderr=a", ["query.senderr"]),
        ("action=frobnicate&state=x&reason=y", ["query.action", "query.reason", "query.state"]),
        ("since=yesterday", ["query.since"]),
        ("since=2025-06-15T00:00:00", ["query.since"]),  # no zone
        ("until=1e400", ["query.until"]),
        (f"sender={'x' * 257}", ["query.sender"]),
        (f"cursor={'x' * 129}", ["query.cursor"]),
    ],
)
async def test_422_names_every_path(world: World, query: str, paths: list[str]) -> None:
    body = problem_of(await world.client.get(f"/api/v1/messages?{query}"), 422)
    assert sorted(error["path"] for error in body["errors"]) == paths
    assert all(error["message"] for error in body["errors"])


@pytest.mark.parametrize(
    "ref",
    ["x", "01JXT21Q0000000000000000", "01jxt21q000000000000000001", f"{ref_of(1)}x", "..", "%00"],
)
async def test_422_for_an_id_that_is_none(world: World, ref: str) -> None:
    response = await world.client.get(f"/api/v1/messages/{ref}")
    if response.status_code != 404:  # what the path's own syntax takes away is no id at all
        body = problem_of(response, 422)
        assert body["errors"][0]["path"] == "path.id"


@pytest.mark.parametrize(
    ("path", "part"),
    [("/api/v1/services", "bus"), ("/api/v1/config", "bus"), ("/api/v1/users", "bus")],
)
async def test_503_without_the_bus(world: World, path: str, part: str) -> None:
    world.bus.outage = BusUnavailable("secret detail nats://token@host")
    response = await world.client.get(path)
    body = problem_of(response, 503)
    assert "secret" not in str(body)
    assert response.headers["retry-after"] == "5"
    assert world.value("outages_total", part=part) == 1


@pytest.mark.parametrize(
    "path", ["/api/v1/messages", "/api/v1/quarantine", f"/api/v1/messages/{ref_of(1)}"]
)
async def test_503_without_the_quarantine(world: World, path: str) -> None:
    world.quarantine.outage = True
    problem_of(await world.client.get(path), 503)
    assert world.value("outages_total", part="quarantine") == 1


async def test_503_without_the_keys(world: World) -> None:
    world.keys.outage = SqlUnavailable("/var/lib/secret.db is locked")
    response = await world.client.get("/api/v1/messages")
    assert "secret" not in str(problem_of(response, 503))
    assert (await world.client.get("/api/v1/health")).status_code == 200


async def test_500_tells_the_log_and_not_the_client(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def crash(wanted: object) -> None:
        raise KeyError("a secret")

    monkeypatch.setattr(world.quarantine, "search", crash)
    with capture_logs() as logged:
        response = await world.client.get("/api/v1/messages")
    assert "secret" not in str(problem_of(response, 500))
    [crash_line] = [line for line in logged if line["event"] == "request_crashed"]
    assert crash_line["reference"] == response.headers["x-request-id"]
    assert crash_line["exc_info"]
    assert world.value("requests_total", status="5xx") == 1


async def test_errors_too_are_not_to_be_framed_sniffed_or_stored(world: World) -> None:
    for path in ("/nowhere", "/api/v1/health", "/api/v1/config", "/"):
        response = await world.client.get(path)
        for name, value in SECURITY_HEADERS:
            if path == "/" and name == "content-security-policy":
                assert "default-src 'none'" in response.headers[name]
                continue
            assert response.headers[name] == value, (path, name)


async def test_requests_are_counted(world: World) -> None:
    await world.client.get("/api/v1/config")
    await world.client.get("/nowhere")
    assert world.value("requests_total", status="2xx") == 1
    assert world.value("requests_total", status="4xx") == 1
    assert world.value("request_seconds_count") == 2
