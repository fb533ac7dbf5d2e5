"""The sink writes down exactly what came and misbehaves as it is told."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from mailweir_testkit.builders import mail
from mailweir_testkit.fidelity import fingerprint
from mailweir_testkit.load import Letter, Plan, deliver
from mailweir_testkit.processes import child, wait_until
from mailweir_testkit.sink import Manners, Sink, read_record, sink


class Client:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def ask(self, data: bytes, replies: int = 1) -> list[str]:
        self.writer.write(data)
        return [(await self.reader.readline()).decode().strip() for _ in range(replies)]


@asynccontextmanager
async def connected(target: Sink) -> AsyncIterator[Client]:
    reader, writer = await asyncio.open_connection(*target.address)
    client = Client(reader, writer)
    assert (await client.ask(b""))[0].startswith("220")
    try:
        yield client
    finally:
        writer.close()


ENVELOPE = b"MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\n"


async def test_the_content_arrives_unstuffed_and_complete() -> None:
    async with sink() as target, connected(target) as client:
        replies = await client.ask(ENVELOPE, 3)
        assert [r[:3] for r in replies] == ["250", "250", "354"]
        await client.ask(b"..first\r\n..\r\nX-Mailweir-Id: no\r\n.\r\n")
        (got,) = target.mails
    assert got.content == b".first\r\n.\r\nX-Mailweir-Id: no\r\n"
    assert (got.sender, got.recipients, got.size, got.answered) == ("a@b", ("c@d",), 30, True)


async def test_an_empty_message_and_one_in_pieces() -> None:
    async with sink() as target, connected(target) as client:
        await client.ask(ENVELOPE, 3)
        await client.ask(b".\r\n")
        await client.ask(ENVELOPE, 3)
        for piece in (b"ab", b"c\r", b"\n", b".", b"\r"):
            client.writer.write(piece)
            await client.writer.drain()
            await asyncio.sleep(0.005)
        await client.ask(b"\n")
        assert [m.content for m in target.mails] == [b"", b"abc\r\n"]


async def test_only_crlf_dot_crlf_ends_a_message() -> None:
    body = b"a\n.\nb\r.\rc\n.\r\nd\r\n.\n"
    async with sink() as target, connected(target) as client:
        await client.ask(ENVELOPE, 3)
        await client.ask(body + b"\r\n.\r\n")
        (got,) = target.mails
    assert got.content == body.replace(b"\r\n.", b"\r\n") + b"\r\n"


async def test_reference_and_fingerprint_are_taken_from_the_message() -> None:
    ours = (
        b"Received: from x by mailweir.example.com with ESMTP; now\r\nX-Mailweir-Id: 01AB-1\r\n"
        b"X-Spam-Score: 1\r\nAuthentication-Results: mailweir.example.com; none\r\n"
    )
    async with sink() as target, connected(target) as client:
        await client.ask(ENVELOPE, 3)
        await client.ask(ours + mail() + b".\r\n")
        (got,) = target.mails
    assert got.ref == "01AB-1"
    assert got.bare_sha256 == fingerprint(mail(), b"mailweir.example.com")


async def test_refusing_and_deferring() -> None:
    manners = Manners(refuse="^no", defer_recipient="^later", defer_messages=1)
    async with sink(manners) as target, connected(target) as client:
        await client.ask(b"MAIL FROM:<>\r\n")
        assert (await client.ask(b"RCPT TO:<no@d>\r\n"))[0].startswith("550")
        assert (await client.ask(b"RCPT TO:<later@d>\r\n"))[0].startswith("450")
        assert (await client.ask(b"DATA\r\n"))[0].startswith("503")
        await client.ask(ENVELOPE, 3)
        assert (await client.ask(b".\r\n"))[0].startswith("451")
        await client.ask(ENVELOPE, 3)
        assert (await client.ask(b".\r\n"))[0].startswith("250")
        assert len(target.mails) == 1


async def test_hanging_up_after_the_data_still_counts_the_message() -> None:
    async with sink(Manners(hang_up_after_data=1)) as target, connected(target) as client:
        await client.ask(ENVELOPE, 3)
        assert await client.ask(b"x\r\n.\r\n") == [""]
        assert [m.answered for m in target.mails] == [False]


async def test_a_slow_sink_delays_each_reply() -> None:
    loop = asyncio.get_running_loop()
    async with sink(Manners(delay_seconds=0.05)) as target, connected(target) as client:
        begin = loop.time()
        await client.ask(b"NOOP\r\nRSET\r\nHELO x\r\n", 3)
        assert loop.time() - begin >= 0.14


async def test_waiting_for_mail_that_does_not_come_ends() -> None:
    async with sink() as target:
        with pytest.raises(TimeoutError):
            await target.wait_for(1, 0.02)


@pytest.mark.integration
async def test_as_a_process_it_writes_a_line_per_message(tmp_path: Path) -> None:
    record, log = tmp_path / "record", tmp_path / "log"
    command = [sys.executable, "-m", "mailweir_testkit.sink", "--record", str(record)]
    with child(command, log=log):
        wait_until(lambda: log.read_text().endswith("\n"), 10, "the sink's address")
        host, port = log.read_text().split()
        letters = [Letter(str(n), "a@b", ("c@d",), mail(str(n))) for n in range(3)]
        await deliver(Plan(host, int(port), connections=2), letters)
        got = read_record(record)
    assert len(got) == 3
    assert {m.recipients for m in got} == {("c@d",)}
    assert all(json.loads(line)["answered"] for line in record.read_text().splitlines())


def test_a_half_written_line_is_left_out(tmp_path: Path) -> None:
    record = tmp_path / "record"
    assert read_record(record) == []
    record.write_text('{"ref": "x", "send')
    assert read_record(record) == []
