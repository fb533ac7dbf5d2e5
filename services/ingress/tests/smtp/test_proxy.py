"""PROXY headers: good ones are understood as the reference parser does, bad ones never."""

import struct
from ipaddress import IPv4Address, IPv6Address, ip_address

import pytest
from aiosmtpd.proxy_protocol import get_proxy
from hypothesis import given, strategies as st

from mailweir_core.net import parse_ip
from mailweir_ingress.smtp.proxy import (
    MAX_V2_BYTES,
    SIGNATURE,
    ProxyHeader,
    ProxyState,
    looks_like_proxy,
    read_proxy,
)

addresses = st.one_of(st.ip_addresses(v=4), st.ip_addresses(v=6))
ports = st.integers(0, 65_535)


def v1(source: IPv4Address | IPv6Address, port: int) -> bytes:
    """Return a header of version 1."""
    other = "192.0.2.1" if source.version == 4 else "2001:db8::1"
    return f"PROXY TCP{source.version} {source} {other} {port} 25\r\n".encode()


def v2(
    source: IPv4Address | IPv6Address, port: int, tlv: bytes = b"", command: int = 0x21
) -> bytes:
    """Return a header of version 2."""
    block = source.packed + source.packed + struct.pack("!HH", port, 25) + tlv
    family = 0x11 if source.version == 4 else 0x21
    return SIGNATURE + struct.pack("!BBH", command, family, len(block)) + block


headers = st.one_of(
    st.builds(v1, addresses, ports), st.builds(v2, addresses, ports, st.binary(max_size=200))
)


@given(addresses, ports, st.binary(max_size=50))
def test_version_1(source: IPv4Address | IPv6Address, port: int, behind: bytes) -> None:
    header = v1(source, port)
    assert read_proxy(header + behind) == ProxyHeader(len(header), parse_ip(str(source)), port)


@given(addresses, ports, st.binary(max_size=300), st.binary(max_size=50))
def test_version_2(source: IPv4Address | IPv6Address, port: int, tlv: bytes, behind: bytes) -> None:
    header = v2(source, port, tlv)
    assert read_proxy(header + behind) == ProxyHeader(len(header), parse_ip(str(source)), port)


@given(headers, st.integers(0, 10_000))
def test_a_header_in_pieces_is_waited_for(header: bytes, place: int) -> None:
    part = header[: place % len(header)]
    assert read_proxy(part) is ProxyState.MORE
    assert read_proxy(bytearray(part)) is ProxyState.MORE


@given(st.binary(max_size=200))
def test_anything_else_is_no_header(data: bytes) -> None:
    for begin in (b"", b"PROXY ", b"PROXY TCP4 ", SIGNATURE, SIGNATURE + b"\x21\x11"):
        found = read_proxy(begin + data)
        if isinstance(found, ProxyHeader):
            assert found.length <= MAX_V2_BYTES
            assert looks_like_proxy(begin + data)


class _Reader:
    """What aiosmtpd's parser reads from."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    async def read(self, count: int = -1) -> bytes:
        count = len(self._data) if count < 0 else count
        taken, self._data = self._data[:count], self._data[count:]
        return taken

    async def readexactly(self, count: int) -> bytes:
        return await self.read(count)

    async def readuntil(self, separator: bytes = b"\n") -> bytes:
        return await self.read(self._data.index(separator) + len(separator))


@given(header=headers)
async def test_aiosmtpd_understands_the_same(header: bytes) -> None:
    theirs = await get_proxy(_Reader(header))
    ours = read_proxy(header)
    assert theirs.valid
    assert isinstance(ours, ProxyHeader)
    assert ours.client == parse_ip(str(theirs.src_addr))
    assert ours.port == theirs.src_port


@pytest.mark.parametrize(
    "header",
    [
        b"PROXY UNKNOWN\r\n",
        b"PROXY UNKNOWN ffff::1 ffff::1 65535 65535\r\n",
        SIGNATURE + struct.pack("!BBH", 0x20, 0x00, 0),
        SIGNATURE + struct.pack("!BBH", 0x20, 0x11, 12) + bytes(12),
        SIGNATURE + struct.pack("!BBH", 0x21, 0x00, 4) + b"abcd",
    ],
)
def test_a_connection_of_the_proxy_itself_has_no_client(header: bytes) -> None:
    assert read_proxy(header + b"EHLO x\r\n") == ProxyHeader(len(header))


@pytest.mark.parametrize(
    "header",
    [
        b"EHLO x\r\n",
        b"proxy TCP4 192.0.2.9 192.0.2.1 1 25\r\n",
        b"PROXY\r\n",
        b"PROXY TCP4 192.0.2.9 192.0.2.1 1\r\n",
        b"PROXY TCP4 192.0.2.9 192.0.2.1 1 25 x\r\n",
        b"PROXY TCP4  192.0.2.9 192.0.2.1 1 25\r\n",
        b"PROXY TCP5 192.0.2.9 192.0.2.1 1 25\r\n",
        b"PROXY TCP6 192.0.2.9 192.0.2.1 1 25\r\n",
        b"PROXY TCP4 2001:db8::1 2001:db8::2 1 25\r\n",
        b"PROXY TCP4 192.0.2.999 192.0.2.1 1 25\r\n",
        b"PROXY TCP4 192.0.2.9 nonsense 1 25\r\n",
        b"PROXY TCP4 192.0.2.9 192.0.2.1 -1 25\r\n",
        b"PROXY TCP4 192.0.2.9 192.0.2.1 70000 25\r\n",
        b"PROXY TCP4 192.0.2.9 192.0.2.1 1 x\r\n",
        "PROXY TCP4 192.0.2.9 192.0.2.1 ١ 25\r\n".encode(),
        b"PROXY TCP4 192.0.2.9 192.0.2.1 1 25\n",
        b"PROXY " + b"x" * 200,
        v2(ip_address("192.0.2.9"), 1, command=0x11),  # version 1 in version 2's clothes
        v2(ip_address("192.0.2.9"), 1, command=0x22),  # no such command
        SIGNATURE + struct.pack("!BBH", 0x21, 0x12, 12) + bytes(12),  # datagrams
        SIGNATURE + struct.pack("!BBH", 0x21, 0x31, 216) + bytes(216),  # unix sockets
        SIGNATURE + struct.pack("!BBH", 0x21, 0x11, 8) + bytes(8),  # too short for its addresses
        SIGNATURE + struct.pack("!BBH", 0x21, 0x11, MAX_V2_BYTES),  # longer than we wait for
    ],
)
def test_a_bad_header_is_known_at_once(header: bytes) -> None:
    assert read_proxy(header) is ProxyState.BAD


def test_a_mapped_address_counts_as_what_it_is() -> None:
    found = read_proxy(v2(ip_address("::ffff:192.0.2.9"), 7))
    assert isinstance(found, ProxyHeader)
    assert found.client == IPv4Address("192.0.2.9")


def test_what_looks_like_a_header_may_still_be_bad() -> None:
    assert looks_like_proxy(b"PROXY nonsense\r\n")
    assert looks_like_proxy(SIGNATURE)
    assert not looks_like_proxy(b"EHLO x\r\n")
