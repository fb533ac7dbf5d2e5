"""The policy in a cluster: changed over REST it is in force in every pod within seconds, or not at all.

REST is reached through `kubectl port-forward`, as an admin reaches it who has no other way in.
"""

import time
from collections.abc import Callable, Iterator
from typing import Any

import httpx2
import pytest

from mailweir_testkit.cluster.figures import Figures, Row
from mailweir_testkit.cluster.release import Release, eventually
from mailweir_testkit.cluster.tool import PYTHON, SERVICES, source

SECONDS = 5.0
"""How soon a version is in force everywhere."""
GREET = """
import socket, sys
for source in sys.argv[2:]:
    with socket.create_connection((sys.argv[1], 25), 30, (source, 0)) as connection:
        with connection.makefile("rb") as lines:
            print(next(line for line in lines if line.startswith(b"220 ")).split()[1].decode())
"""
TWICE = ("ingress", "scoring", "reputation")
"""Services of which there are two pods here, so that "everywhere" means something."""


@pytest.fixture(scope="module")
def doubled(release: Release) -> Iterator[Release]:
    changes = {"services": {service: {"replicas": 2} for service in TWICE}}
    with release.changed(changes):
        yield release


@pytest.fixture
def client(doubled: Release) -> Iterator[httpx2.Client]:
    """A client of REST through a port-forward; the policy is put back at the end."""
    with doubled.api(forwarded=True) as made:
        before = made.get("/config").raise_for_status().json()
        yield made
        made.put("/config", json=before, params={"reason": "as it was"}).raise_for_status()


def processes(client: httpx2.Client) -> list[dict[str, Any]]:
    """Return what `services` shows."""
    found: list[dict[str, Any]] = client.get("/services").raise_for_status().json()
    return found


def runs_everywhere(client: httpx2.Client, version: str) -> bool:
    found = processes(client)
    return {p["name"] for p in found} == set(SERVICES) and {p["config"] for p in found} == {version}


def put(client: httpx2.Client, change: Callable[[dict[str, Any]], None]) -> str:
    """Change the policy; returns the version that is in force now."""
    answer = client.get("/config").raise_for_status()
    policy = answer.json()
    change(policy)
    headers = {"If-Match": answer.headers["ETag"]}
    changed = client.put("/config", json=policy, headers=headers).raise_for_status()
    return str(changed.json()["version"])


def named(hostname: str) -> Callable[[dict[str, Any]], None]:
    def change(policy: dict[str, Any]) -> None:
        policy["identity"]["hostname"] = hostname

    return change


def timed(release: Release, client: httpx2.Client, version: str, began: float) -> float:
    """Return how long after `began` every pod ran a version: as it says, and by its metric."""
    eventually(lambda: runs_everywhere(client, version), 30, f"{version} in every pod", pause=0.1)
    seconds = time.monotonic() - began
    for service in SERVICES:
        for pod in release.pods(service):
            said = f"mailweir_config_version_number {float(version.removeprefix('v.'))}"
            assert said in release.metrics(pod), pod["metadata"]["name"]
    return seconds


def banners(release: Release, count: int = 6) -> set[str]:
    """Return the names that the MX Service's pods greet with, over several connections."""
    sources = [source(60 + number) for number in range(count)]
    return set(release.cluster.outside(PYTHON, "-c", GREET, release.mx, *sources).split())


def test_a_change_is_in_force_in_every_pod(
    doubled: Release, client: httpx2.Client, figures: Figures
) -> None:
    """By what each pod says of itself, by its metric, and by what a client of the MX Service hears."""
    rows: list[Row] = []
    for what, hostname in (("change", "one.example.com"), ("another", "two.example.com")):
        began = time.monotonic()
        version = put(client, named(hostname))
        seconds = timed(doubled, client, version, began)
        assert seconds <= SECONDS
        assert banners(doubled) == {hostname}
        rows.append((what, version, f"{seconds:.1f}"))

    before = client.get("/config/versions").json()["items"][1]
    old = client.get(f"/config/versions/{before['number']}").json()["policy"]
    began = time.monotonic()
    answer = client.put("/config", json=old, params={"reason": "rollback"}).raise_for_status()
    seconds = timed(doubled, client, answer.json()["version"], began)
    assert seconds <= SECONDS
    assert banners(doubled) == {"one.example.com"}
    rows.append(("rollback", answer.json()["version"], f"{seconds:.1f}"))
    pods = sum(len(doubled.pods(service)) for service in SERVICES)
    figures.add(
        f"Policy in force in {pods} pods", ("step", "version", "s until in every pod"), rows
    )


@pytest.mark.parametrize(
    ("section", "value", "where"),
    [
        ("scoring", {"thresholds": {"tag": "high"}}, "scoring.thresholds.tag"),
        ("relay", {"domains": [{"name": "not a domain"}]}, "relay.domains.0.name"),
        ("moon", {}, "moon"),
    ],
)
def test_a_bad_policy_is_refused_and_nothing_changes(
    doubled: Release, client: httpx2.Client, section: str, value: Any, where: str
) -> None:
    answer = client.get("/config").raise_for_status()
    refused = client.put("/config", json={**answer.json(), section: value})
    assert refused.status_code == 422
    assert where in refused.text
    assert client.get("/config").headers["ETag"] == answer.headers["ETag"]
    assert runs_everywhere(client, answer.headers["ETag"].strip('"'))


def test_of_two_admins_one_is_told_of_the_other(client: httpx2.Client) -> None:
    answer = client.get("/config").raise_for_status()
    headers = {"If-Match": answer.headers["ETag"]}
    policy = {**answer.json(), "identity": {"hostname": "first.example.com"}}
    assert client.put("/config", json=policy, headers=headers).status_code == 200
    assert client.put("/config", json=answer.json(), headers=headers).status_code == 412


def test_services_shows_each_pod_with_the_version_it_runs(
    doubled: Release, client: httpx2.Client
) -> None:
    in_force = client.get("/config").headers["ETag"].strip('"')
    eventually(lambda: runs_everywhere(client, in_force), 30, "every pod's heartbeat")
    found = processes(client)
    for service in SERVICES:
        pods = sorted(pod["metadata"]["name"] for pod in doubled.pods(service))
        shown = sorted(str(p["pod"]).rpartition("-")[0] for p in found if p["name"] == service)
        assert shown == pods, service
    assert {p["state"] for p in found} == {"ready"}, [p for p in found if p["state"] != "ready"]
    assert all(p["version"] and p["config"] == in_force for p in found)
