"""Values: each is documented, used and bounded; a mistake is named, a contradiction refused in a sentence."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from helm_python.chart import Chart
from helm_python.errors import HelmRenderError, HelmValuesError
from hypothesis import given, settings, strategies as st

from mailweir_policy.document import policy_from
from mailweir_testkit.chart.render import render

ROOT = Path(__file__).resolve().parents[2]
SQL = {"sql": {"existingSecret": "s"}}


def nested(path: str, value: Any) -> dict[str, Any]:
    for part in reversed(path.split(".")):
        value = {part: value}
    return dict(value)


def merged(base: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    out = dict(base)
    for key, value in over.items():
        both = isinstance(value, dict) and isinstance(out.get(key), dict)
        out[key] = merged(out[key], value) if both else value
    return out


def leaves(schema: dict[str, Any], path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield every value that can be set, with its schema; a service's under `serviceDefaults`."""
    for name, field in schema.get("properties", {}).items():
        here = f"{path}.{name}" if path else name
        if here in ("services", "global"):
            continue
        if field.get("properties"):
            yield from leaves(field, here)
        elif "allOf" not in field:
            yield here, field


@pytest.fixture(scope="module")
def schema() -> dict[str, Any]:
    text = (ROOT / "helm" / "mailweir" / "values.schema.json").read_text()
    return dict(json.loads(text))


@pytest.fixture(scope="module")
def declared(schema: dict[str, Any]) -> dict[str, dict[str, Any]]:
    own = dict(leaves(schema))
    of_service = leaves(schema["definitions"]["service"], "serviceDefaults")
    return {**own, **dict(of_service)}


def test_generated_files_are_what_the_values_make() -> None:
    import subprocess
    import sys

    done = subprocess.run(
        [sys.executable, ROOT / ".ci" / "generate_chart.py", "--check"],
        capture_output=True,
        text=True,
        check=False,
        timeout=15,
    )
    assert done.returncode == 0, done.stderr


def test_every_value_is_documented_in_words(declared: dict[str, dict[str, Any]]) -> None:
    assert len(declared) > 90
    poor = [p for p, field in declared.items() if not re.search(r"\w.*\.$", field["description"])]
    assert poor == []


def test_every_value_is_in_the_readme(declared: dict[str, dict[str, Any]]) -> None:
    page = (ROOT / "helm" / "mailweir" / "README.md").read_text()
    assert [path for path in declared if f"| `{path}` |" not in page] == []


# what makes each value matter: the rest of the values under which another one must show
NEEDS: dict[str, dict[str, Any]] = {
    "smtp.proxyProtocol.enabled": {"smtp": {"proxyProtocol": {"sources": ["10.0.0.0/8"]}}},
    "smtp.proxyProtocol.sources": {"smtp": {"proxyProtocol": {"enabled": True}}},
    "smtp.service.externalTrafficPolicy": {
        "smtp": {"proxyProtocol": {"enabled": True, "sources": ["10.0.0.0/8"]}}
    },
    "smtp.submission.enabled": {"smtp": {"tls": {"secretName": "t"}}},
    "nats.url": {"nats": {"enabled": False}},
    "nats.enabled": {"nats": {"existingSecret": "s"}},
    "nats.streamReplicas": {"nats": {"enabled": False, "url": "nats://n:4222"}},
    "nats.credentialsSecret": {"nats": {"enabled": False, "url": "nats://n:4222"}},
    "nats.monitoringEndpoint": {
        "nats": {"enabled": False, "url": "nats://n:4222", "monitoringEndpoint": "m:1"},
        "services": {"delivery": {"autoscaling": {"mode": "keda"}}},
    },
    "nats.image.program": {"nats": {"replicas": 3}},
    "nats.lameDuckSeconds": {"nats": {"replicas": 3}},
    "networkPolicy.kedaFrom": {"services": {"delivery": {"autoscaling": {"mode": "keda"}}}},
    "monitoring.interval": {"monitoring": {"mode": "podmonitor"}},
    "monitoring.labels": {"monitoring": {"mode": "podmonitor"}},
    "monitoring.alerts.enabled": {},
    "monitoring.alerts.": {"monitoring": {"alerts": {"enabled": True}}},
    "smtp.tls.certManager.": {
        "smtp": {
            "tls": {"secretName": "t", "certManager": {"issuerName": "i", "dnsNames": ["a"]}}
        }
    },
    "serviceDefaults.database": SQL,
    "serviceDefaults.replicas": SQL,
    "serviceDefaults.autoscaling.keda.": {
        **SQL, "serviceDefaults": {"autoscaling": {"mode": "keda", "keda": {"stream": "S", "consumer": "C"}}},
        "services": {n: {"autoscaling": {"mode": "keda"}}
                     for n in ("ingress", "reputation", "greylist", "ratelimit", "scoring")},
    },
    "serviceDefaults.autoscaling.mode": {**SQL, "monitoring": {"labels": {}}},
    "serviceDefaults.enabled": {
        "services": {n: {"enabled": True}
                     for n in ("ingress", "scoring", "delivery", "quarantine", "gateway")},
    },
}  # fmt: skip
HIDE = {"serviceDefaults.image.override", "sql.existingSecret"}  # others do not show where they are
OTHER: dict[str, Any] = {
    "image.pullPolicy": "Always",
    "nextHop": "smtp://elsewhere:2525",
    "policy": {"identity": {"hostname": "other.example.com"}},
    "fullnameOverride": "other",
    "smtp.service.type": "NodePort",
    "smtp.signingKeys": [{"domain": "d", "selector": "s", "secretName": "n", "key": "k"}],
    "smtp.tls.certManager.issuerKind": "Issuer",
    "smtp.proxyProtocol.sources": ["192.0.2.0/24"],
    "dns.servers": ["192.0.2.99:53"],
    "antivirus.clamd": "other:3311",
    "networkPolicy.peers": {"mail": {"to": [], "ports": [{"port": 2525}]}},
    "nats.url": "nats://other:4222",
    "nats.monitoringEndpoint": "other:8222",
    "nats.syncInterval": "7s",
    "nats.persistence.size": "77Gi",
    "nats.resources.requests.memory": "777Mi",
    "sql.persistence.size": "77Gi",
    "monitoring.interval": "77s",
    "monitoring.alerts.runbookBaseUrl": "https://other.example.com",
    "serviceDefaults.grpcSetting": "HEALTH_LISTEN",
    "serviceDefaults.talksTo": ["nats", "clamd"],
    "serviceDefaults.autoscaling.min": 3,
    "serviceDefaults.autoscaling.podMetrics": [{"name": "m", "averageValue": "7"}],
    "serviceDefaults.resources.requests.memory": "777Mi",
    "serviceDefaults.tmpSize": "77Mi",
    "serviceDefaults.env": {"MAILWEIR_X": "y"},
    "serviceDefaults.volumes": [{"name": "v", "emptyDir": {}}],
    "serviceDefaults.volumeMounts": [{"name": "v", "mountPath": "/v"}],
    "serviceDefaults.logLevel": "debug",
    "clusterDomain": "other.local",
}


def another(path: str, field: dict[str, Any], default: Any) -> Any:
    """Return a value that is allowed and is not the default."""
    if path in OTHER:
        return OTHER[path]
    if "enum" in field:
        return next(choice for choice in field["enum"] if choice != default)
    kinds: dict[str, Any] = {
        "boolean": not default,
        "integer": (default or 0) + 7 if isinstance(default, int) else 7,
        "string": "other",
        "object": {"other": "one"},
        "array": ["other"],
    }
    if field["type"] == "array" and field.get("items", {}).get("type") == "object":
        return [{"ipBlock": {"cidr": "192.0.2.0/24"}}]
    if path.endswith(".ports"):
        return [{"port": 7777, "protocol": "TCP"}]
    return kinds[field["type"]]


def needs_of(path: str) -> dict[str, Any]:
    exact = NEEDS.get(path)
    below = (v for k, v in NEEDS.items() if k.endswith(".") and path.startswith(k))
    return next(below, {}) if exact is None else exact


@pytest.mark.timeout(180)
def test_every_value_is_used(chart: Chart, declared: dict[str, dict[str, Any]]) -> None:
    """Setting any value to another one changes what is rendered: none is there for nothing."""
    words, others = {}, {}
    for number, (path, field) in enumerate(declared.items()):
        is_word = field["type"] == "string" and "enum" not in field and path not in OTHER
        if is_word and path not in HIDE and not needs_of(path) and found(chart.values, path) == "":
            words[path] = f"word{number}x"  # which must be somewhere in the text
        else:
            others[path] = field
    values: dict[str, Any] = {}
    for path, word in words.items():
        values = merged(values, nested(path, word))
    text = "".join(stable(chart, values))
    unused = [path for path, word in words.items() if word not in text]
    assert len(words) > 10
    unused += unchanged(chart, others)
    assert not unused, ", ".join(unused)


def unchanged(chart: Chart, fields: dict[str, dict[str, Any]]) -> list[str]:
    """Return the values whose change one at a time changes nothing."""
    plain: dict[str, tuple[str, ...]] = {}
    paths = []
    for path, field in fields.items():
        needs = needs_of(path)
        key = json.dumps(needs, sort_keys=True)
        if key not in plain:
            try:
                plain[key] = stable(chart, needs)
            except (HelmRenderError, HelmValuesError):
                plain[key] = ()  # what makes the difference is whether it is refused
        changed = merged(needs, nested(path, another(path, field, found(chart.values, path))))
        if stable(chart, changed) == plain[key]:
            paths.append(path)
    return paths


def found(values: Any, path: str) -> Any:
    for part in path.split("."):
        values = values[part]
    return values


def stable(chart: Chart, values: dict[str, Any]) -> tuple[str, ...]:
    """Render, without the keys that are made anew each time."""
    texts = chart.render(values, name="mail", namespace="default")
    return tuple(text for path, text in sorted(texts.items()) if not path.endswith("secrets.yaml"))


USE = re.compile(r"\.Values((?:\.\w+)+)")
ALIAS = re.compile(r"\$(\w+) := (?:\$\.|\.|\$)?(?:root\.)?Values((?:\.\w+)*) -?\}\}")


def test_every_value_that_is_used_is_declared(chart: Chart) -> None:
    """Helm takes a misspelt value for an empty one: here it is found."""
    undeclared = []
    for template in chart.templates:
        text = template["data"] if isinstance(template["data"], str) else template["data"].decode()
        paths = {path.strip(".") for path in USE.findall(text)}
        for name, start in ALIAS.findall(text):
            paths |= {
                f"{start}{path}".strip(".") for path in re.findall(rf"\${name}((?:\.\w+)+)", text)
            }
        undeclared += [f"{template['name']}: {p}" for p in paths if not is_declared(chart, p)]
    assert undeclared == []


def is_declared(chart: Chart, path: str) -> bool:
    try:
        found(chart.values, path)
    except (KeyError, TypeError):
        return False
    return True


def test_what_templates_ask_of_a_service_is_declared(chart: Chart) -> None:
    for template in chart.templates:
        text = template["data"] if isinstance(template["data"], str) else template["data"].decode()
        for path in re.findall(r"(?<=[ (])(?:\$service|\.service)((?:\.\w+)+)", text):
            found(chart.values["serviceDefaults"], path.strip("."))


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({"nexthop": "smtp://a:25"}, "nexthop"),
        ({"services": {"ingres": {}}}, "ingres"),
        ({"services": {"ingress": {"replica": 2}}}, "replica"),
        ({"services": {"ingress": {"resources": {"limits": {"cpu": "1"}}}}}, "limits"),
        ({"services": {"ingress": {"autoscaling": {"mode": "both"}}}}, "mode"),
        ({"monitoring": {"mode": "prometheus"}}, "mode"),
        ({"smtp": {"proxyProtocol": {"enabled": True}}}, "sources"),
        ({"smtp": {"proxyProtocol": {"enabled": True, "sources": ["proxy"]}}}, "sources"),
        ({"smtp": {"proxyProtocol": {"enabled": True, "sources": ["198.18.256.1/32"]}}}, "sources"),
        ({"smtp": {"proxyProtocol": {"enabled": True, "sources": ["10.0.0.0/33"]}}}, "sources"),
        ({"nats": {"replicas": 2}}, "replicas"),
        ({"nats": {"lameDuckSeconds": 29}}, "lameDuckSeconds"),
        ({"nats": {"persistence": {"size": "10GB"}}}, "size"),
        ({"nextHop": "mail.example.com"}, "nextHop"),
        ({"services": {"ingress": {"replicas": "2"}}}, "replicas"),
        ({"services": {"ingress": {"drainSeconds": -1}}}, "drainSeconds"),
        ({"networkPolicy": {"peers": {"x": {"to": []}}}}, "ports"),
    ],
)
def test_a_mistake_fails_the_install_and_is_named(
    chart: Chart, values: dict[str, Any], named: str
) -> None:
    with pytest.raises(HelmValuesError, match=named):
        chart.validate_schema(chart.merge_values(values))


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"nats": {"url": "nats://n:4222"}}, "nats.url is for an external NATS"),
        ({"nats": {"enabled": False}}, "say where NATS is with nats.url or nats.existingSecret"),
        (
            {"nats": {"enabled": False, "url": "nats://n:1", "existingSecret": "s"}},
            "nats.url and nats.existingSecret both say where NATS is",
        ),
        ({"nats": {"credentialsSecret": "c"}}, "our own takes a token"),
        (
            {"smtp": {"service": {"externalTrafficPolicy": "Cluster"}}},
            "hides the clients' addresses",
        ),
        ({"smtp": {"proxyProtocol": {"sources": ["10.0.0.0/8"]}}}, "has no effect without"),
        ({"smtp": {"submission": {"enabled": True}}}, "passwords need TLS"),
        ({"smtp": {"tls": {"certManager": {"issuerName": "i"}}}}, "secretName and"),
        ({"services": {"quarantine": {"replicas": 2}}}, "a SQLite file has one pod"),
        ({"services": {"gateway": {"autoscaling": {"mode": "hpa"}}}}, "a SQLite file has one pod"),
        ({"services": {"ingress": {"enabled": False}}}, "without ingress there is no gateway"),
        ({"services": {"scoring": {"autoscaling": {"min": 20}}}}, "min 20 is above max 10"),
        ({"services": {"scoring": {"autoscaling": {"mode": "keda"}}}}, "use hpa"),
        (
            {
                "nats": {"enabled": False, "url": "nats://n:1"},
                "services": {"delivery": {"autoscaling": {"mode": "keda"}}},
            },
            "say nats.monitoringEndpoint",
        ),
        ({"services": {"scoring": {"talksTo": ["natz"]}}}, "natz is no service"),
    ],
)
def test_a_contradiction_is_refused_with_a_sentence(
    chart: Chart, values: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(HelmRenderError, match=re.escape(sentence)):
        render(chart, values)


def test_the_examples_in_the_readme_hold(chart: Chart) -> None:
    page = (ROOT / "helm" / "mailweir" / "README.md").read_text()
    [example] = re.findall(r"```yaml\n(.*?)```", page, flags=re.DOTALL)
    values = yaml.safe_load(example)
    chart.validate_schema(chart.merge_values(values))
    assert render(chart, values).workloads["quarantine"].spec.replicas == 2
    policy_from(values["policy"])


SCALING = st.fixed_dictionaries(
    {},
    optional={
        "mode": st.sampled_from(["none", "hpa", "keda"]),
        "min": st.integers(1, 12),
        "max": st.integers(1, 12),
    },
)
SERVICE = st.fixed_dictionaries(
    {},
    optional={
        "enabled": st.booleans(),
        "replicas": st.integers(0, 4),
        "preStopSeconds": st.integers(0, 60),
        "drainSeconds": st.integers(1, 600),
        "autoscaling": SCALING,
        "pdb": st.fixed_dictionaries({"maxUnavailable": st.integers(0, 3)}),
    },
)
VALUES = st.fixed_dictionaries(
    {
        "services": st.dictionaries(
            st.sampled_from(["ingress", "greylist", "scoring", "delivery", "quarantine"]),
            SERVICE,
            max_size=3,
        ),
        "nats": st.fixed_dictionaries({"replicas": st.sampled_from([1, 3])}),
        "sql": st.sampled_from([{}, {"existingSecret": "s"}]),
        "monitoring": st.fixed_dictionaries(
            {"mode": st.sampled_from(["none", "annotations", "podmonitor", "servicemonitor"])}
        ),
    }
)


@pytest.mark.timeout(180)
@settings(max_examples=25)
@given(values=VALUES)
def test_any_values_give_a_sound_release_or_a_sentence(
    chart: Chart, values: dict[str, Any]
) -> None:
    chart.validate_schema(chart.merge_values(values))
    try:
        rendered = render(chart, values)
    except HelmRenderError as error:
        if not re.search(r"services\.\w+", str(error)):  # a sentence that names the value
            raise
        return
    scaled = {o["metadata"]["name"] for o in rendered.of("ScaledObject")}
    assert not scaled & {f"mail-mailweir-{name}" for name in rendered.autoscalers}
    for name, workload in rendered.services.items():
        given_replicas = values["services"].get(name, {}).get("replicas")
        if workload.spec.replicas is not None and given_replicas is not None:
            assert workload.spec.replicas == given_replicas
        drain = int(
            workload.pod.container.environment[f"MAILWEIR_{name.upper()}_DRAIN_SECONDS"] or 0
        )
        assert workload.pod.termination_grace_period_seconds >= drain + 10
    assert rendered.workloads["nats"].spec.replicas == values["nats"]["replicas"]
