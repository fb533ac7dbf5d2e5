"""What `helm test` runs, against a gateway of a few lines: it passes where all is well, else says why not."""

import asyncio
import importlib.util
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import ModuleType
from typing import Any
from urllib.parse import parse_qs, urlsplit

import grpc
import pytest
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from mailweir_testkit.chart.render import Rendered

SCRIPT = Path(__file__).resolve().parents[2] / "helm" / "mailweir" / "files" / "gateway_test.py"
KEY = "mw_" + "k" * 43


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("gateway_test", SCRIPT)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Gateway:
    """An SMTP server that refuses GTUBE, and REST that shows the record."""

    def __init__(self) -> None:
        self.record: dict[str, Any] = {}
        self.reason = "gtube"
        self.saw = "127.0.0.1"
        self.open_to_all = False
        self.states = ["ready", "degraded"]
        self.bans = {"127.0.0.1/32"}
        self.bans_for_spam = True

    def answer(self, path: str, key: str) -> tuple[int, Any]:
        url = urlsplit(path)
        if key != f"Bearer {KEY}" and not self.open_to_all:
            return 401, {}
        if url.path == "/api/v1/services":
            return 200, [{"name": f"s{n}", "state": s} for n, s in enumerate(self.states)]
        if url.path == "/api/v1/config":
            return 200, {"relay": {"domains": [{"name": "example.com"}]}}
        if url.path == "/api/v1/messages":
            found = parse_qs(url.query)["sender"] == [self.record.get("sender")]
            return 200, {"items": [{"id": "7"}] if found else []}
        return 200, self.record

    async def smtp(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        replies = {b"EHLO": "250 hi", b"MAIL": "250 ok", b"RCPT": "250 ok", b"DATA": "354 go"}
        writer.write(b"220 ready\r\n")
        while line := await reader.readline():
            verb = line[:4].upper()
            if verb == b"MAIL":
                sender = line.decode().partition("<")[2].partition(">")[0]
                self.record = {"sender": sender, "reason": self.reason, "client_ip": self.saw}
            if verb == b"QUIT":
                break
            writer.write(f"{replies.get(verb, '250 ok')}\r\n".encode())
            if verb == b"DATA":
                body = await reader.readuntil(b"\r\n.\r\n")
                if self.bans_for_spam:
                    self.bans.add(f"{self.saw}/32")
                code = "550 5.7.1 spam [ref]" if b"GTUBE" in body else "250 ok"
                writer.write(f"{code}\r\n".encode())
        writer.close()


@pytest.fixture
def gateway() -> Gateway:
    return Gateway()


@pytest.fixture
def rest(gateway: Gateway) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_DELETE(self) -> None:
            banned = self.path.removeprefix("/api/v1/bans/")
            self.send_response(204 if banned in gateway.bans else 404)
            self.end_headers()
            gateway.bans.discard(banned)

        def do_GET(self) -> None:
            code, document = gateway.answer(self.path, self.headers.get("Authorization", ""))
            self.send_response(code)
            self.end_headers()
            self.wfile.write(json.dumps(document).encode())

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def healthy() -> Iterator[tuple[str, health.HealthServicer]]:
    from concurrent.futures import ThreadPoolExecutor

    servicer = health.HealthServicer()
    servicer.set("readiness", health_pb2.HealthCheckResponse.SERVING)
    with ThreadPoolExecutor(2) as pool:
        server = grpc.server(pool)
        health_pb2_grpc.add_HealthServicer_to_server(servicer, server)
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        yield f"127.0.0.1:{port}", servicer
        server.stop(None).wait()


@pytest.fixture
def env(rest: str, healthy: tuple[str, health.HealthServicer], tmp_path: Path) -> dict[str, str]:
    (tmp_path / "admin.key").write_text(KEY)
    return {
        "TARGETS": f"{healthy[0]},{healthy[0]}",
        "SERVICES": "s0,s1",
        "API": rest,
        "MX_HOST": "127.0.0.1",
        "MX_PORT": "0",
        "KEY_FILE": str(tmp_path / "admin.key"),
        "POD_IP": "127.0.0.1",
        "PROXY_SOURCES": "",
    }


async def run(
    script: ModuleType,
    gateway: Gateway,
    env: dict[str, str],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> tuple[int, str]:
    """Run the script as the pod does; returns its code and what it printed."""
    monkeypatch.setattr(script, "RECORD_SECONDS", 0.5)
    monkeypatch.setattr(script, "BAN_SECONDS", 0.5)
    server = await asyncio.start_server(gateway.smtp, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        code: int = await asyncio.to_thread(script.main, {**env, "MX_PORT": str(port)})
    return code, capsys.readouterr().out


@pytest.mark.integration
class TestScript:
    @pytest.fixture(autouse=True)
    def parts(
        self,
        script: ModuleType,
        gateway: Gateway,
        env: dict[str, str],
        capsys: pytest.CaptureFixture[str],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        self.run = lambda: run(script, gateway, env, capsys, monkeypatch)

    async def test_a_gateway_that_works_passes(self) -> None:
        code, said = await self.run()
        assert code == 0, said
        assert [line.split()[0] for line in said.splitlines()] == ["ok"] * 6
        assert "seen as 127.0.0.1; 550 5.7.1 spam [ref]" in said

    async def test_nobody_is_left_banned_by_it(self, gateway: Gateway) -> None:
        code, said = await self.run()
        assert (code, gateway.bans) == (0, set())
        assert "a ban of this address was lifted" in said
        assert "the ban for this mail was lifted" in said

    async def test_a_gateway_that_bans_nobody_is_well(self, gateway: Gateway) -> None:
        gateway.bans_for_spam, gateway.bans = False, set()
        code, said = await self.run()
        assert (code, "the mail brought no ban" in said) == (0, True)

    async def test_clients_behind_another_address_fail_it(self, gateway: Gateway) -> None:
        gateway.saw = "10.0.0.1"
        code, said = await self.run()
        assert code == 1
        assert "the ingress saw 10.0.0.1, not 127.0.0.1" in said

    async def test_another_reason_than_gtube_fails_it(self, gateway: Gateway) -> None:
        gateway.reason = "spam_score"
        code, said = await self.run()
        assert (code, "reason spam_score" in said) == (1, True)

    async def test_an_open_api_fails_it(self, gateway: Gateway) -> None:
        gateway.open_to_all = True
        code, said = await self.run()
        assert (code, "REST answers without a key" in said) == (1, True)

    async def test_a_service_that_is_silent_fails_it(self, gateway: Gateway) -> None:
        gateway.states = ["ready", "down"]
        code, said = await self.run()
        assert (code, "not running: s1" in said) == (1, True)

    async def test_a_service_that_is_not_ready_fails_it(
        self, healthy: tuple[str, health.HealthServicer]
    ) -> None:
        healthy[1].set("readiness", health_pb2.HealthCheckResponse.NOT_SERVING)
        code, said = await self.run()
        assert (code, "is not ready" in said) == (1, True)


def test_a_pod_among_the_proxies_says_who_the_client_is(script: ModuleType) -> None:
    own = {"POD_IP": "10.1.2.3", "PROXY_SOURCES": "192.0.2.0/24"}
    assert script.proxied(own) == b""
    assert script.expected_client(own) == "10.1.2.3"
    listed = {**own, "PROXY_SOURCES": "2001:db8::/32,10.0.0.0/8"}
    header = script.proxied(listed)
    assert header[:16] == b"\r\n\r\n\x00\r\nQUIT\n\x21\x11\x00\x0c"
    assert len(header) == 16 + 12
    assert header[16:20] == bytes([192, 0, 2, 25])
    assert script.expected_client(listed) == "192.0.2.25"


def test_the_header_is_one_that_the_ingress_reads(script: ModuleType) -> None:
    from mailweir_ingress.smtp import proxy

    header = script.proxied({"POD_IP": "10.1.2.3", "PROXY_SOURCES": "10.0.0.0/8"})
    read = proxy.read_proxy(header)
    assert isinstance(read, proxy.ProxyHeader)
    assert (read.length, str(read.client)) == (len(header), "192.0.2.25")


def test_the_pod_has_what_the_script_asks_for(default: Rendered) -> None:
    [pod] = default.of("Pod")
    [container] = pod["spec"]["containers"]
    names = {variable["name"] for variable in container["env"]}
    asked = {"TARGETS", "SERVICES", "API", "MX_HOST", "MX_PORT", "KEY_FILE", "POD_IP"}
    assert names == asked | {"PROXY_SOURCES"}
    assert pod["metadata"]["annotations"]["helm.sh/hook"] == "test"
    assert container["image"] == default.workloads["gateway"].pod.container.image
    assert container["securityContext"]["readOnlyRootFilesystem"] is True
    assert default.one("ConfigMap", "test")["data"]["gateway_test.py"] == SCRIPT.read_text()
