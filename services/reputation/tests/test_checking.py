"""How the parts come together: side by side, and no longer than it takes."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from mailweir_core.client import ClientFacts
from mailweir_core.outcome import Advice, Status
from mailweir_core.reasons import Reason
from mailweir_core.record import Listener, Session
from mailweir_reputation.policy.findings import NOTHING, Finding
from mailweir_reputation.policy.items import Item, Phase
from mailweir_testkit.dns import Misbehaviour
from mailweir_testkit.dnslists import Acting, DnsList

pytestmark = pytest.mark.integration

ALLOWED = Finding(allowed=True, advice=Advice.ALLOW)
BLOCKED = Finding(advice=Advice.CLOSE, reason=Reason.BLOCKED, detail="by hand")
REVERSE = {
    "113.0.203.in-addr.arpa": "7 60 IN PTR mail.good.example.\n17 60 IN PTR two.good.example.\n",
    "good.example": '@ 60 IN MX 10 mail\n@ 60 IN TXT "v=spf1 mx -all"\n'
    "mail 60 IN A 203.0.113.7\ntwo 60 IN A 203.0.113.17\n",
}
RCPT = Item(
    Phase.RCPT,
    Session("s", Listener.MX, "203.0.113.7"),
    ClientFacts(),
    "a@b.example",
    ("x@y", "z@y"),
)


def listed() -> DnsList:
    made = DnsList()
    made.add("203.0.113.7")
    made.add("203.0.113.17")
    return made


async def test_who_is_allowed_waits_for_no_list(make: Any) -> None:
    policy = make.policy(make.zone("slow", policy_list=True, score=9.0))
    async with make.world(policy, {"slow": DnsList(acting=Acting.SILENT)}) as world:
        for own, advice in ((ALLOWED, Advice.ALLOW), (BLOCKED, Advice.CLOSE)):
            world.strangers.found = own
            begun = world.clock.monotonic()
            result = await world.connect()
            assert result.outcome.advice is advice
            assert world.clock.monotonic() - begun < 0.8


async def test_who_is_allowed_is_let_in_whatever_lists_say(make: Any) -> None:
    policy = make.policy(make.zone("bl", policy_list=True, score=9.0))
    async with make.world(policy, {"bl": listed()}) as world:
        world.strangers.found = ALLOWED
        result = await world.connect()
        assert result.client.allowed
        assert result.client.suspicion == 0.0
        assert result.outcome.advice is Advice.ALLOW


async def test_a_refusal_waits_for_no_name_unless_a_host_may_be_allowed(make: Any) -> None:
    policy = make.policy(make.zone("bl", policy_list=True, score=9.0))
    async with make.world(policy, {"bl": listed()}, zones=REVERSE) as world:
        world.dns.misbehave("mail.good.example", Misbehaviour.TIMEOUT)
        result = await world.connect()
        assert (result.outcome.advice, result.client.host) == (Advice.CLOSE, "")
        assert result.outcome.lookups[0].kind == "list"  # no name was waited for
        world.strangers.hosts_matter = True
        result = await world.connect("203.0.113.17")
        assert (result.outcome.advice, result.client.host) == (Advice.CLOSE, "two.good.example")


async def test_a_name_that_is_allowed_is_asked_for_again_once_it_is_known(make: Any) -> None:
    policy = make.policy(make.zone("bl", policy_list=True, score=9.0))
    async with make.world(policy, {"bl": listed()}, zones=REVERSE) as world:
        world.strangers.hosts_matter = True
        asked = []

        async def client(session: Session, known: ClientFacts, *_: Any) -> Finding:
            asked.append(known.host)
            return ALLOWED if known.host == "mail.good.example" else NOTHING

        world.strangers.client = client
        assert (await world.connect()).outcome.advice is Advice.ALLOW
        assert asked == ["", "mail.good.example"]


async def test_what_we_know_of_a_sender_is_asked_once_spf_is_known(make: Any) -> None:
    async with make.world(make.policy(), zones=REVERSE) as world:
        seen = []

        async def sender(session: Session, who: str, known: ClientFacts, *_: Any) -> Finding:
            seen.append((who, known.spf, known.spf_domain))
            return BLOCKED

        world.strangers.sender = sender
        result = await world.mail("ann@good.example", "mail.good.example")
        assert seen == [("ann@good.example", "pass", "good.example")]
        assert (result.outcome.reason, result.outcome.advice) == (Reason.BLOCKED, Advice.CLOSE)


async def test_recipients_have_an_answer_each(make: Any) -> None:
    async with make.world(make.policy()) as world:
        world.strangers.found = Finding(failed="the memory is away", known=True)
        result = await world.check(RCPT)
        assert [o.status for o in result.recipients] == [Status.TEMPERROR] * 2
        assert (result.outcome.status, result.outcome.detail) == (
            Status.TEMPERROR, "the memory is away",
        )  # fmt: skip
        assert not result.client.known  # what holds for a recipient holds for no other


async def test_a_sender_is_looked_at_with_the_recipients_where_nobody_has(make: Any) -> None:
    item = replace(RCPT, sender="ann@good.example", with_sender=True)
    async with make.world(make.policy(), zones=REVERSE) as world:
        seen: list[tuple[str, str]] = []

        async def recipients(
            _session: Session, _sender: str, asked: tuple[str, ...], known: ClientFacts, *_: Any
        ) -> list[Finding]:
            seen.append((known.spf, known.spf_domain))
            return [NOTHING] * len(asked)

        world.strangers.recipients = recipients
        together = await world.check(item)
        alone = await world.mail("ann@good.example")
        assert seen == [("pass", "good.example")]
        assert together.client == alone.client
        assert together.outcome.signals == alone.outcome.signals
        assert [o.status for o in together.recipients] == [Status.OK] * 2
        assert (await world.check(replace(item, with_sender=False))).client == item.client


async def test_a_memory_that_is_away_stops_no_list(make: Any) -> None:
    policy = make.policy(make.zone("bl", policy_list=True, score=9.0))
    async with make.world(policy, {"bl": listed()}) as world:
        world.strangers.found = Finding(failed="the memory is away")
        assert (await world.connect()).outcome.advice is Advice.CLOSE
        other = await world.connect("203.0.113.8")
        assert (other.outcome.status, other.outcome.detail) == (
            Status.TEMPERROR, "the memory is away",
        )  # fmt: skip
        assert [s.name for s in other.outcome.signals] == ["NO_PTR"]


async def test_time_is_up_when_it_is_up(make: Any) -> None:
    policy = make.policy(make.zone("slow", timeout_seconds=5.0))
    async with make.world(policy, {"slow": DnsList(acting=Acting.SILENT)}) as world:
        world.dns.misbehave("7.113.0.203.in-addr.arpa", Misbehaviour.TIMEOUT)
        world.seconds = 0.1
        begun = world.clock.monotonic()
        result = await world.connect()
        assert result.outcome.status is Status.TEMPERROR
        assert world.clock.monotonic() - begun < 2.0


async def test_what_crashes_comes_out(make: Any) -> None:
    async with make.world(make.policy()) as world:

        async def crash(*_: Any) -> Finding:
            await asyncio.sleep(0)
            raise ZeroDivisionError

        world.strangers.client = crash
        with pytest.raises(ExceptionGroup):
            await world.connect()


async def test_checks_are_counted_by_phase(make: Any) -> None:
    async with make.world(make.policy()) as world:
        await world.connect()
        await world.connect(auth_user="ann")
        await world.check(RCPT)
        assert world.metric("checks_total", phase="connect", status="hit") == 1.0
        assert world.metric("checks_total", phase="connect", status="skipped") == 1.0
        assert world.metric("checks_total", phase="rcpt", status="ok") == 1.0
        assert world.metric("check_seconds_count", phase="connect") == 1.0
