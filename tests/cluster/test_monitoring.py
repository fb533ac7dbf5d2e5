"""A Prometheus in the cluster finds data for every panel and alert; alerts fire in their faults and clear.

The rules are the chart's, thirty times as quick. Faults that a cluster gets in seconds are given here;
that every alert fires and clears is shown by its own tool (tests/contract/test_alert_rules.py).
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from mailweir_cli.monitoring.alert import rules
from mailweir_cli.monitoring.alerts import GROUPS
from mailweir_cli.monitoring.query import SERVICES
from mailweir_cli.samples import load_samples
from mailweir_testkit import panels
from mailweir_testkit.cluster import courier
from mailweir_testkit.cluster.letters import wanted
from mailweir_testkit.cluster.release import Release, eventually
from mailweir_testkit.cluster.tool import source
from mailweir_testkit.cluster.watching import SCRAPE_SECONDS, Watch, watching
from mailweir_testkit.load import Letter, Plan

CHART = Path(__file__).resolve().parents[2] / "helm" / "mailweir"
TIMES = 30.0
WINDOW = "5m"
ROUNDS = 3
DEAD_HOP = "smtp://198.18.0.2:9"
"""Nobody listens there."""
ERROR_ONLY = {"MailweirListSick: mailweir_reputation_list_state"}
"""Series of alerts that come with DNS lists, for which the cluster has no resolver."""

pytestmark = pytest.mark.timeout(900)


@pytest.fixture(scope="module")
def watch(release: Release) -> Iterator[Watch]:
    with watching(release, panels.hurried(rules(GROUPS), TIMES)) as made:
        yield made


@contextmanager
def mail_comes(
    release: Release, files: Path, name: str, number: int, count: int = 600
) -> Iterator[None]:
    """Have two messages a second come from a few clients for the block."""
    plan = Plan(
        release.mx, 25, connections=4, per_connection=4, rate=2.0, give_up_seconds=count / 2.0,
        sources=tuple(source(number + n) for n in range(4)),
    )  # fmt: skip
    letters = wanted(count, name=name)
    with courier.sending(release.cluster, plan, letters, files):
        yield


def samples(release: Release, files: Path) -> None:
    """Send the twelve samples, which are of all kinds, then use REST for a while."""
    letters = [
        Letter(f"sample-{s.name}", "anna@example.net", ("bob@example.com",), s.content)
        for s in load_samples()
    ]
    courier.send(release.cluster, Plan(release.mx, 25, sources=(source(900),)), letters, files)
    with release.api() as client:
        # a series of calls comes with its first call: it grows from the second scrape on
        for _ in range(ROUNDS):
            for path in ("/messages", "/quarantine", "/services", "/bans", "/greylist", "/config"):
                client.get(path).raise_for_status()
            time.sleep(2 * SCRAPE_SECONDS)


def scale(release: Release, what: str, replicas: int) -> None:
    """Have so many pods of a workload; waits until they are ready, or gone."""
    release.kubectl("scale", what, f"--replicas={replicas}")
    service = what.rpartition("-")[2]

    def so_many() -> bool:
        pods = release.pods(service)
        ready = [
            c for pod in pods for c in pod["status"].get("conditions", ()) if c["type"] == "Ready"
        ]
        return len(pods) == replicas and all(c["status"] == "True" for c in ready)

    eventually(so_many, 120, f"{replicas} of {what}")


@contextmanager
def without(release: Release, *workloads: str) -> Iterator[None]:
    """Have no pod of these for the block."""
    try:
        for what in workloads:
            scale(release, what, 0)
        yield
    finally:
        for what in workloads:
            scale(release, what, 1)


def test_every_pod_is_scraped_through_the_policies(watch: Watch) -> None:
    def all_up() -> bool:
        found = watch.targets()
        named = {name for name in SERVICES if any(f"-{name}-" in pod for pod in found)}
        return named == set(SERVICES) and set(found.values()) == {"up"}

    eventually(all_up, 60, "every pod to be scraped")


def test_every_panel_and_alert_has_data(release: Release, watch: Watch, files: Path) -> None:
    with mail_comes(release, files, "seen", 910):
        samples(release, files)

        def empty() -> list[panels.Panel]:
            asked = panels.panels(CHART / "dashboards", watch.ask, release.namespace, WINDOW)
            return [panel for panel in asked if panel.empty and not panel.error_only]

        try:
            eventually(lambda: not empty(), 60, "data in every panel")
        except TimeoutError:
            pytest.fail("\n".join(map(str, empty())))
        blind = set(panels.blind_alerts(CHART / "alerts", watch.ask))
    assert not {one for one in blind if one.partition("{")[0] not in ERROR_ONLY}


def test_lost_services_are_told_of(release: Release, watch: Watch, files: Path) -> None:
    alerts = {"MailweirServiceGone", "MailweirCheckFailing"}
    with mail_comes(release, files, "lost", 920):
        with without(release, f"deployment/{release.object('reputation')}"):
            watch.fires(alerts, 90)
        watch.clears(alerts, 120)


def test_a_lost_bus_is_told_of(release: Release, watch: Watch, files: Path) -> None:
    alerts = {"MailweirBusAway", "MailweirServiceDegraded", "MailweirRefusalsBurnFast"}
    with mail_comes(release, files, "bus", 930):
        with without(release, f"statefulset/{release.object('nats')}"):
            watch.fires(alerts, 120)
        watch.clears(alerts, 240)


def test_a_lost_next_hop_is_told_of(release: Release, watch: Watch, files: Path) -> None:
    alerts = {"MailweirDeliveryFails"}
    with mail_comes(release, files, "hop", 940):
        with other_hop(release, DEAD_HOP):
            watch.fires(alerts, 120)
        watch.clears(alerts, 150)


@contextmanager
def other_hop(release: Release, url: str) -> Iterator[None]:
    """Have all mail go elsewhere for the block."""
    with release.api() as client:
        before = client.get("/config").raise_for_status().json()
        routes = [{"domain": "*", "next_hops": [url]}]
        client.put(
            "/config", json={**before, "delivery": {**before["delivery"], "routes": routes}}
        ).raise_for_status()
    try:
        yield
    finally:
        with release.api() as client:
            client.put("/config", json=before, params={"reason": "as it was"}).raise_for_status()
