"""A small flood of banned and listed clients on the whole product, beside mail of known senders.

Ratios only: what a machine does in a second is its own affair. `tests/bench/flood.py` measures at length.
"""

import asyncio
import statistics
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from mailweir_testkit.flood import Away, Known, away, known
from mailweir_testkit.processes import cpu_seconds, wait_until
from mailweir_testkit.product import Product, product

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.long,
    pytest.mark.timeout(180),
    pytest.mark.xdist_group("edge"),
]

BANNED, LISTED = ("198.18.0.0/24",), ("198.19.0.0/24",)
KNOWN = tuple(f"198.18.{n}.7/32" for n in range(128, 168))
CONNECTIONS, RATE = 1500, 150.0
ITS_BANNED = 254 * 3
"""So many of these come from the banned: 254 of them, then 254 of the listed, and over again."""
MAILS, MAIL_RATE = 80, 8.0
CHEAPER = 5.0
"""A connection that is turned away costs at most this part of one that brings a message."""


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    """Return the product behind a proxy, with clients banned and listed."""
    folder = tmp_path_factory.mktemp("flood")
    proxied = '--set=relay.proxy_networks=["127.0.0.0/8"]'
    quick = "--set=edge.wait.seconds=1"
    with product(folder / "data", "--no-samples", proxied, quick) as made:
        with made.client() as client:
            for network in BANNED:
                body = {"subject": network, "seconds": 3600, "reason": "flood", "close_all": True}
                client.post("/bans", json=body).raise_for_status()
            for network in LISTED:
                body = {"kind": "block", "item": network}
                client.post("/lists", json=body).raise_for_status()
        yield made


async def settled(port: int, network: str) -> None:
    """Wait until clients of a network are turned away."""
    async with asyncio.timeout(20):
        while all(reply.startswith("2") for reply in (await away(port, 1, 1, [network])).replies):
            await asyncio.sleep(0.1)


async def both(port: int) -> tuple[Away, Known]:
    """Have a flood and known mail come side by side."""
    async with asyncio.TaskGroup() as tasks:
        mail = tasks.create_task(known(port, MAILS, MAIL_RATE, KNOWN))
        flood = await away(port, CONNECTIONS, RATE, (*BANNED, *LISTED))
    return flood, mail.result()


async def test_known_senders_notice_little_of_a_flood(running: Product) -> None:
    port = running.address("smtp")[1]
    ingress: psutil.Process = running.processes()["ingress"]
    for network in (*BANNED, *LISTED):
        await settled(port, network)
    waited = await known(port, len(KNOWN), 40, KNOWN)  # once, as unknown clients do
    assert waited.refused == []
    assert min(waited.took) >= 1
    await away(port, 508, RATE, (*BANNED, *LISTED))  # each of them once

    begun, resident = cpu_seconds(ingress.pid), ingress.memory_info().rss
    quiet = await known(port, MAILS, MAIL_RATE, KNOWN)
    middle = cpu_seconds(ingress.pid)
    flood, loud = await both(port)
    ended = cpu_seconds(ingress.pid)

    assert quiet.refused == loud.refused == []
    assert len(loud.took) == MAILS
    assert flood.broken == 0  # everybody could read why
    assert flood.sent == sum(flood.replies.values()) == CONNECTIONS
    refused = Counter({reply[:3]: count for reply, count in flood.replies.items()})
    assert refused["421"] >= ITS_BANNED
    # a list that is asked too late, as on a machine with too much to do, lets a client in
    assert refused["421"] + refused["554"] > 0.9 * CONNECTIONS
    a_message = (middle - begun) / MAILS
    one_turned_away = ((ended - middle) - a_message * MAILS) / CONNECTIONS
    assert one_turned_away < a_message / CHEAPER
    assert ingress.memory_info().rss < 1.2 * resident
    # nobody knows what else the machine does, so this only finds what is badly wrong
    assert statistics.median(loud.took) < 10 * statistics.median(quiet.took)
    assert max(loud.took) < 30


def hits(running: Product) -> int:
    """Return how many connections the ban has turned away, as REST shows it."""
    (ban,) = [one for one in running.get("/bans")["items"] if one["subject"] == BANNED[0]]
    return int(ban["hits"])


def test_what_the_ban_did_is_shown_and_its_records_are_few(running: Product) -> None:
    (ban,) = [one for one in running.get("/bans")["items"] if one["subject"] == BANNED[0]]
    assert (ban["kind"], ban["evidence"]) == ("manual", "flood")
    wait_until(lambda: hits(running) >= ITS_BANNED, 15, "the ban's hits")
    reasons = [record["reason"] for record in running.records().values()]
    assert 0 < reasons.count("banned") + reasons.count("blocklisted") < CONNECTIONS / 3


def test_the_folder_is_not_full_of_lines(running: Product) -> None:
    logs = list(Path(running.data).rglob("*.log"))
    lines = sum(log.read_text(errors="replace").count("banned") for log in logs)
    assert lines < CONNECTIONS / 3
