"""Where delivery stands, attempt by attempt."""

from hypothesis import given, strategies as st

from mailweir_delivery.policy.progress import (
    EXPIRED_CODE,
    SETTLED,
    Progress,
    Recipient,
    State,
    close_attempt,
    lost_by_attempt,
    no_later_than,
    open_attempt,
    record,
    resume,
)
from mailweir_delivery.policy.replies import Ending, Verdict
from mailweir_policy import RetryPolicy

RETRY = RetryPolicy(schedule_seconds=(60.0, 600.0))
NOW = 1_750_000_000.0
LATER = NOW + 1e6
A, B, C = "a@example.com", "b@example.com", "c@example.com"

TAKEN = Ending(Verdict.DELIVERED, "2.0.0", "250 2.0.0 ok", next_hop="mx:25")
LATE = Ending(Verdict.DEFERRED, "4.2.0", "450 4.2.0 later", next_hop="mx:25")
GONE = Ending(Verdict.FAILED, "5.1.1", "550 5.1.1 unknown", next_hop="mx:25")


def begun(*people: str) -> Progress:
    return open_attempt(resume("ref", 0, people, None))


def state(progress: Progress, address: str) -> State:
    return next(r.state for r in progress.recipients if r.address == address)


def test_a_message_with_three_ends() -> None:
    first = record(begun(A, B, C), {A: TAKEN, B: LATE, C: GONE}, NOW)
    first = close_attempt(first, RETRY, NOW, LATER)
    assert [r.state for r in first.recipients] == [State.DELIVERED, State.DEFERRED, State.FAILED]
    assert first.pending == (B,)
    assert (first.finished, first.delivered, first.attempts) == (False, 1, 1)
    assert NOW < first.next_attempt_at < NOW + 70
    second = close_attempt(
        record(open_attempt(first), {B: TAKEN}, NOW + 60), RETRY, NOW + 60, LATER
    )
    assert (second.finished, second.delivered, second.attempts) == (True, 2, 2)
    assert second.next_attempt_at == 0
    assert lost_by_attempt(second) == {1: (first.recipients[2],)}


def test_what_happened_is_kept_with_its_attempt() -> None:
    (person,) = record(begun(A), {A: LATE}, NOW).recipients
    assert person == Recipient(A, State.DEFERRED, "mx:25", "450 4.2.0 later", "4.2.0", NOW, 1)


def test_what_is_settled_stays() -> None:
    done = record(begun(A), {A: TAKEN}, NOW)
    again = record(open_attempt(done), {A: GONE}, NOW + 1)
    assert again.recipients == done.recipients


def test_time_runs_out() -> None:
    progress = record(begun(A, B), {A: TAKEN, B: LATE}, NOW)
    ended = close_attempt(progress, RETRY, NOW, NOW - 1)
    assert ended.finished
    assert state(ended, B) is State.EXPIRED
    (lost,) = lost_by_attempt(ended)[1]
    assert (lost.enhanced, lost.reply) == (EXPIRED_CODE, "450 4.2.0 later")
    assert state(ended, A) is State.DELIVERED


def test_a_recipient_named_twice_gets_it_once() -> None:
    assert begun(A, B, A).pending == (A, B)


def test_a_handed_out_message_goes_on_where_it_stood() -> None:
    last = close_attempt(record(begun(A, B), {A: TAKEN, B: LATE}, NOW), RETRY, NOW, LATER)
    assert resume("ref", 0, (A, B), last) == last
    assert resume("ref", 0, (A, B, C), last).pending == (B, C)
    assert resume("ref", 0, (A,), last).finished


def test_another_release_begins_anew() -> None:
    last = record(begun(A), {A: TAKEN}, NOW)
    assert resume("ref", 1, (A,), last) == Progress("ref", 1, (Recipient(A),))


def test_a_lane_without_a_place_brings_the_next_attempt_forward() -> None:
    progress = close_attempt(record(begun(A), {A: LATE}, NOW), RETRY, NOW, LATER)
    assert no_later_than(progress, NOW + 1).next_attempt_at == NOW + 1
    assert no_later_than(progress, NOW + 1000) == progress
    done = close_attempt(record(begun(A), {A: TAKEN}, NOW), RETRY, NOW, LATER)
    assert no_later_than(done, NOW + 1) == done


endings = st.dictionaries(st.sampled_from([A, B, C, "x@y"]), st.sampled_from([TAKEN, LATE, GONE]))


@given(st.lists(endings, max_size=6), st.integers(0, 5))
def test_recording_is_idempotent_and_settles_for_good(
    words: list[dict[str, Ending]], twice: int
) -> None:
    progress = begun(A, B, C)
    for number, word in enumerate(words):
        before = progress
        progress = record(open_attempt(progress), word, NOW + number)
        if number == twice:
            assert record(progress, word, NOW + number) == progress
        for old, new in zip(before.recipients, progress.recipients, strict=True):
            if old.state in SETTLED:
                assert new == old
        progress = close_attempt(progress, RETRY, NOW + number, LATER)
        assert progress.finished == (not progress.pending)
        assert (progress.next_attempt_at > NOW + number) != progress.finished
    assert [r.address for r in progress.recipients] == [A, B, C]
    assert progress.attempts == len(words) + 1
