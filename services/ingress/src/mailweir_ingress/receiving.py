"""A message's way once its data is here: judge it, decide, keep it, and only then let the client be told.

Nothing in here depends on the connection: a client that hangs up now changes nothing. What was stored is ours
and is recorded, whether the 250 reaches anybody or not.
"""

from dataclasses import replace
from typing import Final

from mailweir_core.clock import Clock
from mailweir_core.decision import Action, Decision
from mailweir_core.net import client_network, parse_ip
from mailweir_core.outcome import Outcome, Status
from mailweir_core.record import Envelope
from mailweir_ingress.attempts import Attempts, fingerprint
from mailweir_ingress.checks import ABSENT
from mailweir_ingress.metrics import Metrics, Phase
from mailweir_ingress.policy.compose import cleaned, composed
from mailweir_ingress.policy.decide import (
    INTERNAL,
    STORE_FULL,
    UNSTORED,
    decide,
    shape_refusal,
)
from mailweir_ingress.policy.facts import ContentVerdict, MessageFacts
from mailweir_ingress.policy.trace import received
from mailweir_ingress.ports import Keeper, NotKept, Record, RecordKind, Scorer, SigningKeys
from mailweir_ingress.signing import Signer
from mailweir_ingress.smtp.house import Arrival
from mailweir_runtime.logs import get_logger

SCORING: Final = "scoring"


class Receiver:
    """Takes messages in. One for the process; what it remembers are resent messages."""

    def __init__(
        self,
        scorer: Scorer,
        keeper: Keeper,
        metrics: Metrics,
        clock: Clock,
        version: str,
        keys: SigningKeys,
    ) -> None:
        """Take the ports; `version` stands in the header X-Mailweir-Version."""
        self._scorer = scorer
        self._keeper = keeper
        self._metrics = metrics
        self._clock = clock
        self._version = version
        self._sign = Signer(keys, metrics, clock)
        self._attempts = Attempts()
        self._log = get_logger(__name__).bind()  # bound once, since each line would do it again

    async def __call__(self, arrival: Arrival) -> Decision:
        """Return what the client is to be told, once it may be. Never raises."""
        try:
            return await self._receive(arrival)
        except Exception:  # noqa: BLE001 - logged; the client learns that it may come again
            self._log.exception("message_crashed", ref=arrival.envelope.ref)
            self._metrics.messages[INTERNAL.action, INTERNAL.reason].inc()
            return INTERNAL

    async def _receive(self, arrival: Arrival) -> Decision:
        rules = arrival.rules
        trace = received(arrival.envelope, rules.hostname)
        content = arrival.content
        if arrival.shape.claims:  # rarely, and it means to split the header into its fields
            content = cleaned(content, rules.hostname)
        verdict, scoring = await self._judge(arrival, trace, content)
        decision = decide(self._facts(arrival, verdict), rules)
        record = self._record(arrival, decision, verdict, (*ABSENT, scoring))
        if decision.action in (Action.ACCEPT, Action.TAG, Action.HOLD):
            headers = verdict.headers if verdict is not None else ()
            whole = composed(content, trace, arrival.envelope.ref, self._version, headers)
            signed = await self._sign(arrival.envelope, content, headers, rules)
            record = await self._keep(record, signed + whole)
        else:
            self._keeper.note(record)
        self._account(record)
        return record.decision

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
            (),  # no check has anything to tell yet
            arrival.rules.policy.scoring.budget_seconds,
        )
        seconds = self._clock.monotonic() - started
        self._metrics.seconds[Phase.SCORE].observe(seconds)
        return verdict, Outcome(
            SCORING, verdict.status, reason=verdict.reason, detail=verdict.detail, seconds=seconds
        )

    def _facts(self, arrival: Arrival, verdict: ContentVerdict | None) -> MessageFacts:
        facts = MessageFacts(arrival.shape, exempt=arrival.exempt, verdict=verdict)
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
            scoring_milliseconds=round(scoring.seconds * 1000, 1),
            config=record.config_version,
            milliseconds=round((record.judged_at - envelope.received_at) * 1000, 1),
        )


def _is_for_later(verdict: ContentVerdict) -> bool:
    return verdict.status is Status.TEMPERROR or verdict.action is Action.DEFER


def _fingerprint(arrival: Arrival) -> bytes:
    envelope: Envelope = arrival.envelope
    address = parse_ip(envelope.session.client_ip)
    client = envelope.session.client_ip if address is None else str(client_network(address))
    return fingerprint(client, envelope.sender, envelope.recipients, arrival.content)
