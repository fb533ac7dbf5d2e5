"""The shipped rules on real mail: wanted mail stays wanted, and nothing breaks or hangs."""

from collections import Counter
from collections.abc import Iterator

import pytest

from mailweir_core.decision import Action
from mailweir_core.outcome import Status
from mailweir_policy import Policy
from mailweir_runtime.config import PolicySnapshot
from mailweir_scoring.cli.inputs import Source
from mailweir_scoring.cli.scorer import Scored, Scorer
from mailweir_testkit import shared
from mailweir_testkit.shared import CorpusMail

MOST_HAM_FLAGGED = 0.005
"""Share of all ham that may be at or over the tag threshold."""
LEAST_SPAM_FLAGGED = 0.05
"""Structure and headers alone find little, since no signal of theirs may decide; but not nothing."""


def judged(mails: list[CorpusMail]) -> Iterator[tuple[CorpusMail, Scored]]:
    place = shared.corpus_dir()
    assert place is not None
    scorer = Scorer(PolicySnapshot(Policy(), "default"))
    sources = (Source(m.path, file=place / m.path) for m in mails)
    for mail, result in zip(mails, scorer.score(sources), strict=True):
        assert isinstance(result, Scored)
        yield mail, result


def hold_to_account(mails: list[CorpusMail]) -> None:
    actions: dict[str, Counter[str]] = {"ham": Counter(), "spam": Counter()}
    for mail, result in judged(mails):
        judgement = result.judgement
        assert judgement.status is not Status.TEMPERROR, (mail.path, judgement.detail)
        assert judgement.detail == "", (mail.path, judgement.detail)
        actions[mail.label][judgement.verdict.action] += 1
    ham, spam = actions["ham"], actions["spam"]
    assert 1 - ham[Action.ACCEPT] / ham.total() <= MOST_HAM_FLAGGED
    assert ham[Action.REJECT] == 0
    assert 1 - spam[Action.ACCEPT] / spam.total() >= LEAST_SPAM_FLAGGED


@pytest.mark.conformance
@pytest.mark.timeout(120)
def test_a_sample_of_the_corpus() -> None:
    mails = shared.corpus_sample(1000)
    if not mails:
        pytest.skip(shared.ABSENT)
    hold_to_account(mails)


@pytest.mark.conformance
@pytest.mark.long
@pytest.mark.timeout(600)
def test_the_whole_corpus() -> None:
    mails = shared.corpus_manifest()
    if not mails:
        pytest.skip(shared.ABSENT)
    hold_to_account(mails)


@pytest.mark.conformance
def test_the_generic_test_mails_of_the_peers_are_refused() -> None:
    place = shared.peers_dir("gtube")
    if place is None:
        pytest.skip(shared.ABSENT)
    files = sorted(place.glob("*.eml"))
    scorer = Scorer(PolicySnapshot(Policy(), "default"))
    results = list(scorer.score(Source(f.name, file=f) for f in files))
    assert len(results) >= 2
    for result in results:
        assert isinstance(result, Scored)
        verdict = result.judgement.verdict
        assert (verdict.action, verdict.reason.value) == (Action.REJECT, "gtube")
