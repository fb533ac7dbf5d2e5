"""Canonical forms (RFC 6376 §3.4)."""

import re
import time
from collections.abc import Callable

import pytest
from hypothesis import given, strategies as st

from mailweir_mail.auth.dkim.canonical import BODY, HEADER, Canon, chosen, crlf, section

SIMPLE, RELAXED = Canon.SIMPLE, Canon.RELAXED
BODIES = st.lists(
    st.sampled_from([b"a", b"b.", b" ", b"  ", b"\t", b"\r\n", b"\r\n\r\n", b"\r"])
).map(b"".join)


@pytest.mark.parametrize(
    ("body", "simple", "relaxed"),
    [
        (b"", b"\r\n", b""),
        (b"\r\n\r\n", b"\r\n", b""),
        (b" \r\n \t\r\n", b" \r\n \t\r\n", b""),
        (b" C \r\nD \t E\r\n\r\n\r\n", b" C \r\nD \t E\r\n", b" C\r\nD E\r\n"),
        (b"no end", b"no end\r\n", b"no end\r\n"),
        (b"end with space ", b"end with space \r\n", b"end with space\r\n"),
        (b"a\r\n\r\nb\r\n", b"a\r\n\r\nb\r\n", b"a\r\n\r\nb\r\n"),
        (b"a\r\r\n\r\n", b"a\r\r\n", b"a\r\r\n"),
        (b"a\r\n\r", b"a\r\n\r\r\n", b"a\r\n\r\r\n"),
        (b"a\x0bb\xa0 \r\n", b"a\x0bb\xa0 \r\n", b"a\x0bb\xa0\r\n"),
    ],
)
def test_bodies(body: bytes, simple: bytes, relaxed: bytes) -> None:
    assert BODY[SIMPLE](body) == simple
    assert BODY[RELAXED](body) == relaxed


@pytest.mark.parametrize(
    ("field", "relaxed"),
    [
        (b"A: X\r\n", b"a:X\r\n"),
        (b"B : Y\t\r\n\tZ  \r\n", b"b:Y Z\r\n"),
        (b"SUBJect:\r\n\r\n", b"subject:\r\n"),
        (b"X:  a  \r\n  b\t\tc \r\n", b"x:a b c\r\n"),
        (b"X: a:B\r\n", b"x:a:B\r\n"),
    ],
)
def test_fields(field: bytes, relaxed: bytes) -> None:
    assert HEADER[SIMPLE](field) == field
    assert HEADER[RELAXED](field) == relaxed


def by_lines(body: bytes) -> bytes:
    """Make the relaxed form as the RFC tells it, line by line."""
    lines = [re.sub(rb"[ \t]+", b" ", line).rstrip(b" ") for line in body.split(b"\r\n")]
    while lines and not lines[-1]:
        del lines[-1]
    return b"".join(line + b"\r\n" for line in lines)


@given(BODIES)
def test_the_relaxed_form_in_bulk_is_the_one_line_by_line(body: bytes) -> None:
    assert BODY[RELAXED](body) == by_lines(body)


@given(BODIES)
def test_the_simple_form_only_ends_otherwise(body: bytes) -> None:
    form = BODY[SIMPLE](body)
    assert form.endswith(b"\r\n")
    assert not form[:-2].endswith(b"\r\n")
    assert re.sub(rb"(\r\n)*\Z", b"", body) == form[:-2]


@given(BODIES)
def test_forms_are_their_own_forms(body: bytes) -> None:
    for canon in Canon:
        form = BODY[canon](body)
        assert BODY[canon](form) == form


def test_bare_line_feeds_become_line_ends() -> None:
    assert crlf(b"a\nb\r\nc\rd") == b"a\r\nb\r\nc\rd"
    clean = b"a\r\nb"
    assert crlf(clean) is clean


def test_a_message_is_cut_into_fields_and_body() -> None:
    found = section(b"From x@y Mon\nA: 1\n 2\nno field\nB: 3\na: 4\n\nbody\n")
    assert found.fields == [b"A: 1\r\n 2\r\n", b"B: 3\r\n", b"a: 4\r\n"]
    assert (found.at(b"a"), found.at(b"b"), found.at(b"c")) == ([0, 2], [1], ())
    assert found.body == b"body\r\n"


def test_a_header_alone_gets_its_line_end() -> None:
    found = section(b"A: 1")
    assert (found.fields, found.body) == ([b"A: 1\r\n"], b"")


def test_of_fields_with_one_name_the_last_is_taken_first() -> None:
    found = section(b"A: 1\r\nB: x\r\nA: 2\r\nA: 3\r\n\r\n")
    taken = chosen(found, [b"a", b"b", b"a", b"c", b"a", b"a"], RELAXED)
    assert taken == b"a:3\r\nb:x\r\na:2\r\na:1\r\n"
    assert chosen(found, [b"a", b"a", b"a"], SIMPLE, without=2) == b"A: 3\r\nA: 1\r\n"


MB = 1024 * 1024
HOSTILE: dict[str, Callable[[int], bytes]] = {
    "spaces": lambda n: b" " * n,
    "tabs and spaces": lambda n: b"\t " * (n // 2),
    "line ends": lambda n: b"\r\n" * (n // 2),
    "carriage returns": lambda n: b"\r" * n,
    "empty lines with space": lambda n: b" \r\n" * (n // 3),
    "pairs": lambda n: b"  x" * (n // 3),
    "runs of 65": lambda n: (b" " * 65 + b"x") * (n // 66),
}


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("canon", Canon)
def test_time_grows_with_the_length_and_no_more(name: str, canon: Canon) -> None:
    def seconds(size: int) -> float:
        body = HOSTILE[name](size)
        started = time.process_time()
        BODY[canon](body)
        return time.process_time() - started

    small = max(min(seconds(MB // 2) for _ in range(3)), 0.001)
    assert min(seconds(4 * MB) for _ in range(2)) < 8 * small * 4
