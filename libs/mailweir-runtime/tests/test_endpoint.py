"""The HTTP endpoint: pages, and what a bad client can do to it."""

import socket
import time
from collections.abc import Iterator
from http import HTTPStatus
from http.client import HTTPConnection, HTTPResponse

import pytest
from prometheus_client import CollectorRegistry, Counter

from mailweir_runtime import endpoint as module
from mailweir_runtime.endpoint import MAX_REQUESTS, Endpoint, Probe, serve_endpoint
from mailweir_runtime.listen import HostPort

LOOPBACK = HostPort("127.0.0.1", 0)


def demo(*, live: bool = True, ready: bool = True) -> Endpoint:
    """Return an endpoint with one counter."""
    registry = CollectorRegistry()
    Counter("mailweir_demo_things_total", "Things.", registry=registry).inc(3)
    return Endpoint(registry, lambda: Probe(live, "live line"), lambda: Probe(ready, "ready line"))


@pytest.mark.parametrize(
    ("path", "endpoint", "status", "content"),
    [
        ("/metrics", demo(), HTTPStatus.OK, b"mailweir_demo_things_total 3.0"),
        ("/livez", demo(), HTTPStatus.OK, b"live line\n"),
        ("/livez", demo(live=False), HTTPStatus.SERVICE_UNAVAILABLE, b"live line\n"),
        ("/readyz", demo(), HTTPStatus.OK, b"ready line\n"),
        ("/readyz", demo(ready=False), HTTPStatus.SERVICE_UNAVAILABLE, b"ready line\n"),
        ("/", demo(), HTTPStatus.NOT_FOUND, b"/metrics"),
        ("/metrics/x", demo(), HTTPStatus.NOT_FOUND, b"/metrics"),
    ],
)
def test_pages(path: str, endpoint: Endpoint, status: HTTPStatus, content: bytes) -> None:
    got, _, page = endpoint.page(path)

    assert got == status
    assert content in page


@pytest.fixture
def served() -> Iterator[HostPort]:
    """Serve the demo endpoint."""
    with serve_endpoint(LOOPBACK, demo()) as bound:
        yield bound


def get(bound: HostPort, path: str, method: str = "GET") -> tuple[HTTPResponse, bytes]:
    """Ask over the network."""
    connection = HTTPConnection(bound.host, bound.port, timeout=5)
    try:
        connection.request(method, path)
        response = connection.getresponse()
        return response, response.read()
    finally:
        connection.close()


@pytest.mark.integration
def test_it_answers_over_http(served: HostPort) -> None:
    response, page = get(served, "/metrics?x=1")

    assert response.status == HTTPStatus.OK
    assert "version=" in (response.getheader("Content-Type") or "")
    assert b"mailweir_demo_things_total 3.0" in page
    assert "Python" not in (response.getheader("Server") or "")


@pytest.mark.integration
def test_other_methods_are_refused(served: HostPort) -> None:
    response, _ = get(served, "/livez", "POST")

    assert response.status == HTTPStatus.NOT_IMPLEMENTED


@pytest.mark.integration
def test_a_silent_client_holds_up_nobody(served: HostPort) -> None:
    with socket.create_connection((served.host, served.port)) as silent:
        silent.sendall(b"GET /liv")
        response, page = get(served, "/livez")

    assert (response.status, page) == (HTTPStatus.OK, b"live line\n")


@pytest.mark.integration
def test_rubbish_is_refused_quietly(served: HostPort, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_connection((served.host, served.port)) as client:
        client.sendall(b"\x16\x03\x01\x00\xff\r\n\r\n")
        client.settimeout(5)
        client.recv(4096)
    response, _ = get(served, "/livez")

    assert response.status == HTTPStatus.OK
    assert capsys.readouterr().err == ""


@pytest.mark.integration
def test_connections_are_bounded_and_come_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module._Handler, "timeout", 0.5)
    with serve_endpoint(LOOPBACK, demo()) as bound:
        silent = [socket.create_connection((bound.host, bound.port)) for _ in range(MAX_REQUESTS)]
        try:
            with socket.create_connection((bound.host, bound.port)) as one_more:
                one_more.settimeout(5)
                assert one_more.recv(1) == b""  # closed at once
            deadline = time.monotonic() + 10
            while time.monotonic() < deadline:
                try:
                    response, _ = get(bound, "/livez")
                    break
                except OSError:  # not yet: the silent ones are let go after half a second
                    time.sleep(0.1)
            assert response.status == HTTPStatus.OK
        finally:
            for client in silent:
                client.close()


@pytest.mark.integration
def test_a_taken_port_is_an_error(served: HostPort) -> None:
    with pytest.raises(OSError, match="in use"), serve_endpoint(served, demo()):
        pass


@pytest.mark.integration
def test_it_is_gone_afterwards() -> None:
    with serve_endpoint(LOOPBACK, demo()) as bound:
        pass

    with pytest.raises(ConnectionRefusedError):
        get(bound, "/livez")


@pytest.mark.integration
def test_it_speaks_ipv6() -> None:
    with serve_endpoint(HostPort("::1", 0), demo()) as bound:
        response, _ = get(bound, "/readyz")

    assert response.status == HTTPStatus.OK
