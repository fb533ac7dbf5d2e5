"""The load client brings every message through a server that defers, hangs up and comes back."""

import asyncio
import json
import sys
from collections import Counter
from pathlib import Path

import pytest

from mailweir_testkit.builders import mail, mail_of_size
from mailweir_testkit.load import Letter, Plan, deliver, letters_of_size
from mailweir_testkit.processes import child, wait_until
from mailweir_testkit.sink import Manners, Sink, sink


def letters(count: int, recipient: str = "bob@example.com") -> list[Letter]:
    return [
        Letter(str(n), "a@b", (recipient,), mail(str(n), f".dot {n}\r\n")) for n in range(count)
    ]


def plan(target: Sink, **changes: float) -> Plan:
    host, port = target.address
    return Plan(host, port, **{"connections": 4, "retry_seconds": 0.01, **changes})  # type: ignore[arg-type]  # numbers by field name


async def test_every_letter_arrives_once_with_its_content() -> None:
    sent = letters(30)
    async with sink() as target:
        fates = await deliver(plan(target, per_connection=3), sent)
        assert all(f.taken for f in fates)
        assert sorted(m.content or b"" for m in target.mails) == sorted(s.content for s in sent)
        assert target.connections >= 10


async def test_deferred_letters_are_sent_again() -> None:
    async with sink(Manners(defer_messages=5)) as target:
        fates = await deliver(plan(target), letters(10))
        assert all(f.taken for f in fates)
        assert sum(f.tries for f in fates) == 15
        assert len(target.mails) == 10


async def test_a_connection_that_ends_after_the_data_leaves_a_doubt() -> None:
    async with sink(Manners(hang_up_after_data=2)) as target:
        fates = await deliver(plan(target), letters(6))
        assert all(f.taken for f in fates)
        assert sum(f.in_doubt for f in fates) == 2
        assert len(target.mails) == 8


async def test_a_refusal_is_final() -> None:
    async with sink(Manners(refuse="^bob")) as target:
        (fate,) = await deliver(plan(target), letters(1))
        assert (fate.refused, fate.taken, fate.tries) == (True, False, 1)
        assert fate.reply.startswith("550 5.1.1")


async def test_what_cannot_be_sent_is_given_up() -> None:
    async with sink() as target:
        address = plan(target, give_up_seconds=0.1)
    (fate,) = await deliver(address, letters(1))
    assert not fate.taken
    assert not fate.refused


async def test_the_sending_can_be_ended_early() -> None:
    async with sink() as target:
        host, port = target.address
        early = Plan(host, port, 1, until=lambda: len(target.mails) >= 2)
        fates = await deliver(early, letters(5))
    assert [f.taken for f in fates] == [True, True, False, False, False]


async def test_the_reference_is_read_from_the_reply() -> None:
    ref = "01JABCDEFGHJKMNPQRSTVWXYZ0-1"

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 x\r\n")
        in_data = False
        while line := await reader.readline():
            if in_data and line != b".\r\n":
                continue
            in_data = line == b"DATA\r\n"
            answer = b"354 go" if in_data else f"250 2.0.0 queued [{ref}]".encode()
            writer.write(answer + b"\r\n")
        writer.close()

    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        (fate,) = await deliver(Plan("127.0.0.1", port, 1), letters(1))
    assert fate.ref == ref


@pytest.mark.parametrize("size", [2000, 4000, 40_000, 400_000])
def test_mails_of_a_size_have_exactly_that_size(size: int) -> None:
    content = mail_of_size(size, 3)
    assert len(content) == size
    assert content == mail_of_size(size, 3)
    assert content != mail_of_size(size, 4)
    assert content.endswith(b"--\r\n")
    assert max(map(len, content.split(b"\r\n"))) < 100
    assert (b"attachment" in content) is (size > 8000)


def test_letters_of_a_size_have_names_of_their_own() -> None:
    got = letters_of_size(4000, 25)
    assert len({letter.name for letter in got}) == 25
    assert len({letter.content for letter in got}) == 10


@pytest.mark.integration
async def test_as_a_process_it_prints_what_was_taken(tmp_path: Path) -> None:
    log = tmp_path / "log"
    async with sink() as target:
        command = [sys.executable, "-m", "mailweir_testkit.load", "--port", str(target.address[1])]
        with child([*command, "--count", "5"], log=log) as process:
            await asyncio.to_thread(process.wait)
        wait_until(lambda: log.read_text().endswith("\n"), 1, "the summary")
    summary = json.loads(log.read_text())
    assert (summary["taken"], summary["refused"]) == (5, 0)


async def test_letters_fall_due_at_the_rate() -> None:
    async with sink() as target:
        fates = await deliver(plan(target, rate=50.0), letters(25))
    first, last = min(f.begun_at for f in fates), max(f.begun_at for f in fates)
    assert last - first >= 24 / 50 * 0.95
    assert all(f.taken for f in fates)


async def test_what_was_said_before_the_last_try_is_kept() -> None:
    async with sink(Manners(defer_messages=2)) as target:
        (fate,) = await deliver(plan(target), letters(1))
    assert fate.earlier == ["451 4.3.0 try again"] * 2
    assert fate.taken


async def test_connections_come_from_the_addresses_that_are_given() -> None:
    peers: set[str] = set()

    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        peers.add(writer.get_extra_info("peername")[0])
        writer.write(b"421 4.3.2 not now\r\n")
        writer.close()

    server = await asyncio.start_server(greet, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()
    sources = ("127.0.0.3", "127.0.0.4")
    troubles: Counter[str] = Counter()
    hopeless = Plan(host, port, 2, retry_seconds=0.01, give_up_seconds=0.2, sources=sources)
    async with server:
        await deliver(hopeless, letters(2), troubles)
    assert peers == set(sources)
    assert set(troubles) == {"421 4.3.2 not now"}
