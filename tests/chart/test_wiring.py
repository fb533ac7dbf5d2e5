"""What pods are told: every variable is a setting of its service, every target a Service that is there."""

import importlib
import json
import re
from pathlib import Path
from typing import Any

import pytest
from helm_python.chart import Chart

from mailweir_policy.document import policy_from
from mailweir_runtime.settings import ServiceSettings, load
from mailweir_testkit.chart.objects import PodSpec
from mailweir_testkit.chart.render import Rendered, load_values, render

ROOT = Path(__file__).resolve().parents[2]
SERVICES = sorted(p.parent.name for p in (ROOT / "services").glob("*/pyproject.toml"))
TOKEN = re.compile(r"t_[A-Za-z0-9]{40}")
URLS = {"gateway": "postgresql+asyncpg://u:p@db/gateway", "quarantine": "sqlite+aiosqlite:////x.db"}


def settings_of(
    service: str, pod: PodSpec, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> ServiceSettings:
    """Read a pod's environment as the service does, its secrets from files of ours."""
    environ = {name: value or "" for name, value in pod.container.environment.items()}
    for name, value in environ.items():
        if name.endswith(("_NATS_URL_FILE", "_DATABASE_URL_FILE")):
            secret = directory / name
            secret.write_text("nats://t_x@nats:4222" if "NATS" in name else URLS[service])
            assert mounted(pod, value), value
            environ[name] = str(secret)
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    settings: type[ServiceSettings] = importlib.import_module(
        f"mailweir_{service}.settings"
    ).Settings
    return load(settings, environ)


def mounted(pod: PodSpec, path: str) -> bool:
    return any(path.startswith(f"{m.mount_path}/") for m in pod.container.volume_mounts)


def test_every_service_of_the_tree_is_in_the_chart(default: Rendered) -> None:
    assert sorted(default.services) == SERVICES


def test_every_variable_is_a_setting(
    rendered: Rendered, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, workload in rendered.services.items():
        settings = settings_of(name, workload.pod, tmp_path, monkeypatch)
        listens = getattr(settings, "health_listen", None) or getattr(settings, "listen", None)
        assert str(listens) == "0.0.0.0:9000"
        assert str(settings.metrics_listen) == "0.0.0.0:9100"
        assert settings.log_format == "json"
        assert settings.instance == "", "the pod's name and the process make it"


def test_every_file_that_a_pod_is_told_of_is_mounted(rendered: Rendered) -> None:
    for workload in rendered.services.values():
        for value in workload.pod.container.environment.values():
            if value and value.startswith(("/etc/", "/data")):
                assert mounted(workload.pod, f"{value}/x"), value
        names = {v.name for v in workload.pod.volumes}
        assert {m.name for m in workload.pod.container.volume_mounts} == names


def test_targets_are_services_that_are_there(rendered: Rendered) -> None:
    for workload in rendered.services.values():
        for variable, value in workload.pod.container.environment.items():
            if not variable.endswith("_TARGET"):
                continue
            peer = variable.removesuffix("_TARGET").rpartition("_")[2].lower()
            host = f"mail-mailweir-{peer}.default.svc.cluster.local"
            assert value == (f"dns:///{host}:9000" if peer in rendered.services else "")


def test_grpc_goes_to_pods_and_not_to_one_address(rendered: Rendered) -> None:
    for name in rendered.services:
        service = rendered.cluster_services[name]
        assert service.spec.cluster_ip == "None"
        assert {(p.name, p.port) for p in service.spec.ports} == {
            ("grpc", 9000),
            ("http-metrics", 9100),
        }
        assert not service.spec.publish_not_ready_addresses


def test_ports_of_services_are_ports_of_pods(rendered: Rendered) -> None:
    for service in rendered.cluster_services.values():
        component = service.spec.selector["app.kubernetes.io/component"]
        names = {p.name for p in rendered.workloads[component].pod.container.ports}
        assert {p.target_port for p in service.spec.ports} <= names


# 11 how port 25 is exposed


def test_clients_keep_their_addresses(rendered: Rendered) -> None:
    mx = rendered.cluster_services["mx"].spec
    assert [(p.port, p.target_port) for p in mx.ports] == [(25, "smtp")]
    if mx.type == "LoadBalancer" and mx.external_traffic_policy == "Cluster":
        policy = json.loads(rendered.one("ConfigMap", "first-policy")["data"]["policy.json"])
        assert policy["relay"]["proxy_networks"], "then a proxy says who the client is"
    else:
        assert (mx.type, mx.external_traffic_policy) in {
            ("LoadBalancer", "Local"),
            ("ClusterIP", None),
        }


def test_proxies_are_in_the_first_policy(scenarios: dict[str, Rendered]) -> None:
    config = scenarios["proxy-protocol"].one("ConfigMap", "first-policy")
    policy = policy_from(json.loads(config["data"]["policy.json"]))
    assert [str(n) for n in policy.relay.proxy_networks] == ["10.0.0.0/16", "2001:db8::/64"]
    assert policy.delivery.routes[0].domain == "*"
    assert policy.delivery.routes[0].next_hops == ("lmtp://dovecot.mail.svc.cluster.local:24",)


def test_the_ingress_runs_on_every_node_for_host_ports(scenarios: dict[str, Rendered]) -> None:
    rendered = scenarios["host-port"]
    assert rendered.workloads["ingress"].kind == "DaemonSet"
    assert "ingress" not in rendered.autoscalers
    assert "ingress" not in rendered.budgets
    assert rendered.cluster_services["mx"].spec.type == "ClusterIP"


def test_an_address_is_asked_for_once(chart: Chart) -> None:
    values = {
        "smtp": {
            "service": {"loadBalancerIP": "192.0.2.25"},
            "tls": {"secretName": "t"},
            "submission": {"enabled": True},
        }
    }
    asked = {
        name: service.spec.unknown
        for name, service in render(chart, values).cluster_services.items()
        if "loadBalancerIP" in service.spec.unknown
    }
    assert asked.keys() == {"mx"}, "two Services cannot have one address"


def test_submission_is_there_with_tls_alone(default: Rendered, ha: Rendered) -> None:
    assert "submission" not in default.cluster_services
    ports = ha.cluster_services["submission"].spec.ports
    assert {(p.port, p.target_port) for p in ports} == {(587, "submission"), (465, "submissions")}
    environment = ha.services["ingress"].pod.container.environment
    assert environment["MAILWEIR_INGRESS_SUBMISSION_LISTEN"] == "0.0.0.0:2587"
    assert environment["MAILWEIR_INGRESS_SUBMISSIONS_LISTEN"] == "0.0.0.0:2465"


# 12 configuration and secrets


def test_secrets_are_mounted_whole_so_that_renewed_ones_arrive(rendered: Rendered) -> None:
    for workload in rendered.workloads.values():
        assert all(m.sub_path is None for m in workload.pod.container.volume_mounts)
        for volume in workload.pod.volumes:
            if volume.secret:
                assert volume.secret.default_mode == 0o440


def test_what_is_read_at_start_alone_restarts_its_pods(rendered: Rendered) -> None:
    for name, workload in rendered.workloads.items():
        reads = any(v.config_map for v in workload.pod.volumes)
        annotations = workload.spec.template.metadata.annotations
        assert ("checksum/config" in annotations) == reads, name


def test_the_checksum_follows_what_is_read(chart: Chart, default: Rendered) -> None:
    def checksums(rendered: Rendered) -> dict[str, str | None]:
        return {
            name: w.spec.template.metadata.annotations.get("checksum/config")
            for name, w in rendered.workloads.items()
        }

    before = checksums(default)
    after = checksums(render(chart, {"policy": {"identity": {"hostname": "mx.example.com"}}}))
    assert {name for name in before if before[name] != after[name]} == {"gateway"}
    after = checksums(render(chart, {"nats": {"syncInterval": "1s"}}))
    assert {name for name in before if before[name] != after[name]} == {"nats"}


def test_no_secret_is_in_the_environment_or_in_a_config_map(rendered: Rendered) -> None:
    texts = json.dumps([o for o in rendered.objects if o["kind"] != "Secret"])
    assert TOKEN.search(texts) is None
    assert re.search(r"mw_[A-Za-z0-9_-]{43}", texts) is None


def test_the_keys_that_are_made_are_kept(default: Rendered) -> None:
    secrets = {s["metadata"]["name"]: s for s in default.of("Secret")}
    assert secrets.keys() == {"mail-mailweir-admin-key", "mail-mailweir-nats"}
    for secret in secrets.values():
        assert secret["metadata"]["annotations"]["helm.sh/resource-policy"] == "keep"
    for claim in default.of("PersistentVolumeClaim"):
        assert claim["metadata"]["annotations"]["helm.sh/resource-policy"] == "keep"


def test_the_admin_key_is_one_that_the_gateway_takes(default: Rendered) -> None:
    import base64

    secret = default.one("Secret", "admin-key")
    key = base64.b64decode(secret["data"]["admin.key"]).decode()
    assert re.fullmatch(r"mw_[A-Za-z0-9_-]{43}", key)


def test_keys_of_ones_own_are_named_and_not_made(chart: Chart) -> None:
    values: dict[str, Any] = {
        "api": {"adminKey": {"existingSecret": "my-key"}},
        "nats": {"existingSecret": "my-nats"},
    }
    rendered = render(chart, values)
    assert rendered.of("Secret") == []
    gateway = rendered.workloads["gateway"].pod
    admin, bus = gateway.volume("admin-key").secret, gateway.volume("nats").secret
    assert admin
    assert bus
    assert (admin.secret_name, bus.secret_name) == ("my-key", "my-nats")
    assert "my-key" in rendered.notes


def test_databases_are_by_secret(ha: Rendered, default: Rendered) -> None:
    for name in ("gateway", "quarantine"):
        environment = ha.services[name].pod.container.environment
        assert environment[f"MAILWEIR_{name.upper()}_DATABASE_URL_FILE"] == (
            f"/etc/mailweir/sql/{name}"
        )
        assert ha.services[name].spec.replicas == 2
        assert default.services[name].spec.replicas == 1
    assert ha.of("PersistentVolumeClaim") == []


def test_dkim_keys_lie_where_the_ingress_looks(ha: Rendered) -> None:
    projected = ha.workloads["ingress"].pod.volume("dkim").projected
    assert projected
    assert [s["secret"]["items"][0]["path"] for s in projected["sources"]] == [
        "example.com/s2026.pem",
        "example.org/s2026.pem",
    ]


def test_streams_are_copied_as_often_as_there_are_servers(
    scenarios: dict[str, Rendered],
) -> None:
    for scenario, copies in (("default", "1"), ("ha", "3"), ("external-nats", "3")):
        for name, workload in scenarios[scenario].services.items():
            environment = workload.pod.container.environment
            assert environment[f"MAILWEIR_{name.upper()}_STREAM_REPLICAS"] == copies


def test_the_gateway_knows_who_is_to_be_there(
    scenarios: dict[str, Rendered],
) -> None:
    for scenario in ("default", "minimal"):
        rendered = scenarios[scenario]
        environment = rendered.services["gateway"].pod.container.environment
        told = environment["MAILWEIR_GATEWAY_SERVICES"] or ""
        assert set(told.split(",")) == rendered.services.keys()


def test_the_policy_of_values_goes_before_the_short_values(chart: Chart) -> None:
    route = {"domain": "example.com", "next_hops": ["smtp://a:25"]}
    values = {"nextHop": "smtp://b:25", "policy": {"delivery": {"routes": [route]}}}
    config = render(chart, values).one("ConfigMap", "first-policy")
    assert json.loads(config["data"]["policy.json"]) == {"delivery": {"routes": [route]}}


def test_the_examples_name_no_secret_by_value(chart_directory: Path) -> None:
    for path in (chart_directory / "ci").iterdir():
        assert "password" not in json.dumps(load_values(path)).lower()
