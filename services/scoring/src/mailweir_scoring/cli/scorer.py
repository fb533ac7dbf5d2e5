"""Judging messages in this process or in several."""

import asyncio
import hashlib
import time
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass
from importlib.metadata import version as package_version
from itertools import islice
from multiprocessing import get_context
from typing import Final

from prometheus_client import CollectorRegistry

from mailweir_core.clock import SystemClock
from mailweir_policy import dumps, loads
from mailweir_runtime.config import PolicySnapshot
from mailweir_scoring.adapters.rulefiles import DirectoryRules
from mailweir_scoring.adapters.workers import InlineWorkers
from mailweir_scoring.cli.inputs import MAX_BYTES, Source, Unreadable
from mailweir_scoring.engine import Engine
from mailweir_scoring.metrics import declare
from mailweir_scoring.policy.judgement import Judgement
from mailweir_scoring.policy.kit import Kit
from mailweir_scoring.policy.pipeline import symbols_of
from mailweir_scoring.policy.ruleset import read_rules
from mailweir_scoring.policy.stages import STAGES, stages_with
from mailweir_scoring.walk import Task, Tools

CHUNK: Final = 32
"""Messages that travel to a process at once: a process sets up its engine anew for each chunk."""


class CpuClock:
    """Wall time for dates, the process's CPU time for durations.

    Nobody waits on a line: a stage's budget is meant for the work it does, not for what a busy machine does
    meanwhile, so the same files get the same verdicts on any machine.
    """

    def now(self) -> float:
        """Return wall time in seconds since the epoch."""
        return SystemClock().now()

    def monotonic(self) -> float:
        """Return the CPU time that this process has used, in seconds."""
        return time.process_time()


@dataclass(frozen=True, slots=True)
class Scored:
    """A judged message: its name, SHA-256 in lower-case hexadecimal, size in bytes, and the judgement."""

    name: str
    sha256: str
    size: int
    judgement: Judgement


Result = Scored | Unreadable


class Scorer:
    """The pipeline with the shipped rules, in this process."""

    def __init__(self, current: PolicySnapshot) -> None:
        """Read the rules."""
        self._current = current
        self._engine = Engine(
            Tools(
                stages=stages_with(scanner=False),
                workers=InlineWorkers(),
                clock=CpuClock(),
                metrics=declare(CollectorRegistry()),
                inline_bytes=MAX_BYTES,
                program=package_version("mailweir-scoring"),
            ),
            Kit(read_rules(DirectoryRules.shipped().read(), symbols_of(STAGES))),
        )

    def score(self, items: Iterable[Source | Unreadable]) -> Iterator[Result]:
        """Yield the results in order."""
        with asyncio.Runner() as runner:
            for item in items:
                yield item if isinstance(item, Unreadable) else self._one(runner, item)

    def _one(self, runner: asyncio.Runner, source: Source) -> Result:
        try:
            raw = source.read()
        except OSError as error:
            return Unreadable(source.name, error.strerror or str(error))
        except ValueError as error:
            return Unreadable(source.name, str(error))
        judgement = runner.run(self._engine.judge(Task(raw), self._current))
        return Scored(source.name, hashlib.sha256(raw).hexdigest(), len(raw), judgement)


def score_all(
    items: Iterable[Source | Unreadable], current: PolicySnapshot, jobs: int
) -> Iterator[Result]:
    """Yield the results in the order of the items, judged by `jobs` processes."""
    if jobs == 1:
        yield from Scorer(current).score(items)
        return
    document = dumps(current.policy)
    # spawn: a forked child would inherit the threads of the progress bar half alive
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
        running: deque[Future[list[Result]]] = deque()
        rest = iter(items)
        while chunk := list(islice(rest, CHUNK)):
            running.append(pool.submit(_score_chunk, document, current.version, chunk))
            if len(running) > 2 * jobs:
                yield from running.popleft().result()
        while running:
            yield from running.popleft().result()


def _score_chunk(document: bytes, version: str, chunk: list[Source | Unreadable]) -> list[Result]:
    return list(Scorer(PolicySnapshot(loads(document), version)).score(chunk))
