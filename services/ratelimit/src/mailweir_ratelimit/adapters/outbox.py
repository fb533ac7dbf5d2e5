"""Notices as queued mail, and the same in memory."""

from mailweir.events.v1 import events_pb2
from mailweir_core.reasons import Reason
from mailweir_core.record import Envelope, Listener, Session
from mailweir_policy.policy import IdentityPolicy
from mailweir_ratelimit.policy.notice import Letter, build
from mailweir_runtime.bus.ports import Bus, BusUnavailable
from mailweir_runtime.bus.topology import deliver_subject
from mailweir_runtime.config import HasPolicy
from mailweir_runtime.convert import envelope_to_proto


class BusOutbox:
    """Puts mails on the stream that delivery takes from."""

    def __init__(self, bus: Bus, config: HasPolicy, shard: str) -> None:
        """Queue for one shard."""
        self._bus = bus
        self._config = config
        self._shard = shard

    async def send(self, mail: Letter) -> None:
        """Queue a mail; raises BusError."""
        identity = self._config.current.policy.identity
        subject = deliver_subject(self._shard, mail.ref)
        await self._bus.publish(subject, queued(mail, identity), msg_id=f"notice-{mail.ref}")


def queued(mail: Letter, identity: IdentityPolicy) -> bytes:
    """Return the stream message of a mail, from the null sender: nobody is to answer."""
    content = build(mail, identity)
    envelope = Envelope(
        ref=mail.ref,
        session=Session(id=mail.ref, listener=Listener.MX, client_ip="", connected_at=mail.at),
        sender="",
        recipients=(mail.to,),
        received_at=mail.at,
        eight_bit=not content.isascii(),
        smtputf8=not mail.to.isascii(),
    )
    return events_pb2.QueuedMail(
        envelope=envelope_to_proto(envelope),
        content=content,
        action="accept",
        reason=Reason.EXEMPT,
        notification_about=mail.ref,
    ).SerializeToString()


class MemoryOutbox:
    """Keeps mails; `away` makes it raise BusUnavailable."""

    def __init__(self) -> None:
        """Begin empty."""
        self.away = False
        self.sent: dict[str, Letter] = {}

    async def send(self, mail: Letter) -> None:
        """Keep a mail, once."""
        if self.away:
            raise BusUnavailable("as the test wants")
        self.sent.setdefault(mail.ref, mail)
