"""A message's way once its data is here, with everything outside in memory."""

from dataclasses import replace
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from mailweir_core.bans import OffenceKind
from mailweir_core.clock import ManualClock
from mailweir_core.decision import Action
from mailweir_core.outcome import Advice, Outcome, Signal, Status
from mailweir_core.reasons import Reason
from mailweir_core.record import Envelope, Listener, Session
from mailweir_ingress.adapters.greylist import MemoryGreylist
from mailweir_ingress.adapters.keeper import MemoryKeeper
from mailweir_ingress.adapters.keys import MemoryKeys
from mailweir_ingress.adapters.ratelimit import MemoryRatelimit
from mailweir_ingress.adapters.reputation import MemoryReputation
from mailweir_ingress.adapters.scoring import MemoryScorer, no_verdict
from mailweir_ingress.edge import Edge, Services
from mailweir_ingress.metrics import declare
from mailweir_ingress.policy.compose import look_at
from mailweir_ingress.policy.facts import ContentVerdict
from mailweir_ingress.policy.rules import compile_rules
from mailweir_ingress.ports import GreylistAnswer, NotKept, RatelimitAnswer, Stage
from mailweir_ingress.receiving import Means, Receiver
from mailweir_ingress.smtp.house import Arrival
from mailweir_mail.auth.dkim import SigningKey
from mailweir_policy import policy_from

SESSION = Session("S", Listener.MX, "192.0.2.9", helo="client.example.net", esmtp=True)
CONTENT = b"Subject: x\r\nX-Spam-Flag: NO\r\n\r\nhello\r\n"


def arrival(content: bytes = CONTENT, *, exempt: bool = False, ref: str = "S-1") -> Arrival:
    """Return a message that has come."""
    return Arrival(
        envelope=Envelope(ref, SESSION, "anna@example.net", ("bob@example.com",), 1.0),
        content=content,
        shape=look_at(content, bare_newline=False, line_lengths=False),
        exempt=exempt,
        refused=(),
        rules=compile_rules(policy_from({"message": {"received_hops": 5}}), "v.3"),
    )


class World:
    """A receiver and what it works with."""

    def __init__(
        self,
        verdict: ContentVerdict | None = None,
        *keys: SigningKey,
        services: Services | None = None,
    ) -> None:
        self.scorer = MemoryScorer(None if verdict is None else lambda _e, _r: verdict)
        self.keeper = MemoryKeeper()
        self.registry = CollectorRegistry()
        metrics = declare(self.registry)
        rules = compile_rules(policy_from({}), "v.1")
        edge = Edge(services or Services(), lambda: rules, ManualClock(), metrics)
        self.receive = Receiver(
            Means(self.scorer, self.keeper, MemoryKeys(*keys), edge),
            metrics,
            ManualClock(),
            "1.2.3",
        )

    def count(self, action: str, reason: str) -> float:
        return self._sample("messages_total", action=action, reason=reason)

    def checks(self, check: str, status: str) -> float:
        return self._sample("checks_total", check=check, status=status)

    def _sample(self, name: str, **labels: str) -> float:
        value = self.registry.get_sample_value(f"mailweir_ingress_{name}", labels)
        assert value is not None
        return value


async def test_what_is_judged_is_what_is_kept_but_for_the_verdict() -> None:
    headers = (("X-Spam-Flag", "YES"),)
    world = World(ContentVerdict(Status.HIT, Action.TAG, Reason.SUSPICIOUS, 7, headers))
    decision = (await world.receive(arrival())).decision
    assert (decision.action, decision.reply.code) == (Action.TAG, 250)
    ((_, judged),) = world.scorer.asked
    ((record, kept),) = world.keeper.kept
    ours = b"X-Mailweir-Id: S-1\r\nX-Mailweir-Version: 1.2.3\r\nX-Spam-Flag: YES\r\n"
    ours += b"X-Mailweir-Unchecked: reputation, greylist, ratelimit\r\n"
    trace = judged[: judged.index(b"Subject")]
    assert kept == trace + ours + b"Subject: x\r\n\r\nhello\r\n"
    assert judged == trace + b"Subject: x\r\n\r\nhello\r\n"
    assert record.bytes == len(CONTENT)
    assert record.reply == "250 2.0.0 Message accepted [S-1]"
    assert world.count("tag", "suspicious") == 1


async def test_a_bad_shape_is_not_judged() -> None:
    world = World()
    decision = (await world.receive(arrival(b"Received: x\r\n" * 6 + b"\r\n"))).decision
    assert decision.reason is Reason.LOOP
    assert world.scorer.asked == world.keeper.kept == []
    (note,) = world.keeper.notes
    assert note.checks[-1].detail == "refused by its shape"


async def test_an_exempt_message_is_kept_with_ours_but_not_judged() -> None:
    world = World()
    decision = (await world.receive(arrival(exempt=True))).decision
    assert (decision.action, decision.reason) == (Action.ACCEPT, Reason.EXEMPT)
    assert world.scorer.asked == []
    ((record, kept),) = world.keeper.kept
    assert b"X-Mailweir-Id: S-1\r\n" in kept
    assert b"X-Spam-Flag" not in kept
    assert record.checks[-1].status is Status.SKIPPED


async def test_a_resent_message_is_known_again_under_its_new_reference() -> None:
    world = World(no_verdict("away"))
    actions = [(await world.receive(arrival(ref=f"S-{n}"))).decision.action for n in range(1, 5)]
    assert actions == [Action.DEFER, Action.DEFER, Action.HOLD, Action.HOLD]
    other = (await world.receive(arrival(CONTENT + b"more\r\n", ref="S-9"))).decision
    assert other.action is Action.DEFER
    assert [note.decision.reason for note in world.keeper.notes] == [Reason.SCORING_UNAVAILABLE] * 3


@pytest.mark.parametrize(
    ("error", "enhanced"), [(NotKept("away"), "4.3.0"), (NotKept("full", full=True), "4.3.1")]
)
async def test_what_is_not_kept_is_deferred_and_recorded_so(error: NotKept, enhanced: str) -> None:
    world = World()
    world.keeper.outage = error
    decision = (await world.receive(arrival())).decision
    assert (decision.reply.code, decision.reply.enhanced) == (451, enhanced)
    (note,) = world.keeper.notes
    assert note.decision.reason is Reason.STORE_UNAVAILABLE
    assert note.reply.startswith("451 ")
    assert world.count("defer", "store-unavailable") == 1
    assert world.count("accept", "clean") == 0


async def test_a_fault_of_ours_is_for_later() -> None:
    world = World()
    broken = replace(arrival(), content=None)  # type: ignore[arg-type]
    decision = (await world.receive(broken)).decision
    assert (decision.reason, decision.reply.code) == (Reason.INTERNAL, 451)
    assert world.keeper.kept == []


async def test_an_address_that_is_none_is_a_client_too() -> None:
    world = World(no_verdict("away"))
    gone = arrival()
    envelope = replace(gone.envelope, session=replace(SESSION, client_ip=""))
    assert (await world.receive(replace(gone, envelope=envelope))).decision.action is Action.DEFER


OUR_USER = Session("S", Listener.SUBMISSION, "192.0.2.9", auth_user="anna@example.com")
FULL = Outcome("ratelimit", Status.HIT, (), Advice.HOLD, Reason.OVER_LIMIT, "200 a day")
LISTED = Outcome("reputation", Status.HIT, (Signal("LISTED", 3.0, "edge"),), detail="Some List")
LOST = Outcome("greylist", Status.TEMPERROR, detail="away")


def outbound(**fields: Any) -> Arrival:
    """Return a message of a user of ours."""
    came = arrival(**fields)
    return replace(came, envelope=replace(came.envelope, session=OUR_USER))


def scored(score: float, action: Action = Action.TAG) -> ContentVerdict:
    """Return a verdict with a score."""
    return ContentVerdict(Status.HIT, action, Reason.SUSPICIOUS, score)


async def test_what_the_session_found_is_told_to_the_scorer_and_recorded() -> None:
    world = World(services=Services(MemoryReputation(), MemoryGreylist()))
    fine = Outcome("reputation", Status.OK)
    await world.receive(replace(arrival(), outcomes=(fine, LISTED, LOST)))
    (told,) = world.scorer.outcomes
    assert [(o.check, o.status) for o in told] == [
        ("reputation", Status.HIT),
        ("greylist", Status.TEMPERROR),
    ]
    ((record, kept),) = world.keeper.kept
    assert [(o.check, o.status) for o in record.checks[:-1]] == [
        ("reputation", Status.HIT),
        ("greylist", Status.TEMPERROR),
        ("ratelimit", Status.SKIPPED),
    ]
    assert b"\r\nX-Mailweir-Unchecked: greylist, ratelimit\r\n" in kept


EDGE = {
    "reputation": MemoryReputation,
    "greylist": MemoryGreylist,
    "ratelimit": MemoryRatelimit,
}


@pytest.mark.parametrize("left_out", [("reputation",), ("greylist",), ("ratelimit",), tuple(EDGE)])
async def test_what_is_not_deployed_is_named_in_record_header_and_metric(
    left_out: tuple[str, ...],
) -> None:
    there = {name: make() for name, make in EDGE.items() if name not in left_out}
    world = World(services=Services(**there))  # type: ignore[arg-type]  # each of its own kind
    received = await world.receive(arrival())
    assert received.decision.action is Action.ACCEPT
    ((record, kept),) = world.keeper.kept
    said = [o.check for o in record.checks[:-1] if o.detail == "not deployed"]
    assert said == list(left_out)
    assert f"\r\nX-Mailweir-Unchecked: {', '.join(left_out)}\r\n".encode() in kept
    skipped = [name for name in EDGE if world.checks(name, "skipped")]
    assert skipped == list(left_out)


async def test_what_our_users_send_names_no_service_of_ours() -> None:
    world = World()
    await world.receive(outbound())
    ((record, kept),) = world.keeper.kept
    assert [o.detail for o in record.checks[:-1]] == ["not deployed"] * 3
    assert b"Unchecked" not in kept


async def test_mail_over_a_limit_is_kept_back_and_counted_by_its_reference() -> None:
    limits = MemoryRatelimit(lambda asked: RatelimitAnswer(FULL))
    world = World(services=Services(ratelimit=limits))
    received = await world.receive(outbound(ref="S-7"))
    assert received.decision.reply.line("S-7") == (
        "250 2.0.0 Message held and not yet sent: 200 a day [S-7]"
    )
    ((record, _),) = world.keeper.kept
    assert (record.decision.action, record.decision.reason) == (Action.HOLD, Reason.OVER_LIMIT)
    assert [(q.stage, q.ref, q.bytes) for q in limits.asked] == [
        (Stage.MESSAGE, "S-7", len(CONTENT))
    ]


async def test_limits_hold_for_mail_that_is_exempt_from_scanning() -> None:
    limits = MemoryRatelimit(lambda asked: RatelimitAnswer(FULL))
    world = World(services=Services(ratelimit=limits))
    received = await world.receive(outbound(exempt=True))
    assert received.decision.reason is Reason.OVER_LIMIT
    assert world.scorer.asked == []


@pytest.mark.parametrize(
    "verdict",
    [
        ContentVerdict(Status.HIT, Action.REJECT, Reason.SPAM, 12.0),
        ContentVerdict(Status.HIT, Action.DISCARD, Reason.DISCARDED, 12.0),
        scored(15.0),
        no_verdict("away"),
    ],
)
async def test_what_is_not_taken_does_not_count(verdict: ContentVerdict) -> None:
    limits = MemoryRatelimit()
    world = World(verdict, services=Services(ratelimit=limits))
    await world.receive(outbound())
    assert limits.asked == []


async def test_a_suspicious_message_may_be_for_later() -> None:
    later = Outcome("greylist", Status.HIT, (), Advice.DEFER, Reason.GREYLISTED)
    greylist = MemoryGreylist(lambda asked: GreylistAnswer((later,), 540.0))
    world = World(scored(8.0), services=Services(greylist=greylist))
    received = await world.receive(replace(arrival(), unspared=("bob@example.com",)))
    assert received.decision.reply.line() == (
        "451 4.7.1 Greylisted, please come back later: 540 seconds left"
    )
    assert world.keeper.kept == []
    (note,) = world.keeper.notes
    assert note.decision.reason is Reason.GREYLISTED
    assert (await world.receive(arrival(ref="S-2"))).decision.action is Action.TAG


@pytest.mark.parametrize(
    ("verdict", "offence", "score"),
    [
        (scored(19.9), None, 0.0),
        (scored(20.0), OffenceKind.SCORE, 20.0),
        (
            ContentVerdict(Status.HIT, Action.REJECT, Reason.MALWARE, 14.0),
            OffenceKind.CONTENT,
            14.0,
        ),
        (replace(scored(50.0), status=Status.TEMPERROR), None, 0.0),
        (None, None, 0.0),
    ],
)
async def test_content_may_be_an_offence(
    verdict: ContentVerdict | None, offence: OffenceKind | None, score: float
) -> None:
    received = await World(verdict).receive(arrival())
    assert (received.offence, received.score) == (offence, score)
