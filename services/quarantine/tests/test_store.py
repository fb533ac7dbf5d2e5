"""The contract of the record store, on every adapter: in memory, on SQLite, on PostgreSQL."""

import asyncio
from collections.abc import Sequence

import pytest

from mailweir.events.v1 import events_pb2
from mailweir_core.decision import Action, State
from mailweir_core.reasons import Reason
from mailweir_quarantine.adapters.events import (
    mail_from,
    progress_from,
    progress_to,
    record_from,
    unpacked,
)
from mailweir_quarantine.policy.search import Filter, checked
from mailweir_quarantine.policy.state import IS_RELEASED, NOT_YET_HERE, UNKNOWN, Command
from mailweir_quarantine.ports import RecordStore
from mailweir_quarantine.values import HeldMail, Page, Record, Result
from mailweir_runtime.bus.ports import StoredBody
from mailweir_testkit.events import (
    DEFERRED,
    FAILED,
    NOW,
    envelope,
    held_mail,
    judged,
    progress,
    ref_of,
)

DAY = 86_400.0


def record(number: int, action: str = "accept", **more: object) -> Record:
    return record_from(judged(ref_of(number), action=action, **more).SerializeToString())  # type: ignore[arg-type]


def record_at(number: int, at: float, action: str = "accept") -> Record:
    ref = ref_of(number, at)
    event = judged(ref, action=action, of=envelope(ref, received_at=at))
    return record_from(event.SerializeToString())


def held(number: int, at: float = NOW) -> HeldMail:
    ref = ref_of(number, at)
    mail = mail_from(held_mail(ref, of=envelope(ref, received_at=at)).SerializeToString())
    return mail.held(StoredBody(f"held/{ref}", 24, "00" * 32), "s0")


async def track(store: RecordStore, *events: events_pb2.DeliveryProgress, now: float = NOW) -> None:
    await store.track([progress_from(event.SerializeToString()) for event in events], now)


async def state_of(store: RecordStore, number: int, at: float = NOW) -> State | None:
    found = await store.get(ref_of(number, at))
    return None if found is None else found.summary.state


def refs(page: Page) -> list[str]:
    return [item.facts.ref for item in page.items]


# --- records ---------------------------------------------------------------------------------------------


async def test_a_record_is_found_again_with_all_it_says(store: RecordStore) -> None:
    event = judged(
        ref_of(1), action="tag", reason="suspicious", subject="Grüße", score=6.5, size=4321
    )
    assert await store.record([record_from(event.SerializeToString())]) == 1
    found = await store.get(ref_of(1))
    assert found is not None
    facts = found.summary.facts
    assert (facts.client_ip, facts.helo, facts.sender) == (
        "192.0.2.1", "mail.example.net", "anna@example.net",
    )  # fmt: skip
    assert facts.recipients == ("bob@example.com",)
    assert (facts.bytes, facts.score, facts.received_at) == (4321, 6.5, NOW)
    assert (facts.action, facts.reason, found.summary.subject) == ("tag", "suspicious", "Grüße")
    assert found.summary.state is State.QUEUED
    assert found.judged is not None
    assert unpacked(found.judged) == event
    assert found.progress is None


@pytest.mark.parametrize(
    ("action", "state"),
    [
        ("accept", State.QUEUED), ("tag", State.QUEUED), ("hold", State.HELD), ("defer", State.REFUSED),
        ("reject", State.REFUSED), ("discard", State.DELETED),
    ],
)  # fmt: skip
async def test_the_action_gives_the_first_state(
    store: RecordStore, action: str, state: State
) -> None:
    await store.record([record(1, action)])
    assert await state_of(store, 1) is state


async def test_a_repeated_record_changes_nothing(store: RecordStore) -> None:
    first = record(1, "accept", subject="first")
    again = record(1, "reject", subject="second")
    assert await store.record([first, first, again]) == 1
    assert await store.record([again, record(2)]) == 1
    found = await store.get(ref_of(1))
    assert found is not None
    assert (found.summary.subject, found.summary.state) == ("first", State.QUEUED)


@pytest.mark.parametrize("together", [True, False])
async def test_a_refusal_after_the_record_takes_its_place(
    store: RecordStore, together: bool
) -> None:
    """The record was stored, the mail was not, and the client was told 451."""
    first, second = record(1, "accept", subject="first"), record(1, "defer", subject="second")
    for batch in [[first, second]] if together else [[first], [second], [first]]:
        await store.record(batch)
    found = await store.get(ref_of(1))
    assert found is not None
    assert (found.summary.facts.action, found.summary.state) == ("defer", State.REFUSED)
    assert found.judged is not None
    assert unpacked(found.judged).action == "defer"
    assert found.summary.facts.recipients == ("bob@example.com",)


async def test_nothing_is_known_of_a_strange_ref(store: RecordStore) -> None:
    assert await store.get(ref_of(9)) is None
    assert await store.body(ref_of(9)) is None


async def test_recipients_keep_their_order_and_spelling(store: RecordStore) -> None:
    named = ["Zoe@example.com", "bob@example.com", "Anna@example.com", "bob@example.com"]
    ref = ref_of(1)
    await store.record(
        [record_from(judged(ref, of=envelope(ref, recipients=named)).SerializeToString())]
    )
    page = await store.search(Filter())
    assert page.items[0].facts.recipients == tuple(named)


async def test_an_empty_batch_is_nothing(store: RecordStore) -> None:
    assert await store.record([]) == 0
    await store.hold([], NOW)
    await store.track([], NOW)
    assert await store.command([], Command.RELEASE, NOW) == []
    assert (await store.search(Filter())).items == ()


async def test_hostile_text_is_stored(store: RecordStore) -> None:
    event = judged(ref_of(1), subject="nul\0 and \u202e and %_\\" + "x" * 5000, size=2**64 - 1)
    event.verdict.score = float("nan")
    event.envelope.session.helo = "h\0" * 4000
    event.envelope.sender = "'); DROP TABLE messages; --@example.net"
    await store.record([record_from(event.SerializeToString())])
    found = await store.get(ref_of(1))
    assert found is not None
    assert found.summary.subject.startswith("nul\ufffd and \u202e")
    assert found.summary.facts.score == 0.0
    assert refs(await store.search(Filter(subject="%_\\x", sender="DROP table"))) == [ref_of(1)]


# --- the order of events does not matter -----------------------------------------------------------------


async def test_progress_before_the_record_counts(store: RecordStore) -> None:
    await track(store, progress(ref_of(1)))
    assert await state_of(store, 1) is State.DELIVERED
    assert refs(await store.search(Filter())) == []  # only delivery knows of it
    assert await store.record([record(1)]) == 1
    assert await state_of(store, 1) is State.DELIVERED
    assert refs(await store.search(Filter())) == [ref_of(1)]
    found = await store.get(ref_of(1))
    assert found is not None
    assert found.judged is not None
    assert found.progress is not None
    assert progress_to(found.progress) == progress(ref_of(1))


async def test_held_mail_is_listed_before_its_record(store: RecordStore) -> None:
    await store.hold([held(1)], NOW)
    page = await store.search(Filter(state=State.HELD))
    assert refs(page) == [ref_of(1)]
    assert page.items[0].facts.recipients == ("bob@example.com",)
    await store.record([record(1, "hold", subject="late")])
    page = await store.search(Filter(state=State.HELD))
    assert page.items[0].subject == "late"
    assert page.items[0].facts.recipients == ("bob@example.com",)


async def test_late_progress_takes_nothing_back(store: RecordStore) -> None:
    await store.record([record(1)])
    await track(store, progress(ref_of(1), attempts=2, at=NOW + 9))
    await track(store, progress(ref_of(1), DEFERRED, attempts=1, finished=False, at=NOW + 3))
    assert await state_of(store, 1) is State.DELIVERED
    found = await store.get(ref_of(1))
    assert found is not None
    assert found.progress is not None
    assert (found.progress.attempts, found.progress.finished) == (2, True)


async def test_a_batch_holds_several_events_of_one_message(store: RecordStore) -> None:
    await store.record([record(1), record(2)])
    await track(
        store,
        progress(ref_of(1), DEFERRED, attempts=1, finished=False),
        progress(ref_of(2), FAILED),
        progress(ref_of(1), attempts=2, at=NOW + 60),
        progress(ref_of(1), DEFERRED, attempts=1, finished=False),
    )
    assert await state_of(store, 1) is State.DELIVERED
    assert await state_of(store, 2) is State.BOUNCED


async def test_writers_at_the_same_time_agree(store: RecordStore) -> None:
    numbers = range(20)
    async with asyncio.TaskGroup() as group:
        for _ in range(2):
            group.create_task(store.record([record(n, "hold") for n in numbers]))
            group.create_task(store.hold([held(n) for n in reversed(numbers)], NOW))
            group.create_task(track(store, *(progress(ref_of(n), release=1) for n in numbers)))
    states = {await state_of(store, n) for n in numbers}
    # whatever came first, progress of a release proves that there was one
    assert states <= {State.HELD, State.DELIVERED}
    await track(store, *(progress(ref_of(n), release=1) for n in numbers))
    page = await store.search(Filter(limit=100))
    assert len(page.items) == 20


# --- release, delete -------------------------------------------------------------------------------------


async def test_release_is_done_once(store: RecordStore) -> None:
    await store.record([record(1, "hold")])
    await store.hold([held(1)], NOW)
    ref = ref_of(1)
    assert await store.command([ref], Command.RELEASE, NOW) == [
        Result(ref, State.RELEASED, done=True, effect=True)
    ]
    [waiting] = await store.outbox(10)
    assert (waiting.ref, waiting.release, waiting.shard) == (ref, 1, "s0")
    assert waiting.body == StoredBody(f"held/{ref}", 24, "00" * 32)
    assert (
        await store.command([ref, ref], Command.RELEASE, NOW)
        == [Result(ref, State.RELEASED, done=True, effect=False)] * 2
    )
    assert len(await store.outbox(10)) == 1
    await store.handed_over(ref, 1)
    await store.handed_over(ref, 1)
    assert await store.outbox(10) == []
    await track(store, progress(ref, release=1))
    assert await state_of(store, 1) is State.DELIVERED
    [answer] = await store.command([ref], Command.RELEASE, NOW)
    assert (answer.done, answer.effect) == (True, False)


async def test_what_is_not_in_our_hands_cannot_be_released(store: RecordStore) -> None:
    await store.record([record(1, "hold"), record(2, "accept")])
    one, two, strange = await store.command([ref_of(1), ref_of(2), ref_of(3)], Command.RELEASE, NOW)
    assert (one.state, one.done, one.detail) == (State.HELD, False, NOT_YET_HERE)
    assert (two.state, two.done) == (State.QUEUED, False)
    assert (strange.state, strange.done, strange.detail) == (None, False, UNKNOWN)
    assert await store.outbox(10) == []


async def test_hostile_refs_are_unknown(store: RecordStore) -> None:
    hostile = ["", "\0", "'; DROP TABLE messages; --", "x" * 10_000, "\udcff"]
    for result in await store.command(hostile, Command.RELEASE, NOW):
        assert (result.state, result.done, result.detail) == (None, False, UNKNOWN)


async def test_one_command_names_one_message_twice(store: RecordStore) -> None:
    await store.hold([held(1)], NOW)
    first, second = await store.command([ref_of(1)] * 2, Command.RELEASE, NOW)
    assert (first.effect, second.effect) == (True, False)
    assert len(await store.outbox(10)) == 1


async def test_two_releases_at_once_have_one_effect(store: RecordStore) -> None:
    await store.hold([held(n) for n in range(5)], NOW)
    asked = [ref_of(n) for n in range(5)]
    async with asyncio.TaskGroup() as group:
        tasks = [
            group.create_task(store.command(order, Command.RELEASE, NOW))
            for order in (asked, asked[::-1], asked[2:] + asked[:2])
        ]
    results = [result for task in tasks for result in task.result()]
    assert sum(result.effect for result in results) == 5
    assert all(result.done for result in results)
    assert len(await store.outbox(100)) == 5


async def test_delete_ends_a_held_message(store: RecordStore) -> None:
    await store.hold([held(1)], NOW)
    ref = ref_of(1)
    [deleted] = await store.command([ref], Command.DELETE, NOW)
    assert deleted == Result(ref, State.DELETED, done=True, effect=True)
    assert await store.spent_bodies(NOW, 10, [ref]) == [(ref, f"held/{ref}")]
    [released] = await store.command([ref], Command.RELEASE, NOW)
    assert (released.state, released.done) == (State.DELETED, False)
    [again] = await store.command([ref], Command.DELETE, NOW)
    assert (again.done, again.effect) == (True, False)
    await store.forget_bodies([ref])
    assert await store.body(ref) is None
    assert await store.spent_bodies(NOW, 10) == []


async def test_a_released_message_cannot_be_deleted(store: RecordStore) -> None:
    await store.hold([held(1)], NOW)
    await store.command([ref_of(1)], Command.RELEASE, NOW)
    [answer] = await store.command([ref_of(1)], Command.DELETE, NOW)
    assert (answer.state, answer.done, answer.detail) == (State.RELEASED, False, IS_RELEASED)


async def test_the_outbox_goes_oldest_first_and_by_ref(store: RecordStore) -> None:
    await store.hold([held(n) for n in range(4)], NOW)
    for n, at in ((2, NOW), (0, NOW + 1), (3, NOW + 2)):
        await store.command([ref_of(n)], Command.RELEASE, at)
    assert [o.ref for o in await store.outbox(10)] == [ref_of(2), ref_of(0), ref_of(3)]
    assert [o.ref for o in await store.outbox(2)] == [ref_of(2), ref_of(0)]
    assert [o.ref for o in await store.outbox(10, [ref_of(3)])] == [ref_of(3)]


async def test_a_release_that_was_forgotten_is_believed(store: RecordStore) -> None:
    await store.hold([held(1)], NOW)
    await track(store, progress(ref_of(1), release=1))
    assert await state_of(store, 1) is State.DELIVERED


async def test_progress_of_the_first_pass_says_nothing_about_a_release(store: RecordStore) -> None:
    await store.hold([held(1)], NOW)
    await store.command([ref_of(1)], Command.RELEASE, NOW)
    await track(store, progress(ref_of(1), release=0))
    assert await state_of(store, 1) is State.RELEASED


# --- bodies and retention --------------------------------------------------------------------------------


async def test_a_body_is_spent_when_delivery_is_at_its_end(store: RecordStore) -> None:
    await store.hold([held(1), held(2)], NOW)
    await store.command([ref_of(1), ref_of(2)], Command.RELEASE, NOW)
    await track(store, progress(ref_of(1), DEFERRED, release=1, finished=False), now=NOW + 5)
    assert await store.spent_bodies(NOW + 1000, 10) == []
    await track(store, progress(ref_of(1), release=1, attempts=2), now=NOW + 10)
    await track(store, progress(ref_of(2), FAILED, release=1), now=NOW + 20)
    assert await store.spent_bodies(NOW + 9, 10) == []
    assert [ref for ref, _ in await store.spent_bodies(NOW + 10, 10)] == [ref_of(1)]
    assert len(await store.spent_bodies(NOW + 20, 10)) == 2
    assert len(await store.spent_bodies(NOW + 20, 1)) == 1


async def test_a_body_that_comes_back_late_is_spent_at_once(store: RecordStore) -> None:
    await store.hold([held(1)], NOW)
    await store.command([ref_of(1)], Command.DELETE, NOW)
    await store.forget_bodies([ref_of(1)])
    await store.hold([held(1)], NOW + 7)  # the stream handed it out again
    assert await state_of(store, 1) is State.DELETED
    assert [ref for ref, _ in await store.spent_bodies(NOW + 7, 10)] == [ref_of(1)]


async def test_expiry_names_the_oldest_held_messages(store: RecordStore) -> None:
    for n in range(3):
        await store.hold([held(n, NOW - n * DAY)], NOW)
    await store.record([record_at(7, NOW - 9 * DAY, "accept")])
    before = NOW - DAY / 2
    assert await store.expired(before, 10) == [ref_of(2, NOW - 2 * DAY), ref_of(1, NOW - DAY)]
    assert await store.expired(before, 1) == [ref_of(2, NOW - 2 * DAY)]
    await store.command(await store.expired(before, 10), Command.EXPIRE, NOW)
    assert await store.expired(before, 10) == []
    assert await state_of(store, 0) is State.HELD
    assert len(await store.spent_bodies(NOW, 10)) == 2


async def test_a_held_record_whose_body_never_came_expires(store: RecordStore) -> None:
    await store.record([record(1, "hold")])
    [answer] = await store.command([ref_of(1)], Command.EXPIRE, NOW)
    assert (answer.state, answer.effect) == (State.DELETED, True)


async def test_purge_takes_old_records_whole(store: RecordStore) -> None:
    old = [record_at(n, NOW - 100 * DAY) for n in range(5)]
    await store.record([*old, record(9)])
    before = NOW - 90 * DAY
    assert await store.purge(before, 3, NOW) == 3
    assert await store.purge(before, 3, NOW) == 2
    assert await store.purge(before, 3, NOW) == 0
    assert refs(await store.search(Filter())) == [ref_of(9)]
    assert await store.get(ref_of(0, NOW - 100 * DAY)) is None


async def test_purge_leaves_held_mail_and_asks_for_spent_bodies_first(store: RecordStore) -> None:
    at = NOW - 100 * DAY
    await store.hold([held(1, at), held(2, at), held(3, at)], NOW)
    lost, waits = ref_of(1, at), ref_of(2, at)
    await store.command([lost, waits], Command.RELEASE, NOW)
    await store.handed_over(lost, 1)  # and delivery was never heard of again
    before = NOW - 90 * DAY
    assert await store.purge(before, 10, NOW) == 0
    assert await store.spent_bodies(NOW, 10) == [(lost, f"held/{lost}")]
    await store.forget_bodies([lost])
    assert await store.purge(before, 10, NOW) == 1
    assert await state_of(store, 2, at) is State.RELEASED
    assert await state_of(store, 3, at) is State.HELD


# --- lists -----------------------------------------------------------------------------------------------


async def walk(store: RecordStore, limit: int, **more: str) -> list[list[str]]:
    pages, cursor = [], ""
    while True:
        page = await store.search(checked(limit=limit, cursor=cursor, **more))  # type: ignore[arg-type]
        pages.append(refs(page))
        cursor = page.next
        if not cursor:
            return pages


async def test_pages_go_through_everything_once_newest_first(store: RecordStore) -> None:
    # half of them in the same instant: the ref breaks the tie
    times = [NOW + (n // 2) for n in range(20)]
    await store.record([record_at(n, at) for n, at in enumerate(times)])
    expected = [ref_of(n, at) for n, at in sorted(enumerate(times), key=lambda p: -p[0])]
    pages = await walk(store, 7)
    assert [len(page) for page in pages] == [7, 7, 6]
    assert [ref for page in pages for ref in page] == expected


async def test_a_full_last_page_has_no_next(store: RecordStore) -> None:
    await store.record([record(n) for n in range(6)])
    assert [len(page) for page in await walk(store, 3)] == [3, 3]


async def test_new_records_do_not_disturb_a_walk(store: RecordStore) -> None:
    await store.record([record_at(n, NOW + n) for n in range(4)])
    first = await store.search(Filter(limit=2))
    await store.record([record_at(9, NOW + 9)])
    second = await store.search(checked(limit=2, cursor=first.next))
    assert refs(second) == [ref_of(1, NOW + 1), ref_of(0, NOW)]


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (Filter(), [4, 3, 2, 1]),
        (Filter(sender="ANNA@"), [1]),
        (Filter(sender="example.net"), [4, 3, 1]),
        (Filter(recipient="Carol"), [3, 2]),
        (Filter(recipient="refused@"), [4]),
        (Filter(subject="größe"), [2]),
        (Filter(subject="GRÖSSE"), [2]),
        (Filter(subject="100%"), [3]),
        (Filter(subject="100_"), []),
        (Filter(action=Action.HOLD), [3]),
        (Filter(state=State.REFUSED), [4]),
        (Filter(reason=Reason.SPAM), [4, 3]),
        (Filter(reason=Reason.SPAM, state=State.HELD), [3]),
        (Filter(since=NOW + 2), [4, 3, 2]),
        (Filter(until=NOW + 3), [2, 1]),
        (Filter(since=NOW + 2, until=NOW + 4, sender="example"), [3]),
        (Filter(sender="nobody"), []),
    ],
)  # fmt: skip
async def test_filters(store: RecordStore, wanted: Filter, expected: Sequence[int]) -> None:
    await store.record(_sample())
    assert refs(await store.search(wanted)) == [ref_of(n, NOW + n) for n in expected]


def _sample() -> list[Record]:
    rows = (
        (1, "Anna@example.net", ["bob@example.com"], "accept", "clean", "Hello"),
        (2, "", ["carol@example.com", "bob@example.com"], "tag", "suspicious", "Die Größe"),
        (3, "x@mail.example.net", ["CAROL@example.com"], "hold", "spam", "100% off"),
        (4, "y@example.net", [], "reject", "spam", ""),
    )
    found = []
    for n, sender, to, action, reason, subject in rows:
        ref = ref_of(n, NOW + n)
        of = envelope(ref, sender=sender, recipients=to, received_at=NOW + n)
        event = judged(ref, action=action, reason=reason, subject=subject, of=of)
        if n == 4:
            event.refused.add(address="refused@example.com", action="reject", reason="spam")
        found.append(record_from(event.SerializeToString()))
    return found


async def test_counts(store: RecordStore) -> None:
    await store.record([record(1), record(2, "reject"), record(3, "hold")])
    await store.hold([held(3), held(4)], NOW)
    counts = await store.counts()
    assert counts.by_state == {"queued": 1, "refused": 1, "held": 2}
    assert counts.by_action == {"accept": 1, "reject": 1, "hold": 2}
    await store.command([ref_of(3)], Command.RELEASE, NOW)
    assert await store.waiting() == (1, 1)
