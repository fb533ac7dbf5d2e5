"""The edge in a session: who is asked what and when, and what follows where nobody answers."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from mailweir_core.bans import Ban, OffenceKind
from mailweir_core.client import ClientClass, ClientFacts
from mailweir_core.clock import ManualClock
from mailweir_core.outcome import Advice, Outcome, Status
from mailweir_core.reasons import Reason
from mailweir_core.record import Envelope, Listener, Session
from mailweir_ingress.adapters.greylist import MemoryGreylist
from mailweir_ingress.adapters.ratelimit import MemoryRatelimit
from mailweir_ingress.adapters.reputation import MemoryReputation
from mailweir_ingress.breaker import FAILURES, REST_SECONDS
from mailweir_ingress.edge import Edge, Judged, Sender, Services
from mailweir_ingress.metrics import declare
from mailweir_ingress.policy.edge import MessageFound, RecipientFound, RecipientsFound, Screened
from mailweir_ingress.policy.rules import Rules, compile_rules
from mailweir_ingress.ports import (
    STRANGER,
    GreylistAnswer,
    GreylistQuestion,
    Offence,
    RatelimitAnswer,
    RatelimitQuestion,
    ReputationAnswer,
    ReputationQuestion,
    Stage,
)
from mailweir_policy import policy_from

MX = Session("S", Listener.MX, "192.0.2.9", helo="client.example.net")
OUR_USER = Session("S", Listener.SUBMISSION, "192.0.2.9", auth_user="anna@example.com")
NEW_ON_587 = Session("S", Listener.SUBMISSION, "192.0.2.9")
TRUSTED = replace(MX, trusted=True)
FACTS = ClientFacts(ClientClass.BAD, suspicion=3.0)
LISTED = Outcome("reputation", Status.HIT, (), Advice.CLOSE, Reason.LISTED, "Some List")
TOO_FAST = Outcome("ratelimit", Status.HIT, (), Advice.CLOSE, Reason.RATE_LIMITED, "60 a minute")
LATER = Outcome("greylist", Status.HIT, (), Advice.DEFER, Reason.GREYLISTED)
FULL = Outcome("ratelimit", Status.HIT, (), Advice.HOLD, Reason.OVER_LIMIT, "200 a day")
FINE = Outcome("reputation", Status.OK)
BAN = Ban("192.0.2.9/32", OffenceKind.LOGIN, "10 logins", 1.0, 2.0)
BOTH = ("bob@example.com", "eve@example.com")
SUSPECT = ClientFacts(suspicion=3.0)
SENDER = "anna@example.net"


def rules(**parts: Any) -> Rules:
    """Return rules of a policy with these parts."""
    return compile_rules(policy_from(parts), "v.1")


class World:
    """An edge with its services in memory."""

    def __init__(
        self,
        reputation: Callable[[ReputationQuestion], ReputationAnswer] | None = None,
        greylist: Callable[[GreylistQuestion], GreylistAnswer] | None = None,
        ratelimit: Callable[[RatelimitQuestion], RatelimitAnswer] | None = None,
        standing: Callable[[Offence], Ban | None] | None = None,
        services: Services | None = None,
        **policy: Any,
    ) -> None:
        self.reputation = MemoryReputation(reputation)
        self.greylist = MemoryGreylist(greylist)
        self.ratelimit = MemoryRatelimit(ratelimit, standing)
        self.clock = ManualClock()
        self.registry = CollectorRegistry()
        self.rules = rules(**policy)
        own = services or Services(self.reputation, self.greylist, self.ratelimit)
        self.edge = Edge(own, lambda: self.rules, self.clock, declare(self.registry))

    def sample(self, name: str, **labels: str) -> float:
        value = self.registry.get_sample_value(f"mailweir_ingress_{name}", labels)
        assert value is not None
        return value

    async def look(
        self,
        client: ClientFacts = SUSPECT,
        session: Session = MX,
        *outcomes: Outcome,
        asked: bool = False,
    ) -> RecipientsFound:
        """Look at two recipients; `asked`: the sender was looked at before."""
        who = Sender(session, SENDER, client, outcomes, asked)
        return await self.edge.recipients(who, BOTH, self.rules)

    async def recipients(
        self, client: ClientFacts = SUSPECT, session: Session = MX, *outcomes: Outcome
    ) -> list[RecipientFound]:
        return list((await self.look(client, session, *outcomes)).recipients)

    async def message(
        self,
        session: Session = MX,
        client: ClientFacts = STRANGER,
        score: float | None = 5.0,
        recipients: tuple[str, ...] = BOTH,
    ) -> MessageFound:
        envelope = Envelope("S-1", session, SENDER, BOTH, 1.0)
        judged = Judged(envelope, client, recipients, 5000, score)
        return await self.edge.message(judged, self.rules)


# -- connect


async def test_a_client_is_looked_at_and_counted() -> None:
    world = World(lambda asked: ReputationAnswer(FINE, FACTS, valid_seconds=300.0))
    screened = await world.edge.screen(MX, world.rules)
    assert screened == Screened(None, FACTS, (FINE, Outcome("ratelimit", Status.OK)), 300.0)
    assert world.reputation.asked == [ReputationQuestion(Stage.CONNECT, MX)]
    assert world.ratelimit.asked == [RatelimitQuestion(Stage.CONNECT, MX)]
    assert world.greylist.asked == []
    assert world.sample("checks_total", check="reputation", status="ok") == 1
    assert world.sample("phase_seconds_count", phase="connect") == 1


async def test_a_listed_client_is_turned_away() -> None:
    world = World(lambda asked: ReputationAnswer(LISTED, FACTS, valid_seconds=60.0))
    screened = await world.edge.screen(MX, world.rules)
    assert screened.decision is not None
    assert screened.decision.reply.code == 554
    assert screened.valid_seconds == 60.0


@pytest.mark.parametrize(("enabled", "told"), [(False, 0), (True, 1)])
async def test_a_listing_may_lead_to_a_ban(enabled: bool, told: int) -> None:
    world = World(lambda asked: ReputationAnswer(LISTED, FACTS))
    world.rules = rules(ratelimit={"intrusion": {"rules": {"listed": {"enabled": enabled}}}})
    await world.edge.screen(MX, world.rules)
    assert [(o.kind, o.evidence) for o in world.ratelimit.offences] == [
        (OffenceKind.LISTED, "Some List")
    ] * told


async def test_who_is_remembered_is_only_counted() -> None:
    world = World()
    before = Screened(None, FACTS, (FINE,), 300.0)
    screened = await world.edge.screen(MX, world.rules, before)
    assert screened == replace(before, outcomes=(FINE, Outcome("ratelimit", Status.OK)))
    assert world.reputation.asked == []
    assert world.ratelimit.asked == [RatelimitQuestion(Stage.CONNECT, MX, FACTS)]


async def test_what_a_limit_said_is_not_remembered() -> None:
    world = World(ratelimit=lambda asked: RatelimitAnswer(TOO_FAST))
    first = await world.edge.screen(MX, world.rules)
    assert first.decision is not None
    assert first.decision.reason is Reason.RATE_LIMITED
    calm = World()
    assert (await calm.edge.screen(MX, calm.rules, first)).decision is None


async def test_the_address_of_a_user_is_never_looked_at() -> None:
    world = World(lambda asked: ReputationAnswer(LISTED, FACTS))
    assert (await world.edge.screen(NEW_ON_587, world.rules)).decision is None
    assert world.reputation.asked == []
    assert len(world.ratelimit.asked) == 1  # connections count on every port


@pytest.mark.parametrize("services", [Services(), None])
async def test_where_nobody_is_there_or_the_client_is_trusted_nobody_is_asked(
    services: Services | None,
) -> None:
    world = World(lambda asked: ReputationAnswer(LISTED, FACTS), services=services)
    session = MX if services is not None else TRUSTED
    assert await world.edge.screen(session, world.rules) == Screened(None, STRANGER)
    assert world.reputation.asked == []
    assert world.ratelimit.asked == []


# -- RCPT


async def test_the_sender_is_looked_at_with_the_first_recipients() -> None:
    after = replace(FACTS, spf="pass", spf_domain="example.net", suspicion=3.0)
    world = World(lambda asked: ReputationAnswer(FINE, after, (FINE, FINE)))
    found = await world.look(FACTS)
    assert (found.client, found.outcomes) == (after, (FINE,))
    assert [one.decision for one in found.recipients] == [None, None]
    first = ReputationQuestion(Stage.RCPT, MX, FACTS, SENDER, BOTH, with_sender=True)
    assert world.reputation.asked == [first]
    assert world.greylist.asked == [GreylistQuestion(MX, after, SENDER, BOTH)]
    assert world.ratelimit.asked == [RatelimitQuestion(Stage.RCPT, MX, FACTS, SENDER, BOTH)]


async def test_later_recipients_are_one_question_to_each_service() -> None:
    world = World()
    found = await world.look(SUSPECT, MX, LISTED, asked=True)
    assert (found.client, found.outcomes) == (SUSPECT, (LISTED,))
    assert world.reputation.asked == [ReputationQuestion(Stage.RCPT, MX, SUSPECT, SENDER, BOTH)]
    assert world.greylist.asked == [GreylistQuestion(MX, SUSPECT, SENDER, BOTH)]
    assert world.ratelimit.asked == [RatelimitQuestion(Stage.RCPT, MX, SUSPECT, SENDER, BOTH)]


async def test_a_sender_that_is_found_unsuspicious_is_not_asked_to_wait() -> None:
    world = World(
        lambda asked: ReputationAnswer(FINE, replace(asked.client, known=True), (FINE,) * 2)
    )
    await world.look()
    assert world.greylist.asked == []


async def test_an_allowed_client_is_allowed_in_its_own_name_alone() -> None:
    """What it is allowed may end with the sender that it names; nobody else has a say."""
    forfeited = World(lambda asked: ReputationAnswer(FINE, SUSPECT, (FINE, FINE)))
    await forfeited.look(ClientFacts(allowed=True))
    assert len(forfeited.reputation.asked) == len(forfeited.greylist.asked) == 1
    kept = World()
    await kept.look(ClientFacts(allowed=True))
    assert len(kept.reputation.asked) == 1
    assert (kept.greylist.asked, kept.ratelimit.asked) == ([], [])


async def test_each_recipient_has_its_own_answer() -> None:
    fine = Outcome("greylist", Status.OK)
    world = World(greylist=lambda asked: GreylistAnswer((LATER, fine), 100.0))
    first, second = await world.recipients()
    assert first.decision is not None
    assert first.decision.reply.line() == (
        "451 4.7.1 Greylisted, please come back later: 100 seconds left"
    )
    assert second.decision is None


async def test_who_is_welcome_at_a_recipient_is_not_asked_to_come_back() -> None:
    welcome = replace(FINE, advice=Advice.ALLOW)
    world = World(
        lambda asked: ReputationAnswer(FINE, asked.client, (welcome, FINE)),
        lambda asked: GreylistAnswer((LATER, LATER)),
    )
    first, second = await world.recipients()
    assert (first.decision, first.spared) == (None, True)
    assert second.decision is not None


async def test_what_was_found_before_counts_at_every_recipient() -> None:
    missing = Outcome(
        "reputation", Status.HIT, advice=Advice.REJECT, reason=Reason.SENDER_DOMAIN_MISSING
    )
    found = (await World().look(STRANGER, MX, missing)).recipients
    assert [one.decision.reply.code for one in found if one.decision] == [550, 550]


@pytest.mark.parametrize(
    ("client", "session"),
    [(STRANGER, TRUSTED), (STRANGER, OUR_USER), (ClientFacts(allowed=True), MX)],
)
async def test_nobody_is_asked_about_the_recipients_of_who_may_do_everything(
    client: ClientFacts, session: Session
) -> None:
    world = World()
    found = (await world.look(client, session, asked=True)).recipients
    assert [(one.decision, one.outcomes) for one in found] == [(None, ()), (None, ())]
    assert (world.reputation.asked, world.greylist.asked, world.ratelimit.asked) == ([], [], [])


@pytest.mark.parametrize(
    ("client", "mode"),
    [
        (ClientFacts(known=True, suspicion=9.0), "sender"),
        (SUSPECT, "off"),
        (ClientFacts(suspicion=1.9), "suspicious"),
    ],
)
async def test_greylisting_is_for_strangers_and_where_it_is_on(
    client: ClientFacts, mode: str
) -> None:
    world = World()
    world.rules = rules(greylist={"mode": mode})
    await world.recipients(client)
    assert world.greylist.asked == []
    assert len(world.reputation.asked) == 1


@pytest.mark.parametrize(
    ("policy", "address", "stages"),
    [
        ({}, "192.0.2.9", [Stage.CONNECT, Stage.RCPT]),
        ({}, "127.0.0.1", []),
        ({"exempt_networks": ["192.0.2.0/24"]}, "192.0.2.9", []),
        ({"limits": []}, "192.0.2.9", [Stage.CONNECT]),  # intrusion prevention counts them
        ({"limits": [], "intrusion": {"enabled": False}}, "192.0.2.9", []),
    ],
)
async def test_what_nobody_counts_is_not_told(
    policy: dict[str, Any], address: str, stages: list[Stage]
) -> None:
    world = World()
    world.rules = rules(ratelimit=policy)
    session = replace(MX, client_ip=address)
    await world.edge.screen(session, world.rules)
    await world.recipients(STRANGER, session)
    assert [asked.stage for asked in world.ratelimit.asked] == stages


async def test_a_proxy_that_looks_in_is_not_counted() -> None:
    world = World()
    world.rules = rules(relay={"proxy_networks": ["10.0.0.0/8"]})
    await world.edge.screen(replace(MX, client_ip="10.1.2.3"), world.rules)
    assert world.ratelimit.asked == []


async def test_an_answer_that_is_too_short_refuses_nobody() -> None:
    world = World(greylist=lambda asked: GreylistAnswer(()))
    assert [one.decision for one in await world.recipients()] == [None, None]


async def test_services_are_asked_side_by_side() -> None:
    waiting: list[str] = []
    everybody = asyncio.Event()

    def slow(name: str, answer: Callable[[Any], Any]) -> Any:
        class Slow:
            async def check(self, question: Any, timeout: float) -> Any:
                waiting.append(name)
                if len(waiting) == 3:
                    everybody.set()
                await everybody.wait()
                return answer(question)

        return Slow()

    ok = Outcome("x", Status.OK)
    services = Services(
        slow("reputation", lambda asked: ReputationAnswer(ok, SUSPECT, (ok, ok))),
        slow("greylist", lambda asked: GreylistAnswer((ok, ok))),
        slow("ratelimit", lambda asked: RatelimitAnswer(ok, (ok, ok))),
    )
    world = World(services=services)
    async with asyncio.timeout(5):
        assert len((await world.look(asked=True)).recipients) == 2
    assert sorted(waiting) == ["greylist", "ratelimit", "reputation"]


async def test_each_phase_has_the_time_that_the_policy_gives_it() -> None:
    given: list[tuple[Stage, float]] = []

    class Watch(MemoryReputation):
        async def check(self, question: ReputationQuestion, timeout: float) -> ReputationAnswer:
            given.append((question.stage, timeout))
            return await super().check(question, timeout)

    budgets = {"connect_seconds": 1.5, "mail_seconds": 2.5, "recipient_seconds": 3.5}
    world = World(services=Services(Watch()), edge=budgets)
    await world.edge.screen(MX, world.rules)
    await world.look()
    await world.look(asked=True)
    assert given == [(Stage.CONNECT, 1.5), (Stage.RCPT, 6.0), (Stage.RCPT, 3.5)]


# -- the message


async def test_greylisting_is_asked_again_with_a_high_score() -> None:
    world = World(greylist=lambda asked: GreylistAnswer((LATER,) * len(asked.recipients), 540.0))
    found = await world.message(score=8.5)
    assert (found.greylist, found.wait_seconds) == ((LATER, LATER), 540.0)
    assert world.greylist.asked == [GreylistQuestion(MX, STRANGER, SENDER, BOTH, 8.5)]
    assert world.ratelimit.asked == []  # no limit counts messages


@pytest.mark.parametrize(
    ("score", "client", "session", "recipients"),
    [
        (3.9, STRANGER, MX, BOTH),
        (None, STRANGER, MX, BOTH),
        (9.0, ClientFacts(known=True), MX, BOTH),
        (9.0, ClientFacts(allowed=True), MX, BOTH),
        (9.0, STRANGER, TRUSTED, BOTH),
        (9.0, STRANGER, MX, ()),
    ],
)
async def test_nobody_is_asked_about_a_message_that_cannot_be_greylisted(
    score: float | None, client: ClientFacts, session: Session, recipients: tuple[str, ...]
) -> None:
    world = World()
    assert await world.message(session, client, score, recipients) == MessageFound()
    assert world.greylist.asked == []


async def test_a_score_need_not_lead_to_greylisting() -> None:
    world = World()
    world.rules = rules(greylist={"score": None})
    assert await world.message(score=20.0) == MessageFound()


async def test_what_our_users_send_always_counts_and_once() -> None:
    world = World(ratelimit=lambda asked: RatelimitAnswer(FULL))
    found = await world.message(OUR_USER, score=None)
    assert found == MessageFound((), FULL)
    assert world.ratelimit.asked == [
        RatelimitQuestion(Stage.MESSAGE, OUR_USER, STRANGER, SENDER, BOTH, "S-1", 5000, 0.0)
    ]
    assert world.greylist.asked == []


@pytest.mark.parametrize(
    ("session", "client", "asked"),
    [(MX, STRANGER, 1), (TRUSTED, STRANGER, 0), (MX, ClientFacts(allowed=True), 0)],
)
async def test_what_others_send_counts_where_a_limit_counts_messages(
    session: Session, client: ClientFacts, asked: int
) -> None:
    limit = {"name": "messages", "unit": "messages", "by": ["ip"], "count": 5, "seconds": 60}
    world = World()
    world.rules = rules(ratelimit={"limits": [limit]})
    await world.message(session, client, score=0.0)
    assert len(world.ratelimit.asked) == asked


# -- offences


def offence(kind: OffenceKind = OffenceKind.LOGIN) -> Offence:
    """Return an offence."""
    return Offence(kind, "192.0.2.9", login="anna@example.com", evidence="why")


async def test_an_offence_is_reported_and_may_lead_to_a_ban() -> None:
    world = World(standing=lambda told: BAN)
    assert await world.edge.offend(offence(), MX) == BAN
    assert world.ratelimit.offences == [offence()]
    assert world.sample("offences_total", kind="login") == 1


@pytest.mark.parametrize(
    ("session", "policy"),
    [
        (TRUSTED, {}),
        (OUR_USER, {}),
        (replace(MX, client_ip="127.0.0.1"), {}),
        (replace(MX, client_ip="10.1.2.3"), {"relay": {"proxy_networks": ["10.0.0.0/8"]}}),
        (MX, {"ratelimit": {"intrusion": {"enabled": False}}}),
        (MX, {"ratelimit": {"intrusion": {"rules": {"login": {"enabled": False}}}}}),
    ],
)
async def test_some_are_never_reported(session: Session, policy: dict[str, Any]) -> None:
    world = World(standing=lambda told: BAN)
    world.rules = rules(**policy)
    assert not world.edge.watches(OffenceKind.LOGIN, session)
    assert await world.edge.offend(offence(), session) is None
    assert world.ratelimit.offences == []


async def test_our_users_are_watched_for_what_fills_sessions() -> None:
    world = World(standing=lambda told: BAN)
    assert world.edge.watches(OffenceKind.RESET, OUR_USER)
    assert await world.edge.offend(offence(OffenceKind.RESET), OUR_USER) == BAN


async def test_a_ban_by_hand_is_no_offence() -> None:
    assert not World().edge.watches(OffenceKind.MANUAL, MX)


async def test_where_nobody_counts_nothing_is_reported() -> None:
    world = World(services=Services())
    assert not world.edge.watches(OffenceKind.LOGIN, MX)
    assert await world.edge.offend(offence(), MX) is None


# -- failures


def no_answer(question: Any) -> Any:
    """Return what an adapter makes of a service that is away."""
    return question.unanswered(Outcome("x", Status.TEMPERROR, detail="away"))


async def later(world: World) -> list[RecipientFound]:
    """Look at recipients that are not the first."""
    return list((await world.look(asked=True)).recipients)


Phase = Callable[[World], Awaitable[Any]]
PHASES: list[Phase] = [
    lambda world: world.edge.screen(MX, world.rules),
    lambda world: world.recipients(),
    later,
    lambda world: world.message(OUR_USER),
]


@pytest.mark.parametrize("phase", PHASES)
async def test_where_nobody_answers_mail_goes_on(phase: Phase) -> None:
    world = World(no_answer, no_answer, no_answer)
    found = await phase(world)
    for one in found if isinstance(found, list) else [found]:
        assert getattr(one, "decision", None) is None
        assert {outcome.status for outcome in one.outcomes} == {Status.TEMPERROR}


@pytest.mark.parametrize("phase", PHASES)
async def test_a_fault_of_ours_costs_no_mail(phase: Phase) -> None:
    def crash(question: Any) -> Any:
        raise RuntimeError(question)

    world = World(crash, crash, crash)
    found = await phase(world)
    for one in found if isinstance(found, list) else [found]:
        assert getattr(one, "decision", None) is None
        assert {outcome.detail for outcome in one.outcomes} == {"internal error"}


async def test_a_service_that_keeps_failing_is_not_asked_for_a_while() -> None:
    world = World(no_answer)
    for _ in range(FAILURES + 4):
        found = await world.look(FACTS)
        assert (found.recipients[0].decision, found.client) == (None, FACTS)
    assert len(world.reputation.asked) == FAILURES
    assert "did not answer lately" in found.outcomes[0].detail
    assert world.sample("check_rests_total", check="reputation") == 1
    assert world.sample("checks_total", check="reputation", status="temperror") == FAILURES + 4
    world.clock.advance(REST_SECONDS)
    await world.look(FACTS)
    assert len(world.reputation.asked) == FAILURES + 1
    assert world.sample("check_rests_total", check="reputation") == 1


async def test_a_service_that_is_back_is_asked_again() -> None:
    away = True

    def sometimes(question: ReputationQuestion) -> ReputationAnswer:
        return no_answer(question) if away else ReputationAnswer(FINE, question.client)

    world = World(sometimes)
    for _ in range(FAILURES + 1):
        await world.look(FACTS)
    away = False
    world.clock.advance(REST_SECONDS)
    for _ in range(3):
        found = await world.look(FACTS)
        assert found.outcomes == (FINE,)


async def test_an_answer_without_an_answer_of_the_outside_is_no_failure_of_the_service() -> None:
    unsure = Outcome("reputation", Status.TEMPERROR, detail="no name server answers")
    world = World(lambda asked: ReputationAnswer(unsure, asked.client))
    for _ in range(FAILURES + 4):
        await world.look(FACTS)
    assert len(world.reputation.asked) == FAILURES + 4


async def test_one_service_that_fails_takes_no_other_with_it() -> None:
    world = World(no_answer)
    for _ in range(FAILURES + 2):
        await world.recipients()
    assert len(world.reputation.asked) == FAILURES
    assert len(world.greylist.asked) == len(world.ratelimit.asked) == FAILURES + 2


def test_the_checks_that_somebody_answers_have_names() -> None:
    assert World().edge.deployed == {"reputation", "greylist", "ratelimit"}
    some = Services(None, MemoryGreylist(), None)
    assert World(services=some).edge.deployed == {"greylist"}
