"""The same on both event loops: a session with TLS, a big message, and a half-closed end."""

import asyncio
import ssl
from collections.abc import Callable
from typing import Any

import pytest
import trustme
import uvloop

from mailweir_core.record import Listener
from mailweir_ingress.adapters.scoring import MemoryScorer
from mailweir_ingress.app import Address, build
from mailweir_policy import Policy
from mailweir_runtime.bus.memory import MemoryBus
from mailweir_runtime.bus.topology import MAIL
from mailweir_runtime.config import static_config
from mailweir_runtime.listen import HostPort
from mailweir_testkit.runtime import running_runtime

Loop = Callable[[], asyncio.AbstractEventLoop]


async def ask(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, data: bytes) -> bytes:
    """Return the last line of the reply."""
    writer.write(data)
    while (line := await reader.readline())[3:4] == b"-":
        pass
    return line


async def session(port: int, tls: ssl.SSLContext, content: bytes) -> None:
    """Speak one whole session over TLS."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    await ask(reader, writer, b"")
    await ask(reader, writer, b"EHLO client.example.net\r\n")
    assert (await ask(reader, writer, b"STARTTLS\r\n")).startswith(b"220")
    await writer.start_tls(tls, server_hostname="localhost")
    for command, code in (
        (b"EHLO client.example.net\r\n", b"250"),
        (b"MAIL FROM:<anna@example.net>\r\n", b"250"),
        (b"RCPT TO:<bob@example.com>\r\n", b"250"),
        (b"DATA\r\n", b"354"),
        (content + b".\r\n", b"250"),
        (b"QUIT\r\n", b"221"),
    ):
        assert (await ask(reader, writer, command)).startswith(code)
    assert await reader.read() == b""
    writer.close()
    await writer.wait_closed()


async def implicit(port: int, tls: ssl.SSLContext, split: int) -> None:
    """Speak TLS behind a PROXY header: so many bytes of the handshake come in one packet with it."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    came, gone = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = tls.wrap_bio(came, gone, server_hostname="localhost")

    async def until_done(step: Callable[[], Any]) -> Any:
        while True:
            try:
                return step()
            except ssl.SSLWantReadError:
                writer.write(gone.read())
                heard = await reader.read(65_536)
                assert heard
                came.write(heard)

    with pytest.raises(ssl.SSLWantReadError):
        client.do_handshake()
    hello = gone.read()
    writer.write(b"PROXY TCP4 192.0.2.9 192.0.2.1 1 465\r\n" + hello[:split])
    await writer.drain()
    await asyncio.sleep(0.05)
    writer.write(hello[split:])
    await until_done(client.do_handshake)
    assert (await until_done(lambda: client.read(1000))).startswith(b"220")
    client.write(b"QUIT\r\n")
    assert (await until_done(lambda: client.read(1000))).startswith(b"221")
    writer.close()
    await writer.wait_closed()


async def half_closed(port: int) -> bytes:
    """Say everything at once, close our direction, and return all that comes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    await reader.readline()
    writer.write(b"EHLO client.example.net\r\nNOOP\r\nQUIT\r\n")
    writer.write_eof()
    heard = await reader.read()
    writer.close()
    await writer.wait_closed()
    return heard


async def run(server: ssl.SSLContext, client: ssl.SSLContext) -> None:
    """Run an ingress and its sessions."""
    content = b"Subject: big\r\n\r\n" + (b"x" * 76 + b"\r\n") * 20_000
    bus = MemoryBus()
    doors = [Address(listener, HostPort("127.0.0.1", 0)) for listener in Listener]
    document: dict[str, Any] = {"relay": {"proxy_networks": ["127.0.0.2"]}}
    policy = Policy.model_validate(document)
    async with (
        running_runtime("ingress") as rt,
        build(rt, bus, static_config(policy), MemoryScorer(), doors, tls=server) as ingress,
    ):
        port = ingress.bound[Listener.MX][0].port
        await session(port, client, content)
        heard = await half_closed(port)
        assert heard.count(b"\r\n250 ") + heard.count(b"\r\n221 ") == 3
    assert len(bus.stored(MAIL)) == 1
    proxied = Policy.model_validate({"relay": {"proxy_networks": ["127.0.0.0/8"]}})
    async with (
        running_runtime("ingress") as rt,
        build(rt, bus, static_config(proxied), MemoryScorer(), doors, tls=server) as ingress,
    ):
        for split in (0, 100, 10_000):
            await implicit(ingress.bound[Listener.SUBMISSIONS][0].port, client, split)


@pytest.mark.parametrize("loop", [asyncio.new_event_loop, uvloop.new_event_loop])
def test_a_whole_session(loop: Loop) -> None:
    authority = trustme.CA()
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(server)
    client = ssl.create_default_context()
    authority.configure_trust(client)
    with asyncio.Runner(loop_factory=loop) as runner:
        runner.run(run(server, client))
