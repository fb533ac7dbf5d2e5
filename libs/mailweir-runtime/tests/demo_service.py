"""A service for the tests of the lifecycle: what it does is told by MAILWEIR_DEMO_MODE."""

import asyncio
import sys
import time
from typing import Literal

import grpc

from mailweir.scoring.v1 import scoring_pb2 as pb, scoring_pb2_grpc as pb_grpc
from mailweir_runtime.lifecycle import Runtime, StartupError, run
from mailweir_runtime.listen import Listen
from mailweir_runtime.rpc import serve
from mailweir_runtime.settings import ServiceSettings, settings_config


class DemoSettings(ServiceSettings):
    """The demo's settings."""

    model_config = settings_config("DEMO")

    mode: Literal[
        "serve", "drain", "hang", "deaf", "crash", "crash-behind", "start-error", "slow-start",
        "stall", "return", "sit-on-thread",
    ] = "serve"  # fmt: skip
    """What it does."""
    listen: Listen = "127.0.0.1:0"
    """Where it listens."""
    work_seconds: float = 0.5
    """How long an answer takes."""


def say(word: str) -> None:
    """Tell the test where we are."""
    sys.stdout.write(f"{word}\n")
    sys.stdout.flush()


class Slow(pb_grpc.ScoringServiceServicer):
    """Answers after a while."""

    def __init__(self, seconds: float) -> None:
        """Take so long for each answer."""
        self._seconds = seconds

    async def Score(self, request: pb.ScoreRequest, context: object) -> pb.ScoreResponse:
        """Return a verdict for each item, late."""
        await asyncio.sleep(self._seconds)
        return pb.ScoreResponse(results=[pb.ScoreResult(score=1.0) for _ in request.items])


async def main(rt: Runtime, settings: DemoSettings) -> None:
    """Do what the mode says."""
    say(f"metrics {rt.metrics_url}")
    if settings.mode == "start-error":
        raise StartupError("the directory /nowhere is not writable")
    if settings.mode == "slow-start":
        say("starting")
        await asyncio.sleep(60)
    if settings.mode == "serve":
        await serve_slowly(rt, settings)
        return
    rt.ready()
    say("ready")
    await MODES[settings.mode](rt)


async def serve_slowly(rt: Runtime, settings: DemoSettings) -> None:
    """Serve until told to stop."""

    def register(server: grpc.aio.Server) -> None:
        pb_grpc.add_ScoringServiceServicer_to_server(Slow(settings.work_seconds), server)

    async with serve(rt, settings.listen, register) as target:
        say(f"target {target}")
        rt.ready()
        say("ready")
        await rt.stopping.wait()
        say("stopping")
    say("ended")


async def drain(rt: Runtime) -> None:
    """Finish the work after the signal."""
    await rt.stopping.wait()
    say("stopping")
    await asyncio.sleep(0.3)
    say("ended")


async def hang(rt: Runtime) -> None:
    """Never finish; clean up when cut off."""
    try:
        await asyncio.Event().wait()
    finally:
        say("cut off")


async def deaf(rt: Runtime) -> None:
    """Ignore even being cancelled."""
    while True:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            say("ignored")


async def crash(rt: Runtime) -> None:
    """Die of a mistake."""
    raise RuntimeError("a mistake of ours")


async def crash_behind(rt: Runtime) -> None:
    """Let a background task die of a mistake."""
    rt.tasks.create_task(crash(rt))
    try:
        await rt.stopping.wait()
    finally:
        say("cleaned up")


async def stall(rt: Runtime) -> None:
    """Block the event loop."""
    time.sleep(60)


async def leave(rt: Runtime) -> None:
    """Return with background work still running."""
    rt.tasks.create_task(hang(rt))
    await asyncio.sleep(0.1)


async def sit_on_thread(rt: Runtime) -> None:
    """Leave a thread behind that does not end."""
    rt.tasks.create_task(asyncio.to_thread(time.sleep, 60))
    await rt.stopping.wait()
    say("ended")


MODES = {
    "drain": drain, "hang": hang, "deaf": deaf, "crash": crash, "crash-behind": crash_behind,
    "stall": stall, "return": leave, "sit-on-thread": sit_on_thread,
}  # fmt: skip

if __name__ == "__main__":
    run("demo", DemoSettings, main)
