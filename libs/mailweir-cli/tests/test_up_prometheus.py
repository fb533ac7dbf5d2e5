"""The parts of `up --prometheus` that need no Prometheus."""

import asyncio
import json
import shutil
from pathlib import Path

import pytest
import yaml

from mailweir_cli.exits import CommandError, Exit
from mailweir_cli.monitoring.alerts import GROUPS
from mailweir_cli.up import prometheus
from mailweir_cli.up.places import Places
from mailweir_cli.up.probe import http_phase
from mailweir_cli.up.prometheus import Prometheus, find_prometheus
from mailweir_cli.up.status import Phase
from mailweir_runtime.listen import HostPort


@pytest.fixture
def monitor(tmp_path: Path) -> Prometheus:
    return Prometheus(
        Path("/bin/prometheus"), HostPort("127.0.0.1", 9090), Places(tmp_path, tmp_path / "run")
    )


def told(tmp_path: Path) -> dict[str, list[str]]:
    """Return the targets by pod."""
    entries = json.loads((tmp_path / "prometheus" / "targets.json").read_text())
    assert all(entry["labels"]["namespace"] == prometheus.NAMESPACE for entry in entries)
    return {entry["labels"]["pod"]: entry["targets"] for entry in entries}


def test_where_there_is_none_the_line_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda _: None)
    with pytest.raises(CommandError, match="apt install prometheus") as caught:
        find_prometheus()
    assert caught.value.code == Exit.UNAVAILABLE


def test_its_files_are_written_and_its_process_is_asked_over_http(
    monitor: Prometheus, tmp_path: Path
) -> None:
    spec = monitor.spec()
    assert (spec.name, spec.port, spec.ready_path) == ("prometheus", 9090, "/-/ready")
    assert f"--config.file={tmp_path}/prometheus/prometheus.yml" in spec.command
    config = yaml.safe_load((tmp_path / "prometheus" / "prometheus.yml").read_text())
    assert config["rule_files"] == ["rules.yml"]
    rules = yaml.safe_load((tmp_path / "prometheus" / "rules.yml").read_text())
    found = {rule["alert"] for group in rules["groups"] for rule in group["rules"]}
    assert found == {alert.name for group in GROUPS for alert in group.alerts}
    assert told(tmp_path) == {}


def test_targets_follow_the_services(monitor: Prometheus, tmp_path: Path) -> None:
    monitor.spec()
    monitor.ask({"ingress": "127.0.0.1:1", "gateway": "127.0.0.1:2"})
    assert told(tmp_path) == {"gateway": ["127.0.0.1:2"], "ingress": ["127.0.0.1:1"]}
    monitor.ask({"ingress": "127.0.0.1:3"})
    assert told(tmp_path) == {"ingress": ["127.0.0.1:3"]}


@pytest.mark.parametrize(("status", "phase"), [("200 OK", Phase.READY), ("503 Not yet", None)])
async def test_it_is_ready_when_it_says_so(status: str, phase: Phase | None) -> None:
    asked: list[bytes] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await reader.readuntil(b"\r\n"))
        writer.write(f"HTTP/1.0 {status}\r\n\r\n".encode())
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        found = await http_phase(port, "/-/ready")
    assert found == (None if phase is None else (phase, ""))
    assert asked == [b"GET /-/ready HTTP/1.0\r\n"]


async def test_nobody_there_is_no_phase(unused_tcp_port: int) -> None:
    assert await http_phase(unused_tcp_port, "/-/ready") is None
