"""Where a server listens, as settings say it: `host:port`, `[v6]:port` or `unix:/path`."""

import re
import socket
import sys
from dataclasses import dataclass
from typing import Annotated, Final, Self

from pydantic import AfterValidator, Field

MAX_UNIX_PATH_BYTES: Final = 107  # sun_path of Linux, without the closing NUL
_HOST: Final = re.compile(r"[A-Za-z0-9._-]{0,253}")
_V6: Final = re.compile(r"[0-9A-Fa-f:.]{2,45}(?:%[A-Za-z0-9]+)?")


@dataclass(frozen=True, slots=True)
class HostPort:
    """A TCP address; port 0 lets the system choose, an empty host means every interface."""

    host: str
    port: int

    def __str__(self) -> str:
        """Return `host:port`, an IPv6 address in brackets."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


LOOPBACK: Final = HostPort("127.0.0.1", 0)
"""A port that the system chooses, for this machine alone."""


@dataclass(frozen=True, slots=True)
class UnixPath:
    """A unix socket."""

    path: str

    def __str__(self) -> str:
        """Return `unix:/path`."""
        return f"unix:{self.path}"


class Reservation:
    """An address kept for a server to come, until it is closed.

    Bound and not listening: a server that sets SO_REUSEADDR, as all here do, can still listen there. Linux
    gives the port to no client and to nobody who asks for any port; elsewhere two sockets cannot share an
    address like that, and it is only found free.
    """

    def __init__(self, listen: HostPort) -> None:
        """Bind; port 0 takes any. Raises OSError, also where somebody listens there."""
        host = listen.host or "0.0.0.0"
        family, kind, _, _, address = socket.getaddrinfo(
            host, listen.port, type=socket.SOCK_STREAM
        )[0]
        self._sock = socket.socket(family, kind)
        try:
            self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            self._sock.bind(address)
        except OSError:
            self._sock.close()
            raise
        self.address = HostPort(listen.host, self._sock.getsockname()[1])
        if sys.platform != "linux":
            self._sock.close()

    def close(self) -> None:
        """Give it up."""
        self._sock.close()

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Give it up."""
        self.close()


def parse_host_port(text: str) -> HostPort:
    """Return the address in `text`; raises ValueError with a sentence."""
    host, colon, port = text.strip().rpartition(":")
    if not colon or not (port.isascii() and port.isdigit()) or int(port) > 65_535:
        raise ValueError("write host:port, the port from 0 to 65535")
    if host.startswith("[") and host.endswith("]") and _V6.fullmatch(host[1:-1]):
        return HostPort(host[1:-1], int(port))
    if not _HOST.fullmatch(host):
        raise ValueError("write host:port, an IPv6 address in brackets")
    return HostPort(host, int(port))


def parse_listen(text: str) -> HostPort | UnixPath:
    """Return where to listen; raises ValueError with a sentence."""
    if not text.startswith("unix:"):
        return parse_host_port(text)
    path = text.removeprefix("unix:")
    if not path.startswith("/"):
        raise ValueError("write unix:/absolute/path")
    if len(path.encode(errors="surrogateescape")) > MAX_UNIX_PATH_BYTES:
        raise ValueError(f"the path of a unix socket has at most {MAX_UNIX_PATH_BYTES} bytes")
    return UnixPath(path)


def _host_port(text: str) -> str:
    return str(parse_host_port(text))


def _listen(text: str) -> str:
    return str(parse_listen(text))


def _optional(text: str) -> str:
    return _listen(text) if text else ""


TcpListen = Annotated[str, AfterValidator(_host_port), Field(examples=["127.0.0.1:0"])]
"""A settings field: `host:port`."""

Listen = Annotated[
    str, AfterValidator(_listen), Field(examples=["0.0.0.0:9000", "unix:/run/mailweir/x.sock"])
]
"""A settings field: `host:port` or `unix:/path`."""

OptionalListen = Annotated[
    str, AfterValidator(_optional), Field(examples=["", "127.0.0.1:3310", "unix:/run/clamd.sock"])
]
"""A settings field: `host:port` or `unix:/path` of something that may be absent; empty then."""
