"""Judging messages in this process or in several."""

import asyncio
import hashlib
import time
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import lru_cache, partial
from importlib.metadata import version as package_version
from itertools import islice
from multiprocessing import get_context
from pathlib import Path
from typing import Final

from prometheus_client import CollectorRegistry

from mailweir_core.clock import SystemClock
from mailweir_model import shipped
from mailweir_policy import dumps, loads
from mailweir_runtime.config import PolicySnapshot
from mailweir_runtime.dns import Resolver, open_resolver
from mailweir_scoring.adapters.resolver import dns_answerers
from mailweir_scoring.adapters.rulefiles import DirectoryRules
from mailweir_scoring.adapters.spamassassin import read_spamassassin
from mailweir_scoring.adapters.workers import InlineWorkers
from mailweir_scoring.cli.inputs import MAX_BYTES, Source, Unreadable
from mailweir_scoring.engine import Engine
from mailweir_scoring.metrics import Metrics, declare
from mailweir_scoring.policy.judgement import Judgement
from mailweir_scoring.policy.kit import Kit
from mailweir_scoring.policy.made import rules_of_policy
from mailweir_scoring.policy.pipeline import symbols_of
from mailweir_scoring.policy.ruleset import InvalidRulesError, RuleSet, read_rules
from mailweir_scoring.policy.spamassassin import SpamAssassin
from mailweir_scoring.policy.stages import STAGES, stages_with
from mailweir_scoring.ports import RulesUnreadable
from mailweir_scoring.walk import Task, Tools

WARM_UP: Final = b"Subject: none\r\n\r\nnone\r\n"
"""Judged first: the tables that the first message fills must not count as its time."""
CHUNK: Final = 32
"""Messages that travel to a process at once."""


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
class Equipment:
    """What judges beside the shipped rules and model: directories of SpamAssassin's rule files.

    `cache` is a directory of this user's for what is made of them: it saves half a minute at each start.
    `dns` names recursive name servers; without one nothing is looked up.
    """

    spamassassin: tuple[Path, ...] = ()
    cache: Path | None = None
    dns: str = ""


class NotEquipped(Exception):
    """Raised when what should judge cannot be read; the text is a sentence."""


@dataclass(frozen=True, slots=True)
class Scored:
    """A judged message: its name, SHA-256 in lower-case hexadecimal, size in bytes, and the judgement.

    `cpu_seconds` is what judging took of the process's CPU time, reading the file left out.
    """

    name: str
    sha256: str
    size: int
    judgement: Judgement
    cpu_seconds: float = 0.0


Result = Scored | Unreadable


class Scorer:
    """The pipeline with the shipped rules and model, in this process."""

    def __init__(self, current: PolicySnapshot, equipment: Equipment = Equipment()) -> None:
        """Read rules and model; raises NotEquipped."""
        self._current = current
        self._dns = equipment.dns
        rules = _own_rules()
        self._kit = Kit(rules, model=shipped(), spamassassin=_spamassassin(equipment, rules))

    def score(self, items: Iterable[Source | Unreadable]) -> Iterator[Result]:
        """Yield the results in order."""
        metrics = declare(CollectorRegistry())
        with asyncio.Runner() as runner:
            stack = AsyncExitStack()
            dns = open_resolver(self._dns, clock=SystemClock(), metrics=metrics.dns)
            resolver = runner.run(stack.enter_async_context(dns))
            engine = self._engine(metrics, resolver)
            try:
                runner.run(engine.judge(Task(WARM_UP), self._current))
                for item in items:
                    yield item if isinstance(item, Unreadable) else self._one(runner, engine, item)
            finally:
                runner.run(stack.aclose())

    def _engine(self, metrics: Metrics, resolver: Resolver) -> Engine:
        return Engine(
            Tools(
                stages=stages_with(
                    scanner=False,
                    resolver=bool(self._dns),
                    spamassassin=self._kit.spamassassin is not None,
                ),
                workers=InlineWorkers(),
                clock=CpuClock(),
                metrics=metrics,
                inline_bytes=MAX_BYTES,
                program=package_version("mailweir-scoring"),
                answerers=dns_answerers(resolver, SystemClock(), metrics.lists, {}),
                policy_rules=partial(rules_of_policy, module=self._kit.spamassassin),
            ),
            self._kit,
        )

    def _one(self, runner: asyncio.Runner, engine: Engine, source: Source) -> Result:
        try:
            raw = source.read()
        except OSError as error:
            return Unreadable(source.name, error.strerror or str(error))
        except ValueError as error:
            return Unreadable(source.name, str(error))
        begun = time.process_time()
        # Not `Runner.run`: for each call it puts a signal handler in place and takes it away again.
        judging = engine.judge(Task(raw), self._current)
        judgement = runner.get_loop().run_until_complete(judging)
        used = time.process_time() - begun
        return Scored(source.name, hashlib.sha256(raw).hexdigest(), len(raw), judgement, used)


def _own_rules() -> RuleSet:
    try:
        return read_rules(DirectoryRules.shipped().read(), symbols_of(STAGES))
    except InvalidRulesError as error:
        raise NotEquipped(f"rules: {error}") from error


def _spamassassin(equipment: Equipment, rules: RuleSet) -> SpamAssassin | None:
    if not equipment.spamassassin:
        return None
    own = rules.rules.keys()
    try:
        return read_spamassassin(equipment.spamassassin, own, cache=equipment.cache, strict=False)
    except RulesUnreadable as error:
        raise NotEquipped(str(error)) from error


def score_all(
    items: Iterable[Source | Unreadable],
    current: PolicySnapshot,
    jobs: int,
    equipment: Equipment = Equipment(),
) -> Iterator[Result]:
    """Yield the results in the order of the items, judged by `jobs` processes; raises NotEquipped."""
    if jobs == 1:
        yield from Scorer(current, equipment).score(items)
        return
    document = dumps(current.policy)
    # spawn: a forked child would inherit the threads of the progress bar half alive
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
        running: deque[Future[list[Result]]] = deque()
        rest = iter(items)
        while chunk := list(islice(rest, CHUNK)):
            running.append(pool.submit(_score_chunk, document, current.version, equipment, chunk))
            if len(running) > 2 * jobs:
                yield from running.popleft().result()
        while running:
            yield from running.popleft().result()


def _score_chunk(
    document: bytes, version: str, equipment: Equipment, chunk: list[Source | Unreadable]
) -> list[Result]:
    return list(_scorer(document, version, equipment).score(chunk))


@lru_cache(maxsize=1)
def _scorer(document: bytes, version: str, equipment: Equipment) -> Scorer:
    """Return the scorer of this process, made with its first chunk: rules and model take a second to read."""
    return Scorer(PolicySnapshot(loads(document), version), equipment)
