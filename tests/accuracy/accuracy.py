"""How well content is judged on mail of sets that were not taught, beside others: docs/accuracy.md.

    python tests/accuracy/accuracy.py [--full] [--sample N] [--most N] [--no-peers] [--alone PEER] [--json]

Each set (ham and spam of one origin together) is left out in turn, with every near copy of its mails. What is
left teaches a prior, which then judges the set within the whole verdict, as `mailweir score` would. Plain
logistic regression, rspamd and SpamAssassin are taught the same mails and asked about the same ones.
"""

import argparse
import asyncio
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import corpus
import numpy as np
from peers import installed
from plain import plain_scores
from prometheus_client import CollectorRegistry
from report import render, table_of
from rich.progress import track
from sampling import sample, scores_of
from training import Lesson, Mask, left_out, lesson_of, model_of, others, spreads_of

from mailweir_model import Model
from mailweir_policy import Policy
from mailweir_runtime.config import PolicySnapshot
from mailweir_scoring.adapters.rulefiles import DirectoryRules
from mailweir_scoring.adapters.workers import InlineWorkers
from mailweir_scoring.cli.inputs import MAX_BYTES
from mailweir_scoring.cli.scorer import CpuClock
from mailweir_scoring.engine import Engine
from mailweir_scoring.metrics import declare
from mailweir_scoring.policy.kit import Kit
from mailweir_scoring.policy.pipeline import symbols_of
from mailweir_scoring.policy.ruleset import read_rules
from mailweir_scoring.policy.stages import STAGES
from mailweir_scoring.walk import Task, Tools

PLACE: Final = Path(__file__).parents[2] / "docs" / "accuracy.md"
TAG: Final = 6.0
OURS, RULES, PLAIN = "Mailweir", "Mailweir, rules alone", "plain learner"
TAUGHT: Final = 300
"""Mails of each set and class that the slow filters are taught, unless --full."""


@dataclass
class Run:
    """Scores by filter for the mails asked about, and the score from which each tags."""

    asked: Sequence[corpus.Mail]
    scores: dict[str, list[float]] = field(default_factory=dict)
    tags: dict[str, float] = field(default_factory=dict)

    def add(self, name: str, tag: float, found: Mapping[str, float]) -> None:
        """Take the scores of one filter, by name of mail."""
        self.scores[name] = [found[m.name] for m in self.asked]
        self.tags[name] = tag


def main(arguments: Sequence[str]) -> int:
    """Measure and write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--full", action="store_true", help="every mail for the peers, too")
    parser.add_argument("--sample", type=int, default=150, help="mails of each set and class")
    parser.add_argument(
        "--most", type=int, default=0, help="judge at most so many of each set and class; 0: all"
    )
    parser.add_argument("--no-peers", action="store_true")
    parser.add_argument(
        "--alone",
        action="append",
        default=[],
        help="a peer whose Bayes is not taught: that takes long",
    )
    parser.add_argument("--json", action="store_true", help="print the figures, write nothing")
    options = parser.parse_args(arguments)
    mails = corpus.load()
    lesson = lesson_of(mails, lambda m: list(track(m, "features")))
    everything = Run(sample(mails, options.most))
    run = Run(sample(mails, 0 if options.full else options.sample))
    judged = list(dict.fromkeys((*everything.asked, *run.asked)))
    for name, found in ours(lesson, judged).items():
        run.add(name, TAG, found)
        everything.add(name, TAG, found)
    if not options.no_peers:
        ask_peers(run, 0 if options.full else TAUGHT, options.alone)
    figures = {"all": table_of(everything), "sample": table_of(run), "half": halves(lesson)}
    if options.json:
        print(json.dumps(figures, indent=1))
        return 0
    PLACE.write_text(render(figures, asked=len(run.asked), all_=len(everything.asked)))
    print(PLACE.read_text())
    return 0


def ours(lesson: Lesson, judged: Sequence[corpus.Mail]) -> dict[str, dict[str, float]]:
    """Return the scores of whole verdict, rules alone and the plain learner, each on sets left out."""
    logits = left_out(lesson, lambda pairs: list(track(pairs, "sets left out")))
    wanted = np.isin([m.name for m in lesson.mails], [m.name for m in judged])
    found: dict[str, dict[str, float]] = {OURS: {}, RULES: {}, PLAIN: {}}
    for names in track(corpus.PAIRS, "verdicts"):
        asked = np.isin(lesson.sets, names)
        taught = others(lesson, asked)
        # the calibration, too, knows nothing of the set that is judged
        model = model_of(lesson, taught, logits, taught, spreads_of(logits, taught))
        here = [lesson.mails[i] for i in np.flatnonzero(asked & wanted)]
        for mail, (whole, rules) in zip(here, verdicts(here, model), strict=True):
            found[OURS][mail.name], found[RULES][mail.name] = whole, rules
        plain = plain_scores(lesson, taught, asked & wanted)
        found[PLAIN] |= dict(zip((m.name for m in here), plain, strict=True))
    return found


def verdicts(mails: Sequence[corpus.Mail], model: Model) -> list[tuple[float, float]]:
    """Return the score of each whole verdict, and what it is without the statistics' group."""
    tools = Tools(
        stages=STAGES,
        workers=InlineWorkers(),
        clock=CpuClock(),
        metrics=declare(CollectorRegistry()),
        inline_bytes=MAX_BYTES,
        program="",
    )
    rules = read_rules(DirectoryRules.shipped().read(), symbols_of(STAGES))
    engine, current = Engine(tools, Kit(rules, model=model)), PolicySnapshot(Policy(), "default")
    found = []
    with asyncio.Runner() as runner:
        for mail in mails:
            verdict = runner.run(engine.judge(Task(mail.raw), current)).verdict
            ours_ = sum(g.counted for g in verdict.groups if g.group == "statistics")
            found.append((verdict.score, round(verdict.score - ours_, 2)))
    return found


def ask_peers(run: Run, most: int, alone_only: Sequence[str]) -> None:
    """Add rules alone and rules with Bayes of each peer that is installed."""
    teachable = sample(
        [m for m in run.asked and corpus.load() if m.set != corpus.NEVER_TAUGHT], most
    )
    for peer in installed():
        alone = scores_of(peer, [], run.asked)
        run.add(
            f"{peer.name}, rules alone",
            peer.tag,
            dict(zip((m.name for m in run.asked), alone, strict=True)),
        )
        if peer.name in alone_only:
            continue
        found: dict[str, float] = {}
        for names in track(corpus.PAIRS, f"{peer.name} with Bayes"):
            asked = [m for m in run.asked if m.set in names]
            copies = {m.cluster for m in asked}
            taught = [m for m in teachable if m.set not in names and m.cluster not in copies]
            scores = scores_of(peer, taught, asked)
            found |= dict(zip((m.name for m in asked), scores, strict=True))
        run.add(f"{peer.name} + Bayes", peer.tag, found)


def halves(lesson: Lesson) -> dict[str, float]:
    """Return what is found of the second half of all near-duplicate clusters, taught the first."""
    clusters = np.unique(lesson.clusters)
    first = np.random.default_rng(1).permutation(clusters)[: len(clusters) // 2]
    half: Mask = np.isin(lesson.clusters, first)
    may = lesson.sets != corpus.NEVER_TAUGHT
    scores = np.array(plain_scores(lesson, half & may, ~half & may, by_aspect=True))
    spam = lesson.spam[~half & may]
    return {
        f"{rate:.1%}": float((scores[spam] > np.quantile(scores[~spam], 1 - rate)).mean())
        for rate in (0.001, 0.005, 0.01)
    }


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
