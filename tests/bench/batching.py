"""Natural batching against unary calls: the same questions, asked one by one and through the Batcher.

    .venv/bin/python tests/bench/batching.py [--seconds 2] [--json]

A server process answers scoring.v1 Score with tiny messages on a unix socket, through the same interceptors
as in service. For 1, 8, 32 and 128 questions waiting at once, unary and batched runs alternate, so that both
see the same machine. CPU time is that of client and server together. Read the ratios, not the figures.
"""

import argparse
import asyncio
import json
import subprocess
import sys
import tempfile
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

import grpc
import psutil
import uvloop

from mailweir.scoring.v1 import scoring_pb2 as pb, scoring_pb2_grpc as pb_grpc
from mailweir_runtime.lifecycle import Runtime, run
from mailweir_runtime.listen import Listen
from mailweir_runtime.rpc import Batcher, call, open_channel, serve
from mailweir_runtime.settings import ServiceSettings, settings_config

WAITING = (1, 8, 32, 128)
ROUNDS = 3
TIMEOUT = 5.0

Ask = Callable[[pb.ScoreItem], Awaitable[pb.ScoreResult]]


class BenchSettings(ServiceSettings):
    """The server's settings."""

    model_config = settings_config("BENCH")

    listen: Listen
    """Where it listens."""


class Scorer(pb_grpc.ScoringServiceServicer):
    """Answers at once, so that the call itself is what is measured."""

    async def Score(self, request: pb.ScoreRequest, context: object) -> pb.ScoreResponse:
        """Return a verdict for each item."""
        return pb.ScoreResponse(
            results=[pb.ScoreResult(score=len(item.raw)) for item in request.items]
        )


async def server(rt: Runtime, settings: BenchSettings) -> None:
    """Serve until told to stop."""

    def register(grpc_server: grpc.aio.Server) -> None:
        pb_grpc.add_ScoringServiceServicer_to_server(Scorer(), grpc_server)

    async with serve(rt, settings.listen, register):
        rt.ready()
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        await rt.stopping.wait()


@dataclass(frozen=True, slots=True)
class Pace:
    """Questions answered per second of time and per second of CPU (client and server together)."""

    per_second: float
    per_cpu_second: float


async def measure(
    ask: Ask, waiting: int, seconds: float, processes: Sequence[psutil.Process]
) -> Pace:
    """Keep `waiting` questions open for `seconds`."""
    loop = asyncio.get_running_loop()
    item = pb.ScoreItem(raw=b"x")
    done = 0
    started, cpu = loop.time(), cpu_seconds(processes)

    async def asker() -> None:
        nonlocal done
        while loop.time() - started < seconds:
            await ask(item)
            done += 1

    async with asyncio.TaskGroup() as tasks:
        for _ in range(waiting):
            tasks.create_task(asker())
    return Pace(done / (loop.time() - started), done / (cpu_seconds(processes) - cpu))


def cpu_seconds(processes: Sequence[psutil.Process]) -> float:
    """Return the CPU time of the processes so far."""
    return sum(times.user + times.system for times in (p.cpu_times() for p in processes))


async def compare(target: str, server_pid: int, seconds: float) -> list[dict[str, float]]:
    """Return one row per number of waiting questions."""
    processes = [psutil.Process(), psutil.Process(server_pid)]
    rows = []
    async with open_channel(target) as channel:
        stub = pb_grpc.ScoringServiceStub(channel)

        async def unary(item: pb.ScoreItem) -> pb.ScoreResult:
            answer = await call(stub.Score, pb.ScoreRequest(items=[item]), timeout=TIMEOUT)
            return answer.results[0]

        async def send(items: Sequence[pb.ScoreItem], timeout: float) -> Sequence[pb.ScoreResult]:
            answer = await call(stub.Score, pb.ScoreRequest(items=items), timeout=timeout)
            return answer.results

        batcher = Batcher(send)

        async def batched(item: pb.ScoreItem) -> pb.ScoreResult:
            return await batcher.ask(item, TIMEOUT)

        for ask in (unary, batched):
            await measure(ask, 8, min(seconds, 0.5), processes)  # warm-up
        for waiting in WAITING:
            runs: dict[str, list[Pace]] = {"unary": [], "batched": []}
            for _ in range(ROUNDS):
                for name, ask in (("unary", unary), ("batched", batched)):
                    runs[name].append(await measure(ask, waiting, seconds, processes))
            rows.append(row(waiting, runs["unary"], runs["batched"]))
        await batcher.aclose()
    return rows


def row(waiting: int, unary: list[Pace], batched: list[Pace]) -> dict[str, float]:
    """Return the medians and their ratios."""
    one = Pace(*(median(asdict(p)[k] for p in unary) for k in ("per_second", "per_cpu_second")))
    many = Pace(*(median(asdict(p)[k] for p in batched) for k in ("per_second", "per_cpu_second")))
    return {
        "waiting": waiting,
        "unary_per_second": round(one.per_second),
        "batched_per_second": round(many.per_second),
        "ratio_per_second": round(many.per_second / one.per_second, 2),
        "unary_per_cpu_second": round(one.per_cpu_second),
        "batched_per_cpu_second": round(many.per_cpu_second),
        "ratio_per_cpu_second": round(many.per_cpu_second / one.per_cpu_second, 2),
    }


def main() -> None:
    """Start the server, measure, print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seconds", type=float, default=2.0, help="length of one run")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.serve:
        run("bench", BenchSettings, server)
    with tempfile.TemporaryDirectory() as directory:
        target = f"unix:{Path(directory) / 'bench.sock'}"
        with subprocess.Popen(
            [sys.executable, __file__, "--serve"],
            env={"MAILWEIR_BENCH_LISTEN": target, "MAILWEIR_BENCH_LOG_LEVEL": "error"},
            stdout=subprocess.PIPE,
        ) as process:
            try:
                assert process.stdout is not None
                if process.stdout.readline() != b"ready\n":
                    sys.exit("the server did not start")
                with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                    rows = runner.run(compare(target, process.pid, args.seconds))
            finally:
                process.terminate()
    if args.json:
        print(json.dumps(rows))
        return
    print(
        f"{'waiting':>7} {'unary/s':>9} {'batched/s':>9} {'ratio':>6}   per CPU-second: unary batched ratio"
    )
    for r in rows:
        print(
            f"{r['waiting']:>7} {r['unary_per_second']:>9} {r['batched_per_second']:>9}"
            f" {r['ratio_per_second']:>6}   {r['unary_per_cpu_second']:>21}"
            f" {r['batched_per_cpu_second']:>7} {r['ratio_per_cpu_second']:>5}"
        )


if __name__ == "__main__":
    main()
