"""The X-Spam headers: the form that SpamAssassin's users know, and nothing that could break a message."""

import re

import pytest
from hypothesis import given, strategies as st

from mailweir_core.decision import Action
from mailweir_core.outcome import Signal
from mailweir_core.reasons import Reason
from mailweir_mail.edit import fold
from mailweir_policy import HeaderPolicy
from mailweir_scoring.policy.headers import ascii_only, shown_score, spam_headers, stars
from mailweir_scoring.policy.verdict import Verdict

EVERY = HeaderPolicy(flag=True, score=True, level=True, status=True, report=True)


def make(score: float, *signals: Signal) -> Verdict:
    return Verdict(score, Action.ACCEPT, Reason.CLEAN, signals)


def headers(
    verdict: Verdict,
    policy: HeaderPolicy = EVERY,
    tag: float | None = 6.0,
    skipped: tuple[str, ...] = (),
) -> dict[str, str]:
    fields = spam_headers(verdict, policy, tag=tag, skipped=skipped, version="0.1.0")
    return {f.name: f.value for f in fields}


SPAM = make(
    7.34,
    Signal("HTML_FORM", 4.0, "structure", "There is a form in the message", "<form action=x>"),
    Signal("DATE_FUTURE", 3.34, "headers", "The date lies in the future"),
)


def test_spam_looks_as_users_know_it() -> None:
    found = headers(SPAM)
    assert found["X-Spam-Flag"] == "YES"
    assert found["X-Spam-Score"] == "7.3"
    assert found["X-Spam-Level"] == "*******"
    assert found["X-Spam-Status"] == (
        "Yes, score=7.3 required=6.0 tests=HTML_FORM,DATE_FUTURE autolearn=disabled version=0.1.0"
    )
    assert found["X-Spam-Report"].splitlines() == [
        "*  4.0 HTML_FORM There is a form in the message",
        "*      [<form action=x>]",
        "*  3.3 DATE_FUTURE The date lies in the future",
    ]


def test_ham_looks_as_users_know_it() -> None:
    found = headers(make(-0.2))
    assert found["X-Spam-Flag"] == "NO"
    assert found["X-Spam-Score"] == "-0.2"
    assert found["X-Spam-Level"] == ""
    assert found["X-Spam-Status"] == (
        "No, score=-0.2 required=6.0 tests=none autolearn=disabled version=0.1.0"
    )


def test_the_order_is_fixed() -> None:
    fields = spam_headers(SPAM, EVERY, tag=6.0, skipped=(), version="1")
    assert [f.name for f in fields] == [
        "X-Spam-Flag", "X-Spam-Score", "X-Spam-Level", "X-Spam-Status", "X-Spam-Report",
    ]  # fmt: skip


@pytest.mark.parametrize("name", ["flag", "score", "level", "status", "report"])
def test_each_header_has_its_switch(name: str) -> None:
    off = EVERY.model_copy(update={name: False})
    assert headers(SPAM).keys() - headers(SPAM, off).keys() == {f"X-Spam-{name.title()}"}


def test_stages_that_gave_nothing_are_named() -> None:
    status = headers(make(0.0), skipped=("content", "structure"))["X-Spam-Status"]
    assert " tests=none skipped=content,structure autolearn=" in status


def test_without_a_tag_threshold_nothing_is_flagged() -> None:
    found = headers(SPAM, tag=None)
    assert found["X-Spam-Flag"] == "NO"
    assert "required=off" in found["X-Spam-Status"]


@pytest.mark.parametrize(
    ("score", "tag", "shown"),
    [
        (5.96, 6.0, "5.9"),
        (5.94, 6.0, "5.9"),
        (6.0, 6.0, "6.0"),
        (6.04, 6.0, "6.0"),
        (5.96, None, "6.0"),
        (-0.04, 6.0, "0.0"),
        (-0.06, 6.0, "-0.1"),
        (1000.0, 6.0, "1000.0"),
        (0.99, 1.0, "0.9"),
        (-1.02, -1.0, "-1.1"),
    ],
)
def test_a_shown_score_never_crosses_the_threshold(
    score: float, tag: float | None, shown: str
) -> None:
    assert shown_score(score, tag) == shown


@pytest.mark.parametrize(
    ("score", "count"), [(-3.0, 0), (0.99, 0), (1.0, 1), (7.9, 7), (50.0, 50), (1000.0, 50)]
)
def test_stars(score: float, count: int) -> None:
    assert stars(score) == count


def test_long_lists_of_tests_are_folded_behind_commas() -> None:
    signals = [Signal(f"SOME_LONG_SYMBOL_{n:02d}", 1.0, "g", "d") for n in range(40)]
    status = headers(make(40.0, *signals))["X-Spam-Status"]
    written = fold("X-Spam-Status", status).decode()
    assert max(map(len, written.split("\r\n"))) <= 110
    assert re.sub(r"\r\n[ \t]", "", written).count("SOME_LONG_SYMBOL_") == 40


def test_at_most_a_hundred_tests_are_named() -> None:
    signals = [Signal(f"SYMBOL_{n:03d}", 1.0, "g", "d") for n in range(150)]
    found = headers(make(150.0, *signals))
    assert found["X-Spam-Status"].count("SYMBOL_") == 100
    assert len(found["X-Spam-Report"].splitlines()) == 100


def test_evidence_cannot_pose_as_an_encoded_word() -> None:
    assert "=?" not in ascii_only("x =?utf-8?B?aGFsbG8=?= y")
    assert ascii_only("Grüße") == "Gr\\xfc\\xdfe"


@given(st.text(), st.text())
def test_whatever_the_evidence_the_header_stays_one_field(evidence: str, description: str) -> None:
    verdict = make(1.0, Signal("ANY_TEST", 1.0, "g", description, evidence))
    for name, value in headers(verdict).items():
        written = fold(name, value)
        assert written.isascii()
        assert written.endswith(b"\r\n")
        assert re.fullmatch(rb"X-Spam-[A-Za-z]+: [^\r\n]*(\r\n[ \t][^\r\n]*)*\r\n", written)
        assert all(len(line) <= 998 for line in written.split(b"\r\n"))
