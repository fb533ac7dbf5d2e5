"""The edge's services, the broker and the name server fail in turn under load: nothing is lost or silent.

What follows from a lost service is `policy.degradation`; each message that was let through without a check
says so in its record and its header, and a metric counts it. When the service is back, so is the check.
"""

import asyncio
import signal
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest

from mailweir_testkit.builders import mail
from mailweir_testkit.dns import Misbehaviour, dns_server
from mailweir_testkit.load import Fate, Letter, Plan, deliver
from mailweir_testkit.product import Product, product
from mailweir_testkit.sink import Sink, sink

pytestmark = [pytest.mark.e2e, pytest.mark.xdist_group("edge"), pytest.mark.timeout(180)]

CLIENTS = tuple(f"198.51.100.{n}" for n in range(1, 9))
EDGE = ("reputation", "greylist", "ratelimit")
POLICY = (
    "edge.wait.enabled=false",
    "greylist.log_only=true",
    "greylist.suspicion=0",
    "edge.connect_seconds=0.5",
    "edge.mail_seconds=0.5",
    "edge.recipient_seconds=0.5",
    "delivery.retry.schedule_seconds=[1, 1, 2]",
)
BACK_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Running:
    """The product before a sink."""

    product: Product
    sink: Sink

    async def send(self, count: int, word: str, *, patient: bool = True) -> list[Fate]:
        """Send mails of strangers; a patient client comes again after a 4xx."""
        host, port = self.product.address("smtp")
        plan = Plan(
            host, port, connections=4, per_connection=2, clients=CLIENTS, retry_seconds=0.5,
            give_up_seconds=60 if patient else 4,
        )  # fmt: skip
        letters = [
            Letter(
                f"{word}{n}",
                "anna@example.net",
                ("bob@example.com",),
                mail(f"{word} {n}", "Hi\r\n"),
            )
            for n in range(count)
        ]
        return await deliver(plan, letters)

    async def checks(self, fate: Fate) -> dict[str, str]:
        """Return how each check ended for a message, once its record is there."""
        end = time.monotonic() + 20
        while True:
            try:
                found = await asyncio.to_thread(self.product.get, f"/messages/{fate.ref}")
                if found["checks"]:  # delivery may be written down before the record is
                    return _worst(found["checks"])
            except httpx2.HTTPError:
                if time.monotonic() > end:
                    raise
            assert time.monotonic() < end, f"{fate.ref} has no record"
            await asyncio.sleep(0.2)

    def count(self, check: str, status: str) -> float:
        """Return how often a check ended so, by the ingress's own metric."""
        services = self.product.get("/services")
        url = next(s["metrics_url"] for s in services if s["name"] == "ingress")
        text = httpx2.get(url, trust_env=False, timeout=10).text
        name = f'mailweir_ingress_checks_total{{check="{check}",status="{status}"}}'
        return next(float(line.split()[1]) for line in text.splitlines() if line.startswith(name))

    async def arrived(self, fates: list[Fate]) -> None:
        """Wait until each message that was taken has arrived, once."""
        wanted = {fate.ref for fate in fates if fate.taken}
        end = time.monotonic() + 60
        while not wanted <= {caught.ref for caught in self.sink.mails}:
            assert time.monotonic() < end, wanted - {caught.ref for caught in self.sink.mails}
            await asyncio.sleep(0.1)
        refs = [caught.ref for caught in self.sink.mails]
        assert len(refs) == len(set(refs))


def _worst(checks: list[dict[str, Any]]) -> dict[str, str]:
    order = ("skipped", "ok", "hit", "temperror")
    found: dict[str, str] = {}
    for check in checks:
        name, status = check["check"], check["status"]
        if order.index(status) >= order.index(found.get(name, "skipped")):
            found[name] = status
    return found


@asynccontextmanager
async def running(tmp_path: Path, *policy: str, dns: str = "") -> AsyncIterator[Running]:
    options = [f"--set={assignment}" for assignment in (*POLICY, *policy)]
    if dns:
        options += ["--dns", dns]
    async with sink() as target:
        hop = f"smtp://{target.address[0]}:{target.address[1]}"
        with product(
            tmp_path / "data",
            "--no-samples",
            "--next-hop",
            hop,
            "--proxy-from",
            "127.0.0.0/8",
            *options,
        ) as made:
            yield Running(made, target)


@contextmanager
def frozen(made: Product, name: str) -> Iterator[None]:
    """Have a process hold still, connections and all, while the block lasts."""
    process = made.processes()[name]
    process.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        process.send_signal(signal.SIGCONT)


async def test_each_service_may_be_lost_and_comes_back(tmp_path: Path) -> None:
    async with running(tmp_path) as made:
        before = await made.send(4, "before")
        assert all(fate.taken for fate in before)
        for name in EDGE:
            lost_before = made.count(name, "temperror")
            with frozen(made.product, name):
                fates = await made.send(6, f"without-{name}")
                assert all(fate.taken for fate in fates), {f.reply for f in fates}
                for fate in fates:
                    checks = await made.checks(fate)
                    assert checks[name] == "temperror", checks
                assert made.count(name, "temperror") > lost_before
            await made.arrived(fates)
            status = next(c for c in made.sink.mails if c.ref == fates[0].ref).content
            assert name.encode() in status.split(b"\r\n\r\n")[0], "the header names what was lost"
            await _well_again(made, name)


@pytest.mark.long
async def test_a_service_that_dies_is_started_again_and_nothing_is_lost(tmp_path: Path) -> None:
    async with running(tmp_path) as made:
        for name in EDGE:
            made.product.processes()[name].kill()
            fates = await made.send(6, f"killed-{name}")
            assert all(fate.taken for fate in fates), {f.reply for f in fates}
            await made.arrived(fates)
            await _well_again(made, name)


@pytest.mark.long
async def test_the_policy_may_want_a_lost_check_made_later(tmp_path: Path) -> None:
    wanted = ("degradation.reputation=tempfail", "degradation.ratelimit=hold")
    async with running(tmp_path, *wanted) as made:
        with frozen(made.product, "reputation"):
            (refused,) = await made.send(1, "later", patient=False)
            assert refused.reply.startswith("451"), refused.reply
        await _well_again(made, "reputation")
        with frozen(made.product, "ratelimit"):
            (kept,) = await made.send(1, "kept")
            assert kept.taken
            await made.checks(kept)
            held = await asyncio.to_thread(made.product.get, f"/messages/{kept.ref}")
            assert (held["action"], held["reason"]) == ("hold", "unscanned")


@pytest.mark.long
async def test_the_broker_may_hold_still(tmp_path: Path) -> None:
    async with running(tmp_path) as made:
        (first,) = await made.send(1, "first")
        assert first.taken
        async with asyncio.TaskGroup() as both:
            sending = both.create_task(made.send(8, "meanwhile"))
            with frozen(made.product, "nats"):
                await asyncio.sleep(4)
        fates = sending.result()
        assert all(fate.taken for fate in fates), {f.reply for f in fates}
        await made.arrived(fates)


@pytest.mark.long
async def test_a_dead_name_server_refuses_nobody(tmp_path: Path) -> None:
    zone = (
        'reputation.zones=[{"name":"bl","zone":"bl.test.example","kinds":["ip4"],"checks":["client"],'
        '"policy_list":true,"score":8}]'
    )
    async with (
        dns_server({"test.example": "2.0.0.127.bl 60 IN A 127.0.0.2\n"}) as server,
        running(tmp_path, zone, dns=server.address) as made,
    ):
        for how in (Misbehaviour.TIMEOUT, Misbehaviour.SERVFAIL):
            for name in ("test.example", "example.net", "in-addr.arpa"):
                server.misbehave(name, how)
            fates = await made.send(4, f"dns-{how}")
            assert all(fate.taken for fate in fates), {f.reply for f in fates}
            assert "hit" not in {(await made.checks(f))["reputation"] for f in fates}
            await made.arrived(fates)


async def _well_again(made: Running, name: str) -> None:
    """Wait until the check is made again."""
    end = time.monotonic() + BACK_SECONDS
    while True:
        (fate,) = await made.send(1, f"again-{name}-{time.monotonic():.3f}")
        assert fate.taken
        if (await made.checks(fate))[name] != "temperror":
            return
        assert time.monotonic() < end, f"{name} is not asked again"
        await asyncio.sleep(0.5)
