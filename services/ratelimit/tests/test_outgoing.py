"""What users send: counted once, exactly, held beyond the limit, told, and let out when there is room."""

import asyncio
from typing import Any

import pytest

from mailweir_core.outcome import Advice, Status
from mailweir_core.reasons import Reason
from mailweir_ratelimit.policy.allowance import Kind
from mailweir_ratelimit.policy.waiting import UNKNOWN_SECONDS

Config = Any  # tests/conftest.py
World = Any
DAY = 86_400.0


def advice(answer: Any) -> Advice:
    found: Advice = answer.outcome.advice
    return found


async def send_many(world: World, number: int, login: str = "ann@example.com") -> list[str]:
    """Send; return the references of what was held."""
    sent = [await world.send(login) for _ in range(number)]
    return [ref for ref, answer in sent if advice(answer) is Advice.HOLD]


async def release(world: World) -> int:
    return int(await world.releaser.work_off(world.rules.current))


async def used(world: World, subject: str = "ann@example.com") -> tuple[int, int]:
    page = await world.reporter.usage(subject, 0, "", world.rules.current)
    return page.entries[0].used, page.entries[0].held


async def test_the_201st_message_is_held_and_says_why(world: World) -> None:
    assert await send_many(world, 200) == []
    _, answer = await world.send()
    assert advice(answer) is Advice.HOLD
    assert answer.outcome.reason is Reason.OVER_LIMIT
    assert "the limit of 200 messages a day of ann@example.com is reached" in answer.outcome.detail
    assert await used(world) == (200, 1)
    assert advice((await world.send("bob@example.com"))[1]) is Advice.NONE


async def test_the_same_message_asked_again_counts_once(world: World) -> None:
    question = world.message()
    for _ in range(5):
        await world.ask(question)
    assert await used(world) == (1, 0)
    assert await used(world, "example.com") == (1, 0)


async def test_case_does_not_make_another_user(world: World, config: Config) -> None:
    config.change(outbound={"default_user": {"messages": 2}})
    answers = [
        await world.send(login)
        for login in ("Ann@Example.com", "ann@example.com", "ANN@example.com")
    ]
    assert [advice(answer) for _, answer in answers] == [Advice.NONE, Advice.NONE, Advice.HOLD]


@pytest.mark.parametrize(
    ("limit", "fields", "passes"),
    [
        ({"recipients": 10}, {"recipients": tuple(f"u{n}@x.y" for n in range(4))}, 2),
        ({"bytes": 2500}, {"size": 1000}, 2),
        ({"messages": 3, "recipients": 100}, {}, 3),
        ({}, {}, 5),
    ],
)
async def test_each_unit(
    world: World, config: Config, limit: dict[str, int], fields: dict[str, Any], passes: int
) -> None:
    config.change(outbound={"default_user": limit})
    answers = [await world.send(**fields) for _ in range(5)]
    assert [advice(answer) is Advice.NONE for _, answer in answers] == [True] * passes + [False] * (
        5 - passes
    )


async def test_the_domain_caps_all_its_users(world: World, config: Config) -> None:
    boss = {"login": "boss@example.com", "limit": {"messages": 100}}
    config.change(
        outbound={"domains": [{"domain": "example.com", "total": {"messages": 5}}], "users": [boss]}
    )
    assert await send_many(world, 3) == []
    held = await send_many(world, 4, "boss@example.com")
    assert len(held) == 2
    assert (await used(world, "boss@example.com"))[0] == 2  # what the domain refused is given back
    assert await used(world, "example.com") == (5, 2)
    _, answer = await world.send()
    assert "of all users of example.com" in answer.outcome.detail


async def test_many_at_once_over_two_processes_are_exact(
    world: World, other: World, config: Config
) -> None:
    config.change(outbound={"default_user": {"messages": 25}})
    async with asyncio.TaskGroup() as tasks:
        running = [tasks.create_task(send_many(w, 30)) for w in (world, other)]
    assert sum(len(task.result()) for task in running) == 35
    assert await used(world) == (25, 35)


async def test_a_new_day_lets_held_mail_out_in_order(world: World, config: Config) -> None:
    config.change(outbound={"default_user": {"messages": 3}})
    held = await send_many(world, 8)
    assert await release(world) == 0
    world.clock.advance(DAY)
    assert await release(world) == 3
    assert world.quarantine.released == held[:3]
    assert await used(world) == (3, 2)
    world.clock.advance(DAY)
    assert await release(world) == 2
    assert world.quarantine.released == held
    assert await world.waiting.all() == []
    assert world.sample("waiting_ends_total", how="released") == 5


async def test_a_raised_limit_lets_held_mail_out(world: World, config: Config) -> None:
    config.change(outbound={"default_user": {"messages": 3}})
    held = await send_many(world, 5)
    config.change(outbound={"users": [{"login": "ann@example.com", "limit": {"messages": 4}}]})
    assert await release(world) == 1
    config.change(outbound={"default_user": {"messages": 10}})
    assert await release(world) == 1
    assert world.quarantine.released == held
    assert (await used(world))[0] == 5


async def test_one_that_is_over_a_whole_day_does_not_stop_the_rest(
    world: World, config: Config
) -> None:
    config.change(outbound={"default_user": {"bytes": 5000}})
    await world.send(size=5000)
    huge, _ = await world.send(size=6000)
    small, _ = await world.send(size=1000)
    world.clock.advance(DAY)
    assert await release(world) == 1
    assert world.quarantine.released == [small]
    assert [one.ref for one in await world.waiting.all()] == [huge]


async def test_a_full_user_does_not_stop_others(world: World, config: Config) -> None:
    config.change(outbound={"default_user": {"messages": 1}})
    await send_many(world, 2)
    held = await send_many(world, 2, "bob@example.com")
    raised = {"login": "bob@example.com", "limit": {"messages": 9}}
    config.change(outbound={"default_user": {"messages": 1}, "users": [raised]})
    assert await release(world) == 1
    assert world.quarantine.released == held


async def test_two_processes_release_each_message_once(
    world: World, other: World, config: Config
) -> None:
    config.change(outbound={"default_user": {"messages": 2}})
    held = await send_many(world, 12)
    config.change(outbound={"default_user": {"messages": 50}})
    async with asyncio.TaskGroup() as tasks:
        running = [tasks.create_task(release(w)) for w in (world, other, world)]
    assert sum(task.result() for task in running) == 10
    assert sorted(world.quarantine.released) == sorted(held)
    assert await used(world) == (12, 0)


async def test_a_process_that_dies_is_followed_by_another(world: World, config: Config) -> None:
    config.change(outbound={"default_user": {"messages": 1}})
    held = await send_many(world, 3)
    config.change(outbound={"default_user": {"messages": 50}})
    world.quarantine.away = True
    with pytest.raises(Exception, match="as the test wants"):
        await release(world)
    world.quarantine.away = False
    assert await release(world) == 1  # the first one is in the hand of the one that died
    world.clock.advance(61)
    assert await release(world) == 1
    assert sorted(world.quarantine.released) == sorted(held)
    assert await used(world) == (3, 0)


async def test_a_release_that_was_cut_off_is_charged_once(world: World, config: Config) -> None:
    config.change(outbound={"default_user": {"messages": 1}})
    (held,) = await send_many(world, 2)
    config.change(outbound={"default_user": {"messages": 50}})
    remove, world.waiting.remove = world.waiting.remove, fail
    with pytest.raises(RuntimeError):
        await release(world)
    world.waiting.remove = remove
    world.clock.advance(61)
    assert await release(world) == 0
    assert world.quarantine.released == [held]
    assert await used(world) == (2, 0)


async def fail(_message: object) -> None:
    raise RuntimeError("died here")


async def test_what_was_deleted_or_is_held_for_its_content_drops_out(
    world: World, config: Config
) -> None:
    config.change(outbound={"default_user": {"messages": 1}})
    deleted, spam, released, fine = await send_many(world, 5)
    world.quarantine.hold(spam, over_limit=False)
    del world.quarantine.states[deleted]
    await world.quarantine.release(released)
    config.change(outbound={"default_user": {"messages": 50}})
    world.clock.advance(UNKNOWN_SECONDS + 1)
    assert await release(world) == 1
    assert world.quarantine.released == [released, fine]
    assert await used(world) == (2, 0)
    assert world.sample("waiting_ends_total", how="dropped") == 3


async def test_what_has_not_come_in_yet_is_put_off(world: World, config: Config) -> None:
    config.change(outbound={"default_user": {"messages": 1}})
    unknown, bodyless = await send_many(world, 3)
    state = world.quarantine.states.pop(unknown)
    world.quarantine.without_body.add(bodyless)
    config.change(outbound={"default_user": {"messages": 50}})
    assert await release(world) == 0
    assert await used(world) == (1, 2)
    world.quarantine.states[unknown] = state
    world.quarantine.without_body.clear()
    assert await release(world) == 2


async def test_nothing_waits_where_nothing_can_be_held(world: World, config: Config) -> None:
    config.change(outbound={"default_user": {"messages": 1}})
    policy = config.current.policy
    off = policy.quarantine.model_copy(update={"active": False})
    config.current = type(config.current)(policy.model_copy(update={"quarantine": off}), "v.9")
    await send_many(world, 2)
    assert await world.waiting.all() == []


async def test_waiting_that_cannot_be_noted_is_counted(world: World, config: Config) -> None:
    config.change(outbound={"default_user": {"messages": 1}})
    await world.send()
    change = world.quota_cells.change

    async def no_waiting(key: str, step: Any, *, sure: bool = False) -> Any:
        if key.startswith("w."):
            world.quota_cells.away = "away"
        try:
            return await change(key, step, sure=sure)
        finally:
            world.quota_cells.away = ""

    world.quota_cells.change = no_waiting
    _, answer = await world.send()
    assert advice(answer) is Advice.HOLD
    assert world.sample("waiting_not_noted_total") == 1


async def test_usage_lists_users_and_domains(world: World, config: Config) -> None:
    config.change(
        outbound={
            "default_user": {"messages": 2, "bytes": 10_000},
            "domains": [{"domain": "example.org", "total": {"messages": 7}}],
        }
    )
    await send_many(world, 3)
    await send_many(world, 1, "eve@example.org")
    page = await world.reporter.usage("", 0, "", world.rules.current)
    rows = [
        (r.allowance.subject, r.allowance.kind, r.unit, r.used, r.limit, r.held)
        for r in page.entries
    ]
    assert rows == [
        ("ann@example.com", Kind.USER, "messages", 2, 2, 1),
        ("ann@example.com", Kind.USER, "bytes", 2000, 10_000, 1),
        ("eve@example.org", Kind.USER, "messages", 1, 2, 0),
        ("eve@example.org", Kind.USER, "bytes", 1000, 10_000, 0),
        ("example.com", Kind.DOMAIN, "messages", 2, 0, 1),
        ("example.org", Kind.DOMAIN, "messages", 1, 7, 0),
    ]
    assert page.entries[0].next_at > world.clock.now()
    assert page.entries[2].next_at == 0
    paged, cursor = [], ""
    while True:
        part = await world.reporter.usage("", 2, cursor, world.rules.current)
        paged += part.entries
        cursor = part.next
        if not cursor:
            break
    assert tuple(paged) == page.entries


async def test_usage_of_somebody_who_sent_nothing(world: World) -> None:
    assert await used(world, "new@example.com") == (0, 0)
    page = await world.reporter.usage("NEW@example.com", 0, "", world.rules.current)
    assert page.entries[0].allowance.source == "ratelimit.outbound.default_user"
    world.clock.advance(DAY)
    await send_many(world, 1)
    world.clock.advance(DAY)
    assert await used(world) == (0, 0)  # of another day


async def test_exempt_networks_are_not_exempt_from_outbound_limits(
    world: World, config: Config
) -> None:
    config.change(outbound={"default_user": {"messages": 1}}, exempt_networks=["192.0.2.0/24"])
    assert len(await send_many(world, 3)) == 2
    assert (await world.ask(world.message()))[0].outcome.status is Status.HIT
