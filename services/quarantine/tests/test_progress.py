"""Delivery's progress: a join of events, and what it says about the message."""

from functools import reduce

import pytest
from hypothesis import given, strategies as st

from mailweir_core.decision import State
from mailweir_quarantine.policy.progress import Progress, Recipient, Status, merge, track
from mailweir_quarantine.policy.state import Fact, Known, Life

ADDRESSES = ("a@example.com", "b@example.com")
TIMES = st.sampled_from([0.0, 1.0, 2.0])
SMALL = st.integers(0, 3)

recipients = st.builds(
    Recipient,
    address=st.sampled_from(ADDRESSES),
    status=st.sampled_from(Status),
    at=TIMES,
    attempt=SMALL,
    next_hop=st.sampled_from(["", "hop:25"]),
    reply=st.sampled_from(["", "250 OK"]),
)
events = st.builds(
    Progress,
    ref=st.just("R"),
    release=st.integers(0, 1),
    attempts=SMALL,
    finished=st.booleans(),
    next_attempt_at=TIMES,
    at=TIMES,
    recipients=st.lists(recipients, max_size=3).map(tuple),
)


def join(sequence: list[Progress]) -> Progress:
    return reduce(merge, sequence[1:], merge(None, sequence[0]))


@given(st.lists(events, min_size=1, max_size=4), st.randoms())
def test_any_order_gives_the_same(sequence: list[Progress], chance: object) -> None:
    shuffled = list(sequence)
    chance.shuffle(shuffled)  # type: ignore[attr-defined]
    assert join(shuffled) == join(sequence)


@given(st.lists(events, min_size=1, max_size=4))
def test_repeating_events_changes_nothing(sequence: list[Progress]) -> None:
    assert join(sequence + sequence) == join(sequence)


@given(events, events, events)
def test_merging_is_associative(a: Progress, b: Progress, c: Progress) -> None:
    assert merge(merge(merge(None, a), b), c) == merge(merge(None, a), merge(merge(None, b), c))


@given(events, events)
def test_nothing_final_is_taken_back(a: Progress, b: Progress) -> None:
    merged = merge(merge(None, a), b)
    before = {r.address: r.status for r in merge(None, a).recipients if r.status.is_final}
    if merged.release == a.release:
        after = {r.address: r.status for r in merged.recipients}
        assert all(after[address] >= status for address, status in before.items())
        assert merged.finished >= a.finished
        assert merged.attempts >= a.attempts


def recipient(status: Status, at: float = 1.0, attempt: int = 1) -> Recipient:
    return Recipient("a@example.com", status, at, attempt)


def test_of_two_that_may_change_the_newer_counts() -> None:
    old = Progress("R", recipients=(recipient(Status.DEFERRED, 1.0, 1),))
    new = Progress("R", recipients=(recipient(Status.DEFERRED, 9.0, 2),))
    assert merge(new, old).recipients == new.recipients


def test_a_later_release_begins_anew() -> None:
    first = Progress("R", 0, 9, True, recipients=(recipient(Status.FAILED),))
    second = Progress("R", 1, 1, False, 5.0, recipients=(recipient(Status.DEFERRED),))
    assert merge(first, second) == merge(second, first) == second


def test_a_finished_delivery_has_no_next_attempt() -> None:
    done = Progress("R", finished=True, attempts=1)
    due = Progress("R", attempts=2, next_attempt_at=99.0)
    assert merge(due, done).next_attempt_at == 0.0
    assert merge(None, Progress("R", finished=True, next_attempt_at=9.0)).next_attempt_at == 0.0


@pytest.mark.parametrize(
    ("finished", "statuses", "fact"),
    [
        (False, [Status.DELIVERED], Fact.TRIED),
        (False, [], Fact.TRIED),
        (True, [Status.DELIVERED, Status.DELIVERED], Fact.DELIVERED),
        (True, [Status.DELIVERED, Status.FAILED], Fact.BOUNCED),
        (True, [Status.EXPIRED], Fact.BOUNCED),
        (True, [], Fact.BOUNCED),
    ],
)
def test_what_it_says_of_the_message(finished: bool, statuses: list[Status], fact: Fact) -> None:
    named = tuple(Recipient(f"{n}@example.com", status) for n, status in enumerate(statuses))
    assert Progress("R", finished=finished, recipients=named).fact is fact


DELIVERED = (recipient(Status.DELIVERED),)


@pytest.mark.parametrize(
    ("state", "releases", "release", "expected"),
    [
        (None, 0, 0, State.DELIVERED),
        (State.QUEUED, 0, 0, State.DELIVERED),
        (State.RELEASED, 1, 1, State.DELIVERED),
        (State.RELEASED, 1, 0, State.RELEASED),  # of the pass before
        (State.HELD, 0, 0, State.HELD),  # nobody let it out
        (State.HELD, 0, 1, State.DELIVERED),  # somebody did, and we forgot
        (State.DELETED, 0, 0, State.DELETED),
        (State.BOUNCED, 0, 0, State.BOUNCED),
    ],
)
def test_what_becomes_of_the_life(
    state: Known, releases: int, release: int, expected: State
) -> None:
    progress = Progress("R", release, 1, True, recipients=DELIVERED)
    life = track(Life(state, releases, has_body=True, was_held=True), progress)
    assert life.state is expected
    assert life.releases == max(releases, release)
    assert life.has_body
    assert life.was_held
