"""Bots and good senders do what is said of them, against servers that are made for it."""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from mailweir_testkit.cluster import botnet
from mailweir_testkit.cluster.botnet import DICTIONARY, Row, Sending, script, visit
from mailweir_testkit.load import Letter
from mailweir_testkit.sink import Manners, sink

LETTER = Letter("1", "anna@example.net", ("bob@example.com",), b"Subject: x\r\n\r\nhello\r\n")
HOST = "127.0.0.1"


@pytest.fixture(autouse=True)
async def _closed() -> AsyncIterator[None]:
    """Let connections end that were told to."""
    yield
    await asyncio.sleep(0.02)


@asynccontextmanager
async def server(*replies: bytes) -> AsyncIterator[tuple[int, list[bytes]]]:
    """Run a server that says these, one for each thing it hears, then hangs up; yields port and what came."""
    heard: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for reply in replies:
            writer.write(reply)
            heard.append(await reader.read(100_000))
        writer.close()

    listening = await asyncio.start_server(serve, HOST, 0)
    async with listening:
        yield listening.sockets[0].getsockname()[1], heard


async def test_a_mail_bot_waits_for_its_turn_and_sends_all_its_mails() -> None:
    async with sink() as hop:
        told = await visit(*hop.address, "", script("mail", [LETTER, LETTER]))
        assert told.startswith("250 2.0.0")
        assert [mail.sender for mail in hop.mails] == ["anna@example.net"] * 2
        assert hop.connections == 1


async def test_it_goes_when_a_mail_is_refused() -> None:
    async with sink(Manners(refuse="bob")) as hop:
        assert (await visit(*hop.address, "", script("mail", [LETTER]))).startswith("503")
        assert hop.mails == []


async def test_an_early_bot_talks_before_it_has_heard_anything() -> None:
    async with server(b"", b"554 5.5.1 you spoke\r\n") as (port, heard):
        told = await visit(HOST, port, "", script("early", []))
    assert told == "554 5.5.1 you spoke"
    assert heard[0].startswith(b"EHLO")
    assert b"DATA\r\n" in heard[0]


async def test_a_dictionary_bot_hears_of_all_its_recipients() -> None:
    async with sink(Manners(refuse="@example.com")) as hop:
        told = await visit(*hop.address, "", script("dictionary", []))
    assert told.startswith("550")
    assert len(DICTIONARY) == 24


async def test_421_ends_it_at_once() -> None:
    async with server(b"421 4.3.2 busy\r\n") as (port, heard):
        assert await visit(HOST, port, "", script("mail", [LETTER])) == "421 4.3.2 busy"
        await asyncio.sleep(0.01)
    assert heard in ([], [b"QUIT\r\n"])


async def test_replies_of_several_lines_are_one() -> None:
    banner = b"220-getting ready\r\n220 ready\r\n"
    async with server(banner, b"250-x\r\n250 y\r\n", b"450 4.2.1 later\r\n") as (port, heard):
        steps = script("dictionary", [])[:2]
        assert await visit(HOST, port, "", steps) == "250 y"
    assert heard[0].startswith(b"EHLO")


async def test_a_connection_that_breaks_or_is_none_is_told_apart() -> None:
    async with server() as (port, _):
        assert await visit(HOST, port, "", script("mail", [LETTER])) == "broken"
    assert await visit(HOST, port, "", script("mail", [LETTER])) == "refused"


async def test_silence_ends_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(botnet, "PATIENCE_SECONDS", 0.05)
    async with server(b"220-teaser\r\n") as (port, _):
        assert await visit(HOST, port, "", script("mail", [LETTER])) == "silent"


def sending(where: tuple[str, int], rows: list[Row], sources: range | None = None) -> Sending:
    """Return where to send, with rows noted in a list."""
    return Sending(*where, sources, rows.append, random.Random(1))


async def test_a_good_sender_comes_again_until_its_mail_is_taken(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(botnet, "AGAIN_SECONDS", 0.01)
    rows: list[Row] = []
    async with sink(Manners(defer_messages=2)) as hop:
        await botnet.good(sending(hop.address, rows), 1)(0)
        assert len(hop.mails) == 1
    (row,) = rows
    assert (row.kind, row.told, row.tries) == ("good", "250 2.0.0", 3)
    assert row.earlier == ("451 4.3.0", "451 4.3.0")
    assert row.took >= 0.02


async def test_it_gives_up_in_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(botnet, "AGAIN_SECONDS", 0.01)
    monkeypatch.setattr(botnet, "GIVE_UP_SECONDS", 0.05)
    rows: list[Row] = []
    await botnet.good(sending((HOST, 1), rows), 1)(0)
    assert rows[0].told == "refused"
    assert rows[0].tries > 1
    assert not rows[0].taken


async def test_bots_of_all_kinds_come() -> None:
    rows: list[Row] = []
    async with sink() as hop:
        come = botnet.bots(sending(hop.address, rows))
        for number in range(60):
            await come(number)
        mails = len(hop.mails)
    counts = Counter(row.kind for row in rows)
    assert set(counts) == set(botnet.KINDS)
    assert mails == 2 * counts["mail"]


async def test_they_come_by_the_clock_whatever_becomes_of_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(botnet, "MAX_OPEN", 5)
    rows: list[Row] = []
    begun: list[int] = []

    async def never_ends(number: int) -> None:
        begun.append(number)
        await asyncio.sleep(0.3)

    started = asyncio.get_running_loop().time()
    await botnet.paced(100, 0.2, never_ends, rows.append)
    assert asyncio.get_running_loop().time() - started < 2
    assert begun == list(range(5))
    assert [row.told for row in rows] == ["unsent"] * 15


def test_each_bot_has_an_address_of_its_own() -> None:
    where = sending((HOST, 25), [], range(2000, 30_000))
    own = [where.own(number) for number in range(28_000)]
    assert len(set(own)) == 28_000
    networks: Sequence[str] = [address.rpartition(".")[0] for address in own[:50]]
    assert len(set(networks)) > 40


async def test_a_run_is_read_as_it_was_noted(tmp_path: Path) -> None:
    record = tmp_path / "rows"
    row = Row("good", 1.5, 0.25, "250 2.0.0", "01M8822HAGP2YC2YSJ90CHV12D-1", 2, ("421 4.3.2",))
    with record.open("w") as out:
        botnet._recorder(out)(row)
        out.write('{"kind": "go')
    assert botnet.read(record) == [row]
    assert row.taken
    assert botnet.read(tmp_path / "none") == []
