"""Which of the own rules are found in which set of the corpus: `python tests/accuracy/symbols.py`.

A line per symbol with the share of each set's mails that has it, in per cent, wanted mail first; then
how many of each set the rules alone take for spam. What holds in one set only tells the set, not spam: a
score should rest on what several sets of spam have and no set of ham.
"""

import argparse
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import NamedTuple

from mailweir_policy import Policy
from mailweir_scoring.adapters.rulefiles import DirectoryRules
from mailweir_scoring.policy.facts import Facts, Hit
from mailweir_scoring.policy.kit import Kit
from mailweir_scoring.policy.pipeline import Stage, WeighingStage, symbols_of
from mailweir_scoring.policy.reading import read_message, texts_of
from mailweir_scoring.policy.ruleset import RuleFile, RuleSet, read_rules
from mailweir_scoring.policy.stages import STAGES
from mailweir_scoring.policy.verdict import judge
from mailweir_testkit import shared
from mailweir_testkit.shared import CorpusMail

POLICY = Policy()
OWN = ("headers", "structure", "attachments", "identity", "links", "words", "composites", "gtube")
OWN_STAGES = ("gtube", "headers", "attachments", "structure", "words", "composites")
CHUNK = 200


class Found(NamedTuple):
    """What one mail has: its symbols, those that count nothing, and its score."""

    path: str
    symbols: tuple[str, ...]
    silenced: tuple[str, ...]
    score: float


def own_rules() -> RuleSet:
    """Return the rules that need nothing but the message."""
    files = [f for f in DirectoryRules.shipped().read() if f.name.removesuffix(".toml") in OWN]
    return read_rules([RuleFile(f.name, f.text) for f in files], symbols_of(own_stages()))


def own_stages() -> tuple[Stage | WeighingStage, ...]:
    """Return the stages that need nothing but the message."""
    return tuple(s for s in STAGES if isinstance(s, Stage | WeighingStage) and s.name in OWN_STAGES)


def look(place: Path, paths: Sequence[str]) -> list[Found]:
    """Judge some mails by the own rules alone."""
    rules = own_rules()
    return [_one(place, path, rules) for path in paths]


def _one(place: Path, path: str, rules: RuleSet) -> Found:
    message = read_message((place / path).read_bytes(), POLICY.message, POLICY.scoring.scan_bytes)
    texts = texts_of(message, POLICY.scoring.scan_bytes)
    facts = Facts(message, texts, 0.0, policy=POLICY.scoring, kit=Kit(rules))
    hits: list[Hit] = []
    silenced: frozenset[str] = frozenset()
    for stage in own_stages():
        if isinstance(stage, Stage):
            hits += stage.run(facts)
        else:
            found = stage.weigh(facts, hits)
            hits, silenced = [*hits, *found.hits], silenced | found.silenced
    score = judge(hits, rules, POLICY.scoring, silenced).score
    return Found(path, tuple(sorted({h.symbol for h in hits})), tuple(silenced), score)


def look_at_all(mails: Sequence[CorpusMail], jobs: int) -> list[Found]:
    """Judge all mails, in several processes."""
    place = shared.corpus_dir()
    assert place is not None
    paths = [m.path for m in mails]
    chunks = [paths[at : at + CHUNK] for at in range(0, len(paths), CHUNK)]
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
        return [found for chunk in pool.map(look, [place] * len(chunks), chunks) for found in chunk]


def columns(mails: Iterable[CorpusMail]) -> Counter[tuple[str, str]]:
    """Return the sets, ham before spam, with how many mails each has."""
    counts = Counter((m.label, m.set) for m in mails)
    return Counter(dict(sorted(counts.items())))


def table(mails: Sequence[CorpusMail], found: Sequence[Found], only: str) -> None:
    """Print the share of each set that has each symbol."""
    sets = columns(mails)
    hits: dict[str, Counter[tuple[str, str]]] = defaultdict(Counter)
    for mail, item in zip(mails, found, strict=True):
        for symbol in item.symbols:
            hits[symbol][mail.label, mail.set] += 1
    scores = {s: r.score for s, r in own_rules().rules.items()}
    names = "".join(f"{label[0]}:{name[-9:]}".rjust(12) for label, name in sets)
    print(f"{'':26}{'score':>6}{names}")
    for symbol in sorted(hits, key=lambda s: -sum(hits[s].values())):
        if only in symbol:
            shares = (100 * hits[symbol][key] / count for key, count in sets.items())
            print(
                f"{symbol:26}{scores.get(symbol, 0):6.2f}" + "".join(f"{s:12.1f}" for s in shares)
            )


def summary(mails: Sequence[CorpusMail], found: Sequence[Found]) -> None:
    """Print how many of each set are at or over the thresholds."""
    limits = POLICY.scoring.thresholds
    counts: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    for mail, item in zip(mails, found, strict=True):
        for key in ((mail.label, mail.set), (mail.label, "~ all")):
            counts[key][str(limits.action(item.score))] += 1
    for (label, name), actions in sorted(counts.items()):
        flagged = 1 - actions["accept"] / actions.total()
        print(f"{label:5}{name:20}{actions.total():7} {flagged:8.2%}  {dict(actions)}")


def main(arguments: Sequence[str] | None = None) -> None:
    """Run over the corpus and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--only", default="", help="symbols that have this in their name")
    options = parser.parse_args(arguments)
    mails = shared.corpus_manifest()
    if not mails:
        sys.exit(shared.ABSENT)
    found = look_at_all(mails, options.jobs)
    table(mails, found, options.only)
    summary(mails, found)


if __name__ == "__main__":
    main()
