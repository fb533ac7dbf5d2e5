"""Alerts fire while the real thing has their fault, and are over after it; windows are far shorter."""

import asyncio
import shutil
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from functools import partial

import httpx2
import pytest

from mailweir_cli.monitoring.alert import rules
from mailweir_cli.monitoring.alerts import GROUPS
from mailweir_cli.monitoring.query import SERVICES
from mailweir_testkit import panels
from mailweir_testkit.builders import mail
from mailweir_testkit.load import Letter, Plan, deliver
from mailweir_testkit.ports import port_for_later
from mailweir_testkit.processes import child, wait_until
from mailweir_testkit.product import Product, product

TIMES = 30.0
CONFIGURATION = """\
global: {scrape_interval: 2s, evaluation_interval: 2s}
rule_files: [rules.yml]
scrape_configs:
  - job_name: mailweir
    scrape_timeout: 2s
    file_sd_configs: [{files: [%s], refresh_interval: 2s}]
"""

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.long,
    pytest.mark.timeout(600),
    pytest.mark.xdist_group("product"),
    pytest.mark.skipif(
        shutil.which("prometheus") is None,
        reason="prometheus is not on PATH (Debian: apt install prometheus)",
    ),
]


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    """Run the product with clients from anywhere, by PROXY header."""
    arguments = (
        "--prometheus", "--prometheus-listen", "0", "--no-samples", "--proxy-from", "127.0.0.0/8",
    )  # fmt: skip
    with product(tmp_path_factory.mktemp("faulty") / "data", *arguments) as made:
        yield made


@pytest.fixture(scope="module")
def quick(running: Product, tmp_path_factory: pytest.TempPathFactory) -> Iterator[panels.Ask]:
    """Run a second Prometheus with the same targets and hurried rules."""
    folder = tmp_path_factory.mktemp("quick")
    targets = running.data / "prometheus" / "targets.json"
    (folder / "prometheus.yml").write_text(CONFIGURATION % targets)
    (folder / "rules.yml").write_text(panels.hurried(rules(GROUPS), TIMES))
    where = f"127.0.0.1:{port_for_later()}"
    command = (
        "prometheus", f"--config.file={folder / 'prometheus.yml'}",
        f"--storage.tsdb.path={folder / 'data'}", f"--web.listen-address={where}",
    )  # fmt: skip
    ask = partial(panels.over_http, f"http://{where}")

    def answers() -> bool:
        try:
            return len(ask("up == 1")) == len(SERVICES)
        except httpx2.TransportError:
            return False

    with child(command, log=folder / "log"):
        wait_until(answers, 60, "Prometheus to have all targets", pause=1)
        yield ask


@asynccontextmanager
async def mail_comes(running: Product, name: str) -> AsyncIterator[None]:
    """Have two messages a second come for the block."""
    host, port = running.address("smtp")
    clients = tuple(f"203.0.113.{n}" for n in range(1, 8))
    plan = Plan(
        host, port, connections=4, per_connection=2, rate=2, give_up_seconds=400, clients=clients
    )
    letters = [
        Letter(f"{name}{n}", "anna@example.net", ("bob@example.com",), mail(f"{name} {n}"))
        for n in range(800)
    ]
    async with asyncio.TaskGroup() as group:
        sending = group.create_task(deliver(plan, letters))
        yield
        sending.cancel()


def firing(ask: panels.Ask) -> set[str]:
    return {s["metric"]["alertname"] for s in ask('ALERTS{alertstate="firing"}')}


async def until(check: object, seconds: float, what: str) -> None:
    await asyncio.to_thread(wait_until, check, seconds, what, 1.0)


async def test_a_mute_service_and_a_mute_bus_are_told_of(
    running: Product, quick: panels.Ask
) -> None:
    faults = {
        "reputation": {"MailweirServiceGone", "MailweirCheckFailing"},
        "nats": {"MailweirBusAway", "MailweirServiceDegraded", "MailweirRefusalsBurnFast"},
    }
    async with mail_comes(running, "mute"):
        for name, alerts in faults.items():
            process = running.processes()[name]
            process.send_signal(signal.SIGSTOP)
            try:
                await until(lambda a=alerts: a <= firing(quick), 90, f"{sorted(alerts)}")
            finally:
                process.send_signal(signal.SIGCONT)
            await until(lambda a=alerts: not a & firing(quick), 180, f"no {sorted(alerts)}")


async def test_a_lost_next_hop_is_told_of(running: Product, quick: panels.Ask) -> None:
    alerts = {"MailweirDeliveryFails"}
    with running.client() as client:
        before = client.get("/config").raise_for_status().json()
        routes = [{"domain": "*", "next_hops": [f"smtp://127.0.0.1:{port_for_later()}"]}]
        lost = {**before, "delivery": {**before["delivery"], "routes": routes}}
        async with mail_comes(running, "lost"):
            client.put("/config", json=lost).raise_for_status()
            await until(lambda: alerts <= firing(quick), 120, f"{sorted(alerts)}")
            client.put("/config", json=before).raise_for_status()
            await until(lambda: not alerts & firing(quick), 150, f"no {sorted(alerts)}")
