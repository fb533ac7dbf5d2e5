"""Records of judged mail as they come from the stream."""

from google.protobuf.message import DecodeError

from mailweir.events.v1 import events_pb2
from mailweir_ratelimit.policy.verdicts import Verdict
from mailweir_runtime.bus.ports import Message
from mailweir_runtime.convert import session_from_proto


class Unreadable(Exception):
    """Raised for a record that cannot be read."""


def verdict_from(message: Message) -> Verdict | None:
    """Return what was judged, None where it was no message; raises Unreadable."""
    try:
        judged = events_pb2.Judged.FromString(message.payload)
    except DecodeError as error:
        raise Unreadable("not a record") from error
    if judged.kind != events_pb2.JUDGED_KIND_MESSAGE:
        return None
    envelope = judged.envelope
    return Verdict(
        ref=judged.ref,
        session=session_from_proto(envelope.session),
        sender=envelope.sender,
        recipients=tuple(envelope.recipients),
        action=judged.action,
        reason=judged.reason,
        score=judged.verdict.score,
        at=judged.judged_at,
        fresh=message.fresh,
    )
