"""Carries messages to SMTP and LMTP next hops over pooled sessions."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Final

from mailweir_delivery.adapters.smtp.late import LateReplies
from mailweir_delivery.adapters.smtp.pool import Pool, PoolKey
from mailweir_delivery.adapters.smtp.session import NotOpened, Session, open_session
from mailweir_delivery.adapters.smtp.terms import Terms, TlsContexts
from mailweir_delivery.metrics import Metrics
from mailweir_delivery.policy.replies import Ending, Stage
from mailweir_delivery.policy.routing import Hop, Tls
from mailweir_delivery.ports import Leg, Parcel
from mailweir_policy import DeliveryPolicy

NO_TLS_SECONDS: Final = 3600.0
"""A next hop whose TLS failed is spoken to in the clear for this long, where that is allowed."""
MAX_NO_TLS: Final = 4096


class SmtpCarrier:
    """One per process; its sessions are shared by all messages."""

    def __init__(self, contexts: TlsContexts, late: LateReplies, metrics: Metrics) -> None:
        """Begin without connections."""
        self._contexts = contexts
        self._late = late
        self._metrics = metrics
        self._pool = Pool()
        self._no_tls: dict[Hop, float] = {}

    async def deliver(
        self, parcel: Parcel, recipients: Sequence[str], leg: Leg
    ) -> Mapping[str, Ending]:
        """Return how it ended for each recipient."""
        terms, policy = Terms.of(leg.policy), leg.policy.delivery
        key = PoolKey(leg.hop, self._level(leg.hop, leg.tls), terms.hello)
        while session := self._pool.take(key):
            self._metrics.connections.labels("reused").inc()
            endings = await self._use(session, key, parcel, recipients, policy)
            if not session.was_stale:
                return endings
        opened = await self._open(key, terms)
        if isinstance(opened, NotOpened):
            return dict.fromkeys(recipients, opened.ending)
        return await self._use(opened, key, parcel, recipients, policy)

    def close(self) -> None:
        """Let idle sessions go."""
        self._pool.close()

    def _level(self, hop: Hop, tls: Tls) -> Tls:
        now = asyncio.get_running_loop().time()
        clear = tls is Tls.OPPORTUNISTIC and self._no_tls.get(hop, 0.0) > now
        return Tls.NONE if clear else tls

    async def _use(
        self,
        session: Session,
        key: PoolKey,
        parcel: Parcel,
        recipients: Sequence[str],
        policy: DeliveryPolicy,
    ) -> Mapping[str, Ending]:
        try:
            endings = await session.transact(parcel, recipients)
        except BaseException:  # cancelled: nobody knows what state the session is in
            session.link.abort()
            raise
        if session.late and session.link.open:
            self._late.listen(
                (parcel.ref, parcel.release),
                session.link,
                session.late,
                str(session.hop),
                policy.late_reply_seconds,
            )
        elif not session.reusable:
            session.link.abort()
        elif session.transactions >= policy.messages_per_connection:
            session.link.quit()
        else:
            self._pool.give(key, session, policy.connection_idle_seconds)
        return endings

    async def _open(self, key: PoolKey, terms: Terms) -> Session | NotOpened:
        opened = await self._open_once(key.hop, key.tls, terms)
        if isinstance(opened, Session) or opened.stage is not Stage.TLS:
            return opened
        if key.tls is not Tls.OPPORTUNISTIC:
            return opened
        self._metrics.tls_given_up.inc()
        if len(self._no_tls) >= MAX_NO_TLS:
            self._no_tls.clear()
        self._no_tls[key.hop] = asyncio.get_running_loop().time() + NO_TLS_SECONDS
        return await self._open_once(key.hop, Tls.NONE, terms)

    async def _open_once(self, hop: Hop, tls: Tls, terms: Terms) -> Session | NotOpened:
        opened = await open_session(
            hop, tls, terms, self._contexts, self._metrics.open_connections.inc
        )
        if isinstance(opened, Session):
            self._metrics.connections.labels("opened").inc()
        return opened
