"""How well fingerprints gather the copies of a campaign, and how rarely they gather different mail.

    python tests/accuracy/fingerprints.py [--mails N]

Over the shared corpus (MAILWEIR_SHARED): of all pairs of spam in one near-duplicate cluster of the manifest,
how many share a fingerprint; of all pairs of ham in different clusters, how many do, by kind, and how many of
those are of one sender. Then what a book of fingerprints would say: spam recognised by half of its cluster,
and ham taken for it. At last the time it takes.
"""

import argparse
import random
import statistics
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

from mailweir_mail import parse
from mailweir_model.fingerprint import Fingerprint, FuzzyBook, FuzzyEntry, Kind, fingerprints
from mailweir_model.fingerprint.book import LEAST_BANDS
from mailweir_policy import BulkMode
from mailweir_scoring.policy.campaign.model import CampaignQuestion, families_of
from mailweir_scoring.policy.campaign.tally import Tally
from mailweir_testkit.shared import ABSENT, CorpusMail, corpus_dir, corpus_manifest, corpus_sample

MOST_PAIRS = 20_000
SEED = 5
LABELS = 20.0


@dataclass(frozen=True)
class Known:
    """A mail of the corpus with its fingerprints and the milliseconds of CPU they took."""

    mail: CorpusMail
    prints: tuple[Fingerprint, ...]
    sender: str
    milliseconds: float

    def of(self, kind: Kind) -> tuple[Fingerprint, ...]:
        """Return the fingerprints of one kind."""
        return tuple(f for f in self.prints if f.kind is kind)


def read(place: Path, mails: Iterable[CorpusMail]) -> Iterator[Known]:
    """Yield the mails with their fingerprints; rendering is done before the clock runs."""
    fingerprints(
        parse(
            b"Subject: warm\n\n"
            + " ".join(f"w{chr(97 + n // 26)}{chr(97 + n % 26)}" for n in range(99)).encode()
        )
    )
    for mail in mails:
        message = parse((place / mail.path).read_bytes())
        _ = [part.html or part.text for part in message.html_parts]
        begun = time.process_time()
        found = fingerprints(message)
        seconds = time.process_time() - begun
        first = message.from_.first
        yield Known(mail, found, first.key if first else "", seconds * 1000)


def alike(one: Known, other: Known, kind: Kind) -> bool:
    """Say whether two mails share a fingerprint of a kind, texts in LEAST_BANDS at least."""
    if kind is Kind.TEXT:
        pairs = ((a, b) for a in one.of(kind) for b in other.of(kind))
        return any(a.likeness(b) * len(a.bands) >= LEAST_BANDS for a, b in pairs)
    return bool(set(one.of(kind)) & set(other.of(kind)))


def clusters(known: Iterable[Known], label: str) -> dict[str, list[Known]]:
    """Return the mails of a class by cluster."""
    found: dict[str, list[Known]] = defaultdict(list)
    for one in known:
        if one.mail.label == label:
            found[one.mail.cluster].append(one)
    return found


def within(groups: Iterable[Sequence[Known]]) -> tuple[int, Counter[str]]:
    """Return how many pairs of one cluster there are, and how many share what (`any`: but the subject)."""
    total, shared = 0, Counter[str]()
    for group in groups:
        for one, other in combinations(group[:40], 2):
            kinds = [k for k in Kind if alike(one, other, k)]
            shared.update(map(str, kinds))
            shared["any"] += any(k is not Kind.SUBJECT for k in kinds)
            total += 1
    return total, shared


def across(known: Sequence[Known]) -> dict[str, tuple[int, int]]:
    """Return, by kind, how many pairs of different clusters share it, and how many of those one sender."""
    result = {}
    for kind in Kind:
        pairs = same_sender = 0
        for one, other in colliding(known, kind):
            if one.mail.cluster != other.mail.cluster:
                pairs += 1
                same_sender += one.sender == other.sender
        result[str(kind)] = (pairs, same_sender)
    return result


def colliding(known: Sequence[Known], kind: Kind) -> Iterator[tuple[Known, Known]]:
    """Yield each pair that shares a fingerprint of a kind once."""
    by_band: dict[tuple[int, str], list[int]] = defaultdict(list)
    for number, one in enumerate(known):
        for fingerprint in one.of(kind):
            for place in enumerate(fingerprint.bands):
                by_band[place].append(number)
    seen = set()
    for numbers in by_band.values():
        for pair in combinations(numbers, 2):
            if pair not in seen:
                seen.add(pair)
                if alike(known[pair[0]], known[pair[1]], kind):
                    yield known[pair[0]], known[pair[1]]


def recognised(known: Sequence[Known]) -> tuple[int, int, int, int]:
    """Teach half of every spam cluster; return how many of the others are found, of how much, and of ham."""
    book, rest = [], []
    for group in clusters(known, "spam").values():
        if len(group) > 1:
            book += group[::2]
            rest += group[1::2]
    entries = (
        FuzzyEntry(f, spam=LABELS) for one in book for f in one.prints if f.kind is not Kind.SUBJECT
    )
    filled = FuzzyBook(entries)
    ham = [one for one in known if one.mail.label == "ham"]
    own = {Kind.TEXT, Kind.SHORT_TEXT, Kind.FILE}

    def hits(mails: Iterable[Known]) -> int:
        return sum(any(m.fingerprint.kind in own for m in filled.look(one.prints)) for one in mails)

    return hits(rest), len(rest), hits(ham), len(ham)


def waiting(known: Sequence[Known]) -> tuple[float, float]:
    """Return microseconds a mail: to count its copies, and to look it up in a book of all the others."""
    tally, book = Tally(), FuzzyBook(FuzzyEntry(f, spam=1.0) for one in known for f in one.prints)
    questions = [
        CampaignQuestion(families_of(one.prints, BulkMode.BODY), 1.8e9 + number, 3600.0)
        for number, one in enumerate(known)
    ]
    begun = time.process_time()
    for question in questions:
        tally.count(question)
    counted = time.process_time()
    for one in known:
        book.look(one.prints)
    looked = time.process_time()
    return (counted - begun) / len(known) * 1e6, (looked - counted) / len(known) * 1e6


def report(known: Sequence[Known]) -> None:
    """Print all figures."""
    for label in ("spam", "ham"):
        groups = [g for g in clusters(known, label).values() if len(g) > 1]
        total, shared = within(groups)
        print(f"{label}: {len(groups)} clusters, {total} pairs within one")
        for name, count in shared.most_common():
            print(f"  share {name:<11} {count:6d}  {count / max(1, total):6.1%}")
    ham = [one for one in known if one.mail.label == "ham"]
    print(f"ham: {len(ham)} mails; pairs of different clusters that share (of one sender)")
    for kind, (pairs, same) in across(ham).items():
        print(f"  {kind:<11} {pairs:6d} ({same})")
    with_kind = Counter(str(k) for one in known for k in {f.kind for f in one.prints})
    print("mails that have: " + ", ".join(f"{k} {n}" for k, n in with_kind.most_common()))
    found, spam, wrong, hams = recognised(known)
    print(
        f"taught half of each spam cluster: {found} of {spam} others found, {wrong} of {hams} ham"
    )
    count, look = waiting(known)
    print(f"{count:.0f} us to count a mail's copies, {look:.0f} us to look it up")
    times = [one.milliseconds for one in known]
    p99 = statistics.quantiles(times, n=100)[98]
    slowest = max(known, key=lambda one: one.milliseconds).mail
    print(f"longest: {slowest.bytes} bytes, of {slowest.set}")
    print(
        f"CPU: {statistics.mean(times):.3f} ms mean, {p99:.2f} ms p99, {max(times):.1f} ms longest"
    )


def main() -> None:
    """Run over all of the corpus, or over some."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mails", type=int, default=0, help="how many, at random; default: all")
    count = parser.parse_args().mails
    place = corpus_dir()
    if place is None:
        raise SystemExit(ABSENT)
    mails = corpus_sample(count) if count else corpus_manifest()
    known = list(read(place, mails))
    random.Random(SEED).shuffle(known)
    report(known)


if __name__ == "__main__":
    main()
