"""The life of a message: every pair of state and fact, every pair of life and command."""

from dataclasses import replace
from itertools import permutations, product

import pytest
from hypothesis import given, strategies as st

from mailweir_core.decision import Action, State
from mailweir_quarantine.policy.state import (
    FINAL,
    IS_DELETED,
    IS_RELEASED,
    NEVER_HELD,
    NOT_YET_HERE,
    UNKNOWN,
    Command,
    Fact,
    Known,
    Life,
    after,
    command,
    judged,
    recorded,
    supersedes,
    taken_in,
)

STATES: tuple[Known, ...] = (None, *State)

# Written out a second time on purpose: one line a state, one column a fact, in the order of Fact.
#          taken      held        refused     discarded   held        tried      delivered    bounced
TABLE = """
-          queued     held        refused     deleted     held        queued     delivered    bounced
queued     queued     queued      queued      queued      queued      queued     delivered    bounced
delivered  delivered  delivered   delivered   delivered   delivered   delivered  delivered    delivered
held       held       held        held        held        held        held       held         held
released   released   released    released    released    released    released   delivered    bounced
bounced    bounced    bounced     bounced     bounced     bounced     bounced    bounced      bounced
deleted    deleted    deleted     deleted     deleted     deleted     deleted    deleted      deleted
refused    refused    refused     refused     refused     held        queued     delivered    bounced
"""
ROWS = {
    (None if row[0] == "-" else State(row[0])): [State(word) for word in row[1:]]
    for row in (line.split() for line in TABLE.strip().splitlines())
}


@pytest.mark.parametrize(("state", "fact"), [*product(STATES, Fact)])
def test_every_pair_of_state_and_fact(state: Known, fact: Fact) -> None:
    assert after(state, fact) == ROWS[state][list(Fact).index(fact)]


def test_the_table_names_every_state() -> None:
    assert set(ROWS) == set(STATES)


@pytest.mark.parametrize(("state", "fact"), [*product(sorted(FINAL - {State.REFUSED}), Fact)])
def test_nothing_leads_out_of_a_final_state(state: State, fact: Fact) -> None:
    assert after(state, fact) is state


@given(st.lists(st.sampled_from(Fact), max_size=8), st.sampled_from(STATES))
def test_a_fact_that_is_told_twice_is_told_once(facts: list[Fact], state: Known) -> None:
    once = twice = state
    for fact in facts:
        once = after(once, fact)
        twice = after(after(twice, fact), fact)
    assert once == twice


def test_the_order_of_a_delivered_messages_facts_does_not_matter() -> None:
    for order in permutations((Fact.JUDGED_TAKEN, Fact.TRIED, Fact.DELIVERED)):
        state: Known = None
        for fact in order:
            state = after(state, fact)
        assert state is State.DELIVERED


def test_the_order_of_a_held_messages_facts_does_not_matter() -> None:
    for order in permutations((Fact.JUDGED_HELD, Fact.HELD)):
        state: Known = None
        for fact in order:
            state = after(state, fact)
        assert state is State.HELD


def test_a_refusal_takes_an_acceptance_back_while_nothing_has_come() -> None:
    queued = recorded(Life(), Action.ACCEPT)
    assert supersedes(queued, Action.DEFER)
    assert recorded(queued, Action.DEFER).state is State.REFUSED
    held = recorded(Life(), Action.HOLD)
    assert recorded(held, Action.DEFER) == Life(State.REFUSED)


@pytest.mark.parametrize("action", [a for a in Action if a is not Action.DEFER])
def test_nothing_else_takes_a_record_back(action: Action) -> None:
    assert not supersedes(recorded(Life(), Action.ACCEPT), action)


def test_what_has_come_is_not_taken_back() -> None:
    here = taken_in(recorded(Life(), Action.HOLD))
    assert not supersedes(here, Action.DEFER)
    assert recorded(here, Action.DEFER).state is State.HELD
    assert not supersedes(Life(State.DELIVERED), Action.DEFER)


def test_mail_that_was_stored_in_spite_of_a_refusal_is_where_it_is() -> None:
    """In whatever order the two records and the delivery are told."""

    def told(life: Life, what: str) -> Life:
        if what == "delivered":
            return replace(life, state=after(life.state, Fact.DELIVERED))
        return recorded(life, what)

    for order in permutations((Action.ACCEPT, Action.DEFER, "delivered")):
        life = Life()
        for what in order:
            life = told(life, what)
        assert life.state is State.DELIVERED


@pytest.mark.parametrize("action", Action)
def test_every_action_is_a_fact(action: Action) -> None:
    first = after(None, judged(action))
    assert first is not None
    assert action.takes_mail == (first is not State.REFUSED)


def test_an_unknown_action_was_no_acceptance() -> None:
    assert judged("frobnicate") is Fact.JUDGED_REFUSED
    assert judged("") is Fact.JUDGED_REFUSED


LIVES = [
    Life(state, releases, has_body, was_held)
    for state, releases, has_body, was_held in product(STATES, (0, 1), (False, True), (False, True))
]


@pytest.mark.parametrize("asked", Command)
@pytest.mark.parametrize("life", LIVES)
def test_every_pair_of_life_and_command(life: Life, asked: Command) -> None:
    answer = command(life, asked)
    expected = _expected(life, asked)
    assert (answer.life.state, answer.done, answer.effect, answer.detail) == expected
    assert answer.effect <= answer.done
    assert bool(answer.detail) != answer.done
    assert answer.effect or answer.life == life
    assert (answer.life.has_body, answer.life.was_held) == (life.has_body, life.was_held)


def _expected(life: Life, asked: Command) -> tuple[Known, bool, bool, str]:
    """Say the rules in words' order: unknown, held, never held, deleted, let out."""
    release, state = asked is Command.RELEASE, life.state
    if state is None:
        return state, False, False, UNKNOWN
    if state is State.HELD:
        if asked is not Command.EXPIRE and not life.has_body:
            return state, False, False, NOT_YET_HERE
        return State.RELEASED if release else State.DELETED, True, True, ""
    if not life.was_held:
        return state, False, False, NEVER_HELD
    if state is State.DELETED:
        return state, not release, False, IS_DELETED if release else ""
    return state, release, False, "" if release else IS_RELEASED


def test_only_a_release_is_counted() -> None:
    held = Life(State.HELD, 0, has_body=True, was_held=True)
    assert command(held, Command.RELEASE).life.releases == 1
    assert command(held, Command.DELETE).life.releases == 0
    again = command(command(held, Command.RELEASE).life, Command.RELEASE)
    assert (again.done, again.effect, again.life.releases) == (True, False, 1)


@given(st.lists(st.sampled_from(Command), max_size=6))
def test_commands_have_one_effect_in_a_life(asked: list[Command]) -> None:
    life, effects = Life(State.HELD, 0, has_body=True, was_held=True), 0
    for each in asked:
        answer = command(life, each)
        life, effects = answer.life, effects + answer.effect
    assert effects == min(1, len(asked))


def test_record_and_body_make_the_same_life_in_either_order() -> None:
    one = taken_in(recorded(Life(), "hold"))
    other = recorded(taken_in(Life()), "hold")
    assert one == other == Life(State.HELD, 0, has_body=True, was_held=True)


def test_a_record_of_another_action_does_not_make_a_message_held() -> None:
    assert recorded(Life(), "accept") == Life(State.QUEUED)
    assert not recorded(Life(), "reject").was_held
