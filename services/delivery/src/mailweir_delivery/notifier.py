"""Tells senders what could not be delivered: as queued mail of its own, once for each failure."""

from dataclasses import dataclass

from mailweir_delivery.adapters.ledger import Ledger
from mailweir_delivery.adapters.queued import Queued, write_notice
from mailweir_delivery.metrics import Metrics
from mailweir_delivery.policy.notice import Notice, build, notice_id, notice_ref, wants_notice
from mailweir_delivery.policy.progress import Progress, Recipient, lost_by_attempt
from mailweir_policy import Policy
from mailweir_runtime.bus.topology import deliver_subject
from mailweir_runtime.logs import get_logger

_log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Untold:
    """A failure that the sender has not been told of: the notification's reference, and whom it is about."""

    ref: str
    attempt: int
    lost: tuple[Recipient, ...]


class Notifier:
    """Makes and queues notifications."""

    def __init__(self, ledger: Ledger, metrics: Metrics) -> None:
        """Take what it works with."""
        self._ledger = ledger
        self._metrics = metrics

    async def untold(
        self, mail: Queued, shard: str, progress: Progress, policy: Policy, *, fresh: bool
    ) -> tuple[Untold, ...]:
        """Return what is to be told; raises BusUnavailable.

        `fresh`: the last attempt has just ended here, so that nobody can have told of it before.
        """
        groups = lost_by_attempt(progress)
        if not groups:
            return ()
        enabled = policy.delivery.bounce
        if not wants_notice(mail.envelope.sender, mail.about, enabled=enabled):
            if fresh and progress.attempts in groups:
                cause = "nobody_to_tell" if enabled else "switched_off"
                self._metrics.notices.labels(cause).inc()
            return ()
        found = []
        for attempt, lost in groups.items():
            at = max(person.at for person in lost)
            ref = notice_ref(mail.ref, mail.release, attempt, at)
            new = fresh and attempt == progress.attempts
            if new or not await self._ledger.is_known(shard, ref):
                found.append(Untold(ref, attempt, lost))
        return tuple(found)

    async def tell(
        self, mail: Queued, shard: str, failure: Untold, original: bytes, policy: Policy
    ) -> None:
        """Queue a notification about a message, whose content is `original`."""
        notice = Notice(
            ref=failure.ref,
            about=mail.ref,
            hostname=policy.identity.hostname,
            postmaster=policy.identity.postmaster,
            sender=mail.envelope.sender,
            lost=failure.lost,
            arrived_at=mail.envelope.received_at,
            at=max(person.at for person in failure.lost),
            original=original,
        )
        await self._ledger.publish(
            deliver_subject(shard, failure.ref),
            write_notice(notice, build(notice), mail.envelope),
            notice_id(mail.ref, mail.release, failure.attempt),
        )
        self._metrics.notices.labels("sent").inc()
        _log.info("sender_notified", ref=mail.ref, notice=failure.ref, recipients=len(failure.lost))
