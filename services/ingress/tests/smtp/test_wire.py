"""What we rely on of aiosmtpd, which is more than it promises; and the input it feeds."""

import asyncio
import inspect

import pytest
from aiosmtpd.smtp import SMTP

from mailweir_ingress.smtp.pulse import TIMEOUT
from mailweir_ingress.smtp.wire import HIGH_WATER_BYTES, Connection, Input, SessionOver


class Pipe(asyncio.Transport):
    """A transport that notes what is done to it."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""
        self.paused = 0
        self.resumed = 0

    def pause_reading(self) -> None:
        self.paused += 1

    def resume_reading(self) -> None:
        self.resumed += 1


def an_input() -> tuple[Input, Pipe]:
    """Return an input and what feeds it."""
    source, pipe = Input(asyncio.get_running_loop()), Pipe()
    source.set_transport(pipe)
    return source, pipe


def test_aiosmtpd_still_has_what_we_take_from_it() -> None:
    made = inspect.getsource(SMTP.connection_made)
    assert "self._handle_client()" in made
    assert "self._reset_timeout()" in made
    for name in ("_handle_client", "_timeout_cb", "_create_session", "_create_envelope"):
        assert callable(getattr(SMTP, name))
    for name in ("connection_made", "connection_lost", "eof_received", "data_received"):
        assert callable(getattr(Connection, name))


def test_what_aiosmtpds_constructor_sets_is_set_by_ours() -> None:
    # the attributes that its connection_made and timer read before they write them
    loop = asyncio.new_event_loop()

    async def never(_link: Connection) -> None:
        raise AssertionError

    connection = Connection(never, 60, loop)
    for name in (
        "transport", "session", "envelope", "loop", "_original_transport", "_tls_protocol",
        "_timeout_handle", "_timeout_duration", "_handler_coroutine",
    ):  # fmt: skip
        assert hasattr(connection, name)
    loop.close()


async def test_lines_come_whole() -> None:
    source, _ = an_input()
    source.feed_data(b"one\r\ntwo\nth")
    assert [source.line() for _ in range(3)] == [b"one\r\n", b"two\n", None]
    source.feed_data(b"ree\r\n")
    assert await source.more()
    assert source.line() == b"three\r\n"


async def test_waiting_ends_with_news_an_end_or_a_failure() -> None:
    source, _ = an_input()
    loop = asyncio.get_running_loop()
    loop.call_soon(source.feed_data, b"x")
    assert await source.more()
    assert source.take() == b"x"
    loop.call_soon(source.feed_eof)
    assert not await source.more()
    assert not await source.more()
    assert source.ended
    source.fail(SessionOver(TIMEOUT))
    with pytest.raises(SessionOver):
        await source.more()
    source.forgive()
    assert not await source.more()


async def test_what_came_before_the_end_is_still_there() -> None:
    source, _ = an_input()
    source.feed_data(b"QUIT\r\n")
    source.feed_eof()
    assert await source.more()
    assert source.line() == b"QUIT\r\n"
    assert not await source.more()


async def test_a_failure_is_met_even_by_who_has_said_much_in_advance() -> None:
    source, _ = an_input()
    source.feed_data(b"NOOP\r\n" * 10)
    source.fail(SessionOver(TIMEOUT))
    with pytest.raises(SessionOver):
        source.line()
    with pytest.raises(SessionOver):
        await source.more()


async def test_a_broken_connection_is_an_end() -> None:
    source, _ = an_input()
    source.set_exception(ConnectionResetError())
    assert not await source.more()


async def test_a_peer_that_sends_too_much_is_slowed_down() -> None:
    source, pipe = an_input()
    source.feed_data(b"x" * HIGH_WATER_BYTES)
    assert pipe.paused == 0
    source.feed_data(b"x\r\n")
    source.feed_data(b"yy\r\n")
    assert (pipe.paused, pipe.resumed) == (1, 0)
    source.line()
    assert pipe.resumed == 1
    source.feed_data(b"z" * HIGH_WATER_BYTES)
    assert pipe.paused == 2
    assert len(source.take()) == HIGH_WATER_BYTES + 4
    assert pipe.resumed == 2


async def test_what_is_given_back_comes_first() -> None:
    source, _ = an_input()
    source.feed_data(b"NOOP\r\n")
    source.give_back(b"RSET\r\n")
    assert [source.line(), source.line()] == [b"RSET\r\n", b"NOOP\r\n"]
