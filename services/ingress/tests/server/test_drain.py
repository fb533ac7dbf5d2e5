"""The end of the process: nobody is cut off in the middle of a message."""

import asyncio
from typing import Any

import pytest

MakeGate = Any  # see conftest.py


async def test_idle_sessions_are_told_and_data_comes_to_its_end(gate: MakeGate) -> None:
    async with gate() as g:
        idle, between, sending = [await g.greeted() for _ in range(3)]
        await between.ask("MAIL FROM:<anna@example.net>")
        await sending.begin()
        async with asyncio.TaskGroup() as tasks:
            drain = tasks.create_task(g.ingress.sessions.drain(5))
            for client in (idle, between):
                reply = await client.reply()
                assert (reply.code, reply.enhanced) == (421, "4.3.2")
                assert await client.ended()
            late = await g.connect()
            assert (await late.reply()).code == 421
            await sending.send(b"hello\r\n.\r\nMAIL FROM:<anna@example.net>\r\n")
            assert (await sending.reply()).code == 250
            assert (await sending.reply()).code == 421
            assert await sending.ended()
            assert await drain == 0
        assert len(g.mails()) == 1


async def test_who_does_not_come_to_an_end_is_cut_off(gate: MakeGate) -> None:
    async with gate() as g:
        client = await g.greeted()
        await client.begin()
        assert await g.ingress.sessions.drain(0.05) == 1
        g.ingress.sessions.cut()
        assert await client.ended()
        assert g.mails() == []


async def test_leaving_the_block_closes_the_doors_and_the_sessions(gate: MakeGate) -> None:
    async with gate() as g:
        where = g.ingress.bound["mx"][0]
        client = await g.greeted()
        await client.ask("QUIT")
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection(where.host, where.port)


async def test_records_in_line_are_written_before_the_end(gate: MakeGate) -> None:
    async with gate() as g:
        bus = g.bus
        client = await g.greeted()
        await client.ask("MAIL FROM:<anna@example.net>")
        for number in range(50):
            await client.ask(f"RCPT TO:<x{number}@elsewhere.example>")
            if number == 8:
                break
        await client.ask("QUIT")
    assert len(bus._streams["JUDGED"].messages) == 1
