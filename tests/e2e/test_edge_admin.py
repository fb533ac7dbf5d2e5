"""Bans, limits, lists, greylisting as admins keep them: the command line over REST on the real services."""

import json
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mailweir_testkit.processes import wait_until
from mailweir_testkit.product import PROGRAM, Product, product

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.long,
    pytest.mark.timeout(180),
    pytest.mark.xdist_group("edge"),
]


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    """One product for the module; each test keeps to names of its own."""
    data = tmp_path_factory.mktemp("admin") / "data"
    quick = ("--set=edge.wait.enabled=false", "--set=reputation.entry_valid_seconds=1")
    with product(data, "--no-samples", "--proxy-from", "127.0.0.1/32", *quick) as made:
        yield made


def mailweir(running: Product, *arguments: str, code: int = 0) -> str:
    """Run a command; returns its standard output, or what it complained of."""
    done = subprocess.run(
        [PROGRAM, *arguments, "--data", running.data, "--url", f"http://{running.where['http']}"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == code, done.stderr
    return done.stdout if code == 0 else done.stderr


def found(running: Product, *arguments: str) -> Any:
    return json.loads(mailweir(running, *arguments, "--json"))


def test_a_ban_comes_goes_and_is_a_line_of_the_feed(running: Product) -> None:
    made = found(running, "bans", "add", "203.0.113.0/28", "--for", "4h", "--reason", "loud")
    assert (made["subject"], made["kind"], made["by"]) == ("203.0.113.0/28", "manual", "admin")
    [shown] = found(running, "bans", "list", "--text", "203.0.113.")
    assert (shown["evidence"], shown["since"], shown["until"]) == (
        "loud", made["since"], made["until"],
    )  # fmt: skip
    assert "203.0.113.0/28" in mailweir(running, "bans", "export").splitlines()
    mailweir(running, "bans", "remove", "203.0.113.0/28")
    assert found(running, "bans", "list", "--text", "203.0.113.") == []
    assert "no such ban" in mailweir(running, "bans", "remove", "203.0.113.0/28", code=1)


@pytest.mark.parametrize("subject", ["127.0.0.1", "0.0.0.0/0", "203.0.113.1/28", "somebody"])
def test_what_cannot_be_banned_is_refused_in_a_sentence(running: Product, subject: str) -> None:
    assert "subject: " in mailweir(running, "bans", "add", subject, code=2)


def test_a_limit_is_a_version_of_the_policy_that_every_service_takes_on(running: Product) -> None:
    made = found(running, "limits", "set", "anna@example.com", "--messages", "500")
    assert made["user"]["source"] == "ratelimit.outbound.users[anna@example.com].limit"
    assert made["domain"]["messages"] == 0
    newest = running.get("/config/versions")["items"][0]
    assert (newest["version"], newest["author"]) == (made["version"], "admin")

    def taken_on() -> bool:
        return {s["config"] for s in running.get("/services")} == {made["version"]}

    wait_until(taken_on, 30, "the version in every service")
    usage = found(running, "limits", "show", "anna@example.com")["usage"]
    assert {(u["unit"], u["used"], u["limit"]) for u in usage} >= {("messages", 0, 500)}
    again = found(running, "limits", "unset", "anna@example.com")
    assert again["user"]["source"] == "ratelimit.outbound.default_user"


def test_a_list_is_imported_whole_or_not_at_all(running: Product, tmp_path: Path) -> None:
    good, bad = tmp_path / "good.txt", tmp_path / "bad.txt"
    good.write_text("# a list\n198.51.100.0/25 ; one\n@bad.example\nhost:*.pool.example\n")
    bad.write_text("198.51.100.128/25\nbad.example\n")
    assert found(running, "lists", "import", "block", str(good)) == {"added": 3, "known": 0}
    assert found(running, "lists", "import", "block", str(good)) == {"added": 0, "known": 3}
    complaint = mailweir(running, "lists", "import", "block", str(bad), code=2)
    assert "line.2: write @bad.example" in complaint
    listed = found(running, "lists", "list", "--text", "bad.example")
    assert [(e["item"], e["hits"], e["by"]) for e in listed] == [("@bad.example", 0, "admin")]
    assert found(running, "lists", "list", "--text", "198.51.100.128") == []
    for entry in found(running, "lists", "list"):
        mailweir(running, "lists", "remove", entry["id"])


def test_who_is_blocked_is_turned_away_and_counted(running: Product) -> None:
    client = "198.51.100.77"
    assert greeting(running, client) == 220
    made = found(running, "lists", "add", "block", "198.51.100.64/27", "--for", "1h")
    wait_until(lambda: greeting(running, client) >= 500, 5, "the block holds")
    assert greeting(running, "198.51.100.99") == 220

    def counted() -> bool:
        entry = running.get(f"/lists/{made['id']}")
        return bool(entry["hits"] >= 1 and entry["hit_at"])

    wait_until(counted, 20, "the hit is counted")
    mailweir(running, "lists", "remove", made["id"])
    wait_until(lambda: greeting(running, client) == 220, 15, "the block is gone")


def greeting(running: Product, client: str) -> int:
    """Return the code that a client is greeted with, its address told by a proxy."""
    with socket.create_connection(running.address("smtp"), 20) as connection:
        connection.sendall(f"PROXY TCP4 {client} 127.0.0.1 40000 25\r\n".encode())
        with connection.makefile("rb") as lines:
            return int(lines.readline()[:3] or b"0")


def test_greylisting_only_logs_at_first_and_says_so(running: Product) -> None:
    forecast = found(running, "greylist", "forecast")
    assert forecast["log_only"] is True
    assert forecast["log_only_until"] > forecast["since"]
    assert found(running, "greylist", "list", "--state", "all") == []
    assert "no such entry" in mailweir(running, "greylist", "authorise", "t.none", code=1)


def test_reputation_tells_what_it_knows(running: Product) -> None:
    assert running.get("/dnslists") == []
    assert running.get("/reputation/203.0.113.9") == {"subject": "203.0.113.9", "items": []}
    counters = running.get("/limits/buckets", subject="203.0.113.9")["items"]
    assert {c["limit"] for c in counters} == {"connections", "recipients"}


def test_a_service_that_is_away_is_named_and_comes_back(running: Product) -> None:
    frozen = running.processes()["ratelimit"]
    frozen.suspend()
    try:
        with running.client() as client:
            response = client.get("/bans")
    finally:
        frozen.resume()
    assert response.status_code == 503
    assert response.json()["detail"] == "the service ratelimit does not answer"
    assert "does not answer" not in mailweir(running, "greylist", "list")

    def back() -> bool:
        with running.client() as client:
            return client.get("/bans").status_code == 200

    wait_until(back, 60, "the service")
