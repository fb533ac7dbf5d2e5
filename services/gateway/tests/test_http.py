"""The application over real HTTP: limits of the protocol, drain, signals left alone."""

import asyncio
import signal
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest
import pytest_asyncio
from starlette.types import Receive, Scope, Send
from structlog.testing import capture_logs

from mailweir_gateway.adapters.http_server import MAX_HEADER_BYTES, serve_http
from mailweir_gateway.api.middleware import BoundBody, Envelope
from mailweir_gateway.metrics import declare
from mailweir_gateway.service import build
from mailweir_runtime.lifecycle import Runtime, StartupError
from mailweir_runtime.listen import HostPort
from mailweir_testkit.runtime import running_runtime

World = Any  # tests/conftest.py


@pytest_asyncio.fixture
async def rt() -> AsyncIterator[Runtime]:
    async with running_runtime("gateway") as running:
        yield running


@pytest_asyncio.fixture
async def address(world: World, rt: Runtime) -> AsyncIterator[HostPort]:
    async with serve_http(rt, "127.0.0.1:0", build(world.tools)) as bound:
        yield bound


async def talk(address: HostPort, data: bytes) -> bytes:
    reader, writer = await asyncio.open_connection(address.host, address.port)
    try:
        writer.write(data)
        await writer.drain()
        async with asyncio.timeout(10):
            return await reader.read()
    except ConnectionResetError:
        return b""
    finally:
        writer.close()


async def test_it_answers(world: World, address: HostPort) -> None:
    async with httpx2.AsyncClient(base_url=f"http://{address}") as client:
        assert (await client.get("/api/v1/health")).json() == {"state": "ready"}
        assert (await client.get("/api/v1/config")).status_code == 401
        key = world.client.headers["authorization"]
        response = await client.get("/api/v1/config", headers={"Authorization": key})
        assert response.status_code == 200
        assert "server" not in response.headers


async def test_the_signals_stay_ours(address: HostPort) -> None:
    for number in (signal.SIGTERM, signal.SIGINT):
        handler = signal.getsignal(number)
        assert "uvicorn" not in repr(handler)


async def test_a_taken_port_is_one_line(address: HostPort, rt: Runtime) -> None:
    with pytest.raises(StartupError, match=f"cannot listen on {address}: .*in use"):
        async with serve_http(rt, str(address), lambda *_: None):  # type: ignore[arg-type,return-value]
            pass


@pytest.mark.parametrize(
    "data",
    [
        b"GET / HTTP/1.1\r\n\r\n",  # no Host
        b"nonsense\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nA: " + b"a" * MAX_HEADER_BYTES * 64 + b"\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01",
    ],
)
async def test_what_is_no_http_is_refused_and_ended(address: HostPort, data: bytes) -> None:
    answer = await talk(address, data)
    assert answer == b"" or answer.startswith(b"HTTP/1.1 4")
    async with httpx2.AsyncClient(base_url=f"http://{address}") as client:
        assert (await client.get("/api/v1/health")).status_code == 200


async def test_smuggled_lengths_do_not_make_two_requests(address: HostPort) -> None:
    answer = await talk(
        address,
        b"POST /api/v1/health HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n"
        b"Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n0\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n",
    )
    assert answer.count(b"HTTP/1.1 ") <= 1


async def test_a_slow_body_is_given_up(world: World, rt: Runtime) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        raise AssertionError("a body that did not come must not be seen")

    metrics, clock = world.tools.metrics, world.clock
    bounded = Envelope(BoundBody(app, seconds=0.05), metrics, clock)
    async with serve_http(rt, "127.0.0.1:0", bounded) as bound:
        answer = await talk(bound, b"PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nhalf")
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert b"urn:mailweir:problem:request-timeout" in answer


async def test_a_client_that_leaves_is_forgotten(world: World, rt: Runtime) -> None:
    seen = asyncio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        seen.set()

    bounded = BoundBody(app)
    async with serve_http(rt, "127.0.0.1:0", bounded) as bound:
        _, writer = await asyncio.open_connection(bound.host, bound.port)
        writer.write(b"PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nhalf")
        await writer.drain()
        writer.close()
        await writer.wait_closed()
        await asyncio.sleep(0.05)
    assert not seen.is_set()


async def test_a_drain_lets_running_requests_end(world: World, rt: Runtime) -> None:
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        begun.set()
        await go_on.wait()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"done"})

    async with asyncio.TaskGroup() as tasks, serve_http(rt, "127.0.0.1:0", app) as bound:
        asked = tasks.create_task(talk(bound, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"))
        await begun.wait()
        rt.drain()
        asyncio.get_running_loop().call_later(0.1, go_on.set)
    assert b"\r\ndone\r\n" in asked.result()


async def test_too_many_at_once_are_told_to_come_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mailweir_gateway.api.middleware.CONCURRENT_REQUESTS", 2)
    go_on = asyncio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await go_on.wait()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    metrics, clock = world.tools.metrics, world.clock
    transport = httpx2.ASGITransport(app=Envelope(app, metrics, clock))
    async with httpx2.AsyncClient(transport=transport, base_url="http://x") as client:
        async with asyncio.TaskGroup() as tasks:
            running = [tasks.create_task(client.get("/")) for _ in range(2)]
            await asyncio.sleep(0.02)
            refused = await client.get("/")
            go_on.set()
        assert refused.status_code == 503
        assert refused.headers["retry-after"] == "5"
        assert [task.result().status_code for task in running] == [200, 200]
        assert (await client.get("/")).status_code == 200


async def test_half_an_answer_is_not_made_to_look_whole(world: World) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"half", "more_body": True})
        raise RuntimeError("in the middle")

    wrapped = Envelope(app, declare(world.registry.__class__()), world.clock)
    transport = httpx2.ASGITransport(app=wrapped)
    async with httpx2.AsyncClient(transport=transport, base_url="http://x") as client:
        with pytest.raises(RuntimeError, match="in the middle"), capture_logs() as logged:
            await client.get("/")
    assert [line["event"] for line in logged] == ["request_crashed", "request"]


async def test_two_lengths_are_refused(world: World) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        raise AssertionError("such a request must not be seen")

    metrics, clock = world.tools.metrics, world.clock
    transport = httpx2.ASGITransport(app=Envelope(BoundBody(app), metrics, clock))
    async with httpx2.AsyncClient(transport=transport, base_url="http://x") as client:
        response = await client.post(
            "/", content=b"x", headers={"content-length": "1", "transfer-encoding": "chunked"}
        )
    assert response.status_code == 400
    assert response.headers["connection"] == "close"


async def test_what_is_not_http_is_ignored(world: World) -> None:
    async def never(*_: object) -> Any:
        raise AssertionError("nothing is to be read or sent")

    await build(world.tools)({"type": "websocket", "path": "/"}, never, never)
