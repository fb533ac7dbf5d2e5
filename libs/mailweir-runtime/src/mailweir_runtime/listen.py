"""Where a server listens, as settings say it: `host:port`, `[v6]:port` or `unix:/path`."""

import re
from dataclasses import dataclass
from typing import Annotated, Final

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


@dataclass(frozen=True, slots=True)
class UnixPath:
    """A unix socket."""

    path: str

    def __str__(self) -> str:
        """Return `unix:/path`."""
        return f"unix:{self.path}"


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
