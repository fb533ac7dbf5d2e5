"""Every route asks for the key, says what it answers in OpenAPI, and the document is the one checked in."""

import json
import re
from pathlib import Path
from typing import Any

import httpx2
import pytest

from mailweir_core.entries import make_entry
from mailweir_gateway.api.middleware import PUBLIC_PATHS
from mailweir_gateway.openapi import document
from mailweir_testkit.events import ref_of

World = Any  # tests/conftest.py
ROOT = Path(__file__).resolve().parents[3]
DOCUMENT = document()
OPERATIONS = [
    (method.upper(), path)
    for path, operations in DOCUMENT["paths"].items()
    for method in operations
]
VALUES = {
    "id": ref_of(1),
    "number": "1",
    "login": "bob@example.com",
    "domain": "example.com",
    "subject": "192.0.2.1",
}
TEXT = "/api/v1/lists/import"
"""The one that takes no JSON."""
ASKED = {"/api/v1/limits/buckets": "?subject=192.0.2.1"}


def filled(path: str) -> str:
    return re.sub(r"\{(\w+)\}", lambda name: VALUES[name[1]], path) + ASKED.get(path, "")


def test_there_are_routes() -> None:
    assert len(OPERATIONS) >= 20
    paths = {path for _, path in OPERATIONS}
    for resource in (
        "services", "messages", "quarantine", "config", "users", "version", "health", "bans", "greylist",
        "limits", "lists", "dnslists",
    ):  # fmt: skip
        assert f"/api/v1/{resource}" in paths


@pytest.mark.parametrize(("method", "path"), OPERATIONS)
async def test_every_route_asks_for_the_key(world: World, method: str, path: str) -> None:
    world.client.headers.pop("authorization")
    response = await world.client.request(method, filled(path), content=b"{}")
    assert (response.status_code == 401) == (path not in PUBLIC_PATHS)


@pytest.mark.parametrize(
    "method", ["GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS", "TRACE"]
)
async def test_what_is_no_route_asks_for_the_key_too(world: World, method: str) -> None:
    world.client.headers.pop("authorization")
    for path in ("/api/v1/nowhere", "/docs", "/redoc", "/api/v1/health/", "/api/v1//health"):
        assert (await world.client.request(method, path)).status_code == 401


@pytest.mark.parametrize("path", sorted(PUBLIC_PATHS))
async def test_what_needs_no_key_only_reads(world: World, path: str) -> None:
    world.client.headers.pop("authorization")
    assert (await world.client.get(path)).status_code == 200
    for method in ("POST", "PUT", "DELETE", "PATCH"):
        assert (await world.client.request(method, path)).status_code == 405


async def test_no_body_is_read_before_the_key(world: World) -> None:
    read: list[int] = []

    async def pieces() -> Any:
        for n in range(10):
            read.append(n)
            yield b"x" * 1000

    world.client.headers.pop("authorization")
    response = await world.client.put("/api/v1/config", content=pieces())
    assert response.status_code == 401
    assert read == []


@pytest.mark.parametrize(("method", "path"), OPERATIONS)
def test_every_route_says_what_it_answers(method: str, path: str) -> None:
    operation = DOCUMENT["paths"][path][method.lower()]
    assert operation["description"]
    assert operation["tags"]
    public = path in PUBLIC_PATHS
    assert ("security" in operation) != public
    for status, response in operation["responses"].items():
        if status.startswith(("4", "5")) and not (public and status == "503"):
            assert set(response["content"]) == {"application/problem+json"}, status
    if "{" in path or "parameters" in operation or "requestBody" in operation:
        assert "422" in operation["responses"]
    if "requestBody" in operation:
        assert "415" in operation["responses"]
        kind = "text/plain" if path == TEXT else "application/json"
        assert list(operation["requestBody"]["content"]) == [kind]
    if not public:
        assert {"401", "413", "500", "503"} <= set(operation["responses"])


def test_every_operation_has_a_name_of_its_own() -> None:
    names = [
        operation["operationId"] for ops in DOCUMENT["paths"].values() for operation in ops.values()
    ]
    assert len(set(names)) == len(names)


def test_every_reference_leads_somewhere() -> None:
    text = json.dumps(DOCUMENT)
    named = set(re.findall(r"#/components/schemas/(\w+)", text))
    assert named <= set(DOCUMENT["components"]["schemas"])
    assert "HTTPValidationError" not in text


def test_the_checked_in_document_is_this_one() -> None:
    path = ROOT / "docs" / "openapi.json"
    assert json.loads(path.read_text()) == DOCUMENT, "run `make generate`"


async def test_it_is_served(world: World) -> None:
    response = await world.client.get("/api/openapi.json")
    assert response.json() == DOCUMENT


async def test_answers_fit_the_document(world: World) -> None:
    """What a success names as its shape has exactly the fields that are answered."""
    world.hold(1)
    user = {"senders": [], "password": "correct horse"}
    await world.client.put("/api/v1/users/bob@example.com", json=user)
    await world.tools.lists.put(make_entry("block", "192.0.2.1", id=ref_of(1)))
    checked = 0
    for method, path in OPERATIONS:
        if method == "GET":
            response = await world.client.get(filled(path))
            assert response.status_code == 200, path
            checked += _check(path, response)
    assert checked >= 17


def _check(path: str, response: httpx2.Response) -> int:
    described = DOCUMENT["paths"][path]["get"]["responses"]["200"]["content"]
    reference = described.get("application/json", {}).get("schema", {}).get("$ref", "")
    if not reference:
        return 0
    schema = DOCUMENT["components"]["schemas"][reference.rpartition("/")[2]]
    assert set(response.json()) == set(schema["properties"]), path
    return 1
