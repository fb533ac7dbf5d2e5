"""Wanted mail in many languages stays wanted: neither a language nor an invoice is a sign of spam."""

from pathlib import Path

import pytest

from mailweir_core.decision import Action
from mailweir_policy import Policy
from mailweir_runtime.config import PolicySnapshot
from mailweir_scoring.cli.inputs import Source
from mailweir_scoring.cli.scorer import Scored, Scorer
from mailweir_testkit.genuine import KINDS, Genuine, read

MAILS = list(read(Path(__file__).parent / "genuine" / "mails.toml"))
SCORER = Scorer(PolicySnapshot(Policy(), "default"))
NEAR = 3.0
"""Half of the tag threshold: no wanted mail should be nearer to it, by what its looks alone say."""


def test_there_are_sixty_in_twelve_languages() -> None:
    assert len(MAILS) >= 60
    assert len({m.language for m in MAILS}) >= 12
    assert {m.kind for m in MAILS} == set(KINDS)


@pytest.mark.parametrize("mail", MAILS, ids=str)
def test_none_is_taken_for_spam(mail: Genuine) -> None:
    (result,) = SCORER.score([Source(str(mail), content=mail.raw)])
    assert isinstance(result, Scored)
    verdict = result.judgement.verdict
    assert result.judgement.detail == ""
    assert verdict.action is Action.ACCEPT
    assert verdict.score < NEAR, verdict.signals
