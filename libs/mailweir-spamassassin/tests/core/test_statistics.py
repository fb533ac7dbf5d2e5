"""Hits by rule."""

import pytest

from mailweir_spamassassin import statistics
from mailweir_spamassassin.statistics import HitCounter, RuleCount


def test_hits_are_counted_once_a_message() -> None:
    counter = HitCounter()
    counter.add(["A", "B", "A"], is_spam=True)
    counter.add(["A"], is_spam=False)
    counter.add(["C"], is_spam=False)
    assert counter.top(2) == (RuleCount("A", 1, 1), RuleCount("B", 1, 0))
    assert (counter.spam_messages, counter.ham_messages) == (1, 2)
    assert counter.top(1)[0].share == 0.5


def test_a_label_moves_a_message() -> None:
    counter = HitCounter()
    counter.add(["A"], is_spam=True)
    counter.correct(["A"], is_spam=False)
    assert counter.top(9) == (RuleCount("A", 0, 1),)
    assert (counter.spam_messages, counter.ham_messages) == (0, 1)
    counter.correct(["A"], is_spam=True)
    assert counter.top(9) == (RuleCount("A", 1, 0),)


def test_it_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(statistics, "MAX_RULES", 3)
    counter = HitCounter()
    counter.add([f"R{i}" for i in range(9)], is_spam=True)
    assert len(counter.top(99)) == 3
