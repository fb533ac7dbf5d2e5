"""What judging a message costs, and what the shipped rules find: `python tests/bench/scoring.py`.

CPU time of one process, the best of several rounds, over a sample of the shared corpus with every set in its
proportion; the ten slowest; the process's memory; then how the cost grows with a message's size. With --peers
the same mails go to rspamd, its Bayes taught twice as many of the corpus, its redis counted. With --accuracy,
over the whole corpus: how many of each set are at or over the thresholds (ham there is a mistake).
"""

import argparse
import base64
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import psutil

from mailweir_core.decision import Action
from mailweir_policy import Policy
from mailweir_runtime.config import PolicySnapshot
from mailweir_scoring.cli.inputs import Source
from mailweir_scoring.cli.scorer import Scored, Scorer, score_all
from mailweir_testkit import rspamd, shared

CURRENT = PolicySnapshot(Policy(), "default")
HEAD = (
    b"From: ann@example.net\r\nTo: bob@example.com\r\nSubject: size\r\nMIME-Version: 1.0\r\n"
    b"Date: Mon, 02 Mar 2026 10:00:00 +0000\r\nMessage-ID: <1@example.net>\r\n"
)
TEXT = b"The quick brown fox jumps over the lazy dog, see https://www.example.org/fox for more.\r\n"
HTML = b'<p>The <b>quick</b> brown fox, <a href="https://www.example.org/fox">see here</a>.</p>\r\n'


def spend(messages: Sequence[bytes], rounds: int) -> tuple[float, list[float]]:
    """Return the CPU seconds of the best round, and of each message the least in milliseconds."""
    scorer, best, each = Scorer(CURRENT), float("inf"), [float("inf")] * len(messages)
    for _ in range(rounds):
        begun = last = time.process_time()
        for number, _ in enumerate(scorer.score(Source("-", content=raw) for raw in messages)):
            now = time.process_time()
            each[number] = min(each[number], (now - last) * 1000)
            last = now
        best = min(best, last - begun)
    return best, each


def by_stage(messages: Sequence[bytes]) -> dict[str, float]:
    """Return the seconds that each stage took in one round, by the engine's own clock."""
    seconds: dict[str, float] = {}
    for result in Scorer(CURRENT).score(Source("-", content=raw) for raw in messages):
        assert isinstance(result, Scored)
        for stage in result.judgement.stages:
            seconds[stage.stage] = seconds.get(stage.stage, 0.0) + stage.seconds
    return seconds


def sized(kind: str, size: int) -> bytes:
    """Return a message of about `size` bytes: text, HTML, or an attachment."""
    if kind == "text":
        return HEAD + b"Content-Type: text/plain\r\n\r\n" + TEXT * (size // len(TEXT))
    if kind == "html":
        return HEAD + b"Content-Type: text/html\r\n\r\n" + HTML * (size // len(HTML))
    data = base64.encodebytes(bytes(range(256)) * (size * 3 // 4 // 256 + 1)).replace(
        b"\n", b"\r\n"
    )
    return (
        HEAD + b"Content-Type: multipart/mixed; boundary=a\r\n\r\n--a\r\n\r\n" + TEXT
        + b'--a\r\nContent-Type: application/zip; name="a.zip"\r\nContent-Transfer-Encoding: base64\r\n'
        + b"Content-Disposition: attachment\r\n\r\n" + data + b"\r\n--a--\r\n"
    )  # fmt: skip


def cost(mails: int, rounds: int) -> None:
    """Print what the corpus costs."""
    place = shared.corpus_dir()
    if place is None:
        sys.exit(shared.ABSENT)
    messages = [(place / mail.path).read_bytes() for mail in shared.corpus_sample(mails)]
    best, each = spend(messages, rounds)
    ordered = sorted(each)
    size = sum(map(len, messages)) / len(messages) / 1024
    print(f"{len(messages)} mails of {size:.1f} kB: {best / len(messages) * 1000:.2f} ms CPU each")
    marks = {"median": 0.5, "90 %": 0.9, "99 %": 0.99, "most": 1.0}
    print(
        "  " + ", ".join(f"{n} {ordered[int(m * (len(each) - 1))]:.2f}" for n, m in marks.items())
    )
    slowest = sorted(zip(each, messages, strict=True), key=lambda pair: -pair[0])[:10]
    print(
        "  slowest: " + ", ".join(f"{ms:.1f} ms ({len(raw) / 1024:.0f} kB)" for ms, raw in slowest)
    )
    print(f"  memory: {psutil.Process().memory_info().rss / 2**20:.0f} MiB, these mails included")
    seconds = by_stage(messages)
    shares = [f"{name} {part / sum(seconds.values()):.0%}" for name, part in seconds.items()]
    print("  of it: " + ", ".join(shares))


def peers(mails: int, rounds: int) -> None:
    """Print what rspamd takes for the same mails, in the same run."""
    place = shared.corpus_dir()
    assert place is not None
    messages = [(place / mail.path).read_bytes() for mail in shared.corpus_sample(mails)]
    ours = spend(messages, rounds)[0] / mails * 1000
    taught = [
        ((place / mail.path).read_bytes(), mail.label == "spam")
        for mail in shared.corpus_sample(2 * mails)
    ]
    with rspamd.running() as peer:
        peer.teach(taught)
        best = float("inf")
        for _ in range(rounds):
            before = peer.cpu_seconds()
            for raw in messages:
                peer.check(raw)
            best = min(best, peer.cpu_seconds() - before)
    theirs = best / mails * 1000
    print(f"\nrspamd with Bayes and its redis: {theirs:.2f} ms CPU each, Mailweir {ours:.2f} ms:")
    print(f"  {theirs / ours:.2f} × its messages per CPU-second")


def growth(rounds: int) -> None:
    """Print what size costs: the time should grow as the size does, at most."""
    sizes = (4, 40, 400, 4000, 25_000)
    print("\nms CPU" + "".join(f"{s:>9} kB" for s in sizes))
    for kind in ("text", "html", "attachment"):
        each = spend([sized(kind, s * 1000) for s in sizes], rounds)[1]
        print(f"{kind:<10}" + "".join(f"{ms:>10.2f}  " for ms in each))


def sources() -> Iterator[Source]:
    """Yield every mail of the corpus, named by its place in it."""
    place = shared.corpus_dir()
    for mail in shared.corpus_manifest():
        yield Source(mail.path, file=(place or Path()) / mail.path)


def accuracy(jobs: int) -> None:
    """Print, by set and class, how many are at or over each threshold."""
    rows: dict[tuple[str, str], Counter[str]] = {}
    known = {mail.path: (mail.label, mail.set) for mail in shared.corpus_manifest()}
    for result in score_all(sources(), CURRENT, jobs):
        assert isinstance(result, Scored)
        label, name = known[result.name]
        for row in (name, "~ all"):
            rows.setdefault((label, row), Counter())[result.judgement.verdict.action] += 1
    print(f"\n{'':<24}{'mails':>7}{'tagged':>8}{'held':>7}{'rejected':>9}{'flagged':>9}")
    for (kind, row), actions in sorted(rows.items()):
        counts = [actions[a] for a in (Action.TAG, Action.HOLD, Action.REJECT)]
        share = sum(counts) / actions.total()
        figures = f"{actions.total():>7}{counts[0]:>8}{counts[1]:>7}{counts[2]:>9}{share:>9.2%}"
        print(f"{kind:<5}{row:<19}{figures}")


def main() -> None:
    """Read the arguments and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mails", type=int, default=600)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--peers", action="store_true")
    parser.add_argument("--accuracy", action="store_true")
    options = parser.parse_args()
    cost(options.mails, options.rounds)
    if options.peers:
        peers(options.mails, options.rounds)
    growth(options.rounds)
    if options.accuracy:
        accuracy(options.jobs)


if __name__ == "__main__":
    main()
