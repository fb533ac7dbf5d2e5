"""The HTTP endpoint for Prometheus and the kubelet: /metrics, /livez, /readyz on one port.

It runs in a thread of its own. Writing out a full registry takes milliseconds, which on the event loop
would be lag for every session; and a process whose loop stands still must be able to say so: /livez answers
503 with the age of the last turn, where an endpoint on the loop would only time out.
"""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar, Final

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest

from mailweir_runtime.listen import HostPort

MAX_REQUESTS: Final = 16
"""Requests answered at once; a connection over that is closed at once."""
REQUEST_SECONDS: Final = 5.0
"""Longest wait for a part of a request."""
POLL_SECONDS: Final = 0.2
"""How soon the server notices that it shall end."""
TEXT: Final = "text/plain; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Probe:
    """The answer of a probe: whether all is well, and one line."""

    ok: bool
    line: str


@dataclass(frozen=True, slots=True)
class Endpoint:
    """What the pages are made from; the probes are called in the endpoint's thread."""

    registry: CollectorRegistry
    live: Callable[[], Probe]
    ready: Callable[[], Probe]

    def page(self, path: str) -> tuple[HTTPStatus, str, bytes]:
        """Return status, content type and content of a path."""
        if path == "/metrics":
            return HTTPStatus.OK, CONTENT_TYPE_LATEST, generate_latest(self.registry)
        probe = {"/livez": self.live, "/readyz": self.ready}.get(path)
        if probe is None:
            return HTTPStatus.NOT_FOUND, TEXT, b"there are /metrics, /livez and /readyz\n"
        answer = probe()
        status = HTTPStatus.OK if answer.ok else HTTPStatus.SERVICE_UNAVAILABLE
        return status, TEXT, f"{answer.line}\n".encode(errors="backslashreplace")


class _Handler(BaseHTTPRequestHandler):
    endpoint: ClassVar[Endpoint]
    timeout = REQUEST_SECONDS
    server_version = "Mailweir"
    sys_version = ""

    def do_GET(self) -> None:
        status, content_type, content = self.endpoint.page(self.path.partition("?")[0])
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing: a probe every few seconds is no event."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 64  # the default of 5 makes a burst of probes wait for a second SYN

    def __init__(self, listen: HostPort, endpoint: Endpoint) -> None:
        host = listen.host or "0.0.0.0"
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._free = threading.BoundedSemaphore(MAX_REQUESTS)
        super().__init__((host, listen.port), type("Handler", (_Handler,), {"endpoint": endpoint}))

    def server_bind(self) -> None:
        # HTTPServer's own asks DNS for the full name of the host, for CGI.
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()

    def verify_request(self, _request: object, _client_address: object) -> bool:
        return self._free.acquire(blocking=False)

    def process_request_thread(self, request: socket.socket, client_address: object) -> None:  # type: ignore[override]  # the stub knows datagram servers too
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._free.release()

    def handle_error(self, request: object, client_address: object) -> None:
        """A peer that hangs up in the middle is no event either."""


@contextmanager
def serve_endpoint(listen: HostPort, endpoint: Endpoint) -> Iterator[HostPort]:
    """Serve until the block ends; yields the bound address. Raises OSError where it cannot listen."""
    server = _Server(listen, endpoint)
    thread = threading.Thread(
        target=server.serve_forever,
        kwargs={"poll_interval": POLL_SECONDS},
        name="endpoint",
        daemon=True,
    )
    thread.start()
    try:
        yield HostPort(listen.host, server.socket.getsockname()[1])
    finally:
        server.shutdown()
        server.server_close()
        thread.join(REQUEST_SECONDS)
