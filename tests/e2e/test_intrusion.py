"""Intrusion prevention as an attacker, a balancer and an admin meet it: the whole product, PROXY headers."""

import contextlib
import json
import smtplib
import socket
import sys
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from subprocess import Popen
from typing import Any, Final

import pytest

from mailweir_testkit.ports import port_for_later
from mailweir_testkit.processes import child, wait_until
from mailweir_testkit.product import Product, product

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180), pytest.mark.xdist_group("edge")]

DOMAIN: Final = {
    "name": "example.com",
    "recipients": "list",
    "addresses": ["bob@example.com", "demo@example.com", "postmaster@example.com"],
}
POLICY: Final = {
    "relay.domains": [DOMAIN],
    "edge.wait.enabled": False,
    "session.auth_failure_delay_seconds": 0.01,
    # loopback is the balancer here: what spares it must be that it is a proxy, nothing else
    "ratelimit.intrusion.never": [],
    "ratelimit.exempt_networks": [],
    "ratelimit.intrusion.traps": ["trap@example.com"],
    "session.junk_commands": 5,
    "session.soft_errors": 90,
    "session.hard_errors": 100,
    "message.bytes": 100_000,
    "ratelimit.intrusion.rules.size.measure": 300_000,
}
BALANCER: Final = "127.0.0.1"
BINARY: Final = b"\r\n\r\n\x00\r\nQUIT\n\xff\xff"
"""Version 2, with a command and a family that there are not."""
SENDER: Final = "anna@example.net"
HOURS: Final = 3600.0
SPAM: Final = (
    b"Subject: x\r\n\r\nXJS*C4JDBQADN1.NSBN3*2IDNEN*GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X\r\n"
)


class Proxied(smtplib.SMTP):
    """An SMTP client whose address a balancer tells."""

    def __init__(self, where: tuple[str, int], client: str, header: bytes | None = None) -> None:
        version = 6 if ":" in client else 4
        dest = "::1" if version == 6 else BALANCER
        self._header = header
        if header is None:
            self._header = f"PROXY TCP{version} {client} {dest} 40000 25\r\n".encode()
        super().__init__(*where, local_hostname="mx.example.net", timeout=20)

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        sock = socket.create_connection((host, port), timeout)
        if self._header:
            sock.sendall(self._header)
        return sock


@contextlib.contextmanager
def second_ingress(first: Product) -> Iterator[tuple[str, int]]:
    """Run one more ingress beside the product's; yields where it takes mail."""
    environment = first.processes()["ingress"].environ()
    port = port_for_later()
    settings = {key: value for key, value in environment.items() if key.startswith("MAILWEIR_")}
    settings |= {
        "MAILWEIR_INGRESS_MX_LISTEN": f"127.0.0.1:{port}",
        "MAILWEIR_INGRESS_SUBMISSION_LISTEN": "",
        "MAILWEIR_INGRESS_METRICS_LISTEN": "127.0.0.1:0",
        "MAILWEIR_INGRESS_INSTANCE": "second",
    }
    log = first.data.with_name("second-ingress.log")
    command = [sys.executable, "-m", "mailweir_ingress"]
    with child(command, log=log, environment=settings) as process:
        wait_until(lambda: _listens(process, port, log), 30, "the second ingress listens")
        yield "127.0.0.1", port


def _listens(process: "Popen[bytes]", port: int, log: Path) -> bool:
    if process.poll() is not None:
        raise ChildProcessError(log.read_text(errors="replace"))
    with socket.socket() as sock:
        return sock.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    arguments = [f"--set={path}={json.dumps(value)}" for path, value in POLICY.items()]
    data = tmp_path_factory.mktemp("intrusion") / "data"
    with product(data, "--no-samples", "--proxy-from", f"{BALANCER}/32", *arguments) as made:
        yield made


@pytest.fixture(scope="module")
def second(running: Product) -> Iterator[tuple[str, int]]:
    with second_ingress(running) as where:
        yield where


def bans(running: Product, text: str = "") -> dict[str, dict[str, Any]]:
    """Return the bans that REST shows, by subject."""
    query = {"text": text} if text else {}
    return {item["subject"]: item for item in running.get("/bans", **query)["items"]}


def guess(where: tuple[str, int], client: str, most: int = 20) -> list[int]:
    """Try recipients that do not exist until the session ends; returns the codes."""
    codes = []
    with contextlib.suppress(smtplib.SMTPServerDisconnected), Proxied(where, client) as smtp:
        smtp.ehlo()
        assert smtp.mail(SENDER)[0] == 250
        for number in range(most):
            codes.append(smtp.rcpt(f"user{number}@example.com")[0])
            if codes[-1] == 421:
                break
    return codes


def greeting(where: tuple[str, int], client: str) -> int:
    """Return the code of the banner that a client gets."""
    try:
        with Proxied(where, client) as smtp:
            return smtp.noop()[0]
    except smtplib.SMTPConnectError as error:
        return error.smtp_code


def turned_away(where: tuple[str, int], client: str) -> bool:
    return greeting(where, client) == 421


def let_in(where: tuple[str, int], client: str) -> bool:
    return greeting(where, client) == 250


def ends(smtp: smtplib.SMTP) -> bool:
    """Say whether the server has ended an idle session."""
    assert smtp.sock is not None
    smtp.sock.settimeout(0.05)
    try:
        heard = smtp.sock.recv(1000)
    except TimeoutError:
        return False
    return heard == b"" or heard.startswith(b"421 ")


def within_a_second(check: object, what: str) -> float:
    started = time.monotonic()
    wait_until(check, 1.0, what, pause=0.01)
    return time.monotonic() - started


def lift(running: Product, subject: str) -> int:
    with running.client() as client:
        return client.delete(f"/bans/{subject}").status_code


class TestDictionaryAttack:
    CLIENT: Final = "198.51.100.7"

    def test_it_is_cut_banned_everywhere_shown_and_lifted(
        self, running: Product, second: tuple[str, int]
    ) -> None:
        first = running.address("smtp")
        with (
            Proxied(first, self.CLIENT) as idle,
            Proxied(second, self.CLIENT) as idle_elsewhere,
            Proxied(first, "198.51.100.8") as neighbour,
        ):
            for smtp in (idle, idle_elsewhere, neighbour):
                assert smtp.ehlo()[0] == 250
            codes = guess(first, self.CLIENT)
            assert codes[:4] == [550] * 4
            assert codes[4:] in ([], [421]), codes
            within_a_second(lambda: ends(idle), "its other session has ended")
            within_a_second(lambda: ends(idle_elsewhere), "its session elsewhere has ended")
            assert neighbour.noop()[0] == 250
        within_a_second(lambda: turned_away(first, self.CLIENT), "it is turned away")
        within_a_second(lambda: turned_away(second, self.CLIENT), "it is turned away elsewhere")
        assert let_in(second, "198.51.100.8")

        ban = bans(running)[f"{self.CLIENT}/32"]
        assert (ban["kind"], ban["code"], ban["by"]) == ("unknown-user", "P", "intrusion")
        assert ban["close_all"]
        assert ban["strikes"] == 1
        assert "5 × unknown recipient" in ban["evidence"]
        assert "user4@example.com" in ban["evidence"]
        assert _seconds(ban["until"]) - _seconds(ban["since"]) == pytest.approx(4 * HOURS, abs=1)

        assert lift(running, f"{self.CLIENT}/32") == 204
        within_a_second(lambda: let_in(first, self.CLIENT), "it is let in")
        within_a_second(lambda: let_in(second, self.CLIENT), "it is let in elsewhere")
        assert lift(running, f"{self.CLIENT}/32") == 404
        with Proxied(first, self.CLIENT) as smtp:  # the next event does not ban again
            smtp.ehlo()
            smtp.mail(SENDER)
            assert [smtp.rcpt(f"u{n}@example.com")[0] for n in range(4)] == [550] * 4
            assert smtp.rcpt("bob@example.com")[0] == 250
        assert bans(running, self.CLIENT) == {}

    def test_it_is_counted_over_sessions_and_processes(
        self, running: Product, second: tuple[str, int]
    ) -> None:
        client = "192.0.2.20"
        doors = (running.address("smtp"), second)
        for number in range(4):
            assert guess(doors[number % 2], client, most=1) == [550]
        assert bans(running, client) == {}
        guess(doors[0], client, most=1)
        wait_until(lambda: bans(running, client), 2, "the fifth is enough")
        within_a_second(lambda: turned_away(second, client), "it is turned away elsewhere")

    def test_an_ipv6_client_is_banned_with_its_64(self, running: Product) -> None:
        first = running.address("smtp")
        guess(first, "2001:db8:1:2::5")
        wait_until(lambda: bans(running, "2001:db8:1:2::/64"), 2, "its /64 is banned")
        within_a_second(
            lambda: turned_away(first, "2001:db8:1:2:ffff::1"), "the /64 is turned away"
        )
        assert let_in(first, "2001:db8:1:3::1")


def _seconds(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


class TestWidening:
    def test_four_addresses_of_a_24_ban_it_whole(self, running: Product) -> None:
        where = running.address("smtp")
        for number in range(1, 5):
            guess(where, f"203.0.113.{number}")
        wait_until(lambda: "203.0.113.0/24" in bans(running, "203.0.113."), 2, "the /24 is banned")
        within_a_second(lambda: turned_away(where, "203.0.113.200"), "a neighbour is turned away")
        assert lift(running, "203.0.113.0/24") == 204
        within_a_second(lambda: let_in(where, "203.0.113.200"), "the neighbour is let in")
        assert turned_away(where, "203.0.113.1")


class TestOtherOffences:
    def test_failed_logins_pause_the_name_and_then_ban(self, running: Product) -> None:
        client, where = "198.18.1.30", running.address("submission")
        for number in range(9):
            assert _login(where, client, f"user{number}@example.com", "guess") == 535
        assert bans(running, client) == {}
        _login(where, client, "user9@example.com", "guess")
        wait_until(lambda: bans(running, f"{client}/32"), 2, "it is banned")
        ban = bans(running, f"{client}/32")[f"{client}/32"]
        assert (ban["kind"], ban["code"]) == ("login", "L")
        within_a_second(lambda: turned_away(running.address("smtp"), client), "it is turned away")

    def test_one_name_that_fails_is_paused_from_there_alone(self, running: Product) -> None:
        client, where, login = "198.18.2.31", running.address("submission"), "demo@example.com"
        password = (running.data / "demo.password").read_text().strip()
        for _ in range(5):
            assert _login(where, client, login, "guess") == 535
        within_a_second(lambda: _login(where, client, login, password) != 235, "it is paused")
        assert _login(where, "198.18.2.32", login, password) == 235
        assert list(bans(running, client)) == [f"account:{login} from {client}/32"]
        assert let_in(running.address("smtp"), client)
        lift(running, client)
        within_a_second(lambda: _login(where, client, login, password) == 235, "it is let in")

    def test_mail_to_a_trap_bans_at_once(self, running: Product) -> None:
        client, where = "198.18.3.40", running.address("smtp")
        with contextlib.suppress(smtplib.SMTPServerDisconnected), Proxied(where, client) as smtp:
            smtp.ehlo()
            smtp.mail(SENDER)
            assert smtp.rcpt("trap@example.com")[0] == 421
        ban = bans(running, client)[f"{client}/32"]
        assert (ban["kind"], ban["code"]) == ("trap", "A")
        assert "trap@example.com" in ban["evidence"]
        within_a_second(lambda: turned_away(where, client), "it is turned away")


class TestRules:
    """What the tests above have not offended against, each with a client of its own."""

    def banned_for(self, running: Product, client: str) -> tuple[str, str]:
        wait_until(lambda: bans(running, f"{client}/32"), 2, "it is banned")
        within_a_second(lambda: turned_away(running.address("smtp"), client), "it is turned away")
        ban = bans(running, f"{client}/32")[f"{client}/32"]
        return ban["kind"], ban["code"]

    def test_refused_relays(self, running: Product) -> None:
        client, where = "198.18.10.1", running.address("smtp")
        with contextlib.suppress(smtplib.SMTPServerDisconnected), Proxied(where, client) as smtp:
            smtp.ehlo()
            smtp.mail(SENDER)
            codes = [smtp.rcpt(f"user@example{n}.org")[0] for n in range(5)]
            assert codes == [*[550] * 4, 421]
        assert self.banned_for(running, client) == ("relay", "Y")

    def test_resets(self, running: Product) -> None:
        client, where = "198.18.11.1", running.address("smtp")
        with contextlib.suppress(smtplib.SMTPServerDisconnected), Proxied(where, client) as smtp:
            smtp.ehlo()
            for _ in range(40):
                smtp.noop()
        assert self.banned_for(running, client) == ("reset", "R")

    def test_a_score(self, running: Product) -> None:
        client, where = "198.18.12.1", running.address("smtp")
        with Proxied(where, client) as smtp, contextlib.suppress(smtplib.SMTPException):
            smtp.sendmail(SENDER, ["bob@example.com"], SPAM)
        assert self.banned_for(running, client) == ("score", "S")

    def test_a_message_without_an_end(self, running: Product) -> None:
        client, where = "198.18.13.1", running.address("smtp")
        with contextlib.suppress(OSError, smtplib.SMTPException), Proxied(where, client) as smtp:
            smtp.ehlo()
            smtp.mail(SENDER)
            smtp.rcpt("bob@example.com")
            assert smtp.docmd("DATA")[0] == 354
            for _ in range(500):
                smtp.send(b"x" * 998 + b"\r\n")
        assert self.banned_for(running, client) == ("size", "M")

    def test_connections(self, running: Product) -> None:
        client, where = "198.18.14.1", running.address("smtp")
        codes = [greeting(where, client) for _ in range(239)]
        assert bans(running, client) == {}
        assert 250 in codes
        for _ in range(5):
            greeting(where, client)
        assert self.banned_for(running, client) == ("connections", "I")


def _login(where: tuple[str, int], client: str, login: str, password: str) -> int:
    try:
        with Proxied(where, client) as smtp:
            smtp.starttls()
            smtp.ehlo()
            smtp.user, smtp.password = login, password
            return smtp.auth("PLAIN", smtp.auth_plain)[0]  # `login` would try a second way at once
    except (smtplib.SMTPResponseException, smtplib.SMTPConnectError) as error:
        return error.smtp_code
    except smtplib.SMTPServerDisconnected:
        return 421


class TestBalancer:
    """Its address is never banned in spite of PROXY mistakes, and it goes on carrying clients."""

    @pytest.mark.parametrize(
        "header",
        [
            pytest.param(b"", id="no header"),  # which takes its time: it may yet come
            pytest.param(b"PROXY TCP4 moon\r\n", id="a bad header"),
            pytest.param(b"PROXY TCP4 127.0.0.1 127.0.0.1 40000 25\r\n", id="itself as the client"),
            pytest.param(BINARY, id="a bad binary header"),
            pytest.param(b"GET / HTTP/1.1\r\n\r\n", id="a health check in HTTP"),
        ],
    )
    def test_mistakes_do_not_ban_it(self, running: Product, header: bytes) -> None:
        where = running.address("smtp")
        for _ in range(2 if header in (b"", BINARY) else 8):
            with contextlib.suppress(OSError, smtplib.SMTPException):
                self._guess_as(where, header)
        assert bans(running, BALANCER) == {}
        assert let_in(where, "198.18.4.50")

    def test_what_it_does_itself_does_not_ban_it(self, running: Product) -> None:
        where = running.address("smtp")
        for _ in range(3):
            with contextlib.suppress(smtplib.SMTPServerDisconnected):
                self._guess_as(where, b"PROXY UNKNOWN\r\n")
        assert bans(running, BALANCER) == {}
        assert let_in(where, "198.18.4.50")
        with Proxied(where, BALANCER, b"PROXY UNKNOWN\r\n") as smtp:
            assert smtp.ehlo()[0] == 250

    def test_offences_behind_it_ban_the_client(self, running: Product) -> None:
        guess(running.address("smtp"), "198.18.4.51")
        wait_until(lambda: bans(running, "198.18.4.51"), 2, "the client is banned")
        assert bans(running, BALANCER) == {}

    def test_an_admin_cannot_ban_it_either(self, running: Product) -> None:
        with running.client() as client:
            answer = client.post("/bans", json={"subject": "127.0.0.0/8", "reason": "a slip"})
        assert answer.status_code == 422
        assert "127.0.0.1/32 is a proxy of ours" in answer.text

    def _guess_as(self, where: tuple[str, int], header: bytes) -> None:
        with Proxied(where, BALANCER, header) as smtp:
            smtp.ehlo()
            smtp.mail(SENDER)
            for number in range(8):
                smtp.rcpt(f"guess{number}@example.com")


class TestAdmin:
    def test_a_ban_by_hand_holds_everywhere_and_ends_when_lifted(
        self, running: Product, second: tuple[str, int]
    ) -> None:
        first, client = running.address("smtp"), "198.18.6.77"
        assert let_in(first, client)
        with running.client() as rest:
            body = {"subject": "198.18.6.0/24", "seconds": 600, "reason": "spam run"}
            made = rest.post("/bans", json=body)
            assert made.status_code == 201, made.text
            assert made.json()["code"] == "U"
        within_a_second(lambda: turned_away(first, client), "it is turned away")
        within_a_second(lambda: turned_away(second, client), "it is turned away elsewhere")
        with running.client() as rest:
            feed = rest.get("/bans/export").text.splitlines()
        assert "198.18.6.0/24" in feed
        # what ended a session that had just begun was no hit, so once more
        assert turned_away(first, client)
        assert turned_away(second, client)
        wait_until(lambda: bans(running)["198.18.6.0/24"]["hits"] >= 2, 15, "hits are counted")
        assert lift(running, "198.18.6.0/24") == 204
        within_a_second(lambda: let_in(first, client), "it is let in")
        within_a_second(lambda: let_in(second, client), "it is let in elsewhere")

    def test_who_is_on_the_allow_list_is_let_in_whatever_it_did(self, running: Product) -> None:
        first, client = running.address("smtp"), "198.18.5.60"
        guess(first, client)
        within_a_second(lambda: turned_away(first, client), "it is turned away")
        with running.client() as rest:
            entry = {"kind": "allow", "item": client, "note": "our other office"}
            made = rest.post("/lists", json=entry)
            assert made.status_code == 201, made.text
        within_a_second(lambda: let_in(first, client), "it is let in")
        wait_until(lambda: not bans(running, client), 15, "the ban is lifted for good")
        assert 421 not in guess(first, client, most=4)
        assert bans(running, client) == {}
