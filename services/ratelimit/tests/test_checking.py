"""Questions and answers of each phase."""

import asyncio
from typing import Any

import pytest

from mailweir_core.client import ClientClass, ClientFacts
from mailweir_core.outcome import Advice, Status
from mailweir_core.reasons import Reason
from mailweir_core.record import Listener, Session
from mailweir_ratelimit.policy.question import Phase, Question

Config = Any  # tests/conftest.py
World = Any
STRANGER = Session("s", Listener.MX, "192.0.2.1", helo="mx.example.net")


def connect(ip: str = "192.0.2.1", **client: Any) -> Question:
    return Question(Phase.CONNECT, Session("s", Listener.MX, ip), ClientFacts(**client))


def rcpt(count: int, *, ip: str = "192.0.2.1", sender: str = "ann@example.net") -> Question:
    people = tuple(f"u{n}@example.com" for n in range(count))
    return Question(Phase.RCPT, Session("s", Listener.MX, ip), sender=sender, recipients=people)


def limit(unit: str, *by: str, count: int = 2, name: str = "") -> dict[str, Any]:
    named = name or f"{unit}-{'-'.join(by)}"
    return {"name": named, "unit": unit, "by": by, "count": count, "seconds": 60}


async def passed(world: World, question: Question, times: int) -> int:
    answers = [(await world.ask(question))[0] for _ in range(times)]
    return sum(answer.outcome.advice is Advice.NONE for answer in answers)


async def test_sixty_connections_a_minute(world: World) -> None:
    assert await passed(world, connect(), 80) == 60
    (answer,) = await world.ask(connect())
    assert answer.outcome.advice is Advice.CLOSE
    assert answer.outcome.reason is Reason.RATE_LIMITED
    assert answer.outcome.detail == "60 connections a minute from 192.0.2.1, next in 1 s"
    world.clock.advance(10)
    assert await passed(world, connect(), 80) == 10
    assert await passed(world, connect("192.0.2.2"), 80) == 60


@pytest.mark.parametrize(
    ("client", "most"), [(ClientClass.GOOD, 600), (ClientClass.NONE, 60), (ClientClass.BAD, 12)]
)
async def test_the_class_scales(world: World, client: ClientClass, most: int) -> None:
    assert await passed(world, connect(client_class=client), 700) == most


async def test_exempt_clients_are_not_counted(world: World) -> None:
    for question in (connect("127.0.0.1"), connect(allowed=True)):
        assert await passed(world, question, 100) == 100
        assert (await world.ask(question))[0].outcome.status is Status.SKIPPED
    assert world.rates.values == {}
    assert world.offences == []


async def test_every_connection_is_reported_of_who_comes_again(world: World) -> None:
    await passed(world, connect(), 70)
    assert sum(offence.count for offence in world.offences) == 70
    assert {(o.kind, o.client_ip) for o in world.offences} == {("connections", "192.0.2.1")}


async def test_who_comes_once_is_not_reported_unless_once_is_enough(
    world: World, config: Config
) -> None:
    await passed(world, connect(), 1)
    assert world.offences == []
    config.change(intrusion={"rules": {"connections": {"count": 1}}})
    await passed(world, connect("192.0.2.9"), 1)
    assert [offence.count for offence in world.offences] == [1]


async def test_connections_are_reported_only_where_there_is_a_rule(
    world: World, config: Config
) -> None:
    config.change(intrusion={"rules": {"connections": {"enabled": False}}})
    assert await passed(world, connect(), 70) == 60
    assert world.offences == []


async def test_of_a_burst_of_recipients_the_first_pass(world: World) -> None:
    (answer,) = await world.ask(rcpt(60))
    advices = [outcome.advice for outcome in answer.recipients]
    assert advices == [Advice.NONE] * 50 + [Advice.DEFER] * 10
    assert answer.outcome.status is Status.OK
    assert answer.recipients[-1].detail == ("50 recipients in 5 min from 192.0.2.0/24, next in 6 s")


@pytest.mark.parametrize("sender", ["", "postmaster@example.net"])
async def test_bounces_and_postmasters_count_nowhere(world: World, sender: str) -> None:
    (answer,) = await world.ask(rcpt(60, sender=sender))
    assert {outcome.status for outcome in answer.recipients} == {Status.SKIPPED}
    assert world.rates.values == {}


async def test_mail_for_a_postmaster_always_passes(world: World) -> None:
    await world.ask(rcpt(50))
    question = Question(
        Phase.RCPT, STRANGER, sender="ann@example.net",
        recipients=("postmaster@example.com", "bob@example.com"),
    )  # fmt: skip
    (answer,) = await world.ask(question)
    assert [outcome.advice for outcome in answer.recipients] == [Advice.NONE, Advice.DEFER]


async def test_where_one_limit_refuses_the_others_get_theirs_back(
    world: World, config: Config
) -> None:
    config.change(limits=[limit("recipients", "ip", count=5), limit("recipients", "to", count=1)])
    await world.ask(rcpt(1))
    for _ in range(20):
        await world.ask(rcpt(1))  # the recipient is full
    other = Question(
        Phase.RCPT, STRANGER, sender="a@b.c", recipients=tuple(f"x{n}@d.e" for n in range(6))
    )
    (answer,) = await world.ask(other)
    assert [outcome.advice for outcome in answer.recipients] == [Advice.NONE] * 4 + [
        Advice.DEFER
    ] * 2


async def test_inbound_messages_and_bytes(world: World, config: Config) -> None:
    config.change(
        limits=[limit("messages", "ip", count=3), limit("bytes", "from-domain", count=2500)]
    )
    question = Question(
        Phase.MESSAGE, STRANGER, sender="ann@example.net", recipients=("b@c.d", "e@f.g"), size=1000
    )
    answers = [(await world.ask(question))[0].outcome for _ in range(3)]
    assert [one.advice for one in answers] == [Advice.NONE, Advice.NONE, Advice.DEFER]
    assert "bytes a minute of senders in example.net" in answers[2].detail
    states = await world.reporter.buckets("192.0.2.1", world.rules.current)
    assert [(s.limit, s.used) for s in states] == [("messages-ip", 2)]  # the third was given back


async def test_messages_by_recipient_count_once_for_each(world: World, config: Config) -> None:
    config.change(limits=[limit("messages", "to-domain", count=2)])
    question = Question(
        Phase.MESSAGE, STRANGER, sender="a@b.c", recipients=("x@d.e", "y@d.e", "z@f.g")
    )
    assert await passed(world, question, 3) == 2


async def test_a_batch_is_answered_in_order(world: World) -> None:
    questions = [connect("192.0.2.1"), rcpt(3), connect("127.0.0.1"), world.message()]
    answers = await world.ask(*questions)
    assert [len(answer.recipients) for answer in answers] == [0, 3, 0, 0]
    assert answers[2].outcome.status is Status.SKIPPED


async def test_what_cannot_be_counted_passes_and_is_counted(world: World) -> None:
    world.rates.away = world.quota_cells.away = "the bus is away"
    answers = await world.ask(connect(), rcpt(2), world.message())
    assert [answer.outcome.status for answer in answers] == [Status.TEMPERROR] * 3
    assert {answer.outcome.advice for answer in answers} == {Advice.NONE}
    assert "the bus is away" in answers[0].outcome.detail
    assert [outcome.status for outcome in answers[1].recipients] == [Status.TEMPERROR] * 2
    assert world.sample("uncounted_total", operation="take") == 3
    assert world.sample("checks_total", phase="connect", result="failed") == 1
    assert world.sample("checks_total", phase="outbound", result="failed") == 1


async def test_verdicts_move_what_a_client_may_do(world: World) -> None:
    (key,) = await counted(world)
    for _ in range(50):
        assert await world.counters.correct(key, 10, 0)
    world.clock.advance(3600)
    assert await passed(world, connect(), 1000) == 600  # ten times the burst
    for _ in range(200):
        await world.counters.correct(key, 0, 10)
    world.clock.advance(3600)
    assert await passed(world, connect(), 100) == 6


async def counted(world: World) -> list[str]:
    await world.ask(connect())
    return list(world.rates.values)


async def test_a_correction_that_is_not_made_is_counted(world: World) -> None:
    world.rates.away = "away"
    assert not await world.counters.correct("k", 1, 0)
    assert world.sample("uncounted_total", operation="correct") == 1


async def test_outbound_spam_is_refused_and_does_not_count(world: World) -> None:
    (answer,) = await world.ask(world.message(score=15.0))
    assert (answer.outcome.advice, answer.outcome.reason) == (Advice.REJECT, Reason.OUTBOUND_SPAM)
    assert world.quota_cells.values == {}
    (inbound,) = await world.ask(Question(Phase.MESSAGE, STRANGER, score=99.0))
    assert inbound.outcome.advice is Advice.NONE


async def test_two_at_once_share_what_is_left(world: World) -> None:
    async with asyncio.TaskGroup() as tasks:
        running = [tasks.create_task(passed(world, connect(), 10)) for _ in range(10)]
    assert sum(task.result() for task in running) == 60


async def test_a_question_that_breaks_spoils_no_other(world: World) -> None:
    broken = Question(Phase.RCPT, None, sender="a@b.c", recipients=("x@d.e", "y@d.e"))
    answers = await world.ask(connect(), broken, connect("192.0.2.2"))
    assert [answer.outcome.status for answer in answers] == [Status.OK, Status.TEMPERROR, Status.OK]
    assert len(answers[1].recipients) == 2


async def test_a_held_message_with_an_odd_reference_does_not_wait(
    world: World, config: Config
) -> None:
    config.change(outbound={"default_user": {"messages": 1}})
    await world.ask(world.message())
    (answer,) = await world.ask(world.message(ref="not a reference *"))
    assert answer.outcome.advice is Advice.HOLD
    assert await world.waiting.all() == []
