"""`mailweir up` as a user meets it: the first start, going on, wrong input, a full disk, a kill."""

import json
import os
import re
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from mailweir_testkit.builders import mail, mail_of_size
from mailweir_testkit.load import Fate, Letter, Plan, deliver
from mailweir_testkit.ports import port_for_later
from mailweir_testkit.processes import wait_until
from mailweir_testkit.product import PROGRAM, Product, product
from mailweir_testkit.sink import sink

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180), pytest.mark.xdist_group("product")]

PORTS = ("--smtp", "0", "--submission", "0", "--http", "0")


def up(data: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run `mailweir up` to its end."""
    return subprocess.run(
        [PROGRAM, "up", "--plain", "--data", data, *PORTS, *arguments],
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, **environment},  # noqa: TID251 - a child inherits
        check=False,
    )


def letters(count: int, prefix: str = "m") -> list[Letter]:
    return [
        Letter(f"{prefix}{n}", "anna@example.net", ("bob@example.com",), mail(f"{prefix} {n}"))
        for n in range(count)
    ]


async def send(running: Product, mails: list[Letter], **plan: Any) -> list[Fate]:
    host, port = running.address("smtp")
    return await deliver(Plan(host, port, **{"connections": 5, **plan}), mails)


def states(running: Product) -> dict[str, str]:
    return {ref: record["state"] for ref, record in running.records().items()}


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    """One instance for the tests that do not harm it."""
    with product(tmp_path_factory.mktemp("up") / "data", "--no-samples") as made:
        # a heartbeat comes every few seconds, so the API may still show the state before
        wait_until(lambda: set(service_states(made).values()) == {"ready"}, 20, "ready in REST")
        yield made


def service_states(running: Product) -> dict[str, str]:
    return {s["name"]: s["state"] for s in running.get("/services")}


class TestFirstStart:
    def test_the_samples_go_through_and_everything_agrees(self, tmp_path: Path) -> None:
        done = up(tmp_path / "data", "--once")
        assert done.returncode == 0, done.stdout + done.stderr
        table = [line for line in done.stdout.splitlines() if line.startswith("│")]
        assert len(table) == 12
        assert "Maildir and REST API agree" in done.stdout
        for word in ("accept", "hold", "reject", "delivered", "held", "refused"):
            assert word in done.stdout, word
        assert done.stderr == ""

    def test_the_secrets_are_private_and_the_rest_is_where_it_is_said_to_be(
        self, running: Product
    ) -> None:
        for name in ("admin.key", "demo.password"):
            path = running.data / name
            assert path.stat().st_mode & 0o777 == 0o600
            assert path.read_text().strip()
            assert str(path) in running.output
        assert set(running.processes()) == {
            "nats", "ingress", "reputation", "greylist", "ratelimit", "scoring", "delivery", "quarantine",
            "gateway",
        }  # fmt: skip
        services = {s["name"]: s for s in running.get("/services")}
        assert {s["state"] for s in services.values()} == {"ready"}
        assert {s["config"] for s in services.values()} == {"v.1"}

    def test_the_doctor_finds_it_well(self, running: Product) -> None:
        done = subprocess.run(
            [PROGRAM, "doctor", "--data", running.data, "--json"],
            capture_output=True,
            text=True,
            check=False,
        )
        found = {f["check"]: f["health"] for f in json.loads(done.stdout)}
        assert done.returncode == 0
        assert found["port smtp"] == found["service ingress"] == found["service gateway"] == "ok"


class TestWrongInput:
    @pytest.mark.parametrize(
        ("arguments", "code", "line"),
        [
            (["--set", "session.moon=1"], 2, "session.moon: unknown key"),
            (
                ["--set", "scoring.thresholds.tag=9"],
                2,
                "scoring.thresholds: tag (9) must be below quarantine (8)",
            ),
            (
                ["--proxy-from", "10.0.0.1/8"],
                2,
                "relay.proxy_networks.0: 10.0.0.1/8 has host bits set",
            ),
            (["--next-hop", "smtp://a b"], 2, "delivery.routes.0.next_hops.0: "),
            (["--smtp", "70000"], 2, "--smtp 70000: write host:port"),
            (["--dns", "here"], 2, "--dns here: write host:port"),
            (["--moon"], 2, "No such option"),
        ],
    )
    def test_an_option_that_cannot_be_right_is_one_line(
        self, tmp_path: Path, arguments: list[str], code: int, line: str
    ) -> None:
        done = up(tmp_path / "data", *arguments)
        assert done.returncode == code
        assert line in done.stderr
        assert "Traceback" not in done.stderr
        assert not (tmp_path / "data" / "nats").exists()

    def test_a_port_in_use_is_one_line(self, tmp_path: Path) -> None:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            done = up(tmp_path / "data", "--http", str(port))
        assert done.returncode == 3
        assert done.stderr.startswith(f"mailweir: --http 127.0.0.1:{port}: the port is in use")
        assert done.stderr.count("\n") == 1

    def test_a_directory_that_cannot_be_written_is_one_line(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("")
        done = up(tmp_path / "file" / "data")
        assert done.returncode == 3
        assert re.fullmatch(r"mailweir: the data directory .* cannot be written: .*\n", done.stderr)

    def test_a_wrong_environment_variable_is_named_and_nothing_is_tried_again(
        self, tmp_path: Path
    ) -> None:
        begin = time.monotonic()
        done = up(tmp_path / "data", MAILWEIR_INGRESS_LOG_LEVEL="loud")
        assert done.returncode == 2
        (line,) = done.stderr.splitlines()
        assert line.startswith("mailweir: ingress: MAILWEIR_INGRESS_LOG_LEVEL: 'loud'")
        assert time.monotonic() - begin < 60

    def test_a_second_one_on_the_same_data_is_refused(self, running: Product) -> None:
        done = up(running.data)
        assert done.returncode == 3
        assert f"another `mailweir up` (pid {running.process.pid}) uses" in done.stderr
        assert done.stderr.count("\n") == 1

    @pytest.mark.parametrize(
        ("change", "path"),
        [
            ({"moon": 1}, "moon"),
            ({"scoring": {"thresholds": {"tag": 9.0}}}, "scoring.thresholds"),
            ({"relay": {"trusted_networks": ["10.0.0.1/8"]}}, "relay.trusted_networks.0"),
        ],
    )
    def test_a_wrong_policy_is_refused_with_its_path_and_nothing_is_applied(
        self, running: Product, tmp_path: Path, change: dict[str, Any], path: str
    ) -> None:
        with running.client() as client:
            before = client.get("/config")
            policy = before.json()
            for key, value in change.items():
                policy[key] = {**policy[key], **value} if isinstance(value, dict) else value
            answer = client.put(
                "/config", json=policy, headers={"If-Match": before.headers["ETag"]}
            )
            assert answer.status_code == 422
            assert path in [e["path"] for e in answer.json()["errors"]]
            after = client.get("/config")
            assert (after.content, after.headers["ETag"]) == (
                before.content,
                before.headers["ETag"],
            )
        file = tmp_path / "policy.json"
        file.write_text(json.dumps(policy))
        done = subprocess.run(
            [
                PROGRAM,
                "config",
                "put",
                file,
                "--data",
                running.data,
                "--url",
                f"http://{running.where['http']}",
            ],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 2
        assert f"mailweir: {path}: " in done.stderr


class TestGoingOn:
    async def test_what_was_on_its_way_goes_on_after_a_stop(self, tmp_path: Path) -> None:
        data = tmp_path / "data"
        quick = "delivery.retry.schedule_seconds=[1, 1, 1, 2]"
        host, port = "127.0.0.1", port_for_later()
        hop = ("--next-hop", f"smtp://{host}:{port}", "--set", quick, "--no-samples")
        with product(data, *hop) as first:
            fates = await send(first, [*letters(20), *big_letters(2)])
            assert all(f.taken for f in fates)
            wait_until(lambda: len(states(first)) == 22, 20, "22 records")
            policy = first.get("/config")
        assert first.process.returncode == 0, first.output
        async with sink(listen=(host, port)) as target:
            with product(data, *hop) as second:
                assert second.get("/config") == policy
                assert "only count at the first start" in second.output
                await target.wait_for(22, 60)
                assert {m.ref for m in target.mails} == {f.ref for f in fates}
                wait_until(lambda: set(states(second).values()) == {"delivered"}, 20, "the records")
        assert len(target.mails) == 22

    @pytest.mark.long
    def test_a_killed_up_leaves_nothing_running_and_the_next_one_works(
        self, tmp_path: Path
    ) -> None:
        data = tmp_path / "data"
        with product(data, "--no-samples") as first:
            children = list(first.processes().values())
            assert len(children) == 9
            first.process.send_signal(signal.SIGKILL)
            first.process.wait()
            wait_until(lambda: not any(alive(c) for c in children), 10, "the children's end")
            with product(data, "--no-samples") as second:
                assert len(second.processes()) == 9
        assert second.process.returncode == 0

    def test_ctrl_c_drains_and_ends_with_zero(self, tmp_path: Path) -> None:
        with product(tmp_path / "data", "--no-samples") as made:
            made.process.send_signal(signal.SIGINT)
            assert made.process.wait(60) == 0
        ended = re.findall(r"(\w+) stopped", made.output)
        assert ended == [
            "ingress", "reputation", "greylist", "ratelimit", "scoring", "delivery", "quarantine", "gateway",
            "nats",
        ]  # fmt: skip
        assert not (made.data / "up.json").exists()

    @pytest.mark.long
    def test_a_second_ctrl_c_does_not_wait(self, tmp_path: Path) -> None:
        with product(tmp_path / "data", "--no-samples") as made:
            frozen = made.processes()["delivery"]
            frozen.suspend()
            made.process.send_signal(signal.SIGINT)
            wait_until(lambda: "ingress stopped" in made.output, 20, "the beginning of the drain")
            assert made.process.poll() is None
            made.process.send_signal(signal.SIGINT)
            assert made.process.wait(10) == 1
            assert not alive(frozen)
        assert "ended by force" in made.output

    def test_a_service_that_is_killed_comes_back(self, running: Product) -> None:
        before = running.processes()["scoring"]
        before.kill()

        def is_back() -> bool:
            now = running.processes().get("scoring")
            return now is not None and now.pid != before.pid

        wait_until(is_back, 20, "another scoring process")
        wait_until(lambda: service_states(running)["scoring"] == "ready", 30, "scoring ready")
        assert "killed by SIGKILL" in running.output


class TestFullDisk:
    async def test_mail_is_put_off_and_what_was_taken_is_not_lost(self, tmp_path: Path) -> None:
        """The store holds 16 MB and the next hop is away; then it comes, and all that got 250 arrives."""
        host, port = "127.0.0.1", port_for_later()
        quick = "delivery.retry.schedule_seconds=[1, 1, 1, 2]"
        options = ("--next-hop", f"smtp://{host}:{port}", "--set", quick, "--no-samples")
        with product(tmp_path / "data", "--store-limit", "16", *options) as made:
            fates = await send(made, big_letters(60), give_up_seconds=5, retry_seconds=1.0)
            taken = {f.ref for f in fates if f.taken}
            # some are never tried within the time: each refusal makes its connection wait a second
            put_off = {f.reply[:3] for f in fates if not f.taken and f.tries}
            assert taken
            assert put_off == {"451"}, {f.reply for f in fates}
            async with sink(listen=(host, port)) as target:
                await target.wait_for(len(taken), 60)
                assert {m.ref for m in target.mails} >= taken
                wait_until(lambda: "queued" not in states(made).values(), 30, "the records")
                (again,) = await send(made, letters(1, "after"))
                assert again.taken

    @pytest.mark.long
    async def test_a_disk_that_is_really_full_is_the_same(self, small_disk: Path) -> None:
        """Mail of all sizes comes until the disk has no room; then the next hop comes back."""
        host, port = "127.0.0.1", port_for_later()
        quick = "delivery.retry.schedule_seconds=[1, 1, 1, 2]"
        options = ("--next-hop", f"smtp://{host}:{port}", "--set", quick, "--no-samples")
        with product(small_disk / "data", *options) as made:
            mails = [*big_letters(100), *letters(100)]
            fates = await send(made, mails, give_up_seconds=15, retry_seconds=1.0)
            taken = {f.ref for f in fates if f.taken}
            assert 0 < len(taken) < len(mails)
            assert {f.reply[:3] for f in fates if not f.taken and f.reply} == {"451"}
            async with sink(listen=(host, port)) as target:
                await target.wait_for(len(taken), 60)
                assert {m.ref for m in target.mails} >= taken
                (again,) = await send(made, letters(1, "after"), retry_seconds=0.5)
                assert again.taken
        assert made.process.returncode == 0, made.output


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Return a folder on a disk of 48 MB; needs the right to mount one."""
    place = tmp_path / "disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=48m", "tmpfs", place]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("a small disk can only be mounted by root; the bounded store is tested above")
    try:
        yield place
    finally:
        subprocess.run(["umount", place], check=True)


def big_letters(count: int) -> list[Letter]:
    """Return mails that are too big to travel inline."""
    return [
        Letter(f"big{n}", "anna@example.net", ("bob@example.com",), mail_of_size(700_000, n))
        for n in range(count)
    ]


def alive(process: psutil.Process) -> bool:
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
