"""The bus in the chart: its configuration is read by the real nats-server, and is no weaker than `up`'s."""

import asyncio
import base64
import re
import subprocess
from pathlib import Path
from typing import Any

import nats
import nats.errors
import pytest
from helm_python.chart import Chart
from nats.aio.client import Client
from nats.js.api import StreamInfo

from mailweir_runtime.bus.server import (
    MAX_MEMORY_BYTES,
    MAX_PAYLOAD_BYTES,
    find_server,
    server_config,
)
from mailweir_testkit.chart.render import Rendered, render
from mailweir_testkit.ports import port_for_later

THREE: dict[str, Any] = {"nats": {"replicas": 3}}


def write(rendered: Rendered, directory: Path) -> Path:
    """Lay the configuration out as the pod sees it; returns the main file."""
    secret = directory / "secret"
    secret.mkdir()
    for name, text in rendered.one("Secret", "nats")["stringData"].items():
        (secret / name).write_text(text)
    config = directory / "nats.conf"
    config.write_text(rendered.one("ConfigMap", "nats")["data"]["nats.conf"])
    return config


def read_by_the_server(config: Path) -> subprocess.CompletedProcess[str]:
    program = find_server()
    assert program
    return subprocess.run(
        [program, "--config", config, "-t"],
        env={"POD_NAME": "mail-mailweir-nats-0"},
        capture_output=True,
        text=True,
        timeout=15,
        check=False,
    )


def settings(text: str) -> dict[str, str]:
    return dict(re.findall(r"^\s*(\w+): (.+)$", text, flags=re.MULTILINE))


@pytest.mark.integration
@pytest.mark.parametrize(
    "values",
    [
        {},
        THREE,
        {"nats": {"lameDuckSeconds": 600, "syncInterval": "250ms", "persistence": {"size": "1Ti"}}},
    ],
    ids=["one", "three", "other"],
)
def test_the_server_takes_the_configuration(
    chart: Chart, values: dict[str, Any], tmp_path: Path
) -> None:
    config = write(render(chart, values), tmp_path)
    result = read_by_the_server(config)
    assert result.returncode == 0, result.stderr
    assert "is valid" in result.stderr


@pytest.mark.integration
def test_the_least_that_the_schema_takes_is_the_least_that_the_server_takes(
    chart: Chart, tmp_path: Path
) -> None:
    config = write(render(chart, {"nats": {"lameDuckSeconds": 30}}), tmp_path)
    assert read_by_the_server(config).returncode == 0
    config.write_text(config.read_text().replace('duration: "30s"', 'duration: "29s"'))
    assert "minimum is 30 seconds" in read_by_the_server(config).stderr


@pytest.mark.integration
def test_a_mistake_in_it_would_be_seen(chart: Chart, tmp_path: Path) -> None:
    config = write(render(chart), tmp_path)
    config.write_text(config.read_text().replace("sync_interval", "sync_intervall"))
    assert read_by_the_server(config).returncode != 0


def test_it_is_no_weaker_than_on_one_machine(default: Rendered, tmp_path: Path) -> None:
    ours = settings(default.one("ConfigMap", "nats")["data"]["nats.conf"])
    up = settings(server_config(tmp_path, "127.0.0.1", 4222, max_store_bytes=1))
    alike = ("max_payload", "max_pending", "sync_interval", "max_memory_store")
    assert {k: ours[k] for k in alike} == {k: up[k] for k in alike}
    assert int(ours["max_payload"]) == MAX_PAYLOAD_BYTES
    assert int(ours["max_memory_store"]) == MAX_MEMORY_BYTES


@pytest.mark.parametrize(("size", "stored"), [("10Gi", 9 * 2**30), ("500Mi", 450 * 2**20)])
def test_the_store_leaves_room_on_its_volume(chart: Chart, size: str, stored: int) -> None:
    rendered = render(chart, {"nats": {"persistence": {"size": size}}})
    text = rendered.one("ConfigMap", "nats")["data"]["nats.conf"]
    assert int(settings(text)["max_file_store"]) == stored
    [claim] = rendered.workloads["nats"].spec.volume_claim_templates
    assert claim["spec"]["resources"]["requests"]["storage"] == size
    assert claim["spec"]["accessModes"] == ["ReadWriteOnce"]


def test_servers_start_together_and_find_each_other(ha: Rendered) -> None:
    workload = ha.workloads["nats"]
    assert workload.kind == "StatefulSet"
    assert (workload.spec.replicas, workload.spec.pod_management_policy) == (3, "Parallel")
    headless = ha.cluster_services["nats-headless"].spec
    assert workload.spec.service_name == "mail-mailweir-nats-headless"
    assert (headless.cluster_ip, headless.publish_not_ready_addresses) == ("None", True)
    routes = ha.one("Secret", "nats")["stringData"]["cluster.conf"]
    hosts = re.findall(r'"nats://route:t_\w+@([^"]+)"', routes)
    domain = "mail-mailweir-nats-headless.default.svc.cluster.local:6222"
    assert hosts == [f"mail-mailweir-nats-{n}.{domain}" for n in range(3)]


def test_clients_know_the_word_and_where_to_go(default: Rendered) -> None:
    secret = default.one("Secret", "nats")["stringData"]
    word = secret["token"]
    assert re.fullmatch(r"t_[A-Za-z0-9]{40}", word)
    assert secret["url"] == f"nats://{word}@mail-mailweir-nats.default.svc.cluster.local:4222"
    assert secret["auth.conf"].strip() == f'authorization {{ token: "{word}" }}'
    service = default.cluster_services["nats"].spec
    assert {(p.name, p.port) for p in service.ports} == {("client", 4222), ("monitor", 8222)}


def test_a_server_of_three_hands_over_before_it_ends(ha: Rendered, default: Rendered) -> None:
    pod = ha.workloads["nats"].pod
    assert pod.container.lifecycle
    assert pod.container.lifecycle.pre_stop.exec
    assert pod.container.lifecycle.pre_stop.exec.command == ["/nats-server", "--signal", "ldm=1"]
    text = ha.one("ConfigMap", "nats")["data"]["nats.conf"]
    takes = [
        int(settings(text)[f"lame_duck_{part}"].strip('"s'))
        for part in ("duration", "grace_period")
    ]
    assert pod.termination_grace_period_seconds >= sum(takes) + 20
    assert default.workloads["nats"].pod.container.lifecycle is None


def test_probes_ask_what_each_is_for(ha: Rendered) -> None:
    container = ha.workloads["nats"].pod.container
    asked = {
        "startup": container.startup_probe,
        "readiness": container.readiness_probe,
        "liveness": container.liveness_probe,
    }
    paths = {name: p.http_get.path for name, p in asked.items() if p and p.http_get}
    assert paths == {
        "startup": "/healthz?js-server-only=true",
        "readiness": "/healthz?js-server-only=true",
        "liveness": "/healthz?js-enabled-only=true",
    }


def test_memory_is_collected_before_the_limit_kills(default: Rendered) -> None:
    container = default.workloads["nats"].pod.container
    assert container.resources.limits["memory"] == "1Gi"
    assert int(container.environment["GOMEMLIMIT"] or 0) == 2**30 * 9 // 10


@pytest.mark.parametrize(
    ("external", "read"),
    [
        ({"url": "nats://n:4222"}, {"NATS_URL": "nats://n:4222"}),
        ({"existingSecret": "bus"}, {"NATS_URL_FILE": "/etc/mailweir/nats/url"}),
        (
            {"url": "tls://n:4222", "credentialsSecret": "creds"},
            {
                "NATS_URL": "tls://n:4222",
                "NATS_CREDENTIALS_FILE": "/etc/mailweir/nats-credentials/nats.creds",
            },
        ),
    ],
)
def test_an_external_nats(chart: Chart, external: dict[str, str], read: dict[str, str]) -> None:
    rendered = render(chart, {"nats": {"enabled": False, **external}})
    assert rendered.of("StatefulSet") == []
    assert "nats" not in rendered.cluster_services
    environment = rendered.services["greylist"].pod.container.environment
    told = {
        name.removeprefix("MAILWEIR_GREYLIST_"): value
        for name, value in environment.items()
        if "NATS" in name
    }
    assert told == read


def test_a_token_is_no_number_to_the_server(default: Rendered) -> None:
    admin = base64.b64decode(default.one("Secret", "admin-key")["data"]["admin.key"]).decode()
    assert admin.startswith("mw_")
    assert default.one("Secret", "nats")["stringData"]["token"].startswith("t_")


def on_loopback(rendered: Rendered, directory: Path, ports: list[dict[str, int]]) -> list[Path]:
    """Write the three servers' configurations, with addresses of this machine in place of the pods'."""
    secret = dict(rendered.one("Secret", "nats")["stringData"])
    for number, own in enumerate(ports):
        host = rf"mail-mailweir-nats-{number}\.[\w.-]+:6222"
        secret["cluster.conf"] = re.sub(host, f"127.0.0.1:{own['cluster']}", secret["cluster.conf"])
    configs = []
    for number, own in enumerate(ports):
        place = directory / f"nats-{number}"
        (place / "secret").mkdir(parents=True)
        for name, text in secret.items():
            (place / "secret" / name).write_text(text)
        text = rendered.one("ConfigMap", "nats")["data"]["nats.conf"]
        for name, port in (("client", 4222), ("monitor", 8222), ("cluster", 6222)):
            text = text.replace(f"0.0.0.0:{port}", f"127.0.0.1:{own[name]}")
        text = text.replace('"/data"', f'"{place}/data"').replace("$POD_NAME", f"nats-{number}")
        configs.append(place / "nats.conf")
        configs[-1].write_text(text)
    return configs


@pytest.mark.integration
@pytest.mark.timeout(90)
async def test_three_servers_make_a_cluster_that_keeps_three_copies(
    chart: Chart, tmp_path: Path
) -> None:
    values = {"nats": {"replicas": 3, "persistence": {"size": "100Mi"}}}
    rendered = render(chart, values)
    names = ("client", "monitor", "cluster")
    reserved = [{name: port_for_later() for name in names} for _ in range(3)]
    configs = on_loopback(rendered, tmp_path, reserved)
    program = find_server()
    assert program
    servers = [subprocess.Popen([program, "-c", c], stderr=subprocess.DEVNULL) for c in configs]
    try:
        word = rendered.one("Secret", "nats")["stringData"]["token"]
        client = await nats.connect(
            [f"nats://{word}@127.0.0.1:{own['client']}" for own in reserved],
            max_reconnect_attempts=-1,
            reconnect_time_wait=0.1,
        )
        stream = await three_copies(client)
        assert stream.cluster
        assert stream.cluster.replicas
        assert len(stream.cluster.replicas) == 2
        await client.close()
    finally:
        for server in servers:
            server.terminate()
        for server in servers:
            server.wait(10)


async def three_copies(client: Client) -> StreamInfo:
    """Make a stream of three copies as soon as the cluster has a leader."""
    while True:
        try:
            return await client.jetstream().add_stream(name="TRY", subjects=["try"], num_replicas=3)
        except (nats.errors.Error, TimeoutError):
            await asyncio.sleep(0.2)
