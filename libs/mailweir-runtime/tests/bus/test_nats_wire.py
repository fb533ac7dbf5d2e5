"""A wire: frames, answers, inboxes; and the parts of nats-py that it leans on."""

import asyncio
import inspect
from collections.abc import Awaitable, Callable

import pytest
from nats.aio.client import Client
from nats.aio.transport import TcpTransport

from mailweir_runtime.bus.nats_api import ApiRefused, decode, header_block, header_fields, pub_ack
from mailweir_runtime.bus.nats_wire import LAZY_SECONDS, Incoming, Wire, WireLost
from mailweir_runtime.bus.ports import BusFull, BusUnavailable, PubAck, RevisionConflict


class Transport:
    """Notes what is written."""

    def __init__(self) -> None:
        self.written = b""
        self.calls = 0

    def writelines(self, frames: list[bytes]) -> None:
        self.calls += 1
        self.written += b"".join(frames)


@pytest.fixture
async def wire() -> Wire:
    wire = Wire()
    wire._transport = Transport()
    wire._inbox, wire._inbox_length = "_INBOX.me.", len("_INBOX.me.")
    wire._listen("_INBOX.me.*", wire._answer)
    await asyncio.sleep(0)
    return wire


async def written(wire: Wire) -> bytes:
    await asyncio.sleep(0)
    frames: bytes = wire._transport.written
    wire._transport.written = b""
    return frames


def test_nats_py_still_has_the_parts_we_use() -> None:
    parameters = list(inspect.signature(Client._process_msg).parameters)
    assert parameters == ["self", "sid", "subject", "reply", "data", "headers"]
    assert inspect.iscoroutinefunction(Client._process_msg)
    client = Client()
    assert client._sid == 0
    assert client._transport is None
    assert client._flush_queue is None
    assert (client._pending, client._pending_data_size) == ([], 0)
    transport = TcpTransport()
    assert transport._io_writer is None
    assert callable(transport.writelines)


async def test_frames_of_one_turn_go_out_together(wire: Wire) -> None:
    await written(wire)
    wire._transport.calls = 0
    wire.send("a.b", b"one")
    wire.send("a.c", b"two", reply="r", header=header_block(("X", "y")))
    assert await written(wire) == (
        b"PUB a.b  3\r\none\r\nHPUB a.c r 18 21\r\nNATS/1.0\r\nX: y\r\n\r\ntwo\r\n"
    )
    assert wire._transport.calls == 1


async def test_a_lazy_frame_goes_out_with_the_next_one(wire: Wire) -> None:
    await written(wire)
    wire._transport.calls = 0
    wire.send_lazily("a.ack", b"+ACK")
    assert await written(wire) == b""
    wire.send("a.b", b"one")
    assert await written(wire) == b"PUB a.ack  4\r\n+ACK\r\nPUB a.b  3\r\none\r\n"
    assert wire._transport.calls == 1
    await asyncio.sleep(LAZY_SECONDS * 2)
    assert wire._transport.calls == 1


async def test_lazy_frames_alone_go_out_in_time_and_together(wire: Wire) -> None:
    await written(wire)
    wire._transport.calls = 0
    wire.send_lazily("a.ack", b"+ACK")
    wire.send_lazily("b.ack", b"+ACK")
    await asyncio.sleep(LAZY_SECONDS * 3)
    assert await written(wire) == b"PUB a.ack  4\r\n+ACK\r\nPUB b.ack  4\r\n+ACK\r\n"
    assert wire._transport.calls == 1


async def test_a_lost_wire_takes_no_lazy_frames(wire: Wire) -> None:
    wire.lost.set()
    with pytest.raises(WireLost):
        wire.send_lazily("a.ack", b"+ACK")


async def test_an_answer_finds_its_question(wire: Wire) -> None:
    await written(wire)
    async with asyncio.TaskGroup() as tasks:
        asking = [tasks.create_task(wire.ask("q", b"x", b"", 5.0)) for _ in range(2)]
        await asyncio.sleep(0)
        assert await written(wire) == b"PUB q _INBOX.me.1 1\r\nx\r\nPUB q _INBOX.me.2 1\r\nx\r\n"
        await wire._process_msg(1, b"_INBOX.me.2", b"", b"second", None)
        await wire._process_msg(1, b"_INBOX.me.1", b"", b"first", None)
        await wire._process_msg(1, b"_INBOX.me.9", b"", b"nobody's", None)
        await wire._process_msg(77, b"other", b"", b"nobody's", None)
    assert [task.result().data for task in asking] == [b"first", b"second"]


async def test_no_answer_is_a_timeout_and_leaves_nothing_behind(wire: Wire) -> None:
    with pytest.raises(TimeoutError):
        await wire.ask("q", b"", b"", 0.01)
    assert wire._waiting == {}
    await wire._process_msg(1, b"_INBOX.me.1", b"", b"too late", None)


async def test_a_cancelled_question_leaves_nothing_behind(wire: Wire) -> None:
    async with asyncio.TaskGroup() as tasks:
        asking = tasks.create_task(wire.ask("q", b"", b"", 5.0))
        await asyncio.sleep(0)
        asking.cancel()
    assert wire._waiting == {}


async def test_who_waits_hears_that_the_wire_is_lost(wire: Wire) -> None:
    box = wire.inbox()
    async with asyncio.TaskGroup() as tasks:
        asking = tasks.create_task(outcome(lambda: wire.ask("q", b"", b"", 5.0)))
        reading = tasks.create_task(outcome(lambda: box.get(5.0)))
        await asyncio.sleep(0.01)
        wire._lose()
    assert isinstance(asking.result(), WireLost)
    assert isinstance(reading.result(), WireLost)
    with pytest.raises(WireLost):
        wire.send("a", b"")
    assert not await wire.probe(0.1)


async def outcome(call: Callable[[], Awaitable[object]]) -> object:
    try:
        return await call()
    except WireLost as error:
        return error


async def test_a_lost_inbox_gives_what_it_has_first(wire: Wire) -> None:
    box = wire.inbox()
    await wire._process_msg(box.number, b"s", b"r", b"d", b"NATS/1.0\r\nA: b\r\n\r\n")
    wire._lose()
    assert await box.get(0.1) == Incoming(b"s", b"r", b"d", b"NATS/1.0\r\nA: b\r\n\r\n")
    with pytest.raises(WireLost):
        await box.get(0.1)


async def test_a_closed_inbox_passes_on_what_comes_late(wire: Wire) -> None:
    box, late = wire.inbox(".*"), []
    await wire._process_msg(box.number, b"s", b"r", b"one", None)
    await written(wire)
    box.close(late.append)
    assert await written(wire) == b"UNSUB %d\r\n" % box.number
    await wire._process_msg(box.number, b"s", b"r", b"two", None)
    box.close(late.append)
    assert await written(wire) == b""
    assert [message.data for message in late] == [b"one", b"two"]
    assert await box.get(0.01) is None


@pytest.mark.parametrize(
    ("header", "status"),
    [
        (b"", 0),
        (b"NATS/1.0\r\nNats-Msg-Id: 404\r\n\r\n", 0),
        (b"NATS/1.0 404 No Messages\r\n\r\n", 404),
        (b"NATS/1.0 503\r\n\r\n", 503),
        (b"NATS/1.0 100 Idle Heartbeat\r\nNats-Last-Consumer: 3\r\n\r\n", 100),
        (b"NATS/1.0 x\r\n\r\n", 0),
    ],
)
def test_status_lines(header: bytes, status: int) -> None:
    assert Incoming(b"", b"", b"", header).status == status


def answer(data: bytes, header: bytes = b"") -> Incoming:
    return Incoming(b"", b"", data, header)


def test_acknowledgements() -> None:
    assert pub_ack(answer(b'{"stream":"MAIL","seq":7}')) == PubAck("MAIL", 7)
    twice = pub_ack(answer(b'{"stream":"MAIL","seq":7,"duplicate":true}'))
    assert twice == PubAck("MAIL", 7, duplicate=True)


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (10023, BusFull),
        (10047, BusFull),
        (10077, BusFull),
        (10054, BusFull),
        (10071, RevisionConflict),
        (10164, RevisionConflict),
        (10008, ApiRefused),
        (10059, ApiRefused),
        (0, ApiRefused),
    ],
)
def test_each_error_is_one_of_ours(code: int, kind: type[Exception]) -> None:
    body = b'{"error":{"code":503,"err_code":%d,"description":"words"}}' % code
    with pytest.raises(kind, match="words") as caught:
        decode(answer(body))
    assert type(caught.value) is kind


@pytest.mark.parametrize(
    "broken",
    [answer(b""), answer(b"nonsense"), answer(b"[]"), answer(b"", b"NATS/1.0 503\r\n\r\n")],
)
def test_what_is_no_answer_is_unavailable(broken: Incoming) -> None:
    with pytest.raises(BusUnavailable):
        decode(broken)


def test_header_fields_come_back() -> None:
    block = header_block(("Nats-Msg-Id", "a:b"), ("X", ""))
    assert block == b"NATS/1.0\r\nNats-Msg-Id: a:b\r\nX: \r\n\r\n"
    assert header_fields(block) == {"nats-msg-id": "a:b", "x": ""}
    assert header_fields(b"") == {}


class Cut(Transport):
    """A connection that was reset: whatever is still to be sent fails."""

    closed = False

    async def drain(self) -> None:
        raise ConnectionResetError("Connection lost")

    def close(self) -> None:
        self.closed = True

    async def wait_closed(self) -> None:
        return


async def test_the_end_does_not_flush_to_nobody(wire: Wire) -> None:
    wire._transport = cut = Cut()
    wire._current_server = object()
    wire._flush_queue = asyncio.Queue()
    wire._pending, wire._pending_data_size = [b"PING\r\n"], 6
    await wire.dispose()
    assert cut.closed
    assert cut.written == b""
