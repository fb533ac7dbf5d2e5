"""PROXY protocol headers as a load balancer sends them (haproxy.org, proxy-protocol.txt, 2.1 and 2.2)."""

import struct
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Final

_SIGNATURE: Final = b"\r\n\r\n\x00\r\nQUIT\n"
_LOCAL, _PROXY = 0x20, 0x21
_FAMILY: Final = {4: 0x11, 6: 0x21}


@dataclass(frozen=True, slots=True)
class Endpoints:
    """Who connected to whom, as the proxy saw it."""

    source: str
    destination: str
    source_port: int
    destination_port: int


def v1(ends: Endpoints) -> bytes:
    """Return the header in version 1: one line of text."""
    family = f"TCP{ip_address(ends.source).version}"
    ports = f"{ends.source_port} {ends.destination_port}"
    return f"PROXY {family} {ends.source} {ends.destination} {ports}\r\n".encode()


def v2(ends: Endpoints) -> bytes:
    """Return the header in version 2, binary, for a proxied connection."""
    source, destination = ip_address(ends.source), ip_address(ends.destination)
    block = source.packed + destination.packed
    block += struct.pack("!HH", ends.source_port, ends.destination_port)
    return _SIGNATURE + struct.pack("!BBH", _PROXY, _FAMILY[source.version], len(block)) + block


def v2_local() -> bytes:
    """Return the header in version 2 of a connection that the proxy made for itself (health check)."""
    return _SIGNATURE + struct.pack("!BBH", _LOCAL, 0, 0)
