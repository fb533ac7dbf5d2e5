"""A real process from start to exit code, on both event loops."""

import signal
import socket
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from mailweir.scoring.v1 import scoring_pb2 as pb, scoring_pb2_grpc as pb_grpc
from mailweir_runtime.rpc import call, open_channel

pytestmark = pytest.mark.integration

Start = Callable[..., Any]
Fetch = Callable[[str], tuple[int, str]]


@pytest.fixture(params=["uvloop", "asyncio"])
def event_loop_name(request: pytest.FixtureRequest) -> str:
    """Return each of the two loops."""
    return str(request.param)


@pytest.fixture
def taken_port() -> Iterator[int]:
    """Return a port on which somebody else listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


def test_sigterm_drains_and_exits_clean(demo: Start, event_loop_name: str) -> None:
    process = demo(mode="drain", event_loop=event_loop_name)
    process.heard("ready")
    process.signal()
    process.heard("stopping")
    process.heard("ended")

    assert process.exit_code() == 0
    assert process.events()["stopping"]["signal"] == "SIGTERM"


def test_sigint_drains_too(demo: Start) -> None:
    process = demo(mode="drain")
    process.heard("ready")
    process.signal(signal.SIGINT)
    process.heard("ended")

    assert process.exit_code() == 0


async def test_a_running_call_gets_its_answer_while_draining(
    demo: Start, event_loop_name: str
) -> None:
    process = demo(mode="serve", work_seconds=0.7, event_loop=event_loop_name)
    target = process.heard("target")
    process.heard("ready")
    async with open_channel(target) as channel:
        stub = pb_grpc.ScoringServiceStub(channel)
        await channel.channel_ready()
        running = stub.Score(pb.ScoreRequest(items=[pb.ScoreItem()]), timeout=10)
        await running.wait_for_connection()
        process.signal()
        answer = await running

    assert [result.score for result in answer.results] == [1.0]
    assert process.exit_code() == 0


def test_an_idle_server_ends_at_once(demo: Start) -> None:
    process = demo(mode="serve", drain_seconds=30)
    process.heard("ready")
    started = time.monotonic()
    process.signal()

    assert process.exit_code() == 0
    assert time.monotonic() - started < 5


def test_a_drain_that_takes_too_long_is_cut_off(demo: Start, event_loop_name: str) -> None:
    process = demo(mode="hang", drain_seconds=0.3, event_loop=event_loop_name)
    process.heard("ready")
    started = time.monotonic()
    process.signal()
    process.heard("cut off")

    assert process.exit_code() == 1
    assert time.monotonic() - started >= 0.3
    assert "drain_cut_off" in process.events()


def test_a_second_sigint_forces(demo: Start, event_loop_name: str) -> None:
    process = demo(mode="hang", drain_seconds=60, event_loop=event_loop_name)
    process.heard("ready")
    process.signal(signal.SIGINT)
    time.sleep(0.2)
    process.signal(signal.SIGINT)
    process.heard("cut off")

    assert process.exit_code() == 1


def test_sigterm_twice_does_not_force(demo: Start) -> None:
    process = demo(mode="drain", drain_seconds=60)
    process.heard("ready")
    process.signal()
    process.heard("stopping")
    process.signal()
    process.heard("ended")

    assert process.exit_code() == 0


@pytest.mark.parametrize("mode", ["deaf", "sit-on-thread"])
def test_what_hangs_is_ended_by_force(demo: Start, mode: str) -> None:
    process = demo(mode=mode, drain_seconds=0.2)
    process.heard("ready")
    process.signal()

    assert process.exit_code() == 1
    assert "ended by force" in process.errors[-1]


def test_a_stalled_loop_fails_the_liveness_probe(demo: Start, fetch: Fetch) -> None:
    process = demo(mode="stall")
    base = process.heard("metrics").removesuffix("/metrics")
    process.heard("ready")
    assert fetch(f"{base}/livez") == (200, "ok\n")
    time.sleep(5.5)

    status, text = fetch(f"{base}/livez")
    assert status == 503
    assert text.startswith("the event loop has not turned for ")
    assert fetch(f"{base}/metrics")[0] == 200


def test_a_signal_before_it_is_ready_ends_the_start(demo: Start, event_loop_name: str) -> None:
    process = demo(mode="slow-start", drain_seconds=60, event_loop=event_loop_name)
    process.heard("starting")
    process.signal()

    assert process.exit_code() == 0


def test_a_crash_exits_1_with_its_traceback_in_one_line(demo: Start, event_loop_name: str) -> None:
    process = demo(mode="crash", event_loop=event_loop_name)

    assert process.exit_code() == 1
    assert "RuntimeError: a mistake of ours" in process.events()["crashed"]["exception"]


def test_a_crash_in_the_background_takes_the_process_down(
    demo: Start, event_loop_name: str
) -> None:
    process = demo(mode="crash-behind", event_loop=event_loop_name)
    process.heard("cleaned up")

    assert process.exit_code() == 1
    assert "a mistake of ours" in process.events()["crashed"]["exception"]


def test_main_may_simply_return(demo: Start) -> None:
    process = demo(mode="return")
    process.heard("cut off")  # what it left running was cancelled

    assert process.exit_code() == 0


def test_a_failed_start_exits_3_with_one_line(demo: Start, event_loop_name: str) -> None:
    process = demo(mode="start-error", event_loop=event_loop_name, log_level="warning")

    assert process.exit_code() == 3
    assert process.errors == ["mailweir-demo: the directory /nowhere is not writable"]


def test_a_taken_port_exits_3_with_one_line(demo: Start, taken_port: int) -> None:
    process = demo(mode="serve", listen=f"127.0.0.1:{taken_port}", log_level="warning")

    assert process.exit_code() == 3
    assert process.errors == [
        f"mailweir-demo: cannot listen on 127.0.0.1:{taken_port}: Address already in use"
    ]


def test_a_taken_metrics_port_exits_3_with_one_line(demo: Start, taken_port: int) -> None:
    process = demo(mode="drain", metrics_listen=f"127.0.0.1:{taken_port}", log_level="warning")

    assert process.exit_code() == 3
    assert process.errors == [
        f"mailweir-demo: metrics: cannot listen on 127.0.0.1:{taken_port}: Address already in use"
    ]


def test_wrong_settings_exit_2_with_a_line_each(demo: Start) -> None:
    process = demo(mode="nothing", drain_seconds="long", event_lop="uvloop", metrics_listen="x")

    assert process.exit_code() == 2
    assert sorted(line.partition(":")[0] for line in process.errors) == [
        "MAILWEIR_DEMO_DRAIN_SECONDS",
        "MAILWEIR_DEMO_EVENT_LOP",
        "MAILWEIR_DEMO_METRICS_LISTEN",
        "MAILWEIR_DEMO_MODE",
    ]


def test_the_probes_follow_the_state(demo: Start, fetch: Fetch) -> None:
    process = demo(mode="serve", work_seconds=1, drain_seconds=5)
    base = process.heard("metrics").removesuffix("/metrics")
    process.heard("ready")

    assert fetch(f"{base}/livez") == (200, "ok\n")
    assert fetch(f"{base}/readyz") == (200, "ready\n")
    status, page = fetch(f"{base}/metrics")
    assert status == 200
    assert 'mailweir_demo_state{mailweir_demo_state="ready"} 1.0' in page
    assert "process_cpu_seconds_total" in page


def test_readiness_goes_first(demo: Start, fetch: Fetch) -> None:
    process = demo(mode="hang", drain_seconds=2)
    base = process.heard("metrics").removesuffix("/metrics")
    process.heard("ready")
    process.signal()
    time.sleep(0.3)

    assert fetch(f"{base}/readyz") == (503, "draining\n")
    assert fetch(f"{base}/livez") == (200, "ok\n")


async def test_two_processes_do_not_share_a_unix_socket(demo: Start, tmp_path: Any) -> None:
    listen = f"unix:{tmp_path}/demo.sock"
    first = demo(mode="serve", listen=listen, work_seconds=0)
    first.heard("ready")
    second = demo(mode="serve", listen=listen, log_level="warning")

    assert second.exit_code() == 3
    assert second.errors == [f"mailweir-demo: cannot listen on {listen}: Address already in use"]
    async with open_channel(listen) as channel:
        stub = pb_grpc.ScoringServiceStub(channel)
        assert (await call(stub.Score, pb.ScoreRequest(), timeout=5)) == pb.ScoreResponse()


async def test_the_socket_of_a_killed_process_is_taken_over(demo: Start, tmp_path: Any) -> None:
    listen = f"unix:{tmp_path}/demo.sock"
    first = demo(mode="serve", listen=listen)
    first.heard("ready")
    first.signal(signal.SIGKILL)
    first.exit_code()
    second = demo(mode="serve", listen=listen, work_seconds=0)
    second.heard("ready")

    async with open_channel(listen) as channel:
        stub = pb_grpc.ScoringServiceStub(channel)
        assert (await call(stub.Score, pb.ScoreRequest(), timeout=5)) == pb.ScoreResponse()
