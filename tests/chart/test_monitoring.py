"""What monitoring gets: monitors by one enum, dashboards and alerts from files that are there."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from helm_python.chart import Chart

from mailweir_testkit.chart.render import Rendered, render

ROOT = Path(__file__).resolve().parents[2]
SERVICES = {p.parent.name for p in (ROOT / "services").glob("*/pyproject.toml")}
SELECTED = {"app.kubernetes.io/name": "mailweir", "app.kubernetes.io/instance": "mail"}
MIB = 2**20


def scraped_by_annotation(rendered: Rendered) -> set[str]:
    return {
        name
        for name, w in rendered.services.items()
        if w.spec.template.metadata.annotations.get("prometheus.io/scrape") == "true"
    }


@pytest.mark.parametrize(
    ("mode", "kinds", "annotated"),
    [
        ("none", [], False),
        ("annotations", [], True),
        ("podmonitor", ["PodMonitor"], False),
        ("servicemonitor", ["ServiceMonitor"], False),
    ],
)
def test_pods_are_found_in_one_way_alone(
    chart: Chart, mode: str, kinds: list[str], annotated: bool
) -> None:
    rendered = render(chart, {"monitoring": {"mode": mode}})
    found = [o["kind"] for o in rendered.objects if o["kind"].endswith("Monitor")]
    assert found == kinds
    assert scraped_by_annotation(rendered) == (rendered.services.keys() if annotated else set())


def test_annotations_name_the_port_that_serves_metrics(default: Rendered) -> None:
    for workload in default.services.values():
        annotations = workload.spec.template.metadata.annotations
        ports = {p.name: p.container_port for p in workload.pod.container.ports}
        assert annotations["prometheus.io/port"] == str(ports["http-metrics"])
        assert annotations["prometheus.io/path"] == "/metrics"


def test_a_pod_monitor_scrapes_the_named_port(ha: Rendered) -> None:
    [monitor] = ha.of("PodMonitor")
    assert monitor["spec"]["selector"] == {"matchLabels": SELECTED}
    [endpoint] = monitor["spec"]["podMetricsEndpoints"]
    assert endpoint == {"port": "http-metrics", "path": "/metrics", "interval": "15s"}
    assert monitor["metadata"]["labels"]["release"] == "kube-prometheus-stack"
    for workload in ha.services.values():
        assert "http-metrics" in {p.name for p in workload.pod.container.ports}


def test_a_service_monitor_finds_each_service_once(scenarios: dict[str, Rendered]) -> None:
    rendered = scenarios["keda"]
    [monitor] = rendered.of("ServiceMonitor")
    assert monitor["spec"]["selector"] == {"matchLabels": SELECTED}
    assert [e["port"] for e in monitor["spec"]["endpoints"]] == ["http-metrics"]
    with_metrics = [
        service.spec.selector["app.kubernetes.io/component"]
        for service in rendered.cluster_services.values()
        if "http-metrics" in {p.name for p in service.spec.ports}
    ]
    assert sorted(with_metrics) == sorted(rendered.services)


@pytest.mark.parametrize("pattern", ["dashboards/*.json", "alerts/*.yaml", "files/gateway_test.py"])
def test_what_templates_take_from_files_is_there(
    chart: Chart, chart_directory: Path, pattern: str
) -> None:
    files = list(chart_directory.glob(pattern))
    assert files, f"{pattern} is empty"
    packed = {file["name"] for file in chart.files}
    assert {str(file.relative_to(chart_directory)) for file in files} <= packed


def test_there_is_a_dashboard_for_each_service_and_one_of_the_flow(chart_directory: Path) -> None:
    names = {path.stem for path in (chart_directory / "dashboards").glob("*.json")}
    assert names >= SERVICES
    assert names - SERVICES, "the way of a message through all of them"


def test_dashboards_are_config_maps_that_grafana_finds(
    default: Rendered, chart_directory: Path
) -> None:
    maps = [
        o for o in default.of("ConfigMap") if "grafana_dashboard" in o["metadata"].get("labels", {})
    ]
    made: dict[str, Any] = {}
    for config in maps:
        assert config["metadata"]["labels"]["grafana_dashboard"] == "1"
        assert config["metadata"]["annotations"] == {"grafana_folder": "Mailweir"}
        [(name, text)] = config["data"].items()
        assert len(text.encode()) < MIB
        made[name] = json.loads(text)
    files = (chart_directory / "dashboards").glob("*.json")
    assert made == {path.name: json.loads(path.read_text()) for path in files}


def test_dashboards_can_be_left_out(chart: Chart) -> None:
    rendered = render(chart, {"monitoring": {"dashboards": {"enabled": False}}})
    assert "grafana_dashboard" not in json.dumps(rendered.objects)


def test_alerts_are_rules_with_links_to_what_to_do(ha: Rendered, chart_directory: Path) -> None:
    rules = ha.of("PrometheusRule")
    files = sorted((chart_directory / "alerts").glob("*.yaml"))
    assert len(rules) == len(files)
    for rule, path in zip(rules, files, strict=True):
        groups = yaml.safe_load(path.read_text())["groups"]
        assert [g["name"] for g in rule["spec"]["groups"]] == [g["name"] for g in groups]
        assert rule["metadata"]["labels"]["release"] == "kube-prometheus-stack"
    base = "https://docs.example.org/mailweir/runbooks/"
    for alert in (
        r for o in rules for g in o["spec"]["groups"] for r in g["rules"] if "alert" in r
    ):
        assert alert["annotations"]["runbook_url"].startswith(base), alert["alert"]


def test_alerts_are_off_where_nobody_knows_their_kind(default: Rendered) -> None:
    assert default.of("PrometheusRule") == []
