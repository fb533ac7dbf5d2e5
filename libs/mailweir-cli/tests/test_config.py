"""`mailweir config` against a REST API that answers as the gateway does."""

import json
from collections.abc import Callable
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import httpx2
import pytest

from mailweir_cli import api
from mailweir_cli.exits import CommandError, Exit
from mailweir_cli.main import GROUP, run
from mailweir_policy.document import dumps
from mailweir_policy.policy import Policy

COMMANDS = entry_points(group=GROUP)
POLICY: dict[str, Any] = json.loads(dumps(Policy()))
Handler = Callable[[httpx2.Request], httpx2.Response]


@pytest.fixture
def gateway(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Callable[[Handler], list[httpx2.Request]]:
    """Let the API client speak to a handler; returns what was asked."""
    (tmp_path / "admin.key").write_text("secret\n")
    monkeypatch.chdir(tmp_path)

    def install(handler: Handler) -> list[httpx2.Request]:
        asked: list[httpx2.Request] = []

        def noted(request: httpx2.Request) -> httpx2.Response:
            asked.append(request)
            return handler(request)

        real = api.Api.__init__

        def init(self: api.Api, url: str, key: str) -> None:
            real(self, url, key, httpx2.MockTransport(noted))

        monkeypatch.setattr(api.Api, "__init__", init)
        return asked

    return install


def config(*arguments: str) -> int:
    return run(["config", *arguments], COMMANDS)


def serving(request: httpx2.Request) -> httpx2.Response:
    if request.method == "GET":
        return httpx2.Response(200, json=POLICY, headers={"ETag": '"v.3"'})
    return httpx2.Response(200, json={"version": "v.4"}, headers={"ETag": '"v.4"'})


def refusing(request: httpx2.Request) -> httpx2.Response:
    if request.method == "GET":
        return serving(request)
    errors = [
        {"path": "session.moon", "message": "unknown key"},
        {"path": "scoring.thresholds", "message": "tag (9) must be below quarantine (8)"},
    ]
    return httpx2.Response(422, json={"detail": "the policy is not valid", "errors": errors})


def test_get_prints_the_policy_or_one_field(
    gateway: Callable[[Handler], list[httpx2.Request]], capsys: pytest.CaptureFixture[str]
) -> None:
    asked = gateway(serving)
    assert config("get", "--data", ".") == Exit.OK
    assert json.loads(capsys.readouterr().out) == POLICY
    assert config("get", "relay.domains.0.name", "--data", ".") == Exit.OK
    assert json.loads(capsys.readouterr().out) == "example.com"
    assert config("get", "relay.moon", "--data", ".") == Exit.INVALID
    assert asked[0].headers["Authorization"] == "Bearer secret"
    assert str(asked[0].url) == "http://127.0.0.1:8080/api/v1/config"


def test_put_replaces_exactly_the_version_it_saw(
    gateway: Callable[[Handler], list[httpx2.Request]], capsys: pytest.CaptureFixture[str]
) -> None:
    asked = gateway(serving)
    Path("policy.json").write_text(json.dumps(POLICY))
    assert config("put", "policy.json", "--data", ".") == Exit.OK
    assert capsys.readouterr().out == "the policy is now version v.4\n"
    put = asked[-1]
    assert (put.method, put.headers["If-Match"]) == ("PUT", '"v.3"')
    assert json.loads(put.content) == POLICY
    assert put.url.query == b""
    assert config("put", "policy.json", "--key", "k2", "--json", "--reason", "so it is") == Exit.OK
    assert dict(asked[-1].url.params) == {"reason": "so it is"}
    assert json.loads(capsys.readouterr().out) == {"version": "v.4"}
    assert asked[-1].headers["Authorization"] == "Bearer k2"


def test_put_shows_every_problem_with_its_path(
    gateway: Callable[[Handler], list[httpx2.Request]], capsys: pytest.CaptureFixture[str]
) -> None:
    gateway(refusing)
    Path("policy.json").write_text("{}")
    assert config("put", "policy.json", "--data", ".") == Exit.INVALID
    assert capsys.readouterr().err.splitlines() == [
        "mailweir: the policy is not valid",
        "mailweir: session.moon: unknown key",
        "mailweir: scoring.thresholds: tag (9) must be below quarantine (8)",
    ]
    assert config("put", "policy.json", "--data", ".", "--json") == Exit.INVALID
    shown = json.loads(capsys.readouterr().out)
    assert shown["valid"] is False
    assert shown["problems"][0] == {"path": "session.moon", "message": "unknown key"}


def test_check_needs_no_service(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    good, bad = tmp_path / "good.json", tmp_path / "bad.json"
    good.write_text(json.dumps(POLICY))
    bad.write_text('{"session": {"moon": 1}}')
    assert config("check", str(good)) == Exit.OK
    assert config("check", str(good), "--json") == Exit.OK
    assert config("check", str(bad)) == Exit.INVALID
    assert "session.moon: unknown key" in capsys.readouterr().err
    assert config("check", str(bad), "--json") == Exit.INVALID
    shown = json.loads(capsys.readouterr().out)
    assert shown["problems"] == [{"path": "session.moon", "message": "unknown key"}]


@pytest.mark.parametrize(
    ("content", "line"), [("{", "not JSON"), (None, "No such file"), (b"\xff", "decode")]
)
def test_a_file_that_cannot_be_read_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: str | bytes | None, line: str
) -> None:
    (tmp_path / "admin.key").write_text("secret")
    path = tmp_path / "policy.json"
    if content is not None:
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    assert config("put", str(path), "--data", str(tmp_path)) == Exit.INVALID
    error = capsys.readouterr().err
    assert line in error
    assert error.count("\n") == 1


def test_a_missing_key_says_where_it_was_looked_for(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert config("get", "--data", str(tmp_path)) == Exit.UNAVAILABLE
    assert f"cannot read {tmp_path}/admin.key: No such file" in capsys.readouterr().err


def test_no_answer_is_one_line() -> None:
    def broken(request: httpx2.Request) -> httpx2.Response:
        raise httpx2.ConnectError("refused", request=request)

    with (
        api.Api("http://127.0.0.1:1", "key", httpx2.MockTransport(broken)) as client,
        pytest.raises(CommandError, match="does not answer: refused") as caught,
    ):
        client.get("/config")
    assert caught.value.code is Exit.UNAVAILABLE


@pytest.mark.parametrize(
    ("response", "code", "line"),
    [
        (httpx2.Response(401, json={"title": "no key"}), Exit.FAILED, "no key"),
        (httpx2.Response(412, json={"detail": "changed"}), Exit.INVALID, "changed"),
        (httpx2.Response(500, text="oops"), Exit.FAILED, "status 500"),
        (httpx2.Response(404, json=[]), Exit.FAILED, "status 404"),
    ],
)
def test_an_answer_that_is_no_good_is_told_in_a_sentence(
    response: httpx2.Response, code: Exit, line: str
) -> None:
    with (
        api.Api("http://x", "key", httpx2.MockTransport(lambda _: response)) as client,
        pytest.raises(CommandError) as caught,
    ):
        client.get("/config")
    assert (caught.value.code, caught.value.lines) == (code, (line,))
