"""Greylisting as senders meet it: real clients, the whole product, its pending list over REST."""

import asyncio
import shutil
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from mailweir_testkit import postfix
from mailweir_testkit.builders import mail
from mailweir_testkit.dns import dns_server
from mailweir_testkit.load import Fate, Letter, Plan, deliver
from mailweir_testkit.postfix import Postfix, postfix_sender
from mailweir_testkit.product import Product, product
from mailweir_testkit.sink import Sink, sink

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.timeout(180),
    pytest.mark.xdist_group("edge"),
    pytest.mark.asyncio(loop_scope="module"),
]

DELAY = 6.0
TO = "bob@example.com"
# Half a second for the store: a busy machine must not let pass what a quiet one keeps waiting.
COMMON = (
    "greylist.log_only_seconds=0", f"greylist.delay_seconds={DELAY}", "greylist.exempt_after=0",
    "greylist.answer_seconds=0.5", "edge.wait.enabled=false",
)  # fmt: skip


@dataclass(frozen=True)
class Stage:
    """A product that greylists, its next hop being a sink."""

    product: Product
    sink: Sink

    async def send(self, sender: str, to: str = TO, *, give_up: float = 60.0,
                   clients: tuple[str, ...] = ()) -> Fate:  # fmt: skip
        """Send as a mail server does: again after 4xx, twice a second."""
        host, port = self.product.address("smtp")
        plan = Plan(host, port, 1, 1, retry_seconds=0.5, give_up_seconds=give_up, clients=clients)
        letter = Letter(sender, sender, (to,), mail(f"from {sender}"))
        (fate,) = await deliver(plan, [letter])
        return fate

    async def try_once(self, sender: str, to: str = TO) -> str:
        """Send as a spambot does, once; return the reply."""
        return (await self.send(sender, to, give_up=0.3)).reply

    async def rest(self, method: str, path: str, **query: str) -> Any:
        with self.product.client() as client:
            answer = await asyncio.to_thread(client.request, method, path, params=query)
        answer.raise_for_status()
        return answer.json() if answer.content else None

    async def entries(self, **query: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = (await self.rest("GET", "/greylist", **query))["items"]
        return found

    def caught(self, sender: str) -> list[Any]:
        return [m for m in self.sink.mails if m.sender == sender]

    async def arrives(self, sender: str, seconds: float = 30.0) -> None:
        async with asyncio.timeout(seconds):
            while not self.caught(sender):
                await asyncio.sleep(0.05)


@asynccontextmanager
async def running(data: Path, *arguments: str) -> AsyncIterator[Stage]:
    async with sink() as target:
        hop = f"smtp://{target.address[0]}:{target.address[1]}"
        made = product(data, "--no-samples", "--next-hop", hop, *arguments)
        started = await asyncio.to_thread(made.__enter__)
        try:
            yield Stage(started, target)
        finally:
            await asyncio.to_thread(made.__exit__, None, None, None)


def fields(*assignments: str) -> list[str]:
    return [word for assignment in assignments for word in ("--set", assignment)]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stage(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stage]:
    """Return a product that greylists everybody: all clients here come from loopback."""
    data = tmp_path_factory.mktemp("greylist") / "data"
    async with running(data, *fields(*COMMON, "greylist.mode=sender-ip")) as made:
        yield made


@pytest.fixture(scope="module")
def sender(stage: Stage, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Postfix]:
    """Return a Postfix whose mail goes to the product."""
    if reason := postfix.why_not():
        pytest.skip(reason)
    root = tmp_path_factory.mktemp("postfix") / "sender"
    with postfix_sender(root, stage.product.address("smtp")[1]) as made:
        yield made


async def test_a_server_that_retries_is_deferred_and_comes_in_once(stage: Stage) -> None:
    started = time.monotonic()
    fate = await stage.send("retries@example.net")
    assert fate.reply.startswith("250")
    assert time.monotonic() - started >= DELAY
    assert fate.tries > 5  # early tries neither reset nor extend the wait
    assert time.monotonic() - started < DELAY + 10
    await stage.arrives("retries@example.net")
    assert len(stage.caught("retries@example.net")) == 1
    assert (await stage.send("retries@example.net")).tries == 1


async def test_a_deferral_names_the_seconds_left_and_a_reference(stage: Stage) -> None:
    reply = await stage.try_once("curious@example.net")
    assert reply.startswith("451 4.7.1 Greylisted, please come back later: 6 seconds left")
    assert reply.endswith("]")


async def test_postfix_retries_by_its_own_schedule_and_delivers_once(
    stage: Stage, sender: Postfix
) -> None:
    address, to = "server@example.net", "carol@example.com"
    await asyncio.to_thread(sender.send, address, to, mail("by postfix"))
    async with asyncio.timeout(30):
        while not (pending := await stage.entries(state="pending", text=address)):
            await asyncio.sleep(0.1)
    assert (pending[0]["sender"], pending[0]["recipient"]) == (address, to)
    await stage.arrives(address, 90)
    async with asyncio.timeout(30):
        while not any(a.status == "sent" for a in sender.attempts(to)):
            await asyncio.sleep(0.2)
    *early, last = sender.attempts(to)
    assert early
    assert {a.status for a in early} == {"deferred"}
    assert all("451 4.7.1 Greylisted" in a.reply for a in early)
    assert last.status == "sent"
    await asyncio.sleep(2 * postfix.RETRY_SECONDS)
    assert len(stage.caught(address)) == 1
    (entry,) = await stage.entries(state="authorised", text=address)
    assert entry["passes"] == 1


async def spoken(*command: str) -> tuple[int, str]:
    """Run a client; return its exit code and what it said."""
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    said, _ = await process.communicate()
    return process.returncode or 0, said.decode(errors="replace")


async def is_deferred_and_comes_in(stage: Stage, sender: str, *command: str) -> None:
    """Have a client come twice, the delay between."""
    code, said = await spoken(*command)
    assert code != 0
    assert "451 4.7.1 Greylisted" in said
    await asyncio.sleep(DELAY)
    code, said = await spoken(*command)
    assert code == 0, said
    await stage.arrives(sender)
    assert len(stage.caught(sender)) == 1


@pytest.mark.skipif(shutil.which("swaks") is None, reason="swaks is not installed")
async def test_swaks_is_deferred_and_comes_in_after_the_delay(stage: Stage) -> None:
    host, port = stage.product.address("smtp")
    await is_deferred_and_comes_in(
        stage, "swaks@example.net", "swaks", "--server", host, "--port", str(port),
        "--from", "swaks@example.net", "--to", TO, "--helo", "client.example.net",
        "--header", "Subject: by swaks",
    )  # fmt: skip


@pytest.mark.skipif(shutil.which("smtp-source") is None, reason="smtp-source is not installed")
async def test_smtp_source_is_deferred_and_comes_in_after_the_delay(stage: Stage) -> None:
    host, port = stage.product.address("smtp")
    await is_deferred_and_comes_in(
        stage, "source@example.net", "smtp-source", "-m", "1", "-M", "client.example.net",
        "-f", "source@example.net", "-t", TO, f"{host}:{port}",
    )  # fmt: skip


async def test_by_hand_the_next_try_is_let_through(stage: Stage) -> None:
    assert (await stage.try_once("waits@example.net")).startswith("451")
    (entry,) = await stage.entries(state="pending", text="waits@example.net")
    made = await stage.rest("POST", f"/greylist/{entry['id']}/authorise")
    assert made["state"] == "authorised"
    assert made["authorised_by"]
    again = await stage.send("waits@example.net", give_up=1.0)
    assert again.reply.startswith("250")
    assert again.tries == 1
    (entry,) = await stage.entries(text="waits@example.net")
    assert entry["state"] == "authorised"


async def test_a_deleted_entry_waits_anew(stage: Stage) -> None:
    assert (await stage.send("forget@example.net")).reply.startswith("250")
    (entry,) = await stage.entries(text="forget@example.net")
    await stage.rest("DELETE", f"/greylist/{entry['id']}")
    assert await stage.entries(text="forget@example.net") == []
    assert (await stage.try_once("forget@example.net")).startswith("451")


@pytest.mark.long
async def test_a_bot_that_never_retries_never_gets_in(stage: Stage) -> None:
    replies = [await stage.try_once(f"bot{n}x@example.net", f"u{n}@example.com") for n in range(20)]
    await asyncio.sleep(DELAY)
    replies += [await stage.try_once(f"bot{n}y@example.net", f"u{n}@example.com") for n in range(5)]
    assert {reply[:9] for reply in replies} == {"451 4.7.1"}
    assert not [m for m in stage.sink.mails if m.sender.startswith("bot")]
    assert len(await stage.entries(state="pending", text="bot", limit="100")) == 25


async def test_a_bounce_is_not_kept_waiting(stage: Stage) -> None:
    assert (await stage.send("", give_up=2.0)).tries == 1


async def test_the_forecast_counts(stage: Stage) -> None:
    assert (await stage.try_once("forecast@example.net")).startswith("451")
    async with asyncio.timeout(20):
        while not (found := await stage.rest("GET", "/greylist/forecast"))["deferred"]:
            await asyncio.sleep(0.2)
    assert found["log_only"] is False
    assert found["checked"] >= found["deferred"] >= found["returned"]


async def test_a_pool_of_twenty_addresses_of_one_spf_domain_is_one_sender(
    tmp_path: Path,
) -> None:
    zone = (
        "@ 300 IN A 198.51.100.1\n@ 300 IN MX 10 mx\nmx 300 IN A 198.51.100.1\n"
        '@ 300 IN TXT "v=spf1 ip4:198.51.0.0/16 ip4:203.0.113.0/24 -all"\n'
    )
    pool = tuple(f"198.51.{n}.{n + 1}" for n in range(20))
    async with dns_server({"pool.example": zone}) as dns:
        arguments = fields(*COMMON, "greylist.suspicion=0")
        proxied = ("--proxy-from", "127.0.0.1/32", "--dns", f"{dns.host}:{dns.port}")
        async with running(tmp_path / "data", *proxied, *arguments) as stage:
            fate = await stage.send("ann@pool.example", clients=pool)
            assert fate.reply.startswith("250")
            assert fate.tries > 2  # each from another network
            (entry,) = await stage.entries(text="pool.example")
            assert (entry["client"], entry["sender"]) == ("spf:pool.example", "@pool.example")
            for address in pool:
                other = await stage.send("eve@pool.example", clients=(address,), give_up=5.0)
                assert (other.tries, other.reply[:3]) == (1, "250")
            stranger = await stage.send("ann@pool.example", clients=("192.0.2.1",), give_up=0.3)
            assert not stranger.taken
