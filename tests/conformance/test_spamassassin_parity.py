"""SpamAssassin's own rules on real mails: what the real program hits, and what we hit.

The real one judges the same mails in the same test, in one process, without the network. A rule that either
hits on a mail where the other does not is explained in spamassassin_explanations.toml beside this file.
"""

import json
import shutil
import subprocess
import time
import tomllib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import pytest

from mailweir_core.clock import SystemClock
from mailweir_mail import parse
from mailweir_spamassassin.build import Evals
from mailweir_spamassassin.evals import EVALS, UNSUPPORTED_EVALS
from mailweir_spamassassin.loading import Loaded, load_directories
from mailweir_spamassassin.view.message import View
from mailweir_spamassassin.view.site import Site
from mailweir_testkit import shared

pytestmark = pytest.mark.conformance
HERE: Final = Path(__file__)
DRIVER: Final = HERE.with_name("spamassassin_reference.pl")
EXPLANATIONS: Final = HERE.with_name("spamassassin_explanations.toml")
RULES: Final = (Path("/usr/share/spamassassin"), Path("/etc/spamassassin"))
LEAST_AGREEMENT: Final = 0.97
MOST_SCORE_DIFFERENCE: Final = 0.2
LEAST_SPEED_UP: Final = 20.0


@dataclass(slots=True)
class Comparison:
    """What both found: pairs of mail and rule, scores, and CPU seconds."""

    both: int = 0
    ours: Counter[str] = field(default_factory=Counter)
    theirs: Counter[str] = field(default_factory=Counter)
    differences: list[float] = field(default_factory=list)
    our_seconds: float = 0.0
    their_seconds: float = 0.0

    @property
    def agreement(self) -> float:
        pairs = self.both + self.ours.total() + self.theirs.total()
        return self.both / pairs

    @property
    def score_difference(self) -> float:
        return sum(self.differences) / len(self.differences)

    def __str__(self) -> str:
        mails = len(self.differences)
        return (
            f"{mails} mails: {self.agreement:.2%} of the pairs hit by both, mean score difference "
            f"{self.score_difference:.3f}, {self.our_seconds / mails * 1e3:.1f} ms against "
            f"{self.their_seconds / mails * 1e3:.1f} ms CPU a mail "
            f"({self.their_seconds / self.our_seconds:.1f} x); "
            f"ours alone {dict(self.ours)}, theirs alone {dict(self.theirs)}"
        )


def needs_spamassassin() -> None:
    if shutil.which("spamassassin") is None or not RULES[0].is_dir():
        pytest.skip("spamassassin is not installed")


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> Loaded:
    needs_spamassassin()
    cache = tmp_path_factory.mktemp("compiled")
    evals = Evals(EVALS, UNSUPPORTED_EVALS)
    return load_directories(RULES, evals, strict=False, net=True, cache=cache)


def mails(count: int) -> list[Path]:
    """Return the paths of a sample of the corpus over all sets and classes."""
    place = shared.corpus_dir()
    if place is None:
        pytest.skip(shared.ABSENT)
    return [place / mail.path for mail in shared.corpus_sample(count)][:count]


def reference(paths: Sequence[Path], home: Path) -> list[dict[str, object]]:
    """Judge mails with the real program."""
    done = subprocess.run(
        ["/usr/bin/perl", str(DRIVER), str(home)],
        input="\n".join(map(str, paths)) + "\n",
        capture_output=True,
        text=True,
        check=True,
    )
    return [json.loads(line) for line in done.stdout.splitlines()]


def compare(loaded: Loaded, paths: Sequence[Path], home: Path) -> Comparison:
    """Judge mails with both; reading them from disk is in neither's time."""
    assert loaded.book is not None
    site, found = Site(loaded.files.settings), Comparison()
    warm = View(parse(paths[0].read_bytes()), site=site, now=SystemClock().now())
    loaded.book.run(warm, evidence=False)
    for path, theirs in zip(paths, reference(paths, home), strict=True):
        raw = path.read_bytes()
        begin = time.process_time()
        view = View(parse(raw), site=site, now=SystemClock().now())
        result = loaded.book.run(view, evidence=False)
        found.our_seconds += time.process_time() - begin
        found.their_seconds += float(str(theirs["seconds"]))
        _note(found, {hit.name for hit in result.hits}, theirs)
        found.differences.append(abs(result.score - float(str(theirs["score"]))))
    return found


def _note(found: Comparison, ours: set[str], theirs: dict[str, object]) -> None:
    tests = theirs["tests"]
    assert isinstance(tests, list)
    found.both += len(ours & set(tests))
    found.ours.update(ours - set(tests))
    found.theirs.update(set(tests) - ours)


def explained() -> set[str]:
    """Return the rules whose differences are explained."""
    classes = tomllib.loads(EXPLANATIONS.read_text(encoding="utf-8"))
    assert all(entry["reason"].strip() and entry["rules"] for entry in classes.values())
    return {rule for entry in classes.values() for rule in entry["rules"]}


def check(found: Comparison) -> None:
    assert found.agreement >= LEAST_AGREEMENT, found
    assert found.score_difference <= MOST_SCORE_DIFFERENCE, found
    unexplained = (found.ours.keys() | found.theirs.keys()) - explained()
    assert not unexplained, found


@pytest.mark.long
@pytest.mark.timeout(180)
def test_a_few_mails_of_each_set_agree(loaded: Loaded, tmp_path: Path) -> None:
    check(compare(loaded, mails(60), tmp_path))


@pytest.fixture(scope="module")
def thousand(loaded: Loaded, tmp_path_factory: pytest.TempPathFactory) -> Comparison:
    found = compare(loaded, mails(1000), tmp_path_factory.mktemp("home"))
    print(found)  # the figures of docs/spamassassin.md
    return found


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_a_thousand_mails_agree(thousand: Comparison) -> None:
    check(thousand)


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_a_thousand_mails_take_a_twentieth(thousand: Comparison) -> None:
    assert thousand.their_seconds / thousand.our_seconds >= LEAST_SPEED_UP, thousand


def test_every_eval_test_of_the_rules_is_known() -> None:
    """A name that the rule files use is supported, or it is said why it is not."""
    needs_spamassassin()
    known = EVALS.keys() | UNSUPPORTED_EVALS.keys()
    used = {
        word.partition("eval:")[2].partition("(")[0]
        for place in RULES
        for path in place.glob("*.cf")
        for line in path.read_text(encoding="utf-8", errors="replace").splitlines()
        if not line.lstrip().startswith("#")
        for word in line.split()
        if word.startswith("eval:")
    }
    assert len(used) > 100
    assert used - known == set()
    assert not EVALS.keys() & UNSUPPORTED_EVALS.keys()
