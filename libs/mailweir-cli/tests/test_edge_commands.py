"""`mailweir bans`, `greylist`, `limits` and `lists` against a REST API that answers as the gateway does."""

import json
from collections.abc import Callable
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import httpx2
import pytest

from mailweir_cli import api, quantities
from mailweir_cli.exits import CommandError, Exit
from mailweir_cli.main import GROUP, run

COMMANDS = entry_points(group=GROUP)
AT = "2026-11-24T20:40:00.000Z"
Answer = Callable[[httpx2.Request], Any]


def ban(subject: str, **more: Any) -> dict[str, Any]:
    made = {
        "subject": subject, "kind": "unknown-user", "code": "P", "evidence": "5 of 5 [x]", "since": AT,
        "until": AT, "strikes": 2, "close_all": True, "by": "intrusion", "hits": 1234,
    }  # fmt: skip
    return {**made, **more}


GREY = {
    "id": "t.abc", "state": "pending", "client": "spf:example.net", "sender": "anna@example.net",
    "recipient": "bob@example.com", "first_at": AT, "last_at": AT, "due_at": AT, "expires_at": AT,
    "attempts": 2, "passes": 0, "authorised_by": "",
}  # fmt: skip
ENTRY = {
    "id": "abc", "kind": "block", "item": "192.0.2.0/24", "owner": "system", "recipients": ["a@b.example"],
    "expires_at": None, "note": "loud", "by": "admin", "at": AT, "hits": 7, "hit_at": AT,
}  # fmt: skip


def grant(source: str, messages: int = 200, recipients: int = 0, size: int = 0) -> dict[str, Any]:
    return {"messages": messages, "recipients": recipients, "bytes": size, "source": source}


USER = {
    "login": "anna@example.com", "user": grant("ratelimit.outbound.default_user", recipients=900),
    "domain": grant("ratelimit.outbound.domains", 0), "version": "v.3",
}  # fmt: skip
DOMAIN = {
    "domain": "example.com", "total": grant("ratelimit.outbound.domains[example.com].total", 5000),
    "users": grant("ratelimit.outbound.default_user"), "version": "v.3",
}  # fmt: skip
USAGE = {
    "subject": "anna@example.com", "kind": "user", "unit": "messages", "used": 160.0, "limit": 200.0,
    "source": "ratelimit.outbound.default_user", "held": 2, "next_at": None,
}  # fmt: skip


class Gateway:
    """What was asked, and what is answered."""

    def __init__(self) -> None:
        self.asked: list[httpx2.Request] = []
        self.answer: Answer = lambda _: {}

    def handle(self, request: httpx2.Request) -> httpx2.Response:
        self.asked.append(request)
        found = self.answer(request)
        if isinstance(found, httpx2.Response):
            return found
        return httpx2.Response(200, json=found, headers={"ETag": '"v.3"'})

    @property
    def last(self) -> httpx2.Request:
        return self.asked[-1]


@pytest.fixture
def gateway(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Gateway:
    """Let the API client speak to a gateway that is not there."""
    (tmp_path / "var").mkdir()
    (tmp_path / "var" / "admin.key").write_text("secret\n")
    monkeypatch.chdir(tmp_path)
    made, real = Gateway(), api.Api.__init__

    def init(self: api.Api, url: str, key: str) -> None:
        real(self, url, key, httpx2.MockTransport(made.handle))

    monkeypatch.setattr(api.Api, "__init__", init)
    return made


def mailweir(*arguments: str) -> int:
    return run(list(arguments), COMMANDS)


def page(*found: Any, following: str = "") -> dict[str, Any]:
    return {"items": list(found), "next": following}


# --- bans ------------------------------------------------------------------------------------------------


def test_bans_are_shown(gateway: Gateway, capsys: pytest.CaptureFixture[str]) -> None:
    gateway.answer = lambda _: page(ban("192.0.2.0/24"), ban("account:anna", until=None))
    assert mailweir("bans", "list", "--text", "192") == Exit.OK
    shown = capsys.readouterr().out
    for word in ("192.0.2.0/24", "unknown-user", "5 of 5 [x]", "1234", "intrusion", "account:anna"):
        assert word in shown
    assert dict(gateway.last.url.params) == {"text": "192", "limit": "500"}
    assert gateway.last.headers["Authorization"] == "Bearer secret"


def test_all_pages_are_fetched_up_to_the_most(
    gateway: Gateway, capsys: pytest.CaptureFixture[str]
) -> None:
    def answer(request: httpx2.Request) -> Any:
        start = int(request.url.params.get("cursor", "0"))
        many = int(request.url.params["limit"])
        made = (ban(f"192.0.2.{start + n}/32") for n in range(many))
        return page(*made, following=str(start + many))

    gateway.answer = answer
    assert mailweir("bans", "list", "--json", "--most", "1100") == Exit.OK
    assert len(json.loads(capsys.readouterr().out)) == 1100
    assert [r.url.params["limit"] for r in gateway.asked] == ["500", "500", "100"]


def test_no_bans(gateway: Gateway, capsys: pytest.CaptureFixture[str]) -> None:
    gateway.answer = lambda _: page()
    assert mailweir("bans", "list") == Exit.OK
    assert capsys.readouterr().out == "none\n"
    assert mailweir("bans", "list", "--json") == Exit.OK
    assert json.loads(capsys.readouterr().out) == []


def test_a_ban_by_hand(gateway: Gateway, capsys: pytest.CaptureFixture[str]) -> None:
    gateway.answer = lambda _: ban("192.0.2.0/24")
    assert mailweir("bans", "add", "192.0.2.0/24", "--for", "4h", "--reason", "loud") == Exit.OK
    assert capsys.readouterr().out == f"192.0.2.0/24 is banned until {AT}\n"
    assert json.loads(gateway.last.content) == {
        "subject": "192.0.2.0/24", "seconds": 14_400.0, "reason": "loud", "close_all": True,
    }  # fmt: skip
    gateway.answer = lambda _: ban("192.0.2.0/24", until=None)
    assert mailweir("bans", "add", "192.0.2.0/24", "--keep-sessions") == Exit.OK
    assert capsys.readouterr().out == "192.0.2.0/24 is banned without an end\n"
    assert json.loads(gateway.last.content)["close_all"] is False
    assert mailweir("bans", "add", "192.0.2.0/24", "--json") == Exit.OK
    assert json.loads(capsys.readouterr().out)["subject"] == "192.0.2.0/24"


def test_a_time_that_is_none(gateway: Gateway, capsys: pytest.CaptureFixture[str]) -> None:
    assert mailweir("bans", "add", "192.0.2.1", "--for", "soon") == Exit.INVALID
    assert "--for soon: write seconds" in capsys.readouterr().err
    assert gateway.asked == []


@pytest.mark.parametrize(
    ("subject", "path"),
    [
        ("192.0.2.0/24", "/api/v1/bans/192.0.2.0%2F24"),
        ("2001:db8::/64", "/api/v1/bans/2001:db8::%2F64"),
        ("account:a b?@x", "/api/v1/bans/account:a%20b%3F@x"),
    ],
)
def test_a_ban_is_lifted(
    gateway: Gateway, capsys: pytest.CaptureFixture[str], subject: str, path: str
) -> None:
    gateway.answer = lambda _: httpx2.Response(204)
    assert mailweir("bans", "remove", subject) == Exit.OK
    assert (gateway.last.method, gateway.last.url.raw_path.decode()) == ("DELETE", path)
    assert capsys.readouterr().out == f"{subject} is not banned any more\n"


def test_the_feed(gateway: Gateway, capsys: pytest.CaptureFixture[str]) -> None:
    gateway.answer = lambda _: httpx2.Response(200, text="192.0.2.0/24\n2001:db8::/64\n")
    assert mailweir("bans", "export") == Exit.OK
    assert capsys.readouterr().out == "192.0.2.0/24\n2001:db8::/64\n"


@pytest.mark.parametrize(
    ("status", "body", "code", "line"),
    [
        (404, {"detail": "there is no such ban"}, Exit.FAILED, "there is no such ban"),
        (503, {"detail": "the service ratelimit does not answer"}, Exit.UNAVAILABLE, "not answer"),
        (422, {"errors": [{"path": "subject", "message": "no"}]}, Exit.INVALID, "subject: no"),
    ],
)
def test_what_is_refused(
    gateway: Gateway,
    capsys: pytest.CaptureFixture[str],
    status: int,
    body: Any,
    code: Exit,
    line: str,
) -> None:
    gateway.answer = lambda _: httpx2.Response(status, json=body)
    assert mailweir("bans", "remove", "192.0.2.1") == code
    assert line in capsys.readouterr().err


# --- greylist --------------------------------------------------------------------------------------------


def test_who_is_waited_for(gateway: Gateway, capsys: pytest.CaptureFixture[str]) -> None:
    gateway.answer = lambda _: page(GREY)
    assert mailweir("greylist", "list") == Exit.OK
    assert "anna@example.net" in capsys.readouterr().out
    assert gateway.last.url.params["state"] == "pending"
    assert mailweir("greylist", "list", "--state", "all", "--json") == Exit.OK
    assert json.loads(capsys.readouterr().out) == [GREY]
    assert "state" not in gateway.last.url.params
    assert mailweir("greylist", "list", "--state", "grey") == Exit.INVALID


def test_an_entry_is_let_through(gateway: Gateway, capsys: pytest.CaptureFixture[str]) -> None:
    gateway.answer = lambda _: {**GREY, "state": "authorised"}
    assert mailweir("greylist", "authorise", "t.abc") == Exit.OK
    assert capsys.readouterr().out == "anna@example.net is let through from now on\n"
    asked = (gateway.last.method, gateway.last.url.path)
    assert asked == ("POST", "/api/v1/greylist/t.abc/authorise")
    assert mailweir("greylist", "authorise", "t.abc", "--json") == Exit.OK
    assert json.loads(capsys.readouterr().out)["state"] == "authorised"


def test_an_entry_is_forgotten(gateway: Gateway, capsys: pytest.CaptureFixture[str]) -> None:
    gateway.answer = lambda _: httpx2.Response(204)
    assert mailweir("greylist", "delete", "t.abc") == Exit.OK
    assert (gateway.last.method, gateway.last.url.path) == ("DELETE", "/api/v1/greylist/t.abc")
    assert capsys.readouterr().out == "t.abc is forgotten\n"


@pytest.mark.parametrize("name", ["", ".", ".."])
def test_a_name_that_leads_elsewhere(
    gateway: Gateway, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    assert mailweir("greylist", "delete", name) == Exit.INVALID
    assert "names nothing" in capsys.readouterr().err
    assert gateway.asked == []


@pytest.mark.parametrize(("log_only", "word"), [(True, "only logging"), (False, "in force")])
def test_the_forecast(
    gateway: Gateway, capsys: pytest.CaptureFixture[str], log_only: bool, word: str
) -> None:
    gateway.answer = lambda _: {
        "since": AT, "log_only": log_only, "log_only_until": None, "checked": 100, "deferred": 10,
        "returned": 8, "lost": 2, "median_wait_ms": 312_000.0,
    }  # fmt: skip
    assert mailweir("greylist", "forecast") == Exit.OK
    shown = capsys.readouterr().out
    for part in (word, "100 recipients", "10 of them", "8 came back", "5 minutes", "2 never"):
        assert part in shown
    assert mailweir("greylist", "forecast", "--json") == Exit.OK
    assert json.loads(capsys.readouterr().out)["lost"] == 2


# --- limits ----------------------------------------------------------------------------------------------


def limits_of(request: httpx2.Request) -> Any:
    if request.method == "PUT":
        return {**USER, "version": "v.4"} if "users" in request.url.path else DOMAIN
    if "/users/" in request.url.path:
        return USER
    return DOMAIN if "/domains/" in request.url.path else page(USAGE)


def test_usage_of_all(gateway: Gateway, capsys: pytest.CaptureFixture[str]) -> None:
    gateway.answer = limits_of
    assert mailweir("limits", "show") == Exit.OK
    shown = capsys.readouterr().out
    for word in ("anna@example.com", "160", "200", "messages", "ratelimit.outbound.default_user"):
        assert word in shown
    assert [r.url.path for r in gateway.asked] == ["/api/v1/limits"]


def test_limits_and_usage_of_one(gateway: Gateway, capsys: pytest.CaptureFixture[str]) -> None:
    gateway.answer = limits_of
    assert mailweir("limits", "show", "anna@example.com") == Exit.OK
    shown = capsys.readouterr().out
    for word in ("anna@example.com", "900", "no limit", "all users of its domain"):
        assert word in shown
    assert dict(gateway.last.url.params) == {"subject": "anna@example.com", "limit": "500"}
    assert mailweir("limits", "show", "example.com", "--json") == Exit.OK
    assert json.loads(capsys.readouterr().out) == {"limits": DOMAIN, "usage": [USAGE]}


def test_what_is_not_named_stays(gateway: Gateway, capsys: pytest.CaptureFixture[str]) -> None:
    gateway.answer = limits_of
    assert mailweir("limits", "set", "anna@example.com", "--messages", "500") == Exit.OK
    assert json.loads(gateway.last.content) == {"messages": 500, "recipients": 900, "bytes": 0}
    assert gateway.last.headers["If-Match"] == '"v.3"'
    assert "anna@example.com" in capsys.readouterr().out
    assert mailweir("limits", "set", "anna@example.com", "--bytes", "20MB", "--json") == Exit.OK
    assert json.loads(gateway.last.content)["bytes"] == 20_000_000
    assert json.loads(capsys.readouterr().out)["version"] == "v.4"


def test_a_domain_and_each_of_its_users(gateway: Gateway) -> None:
    gateway.answer = limits_of
    assert mailweir("limits", "set", "example.com", "--messages", "9000") == Exit.OK
    total = {"messages": 9000, "recipients": 0, "bytes": 0}
    assert json.loads(gateway.last.content) == {"total": total}
    assert mailweir("limits", "set", "example.com", "--each-messages", "50") == Exit.OK
    assert json.loads(gateway.last.content) == {
        "total": {"messages": 5000, "recipients": 0, "bytes": 0},
        "users": {"messages": 50, "recipients": 0, "bytes": 0},
    }


def test_what_a_domain_says_for_each_stays(gateway: Gateway) -> None:
    each = grant("ratelimit.outbound.domains[example.com].users", 70)
    gateway.answer = lambda _: {**DOMAIN, "users": each}
    assert mailweir("limits", "set", "example.com", "--messages", "1") == Exit.OK
    assert json.loads(gateway.last.content)["users"]["messages"] == 70


@pytest.mark.parametrize(
    "arguments",
    [
        ("anna@example.com",),
        ("anna@example.com", "--each-messages", "5"),
        ("anna@example.com", "--messages", "-1"),
        ("anna@example.com", "--bytes", "many"),
    ],
)
def test_what_is_no_limit(gateway: Gateway, arguments: tuple[str, ...]) -> None:
    assert mailweir("limits", "set", *arguments) == Exit.INVALID
    assert gateway.asked == []


def test_a_change_meanwhile_is_told(gateway: Gateway, capsys: pytest.CaptureFixture[str]) -> None:
    def answer(request: httpx2.Request) -> Any:
        if request.method == "PUT":
            return httpx2.Response(412, json={"detail": "version v.4 is in force"})
        return USER

    gateway.answer = answer
    assert mailweir("limits", "set", "anna@example.com", "--messages", "5") == Exit.INVALID
    assert "version v.4 is in force" in capsys.readouterr().err


def test_a_limit_is_taken_away(gateway: Gateway, capsys: pytest.CaptureFixture[str]) -> None:
    gateway.answer = lambda _: USER
    assert mailweir("limits", "unset", "anna@example.com") == Exit.OK
    asked = (gateway.last.method, gateway.last.url.path)
    assert asked == ("DELETE", "/api/v1/limits/users/anna@example.com")
    assert "default_user" in capsys.readouterr().out


# --- lists -----------------------------------------------------------------------------------------------


def test_entries_are_shown(gateway: Gateway, capsys: pytest.CaptureFixture[str]) -> None:
    gateway.answer = lambda _: page(ENTRY)
    assert mailweir("lists", "list", "--kind", "block", "--owner", "system") == Exit.OK
    shown = capsys.readouterr().out
    for word in ("192.0.2.0/24", "a@b.example", "loud", "7"):
        assert word in shown
    assert dict(gateway.last.url.params) == {"kind": "block", "owner": "system", "limit": "500"}
    assert mailweir("lists", "list", "--json") == Exit.OK
    assert json.loads(capsys.readouterr().out) == [ENTRY]


def test_an_entry_is_added(gateway: Gateway, capsys: pytest.CaptureFixture[str]) -> None:
    gateway.answer = lambda _: ENTRY
    assert mailweir(
        "lists", "add", "block", "192.0.2.0/24", "--recipient", "a@b.example", "--for", "1d"
    ) == Exit.OK  # fmt: skip
    body = json.loads(gateway.last.content)
    assert body.pop("expires_at").endswith("Z")
    assert body == {
        "kind": "block", "item": "192.0.2.0/24", "owner": "system", "recipients": ["a@b.example"],
        "note": "",
    }  # fmt: skip
    assert capsys.readouterr().out == "192.0.2.0/24 is on the block list as abc\n"
    assert mailweir("lists", "add", "allow", "@example.net", "--json") == Exit.OK
    assert json.loads(gateway.last.content)["expires_at"] is None
    assert json.loads(capsys.readouterr().out) == ENTRY
    assert mailweir("lists", "add", "grey", "@example.net") == Exit.INVALID


def test_an_entry_is_removed(gateway: Gateway, capsys: pytest.CaptureFixture[str]) -> None:
    gateway.answer = lambda _: httpx2.Response(204)
    assert mailweir("lists", "remove", "abc") == Exit.OK
    assert (gateway.last.method, gateway.last.url.path) == ("DELETE", "/api/v1/lists/abc")
    assert capsys.readouterr().out == "abc is removed\n"


def test_a_file_is_imported(gateway: Gateway, capsys: pytest.CaptureFixture[str]) -> None:
    Path("drop.txt").write_text("192.0.2.0/24 ; a\n@bücher.example\n", encoding="utf-8")
    gateway.answer = lambda _: {"added": 2, "known": 0}
    assert (
        mailweir("lists", "import", "block", "drop.txt", "--note", "drop", "--for", "2h") == Exit.OK
    )
    assert capsys.readouterr().out == "2 entries are new, 0 were there already\n"
    asked = gateway.last
    assert (asked.method, asked.url.path) == ("POST", "/api/v1/lists/import")
    assert asked.headers["Content-Type"] == "text/plain"
    assert asked.content.decode() == "192.0.2.0/24 ; a\n@bücher.example\n"
    query = dict(asked.url.params)
    assert query.pop("expires_at").endswith("Z")
    assert query == {"kind": "block", "owner": "system", "note": "drop"}
    assert mailweir("lists", "import", "block", "drop.txt", "--json") == Exit.OK
    assert json.loads(capsys.readouterr().out) == {"added": 2, "known": 0}


def test_wrong_lines_are_told(gateway: Gateway, capsys: pytest.CaptureFixture[str]) -> None:
    Path("drop.txt").write_text("nonsense\n")
    body = {
        "detail": "nothing was imported; wrong lines: 1",
        "errors": [{"path": "line.1", "message": "'nonsense' is no address"}],
    }
    gateway.answer = lambda _: httpx2.Response(422, json=body)
    assert mailweir("lists", "import", "block", "drop.txt") == Exit.INVALID
    assert capsys.readouterr().err.splitlines() == [
        "mailweir: nothing was imported; wrong lines: 1",
        "mailweir: line.1: 'nonsense' is no address",
    ]


@pytest.mark.parametrize("content", [None, b"\xff", b"192.0.2.1\n" * 110_000])
def test_a_file_that_cannot_be_imported(gateway: Gateway, content: bytes | None) -> None:
    if content is not None:
        Path("drop.txt").write_bytes(content)
    assert mailweir("lists", "import", "block", "drop.txt") == Exit.INVALID
    assert gateway.asked == []


# --- the words -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "want"),
    [
        ("0", 0),
        ("90", 90),
        ("90s", 90),
        ("15m", 900),
        ("4h", 14_400),
        ("1.5d", 129_600),
        ("2W", 1_209_600),
    ],
)
def test_times(text: str, want: float) -> None:
    assert quantities.seconds("--for", text) == want


@pytest.mark.parametrize(
    ("text", "want"),
    [("0", 0), ("1000", 1000), ("500KB", 500_000), ("20 MB", 20_000_000), ("1gb", 10**9)],
)
def test_sizes(text: str, want: int) -> None:
    assert quantities.size("--bytes", text) == want


@pytest.mark.parametrize("text", ["", "-1", "x", "1x", "m", "1e9", "²", "9" * 20])
def test_what_is_no_quantity(text: str) -> None:
    for read in (quantities.seconds, quantities.size):
        with pytest.raises(CommandError, match="write ") as caught:
            read("--it", text)
        assert caught.value.code is Exit.INVALID


@pytest.mark.parametrize("command", ["bans", "greylist", "limits", "lists"])
def test_every_command_explains_itself(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert mailweir(command, "--help") == Exit.OK
    text = capsys.readouterr().out
    assert "list" in text or "show" in text
