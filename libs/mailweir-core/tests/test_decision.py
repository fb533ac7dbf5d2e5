"""Decisions and the SMTP replies they carry."""

import pytest
from hypothesis import given, strategies as st

from mailweir_core.decision import Action, Decision, Reply, State
from mailweir_core.reasons import Reason


@pytest.mark.parametrize(
    ("reply", "reference", "line"),
    [
        (Reply(250, "2.0.0", "Ok"), "", "250 2.0.0 Ok"),
        (Reply(250, "2.0.0", "Ok"), "R-1", "250 2.0.0 Ok [R-1]"),
        (Reply(220, "", "mail.example.com"), "", "220 mail.example.com"),
        (Reply(354, "", "Go on"), "R-1", "354 Go on [R-1]"),
    ],
)
def test_a_reply_is_one_line(reply: Reply, reference: str, line: str) -> None:
    assert reply.line(reference) == line


@given(st.text(st.characters()))
def test_no_text_makes_two_replies_of_one(text: str) -> None:
    line = Reply(550, "5.7.1", text).line("R-1")

    assert len(line.splitlines()) == 1
    assert "\r" not in line
    assert "\x00" not in line


def test_a_text_of_a_client_cannot_fake_a_reply() -> None:
    assert Reply(550, "5.1.1", "no <x\r\n250 2.0.0 Ok>").line() == "550 5.1.1 no <x  250 2.0.0 Ok>"


def test_text_that_people_write_stays_as_it_is() -> None:
    assert Reply(450, "4.7.1", "später, bitte").line() == "450 4.7.1 später, bitte"


@pytest.mark.parametrize("action", Action)
def test_an_action_takes_the_mail_or_it_does_not(action: Action) -> None:
    assert action.takes_mail == (action not in (Action.DEFER, Action.REJECT))


def test_the_words_of_the_interface() -> None:
    assert {a.value for a in Action} == {"accept", "tag", "hold", "defer", "reject", "discard"}
    assert {s.value for s in State} == {
        "queued", "delivered", "held", "released", "bounced", "deleted", "refused",
    }  # fmt: skip


def test_a_decision_goes_on_with_the_session_unless_told() -> None:
    assert not Decision(Action.REJECT, Reason.SPAM, Reply(550, "5.7.1", "no")).close
