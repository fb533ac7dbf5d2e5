"""2,000 real mails over 20 connections: what got 250 is delivered or held, once, unchanged, on record."""

import asyncio
import time
from pathlib import Path

import pytest

from mailweir_testkit.fidelity import crlf
from mailweir_testkit.load import Fate, Letter, Plan, deliver
from mailweir_testkit.product import Product, product
from mailweir_testkit.reckoning import outstanding, reckon
from mailweir_testkit.shared import ABSENT, corpus_dir, corpus_sample, shared_dir
from mailweir_testkit.sink import Caught, sink

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300), pytest.mark.xdist_group("product")]

MAILS = 2001  # the sample keeps the proportions of the sets, and is about so large
CONNECTIONS = 20
SETTLE_SECONDS = 90.0


def corpus_letters(count: int) -> list[Letter]:
    """Return mails of every set and class; line ends as they are on the wire."""
    folder = corpus_dir()
    assert folder is not None
    return [
        Letter(
            m.path, "sender@example.net", ("bob@example.com",), crlf((folder / m.path).read_bytes())
        )
        for m in corpus_sample(count)
    ]


async def settled(made: Product, fates: list[Fate], mails: list[Caught], seconds: float) -> None:
    """Wait until all has arrived and is on record, or time is up: the books say what is missing."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        records = await asyncio.to_thread(made.records)
        if not outstanding(fates, mails, records) and not reckon(fates, mails, records).unrecorded:
            return
        await asyncio.sleep(1.0)


@pytest.mark.skipif(shared_dir() is None, reason=ABSENT)
async def test_the_corpus_goes_through_once_unchanged_and_on_record(tmp_path: Path) -> None:
    letters = corpus_letters(MAILS)
    async with sink(keep=False) as target:
        hop = f"smtp://{target.address[0]}:{target.address[1]}"
        with product(tmp_path / "data", "--no-samples", "--next-hop", hop) as made:
            host, port = made.address("smtp")
            begin = time.monotonic()
            fates = await deliver(Plan(host, port, CONNECTIONS, per_connection=10), letters)
            sent = time.monotonic() - begin
            await settled(made, fates, target.mails, SETTLE_SECONDS)
            await asyncio.sleep(1.0)  # a second copy would come now
            books = reckon(fates, target.mails, await asyncio.to_thread(made.records))
    print(f"\n{len(letters)} mails in {sent:.1f} s: {books}")
    unanswered = [f.reply for f in fates if not f.taken and not f.refused]
    assert not unanswered, unanswered[:3]
    assert books.balanced, str(books)
    assert books.taken > len(letters) // 2
