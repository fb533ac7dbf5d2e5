"""Addresses to listen on, as settings write them."""

import socket
import sys

import pytest
from hypothesis import given, strategies as st

from mailweir_runtime.listen import (
    LOOPBACK,
    MAX_UNIX_PATH_BYTES,
    HostPort,
    Reservation,
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


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere a port cannot be kept")
class TestReservation:
    def test_whom_it_is_kept_for_can_listen_again_and_again(self) -> None:
        with Reservation(LOOPBACK) as kept:
            where = ("127.0.0.1", kept.address.port)
            for _ in range(2):
                with pytest.raises(ConnectionRefusedError):
                    socket.create_connection(where)
                with socket.create_server(where), socket.create_connection(where):
                    pass

    def test_nobody_else_is_given_the_port(self) -> None:
        with Reservation(LOOPBACK) as kept, socket.socket() as other:
            with pytest.raises(OSError, match="in use"):
                other.bind(("127.0.0.1", kept.address.port))
            others = [Reservation(LOOPBACK) for _ in range(200)]
            assert kept.address.port not in {o.address.port for o in others}
            for one in others:
                one.close()

    def test_where_somebody_listens_it_fails(self) -> None:
        with (
            socket.create_server(("127.0.0.1", 0)) as taken,
            pytest.raises(OSError, match="in use"),
        ):
            Reservation(HostPort("127.0.0.1", taken.getsockname()[1]))
