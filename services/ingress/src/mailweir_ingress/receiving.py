"""A message's way once its data is here: judge it, decide, keep it, and only then let the client be told.

Nothing in here depends on the connection: a client that hangs up now changes nothing. What was stored is ours
and is recorded, whether the 250 reaches anybody or not.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from mailweir_core.bans import OffenceKind
from mailweir_core.clock import Clock
from mailweir_core.decision import Action, Decision
from mailweir_core.net import client_network, parse_ip
from mailweir_core.outcome import Outcome, Status
from mailweir_core.reasons import Reason
from mailweir_core.record import Envelope
from mailweir_ingress.attempts import Attempts, fingerprint
from mailweir_ingress.checks import ABSENT, absent, recorded, telling
from mailweir_ingress.edge import Edge, Judged
from mailweir_ingress.metrics import Metrics, Phase
from mailweir_ingress.policy.compose import cleaned, composed
from mailweir_ingress.policy.decide import (
    INTERNAL,
    STORE_FULL,
    UNSTORED,
    decide,
    shape_refusal,
)
from mailweir_ingress.policy.edge import MessageFound
from mailweir_ingress.policy.facts import ContentVerdict, MessageFacts
from mailweir_ingress.policy.trace import received
from mailweir_ingress.ports import Keeper, NotKept, Record, RecordKind, Scorer, SigningKeys
from mailweir_ingress.signing import Signer
from mailweir_ingress.smtp.house import Arrival, Received
from mailweir_runtime.logs import get_logger

SCORING: Final = "scoring"
_WORTH_SAYING: Final = frozenset({Status.OK, Status.HIT, Status.TEMPERROR})


@dataclass(frozen=True, slots=True)
class Means:
    """What it takes to receive a message."""

    scorer: Scorer
    keeper: Keeper
    keys: SigningKeys
    edge: Edge


class Receiver:
    """Takes messages in. One for the process; what it remembers are resent messages."""

    def __init__(self, means: Means, metrics: Metrics, clock: Clock, version: str) -> None:
        """Take the ports; `version` stands in the header X-Mailweir-Version."""
        self._scorer = means.scorer
        self._keeper = means.keeper
        self._edge = means.edge
        self._metrics = metrics
        self._clock = clock
        self._version = version
        self._sign = Signer(means.keys, metrics, clock)
        self._attempts = Attempts()
        self._log = get_logger(__name__).bind()  # bound once, since each line would do it again

    async def __call__(self, arrival: Arrival) -> Received:
        """Return what the client is to be told, once it may be. Never raises."""
        try:
            return await self._receive(arrival)
        except Exception:  # noqa: BLE001 - logged; the client learns that it may come again
            self._log.exception("message_crashed", ref=arrival.envelope.ref)
            self._metrics.messages[INTERNAL.action, INTERNAL.reason].inc()
            return Received(INTERNAL)

    async def _receive(self, arrival: Arrival) -> Received:
        rules = arrival.rules
        trace = received(arrival.envelope, rules.hostname)
        content = arrival.content
        if arrival.shape.claims:  # rarely, and it means to split the header into its fields
            content = cleaned(content, rules.hostname)
        verdict, scoring = await self._judge(arrival, trace, content)
        decision, checks = await self._decide(arrival, verdict)
        record = self._record(arrival, decision, verdict, (*checks, scoring))
        if decision.action in (Action.ACCEPT, Action.TAG, Action.HOLD):
            headers = (
                *(verdict.headers if verdict is not None else ()),
                *unchecked(checks, foreign=arrival.envelope.session.is_foreign),
            )
            whole = composed(content, trace, arrival.envelope.ref, self._version, headers)
            signed = await self._sign(arrival.envelope, content, headers, rules)
            record = await self._keep(record, signed + whole)
        else:
            self._keeper.note(record)
        self._account(record)
        return _received(record, arrival)

    async def _decide(
        self, arrival: Arrival, verdict: ContentVerdict | None
    ) -> tuple[Decision, tuple[Outcome, ...]]:
        """Return the decision, and the outcomes of the edge's checks.

        Checks that count what is taken, or have senders come again, are only asked about what the content
        would let in.
        """
        rules = arrival.rules
        facts = self._facts(arrival, verdict)
        decision = decide(facts, rules)
        if not self._edge.deployed:
            return decision, ABSENT
        found = MessageFound()
        if decision.action.takes_mail and decision.action is not Action.DISCARD:
            found = await self._edge.message(_judged(arrival, verdict), rules)
        found = replace(found, session=arrival.outcomes)
        decision = decide(replace(facts, edge=found), rules)
        return decision, recorded(found.outcomes, self._edge.deployed)

    async def _judge(
        self, arrival: Arrival, trace: bytes, content: bytes
    ) -> tuple[ContentVerdict | None, Outcome]:
        """Return the verdict and its outcome as a check; none is asked for where none counts."""
        if shape_refusal(arrival.shape, arrival.rules) is not None:
            return None, Outcome(SCORING, Status.SKIPPED, detail="refused by its shape")
        if arrival.exempt:
            return None, Outcome(SCORING, Status.SKIPPED, detail="exempt from scanning")
        started = self._clock.monotonic()
        verdict = await self._scorer.score(
            arrival.envelope,
            trace + content,
            telling(recorded(arrival.outcomes, self._edge.deployed)) if arrival.outcomes else (),
            arrival.rules.policy.scoring.budget_seconds,
        )
        seconds = self._clock.monotonic() - started
        self._metrics.seconds[Phase.SCORE].observe(seconds)
        return verdict, Outcome(
            SCORING, verdict.status, reason=verdict.reason, detail=verdict.detail, seconds=seconds
        )

    def _facts(self, arrival: Arrival, verdict: ContentVerdict | None) -> MessageFacts:
        facts = MessageFacts(
            arrival.shape,
            exempt=arrival.exempt,
            verdict=verdict,
            outbound=bool(arrival.envelope.session.auth_user),
        )
        if verdict is None or not _is_for_later(verdict):
            return facts
        return replace(facts, attempts=self._attempts.count(_fingerprint(arrival)))

    def _record(
        self,
        arrival: Arrival,
        decision: Decision,
        verdict: ContentVerdict | None,
        checks: tuple[Outcome, ...],
    ) -> Record:
        return Record(
            kind=RecordKind.MESSAGE,
            envelope=arrival.envelope,
            decision=decision,
            reply=decision.reply.line(arrival.envelope.ref),
            judged_at=self._clock.now(),
            config_version=arrival.rules.version,
            bytes=arrival.shape.bytes,
            verdict=verdict,
            checks=checks,
            refused=arrival.refused,
        )

    async def _keep(self, record: Record, content: bytes) -> Record:
        """Store a message; returns the record as it is then, which may be that it was not stored."""
        started = self._clock.monotonic()
        try:
            await self._keeper.keep(record, content)
        except NotKept as error:
            refusal = replace(STORE_FULL if error.full else UNSTORED, detail=str(error))
            record = replace(
                record, decision=refusal, reply=refusal.reply.line(record.envelope.ref)
            )
            self._keeper.note(record)
        seconds = self._clock.monotonic() - started
        self._metrics.seconds[Phase.STORE].observe(seconds)
        return record

    def _account(self, record: Record) -> None:
        """Count the message and write its one line."""
        decision, envelope, verdict = record.decision, record.envelope, record.verdict
        self._metrics.messages[decision.action, decision.reason].inc()
        scoring = record.checks[-1]
        self._metrics.checks[scoring.check, scoring.status].inc()
        for check in absent(record.checks):
            self._metrics.checks[check, Status.SKIPPED].inc()
        self._log.info(
            "message_judged",
            ref=envelope.ref,
            action=decision.action,
            reason=decision.reason,
            detail=decision.detail,
            reply=decision.reply.code,
            score=verdict.score if verdict is not None else None,
            signals=verdict.signals if verdict is not None else (),
            bytes=record.bytes,
            client_ip=envelope.session.client_ip,
            user=envelope.session.auth_user,
            recipients=len(envelope.recipients),
            scoring=scoring.status,
            checks={c.check: c.status for c in record.checks[:-1] if c.status in _WORTH_SAYING},
            scoring_milliseconds=round(scoring.seconds * 1000, 1),
            config=record.config_version,
            milliseconds=round((record.judged_at - envelope.received_at) * 1000, 1),
        )


def unchecked(checks: Sequence[Outcome], *, foreign: bool) -> tuple[tuple[str, str], ...]:
    """Return the header that names the session's checks that were not made, if any was not.

    They failed, or their service is not deployed, which says nothing of mail of our own users.
    """
    missing = absent(checks) if foreign else ()
    lost = [c.check for c in checks if c.status is Status.TEMPERROR or c.check in missing]
    return (("X-Mailweir-Unchecked", ", ".join(lost)),) if lost else ()


def _judged(arrival: Arrival, verdict: ContentVerdict | None) -> Judged:
    return Judged(
        arrival.envelope, arrival.client, arrival.unspared, arrival.shape.bytes, _score(verdict)
    )


def _score(verdict: ContentVerdict | None) -> float | None:
    known = verdict is not None and verdict.status in (Status.OK, Status.HIT)
    return verdict.score if verdict is not None and known else None


def _received(record: Record, arrival: Arrival) -> Received:
    """Return what became of a message; malware and a high score speak against who sent it."""
    verdict = record.verdict
    score = _score(verdict)
    if verdict is None or score is None:
        return Received(record.decision)
    if verdict.reason is Reason.MALWARE:
        return Received(record.decision, OffenceKind.CONTENT, score)
    if score >= arrival.rules.policy.ratelimit.intrusion.rules.score.measure:
        return Received(record.decision, OffenceKind.SCORE, score)
    return Received(record.decision)


def _is_for_later(verdict: ContentVerdict) -> bool:
    return verdict.status is Status.TEMPERROR or verdict.action is Action.DEFER


def _fingerprint(arrival: Arrival) -> bytes:
    envelope: Envelope = arrival.envelope
    address = parse_ip(envelope.session.client_ip)
    client = envelope.session.client_ip if address is None else str(client_network(address))
    return fingerprint(client, envelope.sender, envelope.recipients, arrival.content)
