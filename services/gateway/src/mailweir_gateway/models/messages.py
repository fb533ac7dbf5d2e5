"""Records and held mail."""

from typing import Final

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from mailweir_core.decision import Action, State
from mailweir_core.reasons import Reason
from mailweir_gateway.models.base import Asked, Ref, Shape, Time

MAX_PAGE: Final = 500
MAX_IDS: Final = 500
MAX_TEXT: Final = 256
MAX_CURSOR: Final = 128


class MessageItem(Shape):
    """A record as a list shows it."""

    id: str
    received_at: Time
    client_ip: str
    helo: str
    sender: str
    """Return path; empty for the null sender."""
    recipients: tuple[str, ...]
    """Accepted recipients."""
    subject: str
    bytes: int
    score: float
    action: str
    """accept, tag, hold, defer, reject or discard."""
    reason: str
    state: str
    """queued, delivered, held, released, bounced, deleted or refused."""


class MessagePage(Shape):
    """A page of records, newest first."""

    items: tuple[MessageItem, ...]
    next: str
    """Cursor of the next page; empty on the last."""


class SessionShape(Shape):
    """The SMTP session that a message came by."""

    id: str
    listener: str
    client_ip: str
    client_port: int
    proxy_ip: str
    helo: str
    esmtp: bool
    tls_version: str
    tls_cipher: str
    auth_user: str
    trusted: bool
    connected_at: Time | None


class SignalShape(Shape):
    """One named finding with its weight."""

    name: str
    score: float
    group: str
    description: str
    evidence: str


class LookupShape(Shape):
    """One question asked of the outside."""

    kind: str
    question: str
    answer: str
    ms: float


class CheckShape(Shape):
    """What one check said."""

    check: str
    status: str
    """ok, hit, temperror or skipped."""
    advice: str
    reason: str
    detail: str
    ms: float
    signals: tuple[SignalShape, ...]
    lookups: tuple[LookupShape, ...]


class StageShape(Shape):
    """What one stage of the content scoring did."""

    stage: str
    status: str
    ms: float
    detail: str


class ThresholdsShape(Shape):
    """Scores from which an action held; null where it was switched off."""

    tag: float | None
    quarantine: float | None
    reject: float | None


class VersionsShape(Shape):
    """What judged."""

    program: str
    config: str
    rules: str
    model: str


class DeliveryShape(Shape):
    """Where delivery to one recipient stands."""

    recipient: str
    status: str
    """untried, deferred, delivered, failed or expired."""
    next_hop: str
    reply: str
    enhanced: str
    attempt: int
    at: Time | None


class RefusedShape(Shape):
    """A recipient that was refused."""

    address: str
    action: str
    reason: str
    reply: str


class MessageDetail(MessageItem):
    """One record with its explanation."""

    kind: str
    """message, transaction or session; empty before the record has come."""
    judged_at: Time | None
    reply: str
    """What the client was told."""
    detail: str
    from_address: str
    message_id: str
    session: SessionShape | None
    checks: tuple[CheckShape, ...]
    stages: tuple[StageShape, ...]
    signals: tuple[SignalShape, ...]
    """Everything that was found in the content, heaviest first."""
    counterfactual: tuple[str, ...]
    """The fewest signals without which the thresholds would have given another action, strongest first."""
    lookups: tuple[LookupShape, ...]
    """What judging the content asked of the outside."""
    thresholds: ThresholdsShape | None
    versions: VersionsShape
    skipped: tuple[str, ...]
    """Checks and stages that did not run."""
    refused: tuple[RefusedShape, ...]
    deliveries: tuple[DeliveryShape, ...]
    delivery_attempts: int
    next_attempt_at: Time | None
    release: int
    """How often the message had been let out of quarantine when delivery last spoke."""


class HeldQuery(BaseModel):
    """A filter over held messages; texts match a part, in any case."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    limit: int = Field(50, ge=1, le=MAX_PAGE)
    cursor: str = Field("", max_length=MAX_CURSOR)
    """`next` of the page before."""
    sender: str = Field("", max_length=MAX_TEXT)
    recipient: str = Field("", max_length=MAX_TEXT)
    subject: str = Field("", max_length=MAX_TEXT)
    reason: Reason | None = None
    since: AwareDatetime | None = None
    """Received at or after this time."""
    until: AwareDatetime | None = None
    """Received before this time."""


class MessageQuery(HeldQuery):
    """A filter over records; texts match a part, in any case."""

    action: Action | None = None
    state: State | None = None


class Ids(Asked):
    """Messages that a command names."""

    ids: list[Ref] = Field(min_length=1, max_length=MAX_IDS)


class ActionShape(Shape):
    """What became of a command for one message."""

    id: str
    state: str
    """The state after it; empty where there is no such message."""
    done: bool
    """Whether it was done, now or before."""
    detail: str
    """One sentence where it was not."""


class Actions(Shape):
    """What became of a command, in the order of the ids."""

    results: tuple[ActionShape, ...]
