"""Addresses to listen on, as settings write them."""

import pytest
from hypothesis import given, strategies as st

from mailweir_runtime.listen import (
    MAX_UNIX_PATH_BYTES,
    HostPort,
    UnixPath,
    parse_host_port,
    parse_listen,
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("127.0.0.1:0", HostPort("127.0.0.1", 0)),
        ("0.0.0.0:9000", HostPort("0.0.0.0", 9000)),
        (":9000", HostPort("", 9000)),
        ("mail.example.com:65535", HostPort("mail.example.com", 65535)),
        ("[::1]:25", HostPort("::1", 25)),
        (" 127.0.0.1:1 ", HostPort("127.0.0.1", 1)),
        ("unix:/run/x.sock", UnixPath("/run/x.sock")),
    ],
)
def test_reads(text: str, expected: HostPort | UnixPath) -> None:
    assert parse_listen(text) == expected


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "host:port"),
        ("9000", "host:port"),
        ("host:", "host:port"),
        ("host:65536", "65535"),
        ("host:-1", "host:port"),
        ("host:٣", "host:port"),
        ("::1:25", "brackets"),
        ("ho st:25", "brackets"),
        ("unix:x.sock", "absolute"),
        ("unix:", "absolute"),
        (f"unix:/{'x' * MAX_UNIX_PATH_BYTES}", str(MAX_UNIX_PATH_BYTES)),
    ],
)
def test_refuses_with_a_sentence(text: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        parse_listen(text)


@given(st.text(st.characters(), max_size=300))
def test_anything_is_an_address_or_a_value_error(text: str) -> None:
    try:
        where = parse_listen(text)
    except ValueError:
        return
    assert parse_listen(str(where)) == where


@given(st.sampled_from(["a.example", "127.0.0.1", "::1", "2001:db8::5", ""]), st.integers(0, 65535))
def test_a_written_address_reads_back(host: str, port: int) -> None:
    assert parse_host_port(str(HostPort(host, port))) == HostPort(host, port)
