"""The player: follows a well-behaved server to the end, and says exactly where another one strays."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest
import trustme

from mailweir_testkit.dialogue import DialogueError, Kept, parse, play
from mailweir_testkit.sink import Sink, sink


class SinkTheatre:
    """A sink as the server of a script."""

    def __init__(self, target: Sink) -> None:
        self.target = target

    def address(self, listener: str) -> tuple[str, int]:
        assert listener == "mx"
        return self.target.address

    def client_tls(self) -> ssl.SSLContext:
        raise AssertionError("the sink has no TLS")

    async def kept(self) -> Sequence[Kept]:
        return [Kept(m.sender, m.recipients, "accept", m.content or b"") for m in self.target.mails]


class LineServer:
    """Answers each line as a table says; knows STARTTLS."""

    def __init__(self, answers: dict[str, bytes], greeting: bytes = b"220 hello\r\n") -> None:
        self.answers = answers
        self.greeting = greeting
        self.authority = trustme.CA()
        self.port = 0

    def address(self, listener: str) -> tuple[str, int]:
        return "127.0.0.1", self.port

    def client_tls(self) -> ssl.SSLContext:
        context = ssl.create_default_context()
        self.authority.configure_trust(context)
        return context

    async def kept(self) -> Sequence[Kept]:
        return []

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await self.talk(reader, writer)

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(self.greeting)
        while line := await reader.readline():
            word = line.decode().strip()
            writer.write(self.answers.get(word, b"500 what\r\n"))
            await writer.drain()
            if word == "STARTTLS":
                context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
                self.authority.issue_cert("localhost").configure_cert(context)
                await writer.start_tls(context)
            if word == "BYE":
                break
        writer.close()


@asynccontextmanager
async def serving(
    answers: dict[str, bytes], greeting: bytes = b"220 hello\r\n"
) -> AsyncIterator[LineServer]:
    server = LineServer(answers, greeting)
    listening = await asyncio.start_server(server.handle, "127.0.0.1", 0)
    server.port = listening.sockets[0].getsockname()[1]
    try:
        yield server
    finally:
        listening.close()


GOOD = r"""
S: 220
C: EHLO client.example.net
S: 250
S+ PIPELINING
S- AUTH
took <= 5
send "MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nRCPT TO:<e@f>\r\nDATA\r\n"
S: 250
S: 250 2.1.5
S: 250
S: 354
C: Subject: x
C:
C: ..dots
C: .
S: 250
accepted 1
mail 1 from a@b
mail 1 to c@d e@f
mail 1 action accept
mail 1 has "Subject: x\r\n"
mail 1 lacks "..dots"
mail 1 ends "\r\n.dots\r\n"
expect-silence 0.02
reconnect
S: 220
use other
S: 220
use first
C: QUIT
S: 221
expect-close
"""


async def test_a_script_that_is_followed_runs_to_its_end() -> None:
    async with sink() as target:
        await play(parse(GOOD), SinkTheatre(target))
        assert target.connections == 3


@pytest.mark.parametrize(
    ("script", "wanted", "came"),
    [
        ("S: 221", "wanted '221'", "the server said '220 sink'"),
        ("S: 220\nC: EHLO x\nS: 250\nS+ CHUNKING", "a line 'CHUNKING'", "250-PIPELINING"),
        ("S: 220\nC: EHLO x\nS: 250\nS- SIZE", "no line 'SIZE'", "250-SIZE 0"),
        ("timeout 0.05\nS: 220\nS: 250", "'250'", "nothing more came within 0.05 s"),
        ("S: 220\nC: QUIT\nS: 221\nS: 250", "'250'", "the server closed the connection"),
        ("timeout 0.05\nS: 220\nexpect-close", "end of the connection", "was not closed"),
        ("expect-silence 0.05", "silence", "the server said b'220 sink"),
        ("S: 220\nC: QUIT\nS: 221\nexpect-silence 0.5", "silence", "it was closed"),
        ("S: 220\ntook >= 3", "the reply >= 3 s", "it took 0."),
        ("timeout 0.05\naccepted 1", "1 messages taken", "there are 0"),
        ("timeout 0.05\nmail 1 from a@b", "message number 1", "only 0 were taken"),
    ],
)
async def test_the_first_departure_is_named_with_its_line(
    script: str, wanted: str, came: str
) -> None:
    async with sink() as target:
        with pytest.raises(DialogueError) as caught:
            await play(parse(script, "s.smtp"), SinkTheatre(target))
    text = str(caught.value)
    assert text.startswith(f"s.smtp:{len(script.splitlines())}: ")
    assert wanted in text
    assert came in text


async def test_a_wrong_fact_about_a_mail_shows_the_mail() -> None:
    async with sink() as target:
        target.catch("a@b", ("c@d",), b"content\r\n", True)
        with pytest.raises(DialogueError, match="content"):
            await play(parse('mail 1 has "other"'), SinkTheatre(target))


async def test_nobody_listening_is_an_error_of_the_dialogue() -> None:
    async with sink() as target:
        pass
    with pytest.raises(DialogueError, match="a connection to"):
        await play(parse("S: 220"), SinkTheatre(target))


async def test_tls_is_made_where_the_script_says() -> None:
    async with serving(
        {"STARTTLS": b"220 go\r\n", "HI": b"250-a\r\n250 b\r\n", "BYE": b""}
    ) as server:
        await play(parse("S: 220\nstarttls\nC: HI\nS: 250 b\nS+ a\nC: BYE\nexpect-close"), server)


async def test_a_failed_handshake_is_named() -> None:
    async with serving({"STARTTLS": b"220 go\r\n"}) as server:
        server.client_tls = ssl.create_default_context  # type: ignore[method-assign]  # trusts nobody of ours
        with pytest.raises(DialogueError, match="handshake failed"):
            await play(parse("S: 220\nstarttls"), server)


@pytest.mark.parametrize("how", ["close", "abort", "half-close"])
async def test_the_client_can_end_the_connection_in_three_ways(how: str) -> None:
    ended = asyncio.Event()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 hello\r\n")
        try:
            assert await reader.read() == b""
        except ConnectionResetError:
            assert how == "abort"
        writer.write(b"221 bye\r\n")
        writer.close()
        ended.set()

    async with serving({}) as server:
        server.talk = talk  # type: ignore[method-assign]  # a server of another kind on the same port
        last = "\nS: 221\nexpect-close" if how == "half-close" else ""
        await play(parse(f"S: 220\n{how}{last}"), server)
        async with asyncio.timeout(2):
            await ended.wait()


async def test_a_cut_off_reply_and_bytes_that_are_no_text_are_shown() -> None:
    async with serving({}, greeting=b"220-a\r\n220-\xff\r\n") as server:
        with pytest.raises(DialogueError, match=r"nothing more came.*220-a.*xff"):
            await play(parse("timeout 0.1\nS: 220"), server)
