"""`mailweir up --prometheus`: every panel and every alert finds what it asks for."""

import asyncio
import shutil
import subprocess
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import httpx2
import pytest

from mailweir_cli.monitoring.query import SERVICES
from mailweir_cli.samples import load_samples
from mailweir_cli.up.prometheus import SCRAPE_SECONDS
from mailweir_testkit import panels
from mailweir_testkit.builders import mail
from mailweir_testkit.load import Letter, Plan, deliver
from mailweir_testkit.processes import wait_until
from mailweir_testkit.product import PROGRAM, Product, product

ROOT = Path(__file__).resolve().parents[2]
CHART = ROOT / "helm" / "mailweir"
ROUNDS = 3
ERROR_ONLY = {"MailweirListSick: mailweir_reputation_list_state"}
"""Series of alerts that come with DNS lists, for which there is no resolver here."""

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240), pytest.mark.xdist_group("product")]
needs_prometheus = pytest.mark.skipif(
    shutil.which("prometheus") is None,
    reason="prometheus is not on PATH (Debian: apt install prometheus)",
)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    """Run the product and a Prometheus; clients come from anywhere, by PROXY header."""
    arguments = (
        "--prometheus", "--prometheus-listen", "0", "--no-samples", "--proxy-from", "127.0.0.0/8",
    )  # fmt: skip
    with product(tmp_path_factory.mktemp("watched") / "data", *arguments) as made:
        yield made


def base(running: Product) -> str:
    host, port = running.address("prometheus")
    return f"http://{host}:{port}"


def targets(running: Product) -> dict[str, str]:
    """Return the health of each target by its pod."""
    reply = httpx2.get(f"{base(running)}/api/v1/targets", trust_env=False).json()
    return {t["labels"]["pod"]: t["health"] for t in reply["data"]["activeTargets"]}


async def mixed_traffic(running: Product) -> None:
    """Send mail of all kinds for half a minute from many clients, some of it refused, then use REST."""
    host, port = running.address("smtp")
    letters = [
        Letter(f"w{n}", "anna@example.net", (to,), mail(f"Watched {n}"))
        for n in range(90)
        for to in ["nobody@elsewhere.example" if n % 10 == 9 else "bob@example.com"]
    ]
    letters += [
        Letter(s.name, "anna@example.net", ("bob@example.com",), s.content) for s in load_samples()
    ]
    clients = tuple(f"203.0.113.{n}" for n in range(1, 20))
    plan = Plan(
        host, port, connections=8, per_connection=3, rate=3, give_up_seconds=60, clients=clients
    )
    await deliver(plan, letters)
    for held in running.get("/quarantine")["items"]:
        with running.client() as client:
            client.post(f"/quarantine/{held['id']}/release").raise_for_status()
    # a series of calls comes with its first call: it grows from the second scrape on
    for _ in range(ROUNDS):
        for path in ("/messages", "/quarantine", "/services", "/bans", "/greylist", "/lists"):
            running.get(path)
        await asyncio.sleep(SCRAPE_SECONDS + 1)


@needs_prometheus
async def test_every_panel_and_alert_has_data_under_mixed_traffic(running: Product) -> None:
    wait_until(lambda: targets(running) == dict.fromkeys(SERVICES, "up"), 30, "all targets")
    await mixed_traffic(running)
    ask = partial(panels.over_http, base(running))

    def empty() -> list[panels.Panel]:
        return [
            p
            for p in panels.panels(CHART / "dashboards", ask, window="10m")
            if p.empty and not p.error_only
        ]

    try:
        wait_until(lambda: not empty(), 20, "data in every panel", pause=5)
    except TimeoutError:
        pytest.fail("\n".join(map(str, empty())))
    blind = set(panels.blind_alerts(CHART / "alerts", ask))
    assert not {one for one in blind if one.partition("{")[0] not in ERROR_ONLY}


@needs_prometheus
def test_the_alerts_are_loaded_with_their_pages(running: Product) -> None:
    reply = httpx2.get(f"{base(running)}/api/v1/rules", trust_env=False).json()
    rules = {r["name"]: r for group in reply["data"]["groups"] for r in group["rules"]}
    assert rules.keys() == {name for name, _ in panels.alerts(CHART / "alerts")}
    for name, rule in rules.items():
        page = ROOT / rule["annotations"]["runbook_url"]
        assert page.is_file(), f"{name}: {page}"
        assert rule["health"] in ("ok", "unknown"), rule.get("lastError")


def test_without_a_prometheus_it_says_so(tmp_path: Path) -> None:
    done = subprocess.run(
        [PROGRAM, "up", "--plain", "--data", tmp_path / "data", "--prometheus"],
        capture_output=True,
        text=True,
        timeout=30,
        env={"PATH": str(tmp_path)},
        check=False,
    )
    assert done.returncode == 3
    assert "there is no prometheus on PATH" in done.stdout + done.stderr
