"""Whatever is asked, the answer is never a crash, and every error is a problem body."""

import json
import string
from typing import Any
from urllib.parse import quote

import httpx2
import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from mailweir_gateway.api.problems import MEDIA_TYPE
from mailweir_gateway.openapi import document
from mailweir_policy import Policy, dumps
from mailweir_testkit.events import ref_of

World = Any  # tests/conftest.py
pytestmark = pytest.mark.timeout(90)
OPERATIONS = [
    (method.upper(), path)
    for path, operations in document()["paths"].items()
    for method in operations
]
NAMES = ("{id}", "{number}", "{login}", "{domain}", "{subject}")
POLICY = json.loads(dumps(Policy()))

# each example asks the same gateway: what an earlier one has done to it is part of the fuzz
fuzz = settings(
    max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
words = st.text(max_size=30) | st.sampled_from(
    [
        "",
        "0",
        "-1",
        "1e999",
        "null",
        "[]",
        "{}",
        "%",
        "'",
        "held",
        "2025-06-15T15:06:40Z",
        ref_of(1),
        "block",
        "192.0.2.0/24",
        "account:bob",
        "bob@example.com",
        "example.com",
    ]
)
names = st.sampled_from(
    [
        "limit",
        "cursor",
        "sender",
        "recipient",
        "subject",
        "action",
        "state",
        "reason",
        "since",
        "until",
        "text",
        "kind",
        "owner",
        "expires_at",
    ]
) | st.text(string.ascii_letters, min_size=1, max_size=8)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20) | st.floats(),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4)
    ),
    max_leaves=10,
)
bodies = (
    st.binary(max_size=100)
    | values.map(lambda value: json.dumps(value).encode())
    | st.fixed_dictionaries({"ids": st.lists(words, max_size=4)}).map(
        lambda v: json.dumps(v).encode()
    )
    | st.fixed_dictionaries({"senders": values, "password": values}).map(
        lambda v: json.dumps(v).encode()
    )
    | st.fixed_dictionaries(
        {},
        optional={
            "subject": words,
            "seconds": values,
            "kind": words,
            "item": words,
            "owner": words,
            "recipients": st.lists(words, max_size=3),
            "messages": values,
            "total": values,
        },
    ).map(lambda v: json.dumps(v).encode())
)
headers = st.fixed_dictionaries(
    {},
    optional={
        "content-type": st.sampled_from(
            ["application/json", "text/plain", "application/json; x=y"]
        ),
        "if-match": st.sampled_from(["*", '"v.1"', '"v.9"', "x", 'W/"v.1"', '"' * 50]),
    },
)


def check(response: httpx2.Response) -> None:
    assert response.status_code < 500, response.text
    if response.status_code >= 400:
        assert response.headers["content-type"] == MEDIA_TYPE
        body = response.json()
        assert body["status"] == response.status_code
        assert all(set(error) == {"path", "message"} for error in body["errors"])
    assert response.headers["x-content-type-options"] == "nosniff"


@fuzz
@given(
    st.sampled_from(OPERATIONS), st.lists(words, min_size=5, max_size=5),
    st.lists(st.tuples(names, words), max_size=4), bodies, headers,
)  # fmt: skip
async def test_any_request(
    world: World, operation: tuple[str, str], parts: list[str], query: Any, body: bytes, head: Any
) -> None:
    method, path = operation
    for name, part in zip(NAMES, parts, strict=True):
        path = path.replace(name, quote(part, safe="") or "x")
    try:
        response = await world.client.request(
            method, path, params=query, content=body, headers=head
        )
    except httpx2.InvalidURL:
        return  # the client itself will not send that
    check(response)


paths = st.sampled_from(
    [
        (section, name)
        for section, fields in POLICY.items()
        if isinstance(fields, dict)
        for name in fields
    ]
)


@fuzz
@given(st.dictionaries(paths, values, min_size=1, max_size=3))
async def test_any_value_in_a_policy(world: World, changes: dict[tuple[str, str], Any]) -> None:
    policy = json.loads(json.dumps(POLICY))
    for (section, name), value in changes.items():
        policy[section][name] = value
    body = json.dumps(policy).encode()
    head = {"content-type": "application/json"}
    checked = await world.client.post("/api/v1/config/check", content=body, headers=head)
    check(checked)
    applied = await world.client.put("/api/v1/config", content=body, headers=head)
    check(applied)
    assert applied.status_code == checked.status_code
    in_force = await world.client.get("/api/v1/config")
    assert in_force.status_code == 200
    if applied.status_code == 200:
        assert in_force.headers["etag"] == applied.headers["etag"]


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE"])
@pytest.mark.parametrize(
    "path",
    [
        "/api/v1/messages/%2e%2e/config", "/api/v1/../../etc/passwd", "/api/v1/messages/%00",
        "/api/v1/messages/" + "a" * 5000, "/api/v1/users/%ff%fe", "/api/v1/users/%F0%9F%92%A9",
        "/api/v1/quarantine/release", "/api/v1/quarantine/delete", "/api/v1/config/versions/%31",
        "//api/v1/config", "/api/v1/config;x=y", "/API/V1/CONFIG",
    ],
)  # fmt: skip
async def test_odd_paths(world: World, method: str, path: str) -> None:
    check(await world.client.request(method, path))
