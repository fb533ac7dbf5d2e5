"""NetworkPolicies: all is denied but what `talksTo` declares, seen from both sides."""

from typing import Any

import pytest
from helm_python.chart import Chart

from mailweir_testkit.chart.objects import NetworkPolicy, Rule
from mailweir_testkit.chart.render import Rendered, render

DECLARED = {
    ("ingress", "reputation"), ("ingress", "greylist"), ("ingress", "ratelimit"), ("ingress", "scoring"),
    ("ratelimit", "quarantine"),
    ("gateway", "quarantine"), ("gateway", "reputation"), ("gateway", "greylist"), ("gateway", "ratelimit"),
}  # fmt: skip
SERVICES = {
    "ingress", "reputation", "greylist", "ratelimit", "scoring", "delivery", "quarantine", "gateway",
}  # fmt: skip


def rules(policy: NetworkPolicy, way: str) -> list[Rule]:
    return (policy.spec.ingress if way == "in" else policy.spec.egress) or []


def peers(rule: Rule) -> list[str]:
    return [p.component for p in (rule.peers_from or rule.peers_to or [])]


def edges(rendered: Rendered, way: str, port: str) -> set[tuple[str, str]]:
    """Return who may connect to whom on a named port, as the policies of one side say it."""
    found = set()
    for name, policy in rendered.policies.items():
        for rule in rules(policy, way):
            if port in {p.port for p in rule.ports}:
                found |= {(c, name) if way == "in" else (name, c) for c in peers(rule) if c}
    return found


def outside(rendered: Rendered, name: str) -> set[tuple[int | str, str]]:
    """Return the ports that a service may connect to anywhere, or at peers that are not ours."""
    return {
        (p.port, p.protocol)
        for rule in rules(rendered.policies[name], "out")
        if not any(peers(rule))
        for p in rule.ports
    }


DNS = {(53, "UDP"), (53, "TCP")}


def test_every_pod_is_denied_by_default(rendered: Rendered, scenarios: dict[str, Rendered]) -> None:
    if rendered is scenarios["minimal"]:  # which switches them off
        assert rendered.policies == {}
        return
    assert rendered.policies.keys() >= rendered.workloads.keys()
    for name, policy in rendered.policies.items():
        assert policy.spec.policy_types == ["Ingress", "Egress"]
        assert policy.spec.pod_selector.match_labels["app.kubernetes.io/component"] == name


def test_both_sides_say_the_same(rendered: Rendered) -> None:
    for port in ("grpc", "client", "cluster", "http"):
        assert edges(rendered, "in", port) == edges(rendered, "out", port)


def test_services_talk_as_declared_and_no_other_way(default: Rendered) -> None:
    tests = {("test", name) for name in SERVICES}
    assert edges(default, "in", "grpc") == DECLARED | tests
    assert edges(default, "in", "client") == {(name, "nats") for name in SERVICES}
    assert edges(default, "in", "http") == {("test", "gateway")}


def test_the_outside_reaches_port_25_alone(default: Rendered, ha: Rendered) -> None:
    def open_to_all(rendered: Rendered) -> set[tuple[str, str | int]]:
        return {
            (name, port.port)
            for name, policy in rendered.policies.items()
            for rule in rules(policy, "in")
            if not rule.peers_from
            for port in rule.ports
        }

    assert open_to_all(default) == {("ingress", "smtp")}
    assert open_to_all(ha) == {
        ("ingress", "smtp"),
        ("ingress", "submission"),
        ("ingress", "submissions"),
    }


def test_without_resolvers_only_mail_leaves_the_cluster(default: Rendered) -> None:
    reach = {name: outside(default, name) - DNS for name in default.policies}
    assert {name: ports for name, ports in reach.items() if ports} == {
        "ingress": {(25, "TCP")},
        "delivery": {(25, "TCP")},
    }


def test_what_is_used_is_let_out(ha: Rendered) -> None:
    reach = {name: outside(ha, name) - DNS for name in ha.policies}
    assert {name: ports for name, ports in reach.items() if ports} == {
        "ingress": {(25, "TCP")},
        "delivery": {(25, "TCP")},
        "scoring": {(3310, "TCP")},
        "quarantine": {(5432, "TCP")},
        "gateway": {(5432, "TCP")},
    }
    anywhere = {
        name
        for name, policy in ha.policies.items()
        for rule in rules(policy, "out")
        if not rule.peers_to and 53 in {p.port for p in rule.ports}
    }
    assert anywhere == {"reputation", "scoring", "delivery"}, "who asks the name servers of ours"


def test_dns_of_the_cluster_is_explicit(default: Rendered) -> None:
    for name, policy in default.policies.items():
        dns = [r for r in rules(policy, "out") if 53 in {p.port for p in r.ports}]
        if name == "nats":
            assert dns == [], "one server needs no names"
            continue
        [rule] = dns
        [peer] = rule.peers_to or []
        assert peer.namespace_selector
        assert peer.pod_selector
        assert peer.pod_selector.match_labels == {"k8s-app": "kube-dns"}


def test_metrics_are_for_the_monitoring_namespace(default: Rendered) -> None:
    for name in SERVICES:
        found = [
            rule
            for rule in rules(default.policies[name], "in")
            if "http-metrics" in {p.port for p in rule.ports}
        ]
        [rule] = found
        [peer] = rule.peers_from or []
        assert peer.namespace_selector
        assert peer.namespace_selector.match_labels == {"kubernetes.io/metadata.name": "monitoring"}


def test_keda_may_ask_for_the_lag_where_it_scales(
    scenarios: dict[str, Rendered], default: Rendered
) -> None:
    def asked(rendered: Rendered) -> list[Rule]:
        return [
            r
            for r in rules(rendered.policies["nats"], "in")
            if "monitor" in {p.port for p in r.ports}
        ]

    assert asked(default) == []
    [rule] = asked(scenarios["keda"])
    [peer] = rule.peers_from or []
    assert peer.namespace_selector
    assert peer.namespace_selector.match_labels == {"kubernetes.io/metadata.name": "keda"}


def test_nats_servers_talk_to_each_other_where_there_are_several(
    ha: Rendered, default: Rendered
) -> None:
    assert edges(ha, "in", "cluster") == {("nats", "nats")}
    assert edges(default, "in", "cluster") == set()
    assert default.policies["nats"].spec.egress is None


def test_restricted_egress_names_every_destination(scenarios: dict[str, Rendered]) -> None:
    rendered = scenarios["restricted-egress"]
    for policy in rendered.policies.values():
        for rule in rules(policy, "out"):
            assert rule.peers_to, "nothing goes just anywhere"
    assert (5353, "UDP") in outside(rendered, "reputation")
    assert (2525, "TCP") in outside(rendered, "delivery")
    [api] = [
        r for r in rules(rendered.policies["gateway"], "in") if "http" in {p.port for p in r.ports}
    ]
    assert len(api.peers_from or []) == 2


def test_an_external_nats_is_a_destination(scenarios: dict[str, Rendered]) -> None:
    rendered = scenarios["external-nats"]
    assert "nats" not in rendered.policies
    for name in SERVICES:
        assert (4222, "TCP") in outside(rendered, name)


@pytest.mark.parametrize("left_out", ["reputation", "greylist", "ratelimit"])
def test_a_service_that_is_left_out_takes_its_edges_with_it(chart: Chart, left_out: str) -> None:
    values: dict[str, Any] = {"services": {left_out: {"enabled": False}}}
    rendered = render(chart, values)
    assert left_out not in rendered.workloads
    assert left_out not in rendered.policies
    seen = {end for port in ("grpc", "client") for e in edges(rendered, "in", port) for end in e}
    assert left_out not in seen
    assert edges(rendered, "out", "grpc") == edges(rendered, "in", "grpc")


def test_a_new_peer_needs_no_template(chart: Chart) -> None:
    values = {
        "services": {"scoring": {"talksTo": ["nats", "oracle"]}},
        "networkPolicy": {"peers": {"oracle": {"to": [], "ports": [{"port": 11434}]}}},
    }
    assert outside(render(chart, values), "scoring") - DNS == {(11434, "TCP")}


def test_policies_can_be_switched_off(chart: Chart) -> None:
    assert render(chart, {"networkPolicy": {"enabled": False}}).policies == {}
