"""A batch against the store: what is deferred, what passes, what two processes do to one entry."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from mailweir_greylist.checking import PART, TRIES
from mailweir_greylist.policy.entry import Entry, State
from mailweir_greylist.policy.keys import client_key, mark_key, triplets
from mailweir_greylist.policy.question import Question
from mailweir_greylist.ports import Kept, StoreLost
from mailweir_runtime.bus.ports import BusUnavailable

Make = Callable[..., Any]
Ask = Callable[..., Question]


async def test_a_suspicious_client_is_put_off_and_comes_in_after_the_delay(
    world: Any, ask: Ask
) -> None:
    first = await world.one(ask())
    assert (first.finding, first.wait) == ("first", 180.0)
    world.clock.advance(100)
    early = await world.one(ask())
    assert (early.finding, early.wait) == ("early", pytest.approx(80))
    world.clock.advance(80)
    assert (await world.one(ask())).finding == "returned"
    assert (await world.one(ask())).finding == "authorised"


async def test_an_unsuspicious_client_costs_the_store_nothing(world: Any, ask: Ask) -> None:
    world.bus.outage = BusUnavailable("away")
    assert (await world.one(ask(suspicion=1.9))).finding == "unsuspicious"
    assert world.count("store_failures_total", cause="unavailable") == 0


async def test_answers_come_in_the_order_of_the_questions_and_recipients(
    world: Any, ask: Ask
) -> None:
    answers = await world.check(
        ask("ann@example.net", "a@example.com", "b@example.com"),
        ask(suspicion=0.0),
        ask("", "c@example.com"),
    )
    assert [[str(a.finding) for a in found] for found in answers] == [
        ["first", "first"], ["unsuspicious"], ["null-sender"],
    ]  # fmt: skip


async def test_the_same_question_twice_in_a_batch_is_first_seen_once(world: Any, ask: Ask) -> None:
    answers = await world.check(ask(), ask())
    assert [a.finding for (a,) in answers] == ["first", "early"]
    assert world.checker.tally.deferred == 1


async def test_recipients_of_one_domain_share_an_entry_where_the_domain_is_the_owner(
    make_world: Make, ask: Ask
) -> None:
    world = make_world(owner="domain")
    question = ask("ann@example.net", "a@example.com", "b@example.com", "c@example.org")
    assert await world.findings(question) == ["first"] * 3
    assert world.checker.tally.deferred == 2
    world.clock.advance(180)
    assert await world.findings(ask("ann@example.net", "z@example.com")) == ["returned"]


async def test_a_pool_of_one_spf_domain_is_one_client(world: Any, ask: Ask) -> None:
    def from_host(number: int) -> Any:
        return ask(ip=f"192.0.{number}.1", spf="pass", spf_domain="example.net")

    assert (await world.one(from_host(0))).finding == "first"
    world.clock.advance(180)
    found = [(await world.one(from_host(number))).finding for number in range(1, 20)]
    assert found == ["returned"] + ["authorised"] * 18


async def test_a_client_that_came_back_five_times_is_exempt(world: Any, ask: Ask) -> None:
    for number in range(5):
        question = ask("ann@example.net", f"u{number}@example.com")
        assert await world.findings(question) == ["first"]
        world.clock.advance(180)
        assert await world.findings(question) == ["returned"]
    assert await world.findings(ask("eve@example.org", "new@example.com")) == ["exempt"]
    assert await world.findings(ask("eve@example.org", "x@example.com", ip="198.51.100.1")) == [
        "first"
    ]


async def test_one_transaction_to_five_recipients_is_one_return(world: Any, ask: Ask) -> None:
    question = ask("ann@example.net", *(f"u{n}@example.com" for n in range(5)))
    await world.check(question)
    world.clock.advance(180)
    assert await world.findings(question) == ["returned"] * 5
    assert await world.findings(ask("ann@example.net", "new@example.com")) == ["first"]


async def test_nor_is_it_more_when_its_recipients_are_asked_about_one_by_one(
    world: Any, ask: Ask
) -> None:
    questions = [ask("ann@example.net", f"u{n}@example.com") for n in range(6)]
    await world.check(*questions)
    world.clock.advance(180)
    for question in questions:
        world.clock.advance(0.1)
        assert await world.findings(question) == ["returned"]
    assert await world.findings(ask("ann@example.net", "new@example.com")) == ["first"]


async def test_a_client_that_is_not_suspicious_is_exempt_after_two_within_a_day(
    make_world: Make, ask: Ask
) -> None:
    world = make_world(mode="sender-ip")
    for number in range(2):
        question = ask("ann@example.net", f"u{number}@example.com", suspicion=0.0)
        await world.check(question)
        world.clock.advance(180)
        assert await world.findings(question) == ["returned"]
    assert await world.findings(ask("x@example.org", "y@example.com")) == ["exempt"]


async def test_use_of_an_exemption_renews_it(world: Any, ask: Ask) -> None:
    now = world.clock.now()
    key = client_key("192.0.2.0/24")
    exempt = Entry(State.EXEMPT, "192.0.2.0/24", "", "", now, now, now, now + 100_000)
    await world.store.write(key, exempt, Kept(), now)
    world.clock.advance(90_000)
    assert await world.findings(ask()) == ["exempt"]
    kept = (await world.store.read([key]))[key].entry
    assert kept is not None
    assert kept.expires_at == world.clock.now() + world.policy.exempt_seconds


async def test_the_content_is_asked_about_where_the_envelope_was_not(world: Any, ask: Ask) -> None:
    assert await world.findings(ask(suspicion=0.0)) == ["unsuspicious"]
    late = await world.one(ask(suspicion=0.0, score=9.0))
    assert (late.finding, late.wait) == ("first", 540.0)
    world.clock.advance(540)
    assert await world.findings(ask(suspicion=0.0)) == ["unsuspicious"]
    assert await world.findings(ask(suspicion=0.0, score=9.0)) == ["returned"]


async def test_in_adaptive_mode_only_senders_of_spam_are_asked(make_world: Make, ask: Ask) -> None:
    world = make_world(adaptive=True, mode="sender")
    assert await world.findings(ask()) == ["clean-before"]
    now = world.clock.now()
    mark = Entry(State.COUNTED, "", "ann@example.net", "", now, now, 0.0, now + 1000)
    await world.store.write(mark_key("ann@example.net"), mark, Kept(), now)
    assert await world.findings(ask()) == ["first"]
    world.clock.advance(1000)
    assert await world.findings(ask()) == ["clean-before"]


class Rival:
    """A store on which another process writes first, so often."""

    def __init__(self, world: Any, times: int) -> None:
        self._world = world
        self.left = times

    async def read(self, keys: Sequence[str]) -> Any:
        return await self._world.store.read(keys)

    async def write(self, key: str, entry: Entry, before: Kept, now: float) -> bool:
        if self.left > 0 and key.startswith("t."):
            self.left -= 1
            return False
        return await self._world.store.write(key, entry, before, now)


async def test_of_two_processes_the_slower_goes_by_what_the_faster_made(
    world: Any, ask: Ask
) -> None:
    await world.one(ask())
    world.clock.advance(180)
    other = world.another()
    real = world.store

    class Late(Rival):
        async def write(self, key: str, entry: Entry, before: Kept, now: float) -> bool:
            if self.left:
                self.left = 0
                ((answer,),) = await other.check([ask()], world.policy)
                assert answer.finding == "returned"
            return await real.write(key, entry, before, now)

    world.checker._store = Late(world, 1)
    assert (await world.one(ask())).finding == "authorised"


async def test_an_entry_that_is_written_over_and_over_lets_pass_and_is_counted(
    world: Any, ask: Ask
) -> None:
    world.checker._store = Rival(world, TRIES)
    answer = await world.one(ask())
    assert (answer.finding, answer.wait) == ("contended", 0.0)
    assert world.count("store_failures_total", cause="contended") == 1


async def test_a_failed_note_of_an_early_retry_does_not_let_it_in(world: Any, ask: Ask) -> None:
    await world.one(ask())
    world.clock.advance(60)
    world.checker._store = Rival(world, 100)
    assert (await world.one(ask())).finding == "early"


class Slow(Rival):
    """A store that takes its time."""

    async def read(self, keys: Sequence[str]) -> Any:
        await asyncio.sleep(5)


async def test_a_slow_store_lets_pass_within_the_budget_and_is_counted(
    make_world: Make, ask: Ask
) -> None:
    world = make_world(answer_seconds=0.02)
    world.checker._store = Slow(world, 0)
    async with asyncio.timeout(2):
        answers = await world.check(ask(), ask(suspicion=0.0))
    assert [a.finding for (a,) in answers] == ["slow", "unsuspicious"]
    assert world.count("store_failures_total", cause="slow") == 1
    assert world.count("recipients_total", finding="slow") == 1


async def test_a_big_batch_is_asked_in_parts_and_all_of_it_is_answered(
    world: Any, ask: Ask
) -> None:
    questions = [ask(f"u{chr(97 + n % 26) * (n // 26 + 1)}@x.net") for n in range(PART * 2 + 5)]
    answers = await world.check(*questions, *questions[:3])
    found = [str(answer.finding) for (answer,) in answers]
    assert found == ["first"] * (PART * 2 + 5) + ["early"] * 3


async def test_after_a_part_without_an_answer_the_rest_is_not_waited_for(
    make_world: Make, ask: Ask
) -> None:
    world = make_world(answer_seconds=0.2)
    world.checker._store = Slow(world, 0)
    started = asyncio.get_running_loop().time()
    answers = await world.check(*[ask(f"{'u' * n}@x.net") for n in range(1, PART * 5)])
    assert asyncio.get_running_loop().time() - started < 0.8
    assert {str(answer.finding) for (answer,) in answers} == {"slow"}
    assert world.count("store_failures_total", cause="slow") == 1


async def test_a_store_that_is_away_lets_pass_and_is_counted(world: Any, ask: Ask) -> None:
    world.bus.outage = BusUnavailable("away")
    assert await world.findings(ask()) == ["unavailable"]
    assert world.count("store_failures_total", cause="unavailable") == 1
    world.bus.outage = None
    assert await world.findings(ask()) == ["first"]


async def test_a_write_that_fails_lets_pass(world: Any, ask: Ask) -> None:
    class ReadOnly(Rival):
        async def write(self, key: str, entry: Entry, before: Kept, now: float) -> bool:
            raise StoreLost("full")

    world.checker._store = ReadOnly(world, 0)
    assert (
        await world.findings(ask("a@example.net", "x@example.com", "y@example.com"))
        == ["unavailable"] * 2
    )


async def test_an_entry_that_cannot_be_read_is_replaced(world: Any, ask: Ask) -> None:
    (about,) = triplets(ask(), world.policy)
    key = about.key
    bucket = await world.store._bucket()
    await bucket.put(key, b"not json")
    assert await world.findings(ask()) == ["first"]
    assert world.count("store_failures_total", cause="unreadable") == 1
    assert (await world.store.read([key]))[key].entry is not None


async def test_pending_entries_are_forgotten_after_their_time(world: Any, ask: Ask) -> None:
    await world.one(ask())
    world.clock.advance(172_800)
    assert (await world.one(ask())).finding == "first"


async def test_what_was_counted(world: Any, ask: Ask) -> None:
    await world.check(ask(), ask(suspicion=0.0))
    world.clock.advance(200)
    await world.check(ask(), ask(score=5.0))
    tally = world.checker.tally
    assert (tally.checked, tally.deferred, tally.returned) == (3, 1, 1)
    assert 180 <= tally.median_wait() <= 240
