"""Every example of values renders to objects that Kubernetes takes, from the oldest version to the newest."""

from functools import cache
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
from helm_python.chart import Chart, lint
from kubernetes_validate import utils

from mailweir_testkit.chart.render import Rendered, load_values

OLDEST = "1.30"
NEWEST = kubernetes_validate.latest_version()
# of operators: no schema of Kubernetes knows them, so what we use of them is looked at by hand below
FOREIGN = {
    "ScaledObject": "keda.sh/v1alpha1",
    "PodMonitor": "monitoring.coreos.com/v1",
    "ServiceMonitor": "monitoring.coreos.com/v1",
    "PrometheusRule": "monitoring.coreos.com/v1",
    "Certificate": "cert-manager.io/v1",
}


@pytest.fixture(autouse=True)
def schemas_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(utils, "schema_contents", _contents)


_contents = cache(utils.schema_contents)


def test_the_scenarios_are_those_that_are_promised(chart_directory: Path) -> None:
    names = {path.name for path in (chart_directory / "ci").iterdir()}
    promised = "default minimal ha keda proxy-protocol restricted-egress external-nats"
    assert {f"{name}-values.yaml" for name in promised.split()} <= names


def test_the_oldest_version_is_the_charts(chart: Chart) -> None:
    assert chart.metadata["kubeVersion"] == f">={OLDEST}.0-0"
    assert OLDEST in {utils.major_minor(v) for v in utils.all_versions()}


@pytest.mark.timeout(180)
@pytest.mark.parametrize("version", [OLDEST, NEWEST])
def test_every_object_is_valid(rendered: Rendered, version: str) -> None:
    assert len(rendered.objects) > 20
    for thing in rendered.objects:
        if thing["kind"] in FOREIGN:
            assert thing["apiVersion"] == FOREIGN[thing["kind"]]
        else:
            kubernetes_validate.validate(thing, version, strict=True)


def test_a_misspelt_field_would_be_seen(default: Rendered) -> None:
    broken: dict[str, Any] = {**default.of("Deployment")[0]}
    broken["spec"] = {**broken["spec"], "stratgy": {}}
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(broken, NEWEST, strict=True)


def test_helm_finds_nothing_to_complain_about(chart_directory: Path, rendered: Rendered) -> None:
    report = lint(chart_directory, strict=True, kube_version="v1.30.0")
    assert report["errors"] == []
    assert [m for m in report["messages"] if m["severity"] > 1] == []


def test_no_object_is_there_twice(rendered: Rendered) -> None:
    keys = [(o["kind"], o["metadata"]["name"]) for o in rendered.objects]
    assert len(keys) == len(set(keys))


def test_what_names_an_object_names_one_that_is_there(rendered: Rendered) -> None:
    made = {(o["kind"], o["metadata"]["name"]) for o in rendered.objects}
    for workload in rendered.workloads.values():
        assert ("ServiceAccount", workload.pod.service_account_name) in made
        for volume in workload.pod.volumes:
            if volume.config_map:
                assert ("ConfigMap", volume.config_map["name"]) in made
            if volume.persistent_volume_claim:
                claim = volume.persistent_volume_claim["claimName"]
                assert ("PersistentVolumeClaim", claim) in made
            if volume.secret and volume.secret.secret_name.startswith("mail-mailweir"):
                assert ("Secret", volume.secret.secret_name) in made
    for scaler in rendered.autoscalers.values():
        target = scaler.spec.scale_target_ref
        assert (target["kind"], target["name"]) in made
    for scaled in rendered.of("ScaledObject"):
        assert ("Deployment", scaled["spec"]["scaleTargetRef"]["name"]) in made


def test_keda_asks_for_a_lag_that_there_is(scenarios: dict[str, Rendered]) -> None:
    from mailweir_runtime.bus import topology

    consumers = {
        (spec.stream.name, spec.name)
        for spec in vars(topology).values()
        if isinstance(spec, topology.ConsumerSpec)
    }
    scaled = scenarios["keda"].of("ScaledObject")
    assert [s["metadata"]["name"] for s in scaled] == [
        "mail-mailweir-delivery",
        "mail-mailweir-quarantine",
    ]
    for thing in scaled:
        spec = thing["spec"]
        assert spec["minReplicaCount"] >= 1
        assert 5 <= spec["pollingInterval"] <= 10
        assert spec["fallback"]["failureThreshold"] == 3
        assert 1 <= spec["fallback"]["replicas"] <= spec["maxReplicaCount"]
        [trigger] = spec["triggers"]
        assert (trigger["type"], trigger["metricType"]) == ("nats-jetstream", "AverageValue")
        asked = trigger["metadata"]
        assert (asked["stream"], asked["consumer"]) in consumers
        assert asked["account"] == "$G"
        assert (
            asked["natsServerMonitoringEndpoint"]
            == "mail-mailweir-nats.default.svc.cluster.local:8222"
        )
        assert {k: type(v) for k, v in asked.items()} == dict.fromkeys(asked, str)
    assert scaled[1]["spec"]["triggers"][0]["metadata"]["lagThreshold"] == "2000"


def test_a_certificate_is_asked_for_by_value(ha: Rendered) -> None:
    [certificate] = ha.of("Certificate")
    assert certificate["spec"] == {
        "secretName": "mx-tls",
        "dnsNames": ["mx.example.com"],
        "issuerRef": {"name": "letsencrypt", "kind": "ClusterIssuer"},
    }


@pytest.mark.parametrize(
    ("scenario", "said", "unsaid"),
    [
        ("default", ["There is no next hop yet", "SQLite", "One NATS server", "dns.servers"], []),
        ("ha", ["helm -n default test mail"], ["SQLite", "One NATS server"]),
        ("proxy-protocol", ["PROXY headers of 10.0.0.0/16, 2001:db8::/64"], ["no next hop"]),
        ("host-port", ["port 25 of every node"], ["get service mail-mailweir-mx"]),
        ("minimal", ["NetworkPolicies are off"], ["networkPolicy.apiFrom"]),
    ],
)
def test_the_notes_say_what_is_missing(
    scenarios: dict[str, Rendered], scenario: str, said: list[str], unsaid: list[str]
) -> None:
    notes = scenarios[scenario].notes
    assert [text for text in said if text not in notes] == []
    assert [text for text in unsaid if text in notes] == []


def test_the_examples_of_policy_are_policies(chart_directory: Path) -> None:
    from mailweir_policy.document import policy_from

    for path in (chart_directory / "ci").iterdir():
        policy_from(load_values(path).get("policy", {}))
