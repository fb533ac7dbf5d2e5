"""Recipients that only the next hop knows, through the whole ingress."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

MakeGate = Any  # see conftest.py

DOMAINS = [{"name": "example.com", "recipients": "callout"}]


@asynccontextmanager
async def next_hop(known: set[str], asked: list[str]) -> AsyncIterator[int]:
    """Run a mail server that knows some people."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 hop\r\n")
        while line := (await reader.readline()).decode().strip():
            if line.startswith("RCPT"):
                asked.append(line)
                address = line[line.index("<") + 1 : -1]
                writer.write(b"250 ok\r\n" if address in known else b"550 5.1.1 no\r\n")
            elif line == "QUIT":
                writer.write(b"221 bye\r\n")
                break
            else:
                writer.write(b"250 ok\r\n")
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


async def test_the_next_hop_is_asked_once_and_believed(gate: MakeGate) -> None:
    asked: list[str] = []
    async with next_hop({"bob@example.com"}, asked) as port:
        routes = [{"domain": "*", "next_hops": [f"smtp://127.0.0.1:{port}"], "tls": "none"}]
        async with gate(relay__domains=DOMAINS, delivery__routes=routes) as g:
            client = await g.greeted()
            await client.ask("MAIL FROM:<anna@example.net>")
            for _ in range(2):
                assert (await client.ask("RCPT TO:<bob@example.com>")).code == 250
                assert str(await client.ask("RCPT TO:<eve@example.com>")).startswith("550 5.1.1")
            assert asked == ["RCPT TO:<bob@example.com>", "RCPT TO:<eve@example.com>"]
            assert g.sample("checks_total", check="callout", status="ok") == 1
            assert g.sample("checks_total", check="callout", status="hit") == 1


async def test_without_an_answer_the_client_comes_again(gate: MakeGate) -> None:
    async with gate(relay__domains=DOMAINS) as g:  # there is no route to ask
        client = await g.greeted()
        await client.ask("MAIL FROM:<anna@example.net>")
        reply = await client.ask("RCPT TO:<bob@example.com>")
        assert (reply.code, reply.enhanced) == (451, "4.4.3")
        assert g.sample("checks_total", check="callout", status="temperror") == 1
