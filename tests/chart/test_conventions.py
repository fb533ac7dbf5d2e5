"""What holds for every object of every scenario: names, security, probes, ends, rollouts, scaling."""

import pytest
from helm_python.chart import Chart

from mailweir_testkit.chart.objects import Workload
from mailweir_testkit.chart.render import Rendered, render

NAME, INSTANCE, COMPONENT = (
    f"app.kubernetes.io/{part}" for part in ("name", "instance", "component")
)
EVERYWHERE = {NAME, INSTANCE, COMPONENT} | {
    f"app.kubernetes.io/{part}" for part in ("part-of", "version", "managed-by")
}
SYNCHRONOUS = {"ingress", "reputation", "greylist", "ratelimit", "scoring"}
CONSUMERS = {"delivery", "quarantine"}
UID = 65532


def quantity(text: str) -> int:
    units = {"Mi": 2**20, "Gi": 2**30}
    return int(text[:-2]) * units[text[-2:]]


# 1 names and labels


def test_objects_are_named_after_release_and_part(rendered: Rendered) -> None:
    for thing in rendered.objects:
        name = thing["metadata"]["name"]
        assert name == "mail-mailweir" or name.startswith("mail-mailweir-")
        assert len(name) <= 63
        assert thing["metadata"]["namespace"] == "default"


def test_every_object_has_the_usual_labels(rendered: Rendered) -> None:
    for thing in rendered.objects:
        labels = thing["metadata"]["labels"]
        assert EVERYWHERE | {"helm.sh/chart"} <= labels.keys(), thing["metadata"]["name"]
        assert labels[NAME] == labels["app.kubernetes.io/part-of"] == "mailweir"
        assert labels[INSTANCE] == "mail"


def test_selectors_are_frozen(rendered: Rendered) -> None:
    """A Deployment's selector cannot be changed: another one here would make every upgrade fail."""
    for component, workload in rendered.workloads.items():
        frozen = {
            "app.kubernetes.io/name": "mailweir",
            "app.kubernetes.io/instance": "mail",
            "app.kubernetes.io/component": component,
        }
        assert workload.spec.selector.match_labels == frozen
        assert workload.spec.template.metadata.labels.items() >= frozen.items()
        assert workload.metadata.name == f"mail-mailweir-{component}"
    for service in rendered.cluster_services.values():
        assert service.spec.selector.keys() == {NAME, INSTANCE, COMPONENT}
        assert service.spec.selector[COMPONENT] in rendered.workloads


def test_pods_are_not_replaced_for_a_new_chart_alone(rendered: Rendered) -> None:
    for workload in rendered.workloads.values():
        assert "helm.sh/chart" not in workload.spec.template.metadata.labels


@pytest.mark.parametrize(
    "release", ["m", "a" * 53, "mail-gateway-of-the-whole-company-in-europe-test"]
)
def test_names_fit_whatever_the_release_is_called(chart: Chart, release: str) -> None:
    objects = render(chart, {"nats": {"replicas": 3}}, release=release).objects
    names = [o["metadata"]["name"] for o in objects]
    assert max(map(len, names)) <= 63
    revisions = [n for o, n in zip(objects, names, strict=True) if o["kind"] == "StatefulSet"]
    assert max(len(f"{name}-0123456789") for name in revisions) <= 63
    assert len(names) == len({(o["kind"], n) for o, n in zip(objects, names, strict=True)})


def test_releases_with_long_names_are_told_apart(chart: Chart) -> None:
    first, second = (render(chart, release="a" * 50 + end).objects for end in "xy")
    assert first[0]["metadata"]["name"] != second[0]["metadata"]["name"]


def test_a_name_of_ones_own(chart: Chart) -> None:
    objects = render(chart, {"fullnameOverride": "gate"}).objects
    assert all(o["metadata"]["name"].startswith("gate") for o in objects)


# 4 security


def test_every_pod_is_restricted(rendered: Rendered) -> None:
    for workload in rendered.workloads.values():
        pod = workload.pod
        security = pod.security_context
        assert security.run_as_non_root is True
        assert security.run_as_user == security.run_as_group == security.fs_group == UID
        assert security.seccomp_profile.type == "RuntimeDefault"
        assert not pod.automount_service_account_token
        assert not pod.enable_service_links
        assert not pod.unknown & {"hostNetwork", "hostPID", "hostIPC", "initContainers"}
        of_container = pod.container.security_context
        assert of_container.allow_privilege_escalation is False
        assert of_container.read_only_root_filesystem is True
        assert of_container.capabilities.drop == ["ALL"]


def test_every_pod_can_write_to_a_tmp_that_is_bounded(rendered: Rendered) -> None:
    for workload in rendered.workloads.values():
        [mount] = [m for m in workload.pod.container.volume_mounts if m.mount_path == "/tmp"]
        directory = workload.pod.volume(mount.name).empty_dir
        assert directory
        assert quantity(directory.size_limit) > 0
        writable = {m.mount_path for m in workload.pod.container.volume_mounts if not m.read_only}
        assert writable <= {"/tmp", "/data"}


def test_every_workload_has_an_account_of_its_own(rendered: Rendered) -> None:
    accounts = [workload.pod.service_account_name for workload in rendered.workloads.values()]
    assert len(accounts) == len(set(accounts))
    for account in rendered.of("ServiceAccount"):
        assert account["automountServiceAccountToken"] is False


def test_the_ingress_listens_above_the_ports_of_root(rendered: Rendered) -> None:
    ports = {p.name: p for p in rendered.workloads["ingress"].pod.container.ports}
    assert ports["smtp"].container_port == 2525
    assert all(p.container_port > 1024 for p in ports.values())


def test_only_host_ports_need_more_than_restricted(rendered: Rendered) -> None:
    on_host = {
        name: [p.host_port for p in w.pod.container.ports if p.host_port]
        for name, w in rendered.workloads.items()
    }
    used = {name: ports for name, ports in on_host.items() if ports}
    is_host = rendered.workloads["ingress"].kind == "DaemonSet"
    assert used == ({"ingress": [25, 587, 465]} if is_host else {})


# 5 probes


def test_start_and_readiness_are_asked_over_grpc(rendered: Rendered) -> None:
    for workload in rendered.services.values():
        container = workload.pod.container
        for probe in (container.startup_probe, container.readiness_probe):
            assert probe
            assert probe.grpc
            assert (probe.grpc.port, probe.grpc.service) == (9000, "readiness")
        assert 9000 in {p.container_port for p in container.ports}


def test_liveness_depends_on_nobody_else(rendered: Rendered) -> None:
    for workload in rendered.services.values():
        probe = workload.pod.container.liveness_probe
        assert probe
        assert probe.http_get
        assert (probe.http_get.path, probe.http_get.port) == ("/livez", "http-metrics")
        # /livez answers 503 after five seconds of standing still: one such moment must not kill
        assert probe.period_seconds * probe.failure_threshold >= 30


def test_a_start_may_take_longer_than_waiting_for_the_bus(rendered: Rendered) -> None:
    for name, workload in rendered.services.items():
        probe = workload.pod.container.startup_probe
        assert probe
        budget = probe.period_seconds * probe.failure_threshold
        waits = workload.pod.container.environment[f"MAILWEIR_{name.upper()}_CONNECT_SECONDS"]
        assert budget >= 120
        assert budget >= int(waits or 0) + 30


# 6 the end of a pod


def grace_of(workload: Workload, name: str) -> tuple[int, int, int]:
    """Return grace period, sleep and drain deadline, in seconds."""
    lifecycle = workload.pod.container.lifecycle
    slept = lifecycle.pre_stop.sleep.seconds if lifecycle and lifecycle.pre_stop.sleep else 0
    drain = workload.pod.container.environment[f"MAILWEIR_{name.upper()}_DRAIN_SECONDS"]
    return workload.pod.termination_grace_period_seconds, slept, int(drain or 0)


def test_a_pod_may_sleep_and_drain_before_it_is_killed(rendered: Rendered) -> None:
    for name, workload in rendered.services.items():
        grace, slept, drain = grace_of(workload, name)
        assert grace >= slept + drain + 10
        if name in CONSUMERS - {"quarantine"}:
            assert slept == 0, "nobody sends to a consumer"
            assert grace >= 30 + 10, "as long as a message may be worked on, and ten more"
        else:
            assert slept >= 5, "until no client sends there"


def test_the_ingress_has_minutes_and_a_call_has_half_of_one(default: Rendered) -> None:
    grace = {name: grace_of(w, name)[0] for name, w in default.services.items()}
    assert 120 <= grace["ingress"] <= 300
    assert {grace[name] for name in ("reputation", "greylist", "ratelimit", "scoring")} == {30}


@pytest.mark.parametrize(("sleep", "drain"), [(0, 1), (7, 200), (300, 3600)])
def test_the_grace_period_follows_the_drain_deadline(chart: Chart, sleep: int, drain: int) -> None:
    values = {"services": {"scoring": {"preStopSeconds": sleep, "drainSeconds": drain}}}
    workload = render(chart, values).workloads["scoring"]
    assert grace_of(workload, "scoring") == (sleep + drain + 10, sleep, drain)
    assert (workload.pod.container.lifecycle is None) == (sleep == 0)


# 7 rollouts


def test_a_rollout_takes_no_pod_before_there_is_another(rendered: Rendered) -> None:
    for workload in rendered.services.values():
        strategy = workload.spec.strategy
        if workload.kind == "DaemonSet":
            update = workload.spec.update_strategy
            assert update
            assert update.rolling_update
            assert update.rolling_update.max_unavailable == 1
        elif any(v.persistent_volume_claim for v in workload.pod.volumes):
            assert strategy
            assert strategy.type == "Recreate"
            assert workload.spec.replicas == 1
        else:
            assert strategy
            assert strategy.rolling_update
            assert strategy.rolling_update.max_unavailable == 0
            assert strategy.rolling_update.max_surge == "25%"


def test_no_pod_of_the_mail_path_has_a_volume_of_its_own(rendered: Rendered) -> None:
    with_volume = {
        name
        for name, w in rendered.services.items()
        if any(v.persistent_volume_claim for v in w.pod.volumes)
    }
    assert with_volume in ({"quarantine", "gateway"}, set())


def test_a_drain_of_nodes_takes_one_pod_at_a_time(rendered: Rendered) -> None:
    for name, budget in rendered.budgets.items():
        assert budget.spec.max_unavailable == 1
        assert budget.spec.unhealthy_pod_eviction_policy == "AlwaysAllow"
        assert budget.spec.selector == rendered.workloads[name].spec.selector


def test_every_deployment_has_a_budget(default: Rendered) -> None:
    assert default.budgets.keys() == default.workloads.keys()


def test_a_budget_of_zero_is_zero_and_none_is_none(chart: Chart) -> None:
    services = {"scoring": {"pdb": {"maxUnavailable": 0}}, "delivery": {"pdb": {"enabled": False}}}
    budgets = render(chart, {"services": services}).budgets
    assert budgets["scoring"].spec.max_unavailable == 0
    assert "delivery" not in budgets
    assert budgets["greylist"].spec.max_unavailable == 1


def test_pods_are_spread_over_zones_and_nodes(rendered: Rendered) -> None:
    for workload in rendered.workloads.values():
        constraints = workload.pod.topology_spread_constraints
        if workload.kind == "DaemonSet":
            assert constraints == []
            continue
        assert [c.topology_key for c in constraints] == [
            "topology.kubernetes.io/zone",
            "kubernetes.io/hostname",
        ]
        revision = {"Deployment": "pod-template-hash", "StatefulSet": "controller-revision-hash"}
        for constraint in constraints:
            assert constraint.when_unsatisfiable == "ScheduleAnyway"
            assert constraint.match_label_keys == [revision[workload.kind]]
            assert constraint.label_selector == workload.spec.selector


def test_a_priority_class_is_by_value(ha: Rendered) -> None:
    assert ha.workloads["ingress"].pod.priority_class_name == "mail-critical"
    assert ha.workloads["nats"].pod.priority_class_name == "mail-critical"
    assert ha.workloads["scoring"].pod.priority_class_name is None


# 8 and 9 scaling


def test_synchronous_services_scale_by_cpu(default: Rendered) -> None:
    assert default.autoscalers.keys() == SYNCHRONOUS


def test_pods_come_at_once_and_go_slowly(rendered: Rendered) -> None:
    for name, scaler in rendered.autoscalers.items():
        cpu = scaler.spec.metrics[0]
        assert cpu["type"] == "ContainerResource"
        assert cpu["containerResource"] == {
            "name": "cpu",
            "container": name,
            "target": {"type": "Utilization", "averageUtilization": 60},
        }
        up, down = scaler.spec.behavior["scaleUp"], scaler.spec.behavior["scaleDown"]
        assert (up.stabilization_window_seconds, up.select_policy) == (0, "Max")
        assert {(p.type, p.value, p.period_seconds) for p in up.policies} == {
            ("Percent", 100, 15),
            ("Pods", 4, 15),
        }
        assert down.stabilization_window_seconds == 300
        assert [(p.type, p.value, p.period_seconds) for p in down.policies] == [("Percent", 25, 60)]
        assert scaler.spec.min_replicas >= 2


def test_open_sessions_count_where_an_adapter_serves_them(ha: Rendered) -> None:
    [_, sessions] = ha.autoscalers["ingress"].spec.metrics
    assert sessions["pods"]["metric"] == {"name": "mailweir_ingress_open_sessions"}
    assert sessions["pods"]["target"] == {"type": "AverageValue", "averageValue": "200"}


def test_nobody_but_the_autoscaler_says_how_many(rendered: Rendered) -> None:
    scaled = rendered.autoscalers.keys() | {
        o["metadata"]["name"].removeprefix("mail-mailweir-") for o in rendered.of("ScaledObject")
    }
    assert not rendered.autoscalers.keys() & {
        o["metadata"]["name"].removeprefix("mail-mailweir-") for o in rendered.of("ScaledObject")
    }
    for name, workload in rendered.services.items():
        is_left_out = workload.spec.replicas is None
        assert is_left_out == (name in scaled or workload.kind == "DaemonSet")


def test_cpu_is_requested_and_never_limited(rendered: Rendered) -> None:
    for workload in rendered.workloads.values():
        resources = workload.pod.container.resources
        assert resources.requests.keys() == {"cpu", "memory"}
        assert resources.limits == {"memory": resources.requests["memory"]}


def test_zero_replicas_are_zero(chart: Chart) -> None:
    values = {"services": {"delivery": {"replicas": 0}}}
    assert render(chart, values).workloads["delivery"].spec.replicas == 0


# 2 defaults


def test_a_default_reaches_every_service_and_an_own_value_wins(chart: Chart) -> None:
    values = {
        "serviceDefaults": {"logLevel": "debug", "podAnnotations": {"a": "1", "b": "1"}},
        "services": {"scoring": {"logLevel": "error", "podAnnotations": {"b": ""}}},
    }
    services = render(chart, values).services
    levels = {
        name: w.pod.container.environment[f"MAILWEIR_{name.upper()}_LOG_LEVEL"]
        for name, w in services.items()
    }
    assert levels == {name: "error" if name == "scoring" else "debug" for name in services}
    annotations = services["scoring"].spec.template.metadata.annotations
    assert (annotations["a"], annotations["b"]) == ("1", "")
    assert services["greylist"].spec.template.metadata.annotations["b"] == "1"


def test_a_service_has_an_image_of_its_own_if_it_must(chart: Chart) -> None:
    values = {
        "image": {"registry": "registry.example.com", "repository": "team/mw", "tag": "7"},
        "services": {"scoring": {"image": {"override": "other/scoring:test"}}},
    }
    services = render(chart, values).services
    assert services["ingress"].pod.container.image == "registry.example.com/team/mw/ingress:7"
    assert services["scoring"].pod.container.image == "other/scoring:test"


def test_the_tag_is_the_charts_version_of_the_program(chart: Chart, default: Rendered) -> None:
    for name, workload in default.services.items():
        assert workload.pod.container.image == f"mailweir/{name}:{chart.metadata['appVersion']}"
