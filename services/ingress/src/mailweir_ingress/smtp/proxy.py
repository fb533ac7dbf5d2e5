"""PROXY protocol headers, versions 1 and 2: who really connected (haproxy.org, proxy-protocol.txt).

Sans I/O: `read_proxy` looks at what has come so far. The caller knows from whom a header may come at all.
"""

import struct
from dataclasses import dataclass
from enum import Enum, auto
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address
from typing import Final

from mailweir_core.net import Address, parse_ip

SIGNATURE: Final = b"\r\n\r\n\x00\r\nQUIT\n"
V1_MARK: Final = b"PROXY "
MAX_V1_BYTES: Final = 107  # §2.1, CRLF included
MAX_V2_BYTES: Final = 1024  # addresses and what balancers add as TLVs; §2.2 promises 536
_HEAD_BYTES: Final = 16
_VERSION_2, _LOCAL, _PROXY = 0x20, 0x0, 0x1
_UNSPECIFIED, _TCP4, _TCP6 = 0x00, 0x11, 0x21
_MAX_PORT: Final = 65_535


@dataclass(frozen=True, slots=True)
class ProxyHeader:
    """A good header: its length in bytes, and the client; no client for the proxy's own connection."""

    length: int
    client: Address | None = None
    port: int = 0


class ProxyState(Enum):
    """Why there is no header yet, or none at all."""

    MORE = auto()  # more bytes are needed
    BAD = auto()


def looks_like_proxy(data: bytes | bytearray) -> bool:
    """Say whether the first bytes of a connection are a PROXY header, well-formed or not."""
    return data.startswith((SIGNATURE, V1_MARK))


def read_proxy(data: bytes | bytearray) -> ProxyHeader | ProxyState:
    """Return the header that `data` begins with."""
    if data.startswith(SIGNATURE):
        return _read_v2(bytes(data[:MAX_V2_BYTES]))
    if data.startswith(V1_MARK):
        return _read_v1(bytes(data[:MAX_V1_BYTES]))
    is_begun = SIGNATURE.startswith(data) or V1_MARK.startswith(data)
    return ProxyState.MORE if is_begun else ProxyState.BAD


def _read_v1(data: bytes) -> ProxyHeader | ProxyState:
    line, end, _ = data.partition(b"\r\n")
    if not end:
        return ProxyState.BAD if len(data) >= MAX_V1_BYTES or b"\n" in data else ProxyState.MORE
    length = len(line) + len(end)
    words = line.decode("ascii", "replace").split(" ")
    if words[1] == "UNKNOWN":
        return ProxyHeader(length)
    if len(words) != 6 or words[1] not in ("TCP4", "TCP6"):
        return ProxyState.BAD
    kind = IPv4Address if words[1] == "TCP4" else IPv6Address
    client, port = _address(words[2], kind), _port(words[4])
    if (
        client is None
        or _address(words[3], kind) is None
        or port is None
        or _port(words[5]) is None
    ):
        return ProxyState.BAD
    return ProxyHeader(length, client, port)


def _read_v2(data: bytes) -> ProxyHeader | ProxyState:
    if len(data) < _HEAD_BYTES:
        return ProxyState.MORE
    command, family, size = struct.unpack_from("!BBH", data, len(SIGNATURE))
    length = _HEAD_BYTES + size
    if command & 0xF0 != _VERSION_2 or length > MAX_V2_BYTES:
        return ProxyState.BAD
    if len(data) < length:
        return ProxyState.MORE
    if command & 0x0F == _LOCAL:
        return ProxyHeader(length)
    if command & 0x0F != _PROXY:
        return ProxyState.BAD
    return _client_v2(family, data[_HEAD_BYTES:length], length)


def _client_v2(family: int, block: bytes, length: int) -> ProxyHeader | ProxyState:
    if family == _UNSPECIFIED:
        return ProxyHeader(length)
    octets = {_TCP4: 4, _TCP6: 16}.get(family)
    if octets is None or len(block) < 2 * octets + 4:
        return ProxyState.BAD
    address = IPv4Address(block[:4]) if octets == 4 else IPv6Address(block[:16])
    (port,) = struct.unpack_from("!H", block, 2 * octets)
    return ProxyHeader(length, parse_ip(str(address)), port)


@lru_cache(maxsize=4096)
def _address(text: str, kind: type[IPv4Address] | type[IPv6Address]) -> Address | None:
    try:
        address = kind(text)
    except ValueError:
        return None
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped  # counts as what it is
    return address


def _port(text: str) -> int | None:
    if not (text.isascii() and text.isdigit()) or len(text) > 5 or int(text) > _MAX_PORT:
        return None
    return int(text)
