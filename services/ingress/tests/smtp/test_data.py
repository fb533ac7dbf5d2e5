"""Reading data: the same message however it comes, ended by nothing but <CRLF>.<CRLF>."""

import json
import os
from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, strategies as st

from mailweir_ingress.smtp.budget import QUANTUM, MemoryBudget, Reservation
from mailweir_ingress.smtp.data import (
    END,
    DataReader,
    DataState,
    has_bare_newline,
    normalise,
)

SEQUENCES = (
    Path(os.environ.get("MAILWEIR_SHARED", Path(__file__).parents[4] / "../shared"))  # noqa: TID251
    / "peers/smtp-smuggling/eod-sequences.json"
)
# The same twelve, so that a plain checkout tests them too (The-Login/SMTP-Smuggling-Tools, hannob/smtpsmug).
LOOK_ALIKES = (
    b"\n.\n", b"\n.\r", b"\r.\n", b"\r.\r", b"\n.\r\n", b"\r.\r\n", b"\r\n.\n", b"\r\n.\r",
    b"\r\n\x00.\r\n", b"\r\n.\x00\r\n", b"\r\n.\r\r\n", b"\r\r\n.\r\r\n",
)  # fmt: skip

# Bytes of which trouble is made, more often than chance would have them.
nasty = st.lists(
    st.sampled_from(
        [b"\r\n", b"\r", b"\n", b".", b"..", b"a", b"\x00", b"\r\n.", b"x" * 40, b"\xff"]
    )
).map(b"".join)
lines = st.lists(st.binary(max_size=30).map(lambda b: b.replace(b"\r", b"").replace(b"\n", b"")))


def a_reader(limit: int = 10_000, memory: int = 100 * QUANTUM) -> tuple[DataReader, Reservation]:
    """Return a reader and what it reserves from."""
    reservation = Reservation(MemoryBudget(lambda: memory))
    return DataReader(limit, reservation, swallow=limit), reservation


def feed_all(reader: DataReader, pieces: Iterable[bytes]) -> bool:
    """Feed pieces until the end comes; behind it they go to `rest`, as the network would have it."""
    left = iter(pieces)
    for piece in left:
        if reader.feed(piece):
            reader.rest += b"".join(left)
            return True
    return False


def cut(data: bytes, places: Iterable[int]) -> list[bytes]:
    """Return `data` in pieces."""
    marks = sorted({0, len(data), *(place % (len(data) + 1) for place in places)})
    return [data[a:b] for a, b in pairwise(marks)]


def stuffed(message: bytes) -> bytes:
    """Return a message as a client sends it (RFC 5321 §4.5.2); it ends in CRLF or is empty."""
    dotted = message.replace(b"\r\n.", b"\r\n..")
    return (b"." if message.startswith(b".") else b"") + dotted + b".\r\n"


@given(nasty, nasty, st.lists(st.integers(0, 10_000), max_size=20))
def test_any_cutting_of_the_same_bytes_gives_the_same(
    before: bytes, behind: bytes, places: list[int]
) -> None:
    data = before + END + behind
    whole, _ = a_reader()
    assert feed_all(whole, [data])
    pieced, _ = a_reader()
    assert feed_all(pieced, cut(data, places))
    assert (pieced.rest, pieced.received) == (whole.rest, whole.received)
    assert pieced.message() == whole.message()


@given(nasty, st.lists(st.integers(0, 10_000), max_size=20))
def test_the_end_is_the_first_crlf_dot_crlf_and_nothing_else(
    data: bytes, places: list[int]
) -> None:
    reader, _ = a_reader()
    where = (b"\r\n" + data).find(END)  # as if a CRLF had come before
    assert feed_all(reader, cut(data, places)) is (where >= 0)
    if where >= 0:
        assert reader.rest == data[where + 3 :]
        assert reader.received == where + 3


@given(lines, st.lists(st.integers(0, 10_000), max_size=20))
def test_any_message_survives_stuffing(parts: list[bytes], places: list[int]) -> None:
    message = b"".join(part + b"\r\n" for part in parts)
    reader, _ = a_reader()
    assert feed_all(reader, cut(stuffed(message), places))
    assert reader.message() == message
    assert reader.rest == b""


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b".\r\n", b""),
        (b"\r\n.\r\n", b"\r\n"),
        (b"a\r\n.\r\n", b"a\r\n"),
        (b"..\r\n.\r\n", b".\r\n"),
        (b".a\r\n.\r\n", b"a\r\n"),
        (b"a\r\n..b\r\n...\r\n.\r\n", b"a\r\n.b\r\n..\r\n"),
        (b"a.\r\n.\r\n", b"a.\r\n"),
        (b"a\n..b\r\n.\r\n", b"a\n..b\r\n"),  # no line of the protocol begins there
        (b"a\r\n.\r\r\n.\r\n", b"a\r\n\r\r\n"),
    ],
)
def test_dots_are_unstuffed_after_crlf_only(data: bytes, message: bytes) -> None:
    reader, _ = a_reader()
    assert reader.feed(data)
    assert reader.message() == message


@pytest.mark.parametrize("sequence", LOOK_ALIKES)
def test_a_look_alike_ends_nothing(sequence: bytes) -> None:
    smuggled = b"MAIL FROM:<evil@example.net>\r\nRCPT TO:<bob@example.com>\r\nDATA\r\nhello\r\n"
    for data in (b"body" + sequence + smuggled, sequence + smuggled):
        for size in (1, 2, 3, len(data)):
            reader, _ = a_reader()
            pieces = [data[i : i + size] for i in range(0, len(data), size)]
            assert not feed_all(reader, pieces)
            assert reader.feed(b"\r\n.\r\n")
            assert b"evil@example.net" in reader.message()
            assert reader.rest == b""


@pytest.mark.skipif(not SEQUENCES.exists(), reason="needs the shared test data (MAILWEIR_SHARED)")
def test_the_look_alikes_are_those_that_are_known() -> None:
    known = json.loads(SEQUENCES.read_text(encoding="utf-8"))["sequences"]
    assert {one["bytes"].encode() for one in known} == set(LOOK_ALIKES)


@pytest.mark.parametrize("count", [99, 100, 101, 5000])
def test_many_lines_with_a_dot_are_unstuffed_like_few(count: int) -> None:
    message = b".x\r\n" * count
    for size in (7, 1000, 100_000):
        reader, _ = a_reader(limit=100_000)
        data = stuffed(message) + b"NOOP\r\n"
        assert feed_all(reader, [data[i : i + size] for i in range(0, len(data), size)])
        assert (reader.message(), reader.rest) == (message, b"NOOP\r\n")


def test_a_message_that_is_one_giant_line_is_a_message() -> None:
    reader, _ = a_reader(limit=3_000_000)
    giant = b"x" * 2_000_000
    assert not feed_all(reader, cut(giant, range(0, 2_000_000, 70_001)))
    assert reader.feed(b"\r\n.\r\n")
    assert reader.message() == giant + b"\r\n"


def test_a_message_at_the_limit_is_good_even_if_every_line_is_stuffed() -> None:
    message = b".\r\n" * 100
    reader, _ = a_reader(limit=len(message))
    assert reader.feed(stuffed(message))
    assert reader.state is DataState.GOOD
    assert reader.message() == message


def test_too_big_a_message_is_swallowed_to_its_end_and_costs_no_memory() -> None:
    reader, reservation = a_reader(limit=1000)
    assert not reader.feed(b"x" * 1500)
    assert reader.state is DataState.TOO_BIG
    assert reservation.held == 0
    assert not reader.feed(b"y" * 100 + b"\r\n")
    assert reader.feed(b".\r\nNOOP\r\n")
    assert (reader.state, reader.rest) == (DataState.TOO_BIG, b"NOOP\r\n")


def test_the_end_of_a_swallowed_message_may_come_in_any_pieces() -> None:
    for size in range(1, 6):
        reader, _ = a_reader(limit=10)
        data = b"x" * 20 + b"\r\n.\r\n"
        assert feed_all(reader, [data[i : i + size] for i in range(0, len(data), size)])


def test_a_message_far_too_big_is_not_read_to_its_end() -> None:
    reader, _ = a_reader(limit=1000)
    reader.feed(b"x" * 1400)
    reader.feed(b"x" * 1100)
    assert reader.state is DataState.ENDLESS


def test_without_memory_the_rest_is_swallowed() -> None:
    reader, reservation = a_reader(limit=10 * QUANTUM, memory=2 * QUANTUM)
    assert not reader.feed(b"x" * (2 * QUANTUM))
    assert reader.state is DataState.GOOD
    assert not reader.feed(b"x")
    assert (reader.state, reservation.held) == (DataState.NO_MEMORY, 0)
    assert reader.feed(b"\r\n.\r\n")


def test_memory_is_paid_for_what_came_not_for_what_may_come() -> None:
    reader, reservation = a_reader(limit=100 * QUANTUM)
    assert reservation.held == 0
    reader.feed(b"x")
    assert reservation.held == QUANTUM
    reader.feed(b"x" * QUANTUM)
    assert reservation.held == 2 * QUANTUM


@given(nasty)
def test_after_normalising_every_line_ends_in_crlf(content: bytes) -> None:
    result = normalise(content)
    assert not has_bare_newline(result)
    assert normalise(result) == result
    letters = content.replace(b"\r", b"").replace(b"\n", b"")
    assert result.replace(b"\r\n", b"") == letters


@given(nasty)
def test_a_bare_newline_is_found(content: bytes) -> None:
    rest = content.replace(b"\r\n", b"")
    # what is left has CR or LF exactly if one of them stood alone
    assert has_bare_newline(content) is (b"\r" in rest or b"\n" in rest)


@pytest.mark.parametrize(
    ("content", "result"),
    [
        (b"a\nb\rc\r\n", b"a\r\nb\r\nc\r\n"),
        (b"a\r\r\nb\r\n", b"a\r\nb\r\n"),
        (b"a\n\nb", b"a\r\n\r\nb"),
        (b"a\r\rb", b"a\r\nb"),
        (b"\r", b"\r\n"),
    ],
)
def test_normalising(content: bytes, result: bytes) -> None:
    assert normalise(content) == result


def test_normalising_takes_no_longer_for_runs_of_cr() -> None:
    assert normalise(b"\r" * 300_000 + b"x") == b"\r\nx"
