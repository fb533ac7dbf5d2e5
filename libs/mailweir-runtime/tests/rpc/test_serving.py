"""A real server and a real channel: deadlines, failures, limits, metrics."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path
from typing import Any

import grpc
import pytest
import structlog

from mailweir.scoring.v1 import scoring_pb2 as pb, scoring_pb2_grpc as pb_grpc
from mailweir_runtime.bus.ports import BusUnavailable
from mailweir_runtime.rpc import Refused, RpcFailed, RpcFailure, call, open_channel, serve, stream
from mailweir_runtime.runtime import Runtime, StartupError
from mailweir_testkit.runtime import running_runtime

pytestmark = pytest.mark.integration

ONE = pb.ScoreRequest(items=[pb.ScoreItem(raw=b"x")])
METHOD = "/mailweir.scoring.v1.ScoringService/Score"


def counted(rt: Runtime, code: str) -> float | None:
    """Return how many calls ended so."""
    return rt.registry.get_sample_value(
        "mailweir_test_rpc_requests_total", {"method": METHOD, "code": code}
    )


async def failure_of(target: str, *, timeout: float = 5.0) -> RpcFailed:
    """Call and return the failure."""
    async with open_channel(target) as channel:
        with pytest.raises(RpcFailed) as caught:
            await call(pb_grpc.ScoringServiceStub(channel).Score, ONE, timeout=timeout)
    return caught.value


@pytest.mark.parametrize("place", ["tcp", "unix", "ipv6"])
async def test_a_call_has_its_answer(serving: Any, scorer: Any, place: str, tmp_path: Path) -> None:
    listen = {"tcp": "127.0.0.1:0", "unix": f"unix:{tmp_path}/s", "ipv6": "[::1]:0"}[place]
    async with (
        running_runtime() as rt,
        serving(rt, scorer(), listen) as target,
        open_channel(target) as channel,
    ):
        answer = await call(pb_grpc.ScoringServiceStub(channel).Score, ONE, timeout=5)
        await asyncio.sleep(0)

    assert [result.score for result in answer.results] == [1.0]
    assert counted(rt, "ok") == 1
    assert counted(rt, "internal") == 0  # there from the start
    assert rt.registry.get_sample_value("mailweir_test_rpc_running") == 0
    assert rt.registry.get_sample_value("mailweir_test_rpc_seconds_count", {"method": METHOD}) == 1


async def test_a_call_without_time_fails_and_does_not_leave(serving: Any, scorer: Any) -> None:
    service = scorer()
    async with running_runtime() as rt, serving(rt, service) as target:
        failure = await failure_of(target, timeout=0.0)

    assert failure.kind is RpcFailure.DEADLINE
    assert service.calls == 0


async def test_a_call_with_too_little_time_is_refused_before_any_work(
    serving: Any, scorer: Any
) -> None:
    service = scorer()
    async with running_runtime() as rt, serving(rt, service, floor_seconds=4.0) as target:
        failure = await failure_of(target, timeout=3.0)

    assert failure.kind is RpcFailure.DEADLINE
    assert failure.detail == "too little time to begin"
    assert service.calls == 0
    assert counted(rt, "deadline") == 1


async def test_a_deadline_is_mandatory(serving: Any, scorer: Any) -> None:
    service = scorer()
    async with (
        running_runtime() as rt,
        serving(rt, service) as target,
        open_channel(target) as channel,
    ):
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await pb_grpc.ScoringServiceStub(channel).Score(ONE)

    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert caught.value.details() == "a deadline is required"
    assert service.calls == 0


async def test_a_late_answer_is_a_failure(serving: Any, scorer: Any) -> None:
    cancelled = asyncio.Event()

    async def late(request: object, context: object) -> pb.ScoreResponse:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            cancelled.set()
            raise
        return pb.ScoreResponse()

    async with running_runtime() as rt, serving(rt, scorer(late)) as target:
        failure = await failure_of(target, timeout=0.2)
        async with asyncio.timeout(5):
            await cancelled.wait()  # the work ends with the time

    assert failure.kind is RpcFailure.DEADLINE
    assert counted(rt, "cancelled") == 1


@pytest.mark.parametrize(
    ("error", "kind", "detail"),
    [
        (Refused(RpcFailure.INVALID, "no such page"), RpcFailure.INVALID, "no such page"),
        (Refused(RpcFailure.EXHAUSTED, "busy"), RpcFailure.EXHAUSTED, "busy"),
        (BusUnavailable("nats://secret"), RpcFailure.UNAVAILABLE, "the bus does not answer"),
        (TimeoutError("secret"), RpcFailure.DEADLINE, "not done in time"),
        (ValueError("secret"), RpcFailure.INTERNAL, "internal error"),
        (ExceptionGroup("secret", [ValueError("s"), KeyError("t")]), RpcFailure.INTERNAL, "internal error"),
    ],
)  # fmt: skip
async def test_what_a_handler_raises_reaches_the_caller_as_a_kind(
    serving: Any, scorer: Any, error: Exception, kind: RpcFailure, detail: str
) -> None:
    async def fail(request: object, context: object) -> pb.ScoreResponse:
        raise error

    with structlog.testing.capture_logs() as logs:
        async with running_runtime() as rt, serving(rt, scorer(fail)) as target:
            failure = await failure_of(target)

    assert (failure.kind, failure.detail) == (kind, detail)
    assert counted(rt, kind.value) == 1
    told = [entry for entry in logs if entry["event"] in ("rpc_crashed", "rpc_failed")]
    assert len(told) == (0 if isinstance(error, Refused) else 1)


async def test_the_log_lines_of_a_handler_name_the_method(serving: Any, scorer: Any) -> None:
    bound: list[dict[str, Any]] = []

    async def note(request: object, context: object) -> pb.ScoreResponse:
        bound.append(structlog.contextvars.get_contextvars())
        return pb.ScoreResponse()

    async with (
        running_runtime() as rt,
        serving(rt, scorer(note)) as target,
        open_channel(target) as channel,
    ):
        await call(pb_grpc.ScoringServiceStub(channel).Score, ONE, timeout=5)

    assert bound == [{"rpc": METHOD}]
    assert structlog.contextvars.get_contextvars() == {}


async def test_nobody_there_is_unavailable(tmp_path: Path) -> None:
    failure = await failure_of(f"unix:{tmp_path}/nobody.sock")

    assert failure.kind is RpcFailure.UNAVAILABLE


async def test_a_server_that_went_away_and_came_back_is_found_again(
    serving: Any, scorer: Any, tmp_path: Path
) -> None:
    listen = f"unix:{tmp_path}/s"
    async with running_runtime() as rt, open_channel(listen) as channel:
        score = pb_grpc.ScoringServiceStub(channel).Score
        async with serving(rt, scorer(), listen):
            await call(score, ONE, timeout=5)
        with pytest.raises(RpcFailed) as caught:
            await call(score, ONE, timeout=5)
        assert caught.value.kind is RpcFailure.UNAVAILABLE
        async with running_runtime() as again, serving(again, scorer(), listen):
            async with asyncio.timeout(10):
                while not await answered(score):
                    await asyncio.sleep(0.05)


async def answered(method: Any) -> bool:
    """Say whether a call had an answer."""
    try:
        await call(method, ONE, timeout=5)
    except RpcFailed:
        return False
    return True


async def test_a_channel_closed_under_a_call_is_a_failure_not_a_cancellation(
    serving: Any, scorer: Any
) -> None:
    began = asyncio.Event()

    async def hang(request: object, context: object) -> pb.ScoreResponse:
        began.set()
        await asyncio.sleep(60)
        return pb.ScoreResponse()

    async with running_runtime() as rt, serving(rt, scorer(hang)) as target:
        channel = open_channel(target)
        score = pb_grpc.ScoringServiceStub(channel).Score
        async with asyncio.TaskGroup() as tasks:
            asked = tasks.create_task(expect_failure(score))
            await began.wait()
            await channel.close()
        after = await expect_failure(score)

    assert asked.result().kind is RpcFailure.UNAVAILABLE
    assert after.kind is RpcFailure.UNAVAILABLE


async def expect_failure(method: Any) -> RpcFailed:
    """Call and return the failure."""
    with pytest.raises(RpcFailed) as caught:
        await call(method, ONE, timeout=10)
    return caught.value


async def test_a_cancelled_caller_is_cancelled(serving: Any, scorer: Any) -> None:
    began = asyncio.Event()

    async def hang(request: object, context: object) -> pb.ScoreResponse:
        began.set()
        await asyncio.sleep(60)
        return pb.ScoreResponse()

    async with (
        running_runtime() as rt,
        serving(rt, scorer(hang)) as target,
        open_channel(target) as channel,
    ):
        score = pb_grpc.ScoringServiceStub(channel).Score
        async with asyncio.TaskGroup() as tasks:
            asked = tasks.create_task(call(score, ONE, timeout=10))
            await began.wait()
            asked.cancel()

    assert asked.cancelled()


async def test_calls_over_the_limit_are_shed(serving: Any, scorer: Any) -> None:
    go, began = asyncio.Event(), asyncio.Event()

    async def wait(request: object, context: object) -> pb.ScoreResponse:
        began.set()
        await go.wait()
        return pb.ScoreResponse()

    async with (
        running_runtime() as rt,
        serving(rt, scorer(wait), concurrent_calls=1) as target,
        open_channel(target) as channel,
    ):
        score = pb_grpc.ScoringServiceStub(channel).Score
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(call(score, ONE, timeout=10))
            await began.wait()
            shed = await expect_failure(score)
            go.set()

    assert shed.kind is RpcFailure.EXHAUSTED


@pytest.mark.parametrize("side", ["client", "server"])
async def test_a_message_over_the_limit_is_refused(serving: Any, scorer: Any, side: str) -> None:
    big = pb.ScoreRequest(items=[pb.ScoreItem(raw=b"x" * 20_000)])
    most = {"client": 10_000, "server": 1_000_000}[side]
    service = scorer()
    async with (
        running_runtime() as rt,
        serving(rt, service, max_message_bytes=10_000) as target,
        open_channel(target, max_message_bytes=most) as channel,
    ):
        with pytest.raises(RpcFailed) as caught:
            await call(pb_grpc.ScoringServiceStub(channel).Score, big, timeout=5)

    assert caught.value.kind is RpcFailure.EXHAUSTED
    assert service.calls == 0


async def test_a_mail_of_25_mib_passes(serving: Any, scorer: Any) -> None:
    big = pb.ScoreRequest(items=[pb.ScoreItem(raw=b"x" * 26_214_400)])
    async with (
        running_runtime() as rt,
        serving(rt, scorer()) as target,
        open_channel(target) as channel,
    ):
        answer = await call(pb_grpc.ScoringServiceStub(channel).Score, big, timeout=15)

    assert len(answer.results) == 1


async def test_there_is_no_reflection(serving: Any, scorer: Any) -> None:
    async with (
        running_runtime() as rt,
        serving(rt, scorer()) as target,
        open_channel(target) as channel,
    ):
        reflect: Any = channel.unary_unary(
            "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo"
        )
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await reflect(b"", timeout=5)

    assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED


async def test_a_place_that_cannot_be_had_is_a_startup_error(tmp_path: Path) -> None:
    async with running_runtime() as rt:
        with pytest.raises(StartupError, match="there is no directory /nowhere"):
            async with serve(rt, "unix:/nowhere/x.sock", lambda server: None):
                pass
        (tmp_path / "file").write_text("")
        with pytest.raises(StartupError, match="cannot listen on unix:"):
            async with serve(rt, f"unix:{tmp_path}/file", lambda server: None):
                pass
        with pytest.raises(StartupError, match=r"cannot listen on 192\.0\.2\.1:0: Cannot assign"):
            async with serve(rt, "192.0.2.1:0", lambda server: None):
                pass


async def test_a_unix_socket_is_for_its_owner(serving: Any, scorer: Any, tmp_path: Path) -> None:
    async with running_runtime() as rt, serving(rt, scorer(), f"unix:{tmp_path}/s"):
        mode = (tmp_path / "s").stat().st_mode

    assert mode & 0o777 == 0o600


class Counting:
    """A streaming method that counts up to the number asked for."""

    def __init__(self) -> None:
        """Begin with nothing sent."""
        self.ended = asyncio.Event()

    async def count(self, request: bytes, context: object) -> AsyncIterator[bytes]:
        """Yield the numbers; a bad request is refused, a huge one fails in the middle."""
        try:
            most = int(request)
            if most < 0:
                raise Refused(RpcFailure.INVALID, "count upwards")
            for n in range(most):
                if n == 100 and most == 1000:
                    raise ValueError("secret")
                yield b"%d" % n
                await asyncio.sleep(0)
        finally:
            self.ended.set()

    async def by_hand(self, request: bytes, context: Any) -> None:
        """Write to the context, as gRPC allows too."""
        await context.write(b"written")

    def register(self, server: grpc.aio.Server) -> None:
        """Add the methods."""
        handlers: dict[str, Any] = {
            "Count": grpc.unary_stream_rpc_method_handler(self.count),
            "ByHand": grpc.unary_stream_rpc_method_handler(self.by_hand),
        }
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("t.T", handlers),))


async def read(target: str, request: bytes, method: str = "/t.T/Count") -> list[bytes]:
    """Return everything the stream brings."""
    async with open_channel(target) as channel:
        counting: Any = channel.unary_stream(method)
        return [answer async for answer in stream(counting, request, timeout=5)]


async def test_a_stream_brings_its_answers() -> None:
    async with running_runtime() as rt, serve(rt, "127.0.0.1:0", Counting().register) as target:
        assert await read(target, b"3") == [b"0", b"1", b"2"]
        assert await read(target, b"", "/t.T/ByHand") == [b"written"]


@pytest.mark.parametrize(
    ("request_", "kind", "detail"),
    [
        (b"-1", RpcFailure.INVALID, "count upwards"),
        (b"1000", RpcFailure.INTERNAL, "internal error"),
        (b"words", RpcFailure.INTERNAL, "internal error"),
    ],
)
async def test_a_stream_fails_like_a_call(request_: bytes, kind: RpcFailure, detail: str) -> None:
    async with running_runtime() as rt, serve(rt, "127.0.0.1:0", Counting().register) as target:
        with pytest.raises(RpcFailed) as caught:
            await read(target, request_)

    assert (caught.value.kind, caught.value.detail) == (kind, detail)


async def test_a_reader_that_stops_early_ends_the_stream() -> None:
    counting = Counting()
    async with (
        running_runtime() as rt,
        serve(rt, "127.0.0.1:0", counting.register) as target,
        open_channel(target) as channel,
    ):
        counting_up: Any = channel.unary_stream("/t.T/Count")
        answers = stream(counting_up, b"100000", timeout=10)
        async with aclosing(answers):
            async for _ in answers:
                break
        async with asyncio.timeout(5):
            await counting.ended.wait()
            while rt.registry.get_sample_value("mailweir_test_rpc_running"):
                await asyncio.sleep(0.01)

    labels = {"method": "/t.T/Count", "code": "cancelled"}
    assert rt.registry.get_sample_value("mailweir_test_rpc_requests_total", labels) == 1


async def test_a_stream_without_time_fails() -> None:
    async with open_channel("127.0.0.1:1") as channel:
        with pytest.raises(RpcFailed) as caught:
            async for _ in stream(channel.unary_stream("/t.T/Count"), b"1", timeout=0):
                pass

    assert caught.value.kind is RpcFailure.DEADLINE
