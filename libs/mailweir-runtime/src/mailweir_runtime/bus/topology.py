"""Every stream, consumer, bucket, object store and subject, declared once and reconciled at start.

Subjects: `mailweir.<shard>.<domain>.<event>.v1[.<ref>]`. The shard comes first behind the product's
name, since tenants are the unit of sharding. Consumers and streams listen to every shard.
"""

from dataclasses import dataclass
from typing import Final, Literal

MIB: Final = 1024 * 1024
DAY: Final = 86_400.0
INLINE_BODY_BYTES: Final = 512 * 1024
"""Bodies up to this size travel in the stream message; larger ones go to the body store first."""


@dataclass(frozen=True, slots=True)
class StreamSpec:
    """A stream. `replicas` comes from the process settings, not from here."""

    name: str
    subjects: tuple[str, ...]
    retention: Literal["limits", "workqueue"] = "limits"
    max_age_seconds: float = 0.0
    max_per_subject: int = -1
    max_bytes: int = -1
    duplicate_window_seconds: float = 600.0
    description: str = ""


@dataclass(frozen=True, slots=True)
class ConsumerSpec:
    """A durable pull consumer with explicit ack.

    `max_deliver` counts hand-outs before `Message.park` is due: the pull loop parks, the broker never drops.
    """

    name: str
    stream: StreamSpec
    filter: str
    ack_wait_seconds: float = 30.0
    max_deliver: int = 5
    max_ack_pending: int = 1000
    description: str = ""


@dataclass(frozen=True, slots=True)
class BucketSpec:
    """A key-value bucket.

    `storage` memory is for what may be lost with the broker: no write waits for a disk then. `relaxed` is
    for what may lose its last moment when the broker is killed: a write is answered before the disk has it,
    in a tenth of the time (one broker alone; a cluster has the other replicas). `key_ttl` lets a write say
    how long its value lives, which a bucket's `ttl_seconds` says for all.
    """

    name: str
    history: int = 1
    ttl_seconds: float = 0.0
    storage: Literal["file", "memory"] = "file"
    relaxed: bool = False
    key_ttl: bool = False
    description: str = ""


MAIL: Final = StreamSpec(
    "MAIL", ("mailweir.*.mail.>",), retention="workqueue", description="accepted mail on its way"
)
JUDGED: Final = StreamSpec(
    "JUDGED",
    ("mailweir.*.judged.>",),
    max_age_seconds=7 * DAY,
    description="the record of every judged message",
)
DELIVERY: Final = StreamSpec(
    "DELIVERY",
    ("mailweir.*.delivery.>",),
    max_age_seconds=14 * DAY,
    max_per_subject=1,
    description="where delivery of each message stands; the newest event of a message holds all",
)
PARKED: Final = StreamSpec(
    "PARKED",
    ("mailweir.*.parked.>",),
    max_age_seconds=30 * DAY,
    description="what no consumer could handle",
)
STREAMS: Final = (MAIL, JUDGED, DELIVERY, PARKED)

DELIVERER: Final = ConsumerSpec(
    "deliverer", MAIL, "mailweir.*.mail.deliver.v1.>", max_deliver=-1, max_ack_pending=100_000,
    description="delivery takes accepted mail to its next hop; deferred mail waits here",
)  # fmt: skip
HOLDER: Final = ConsumerSpec(
    "holder",
    MAIL,
    "mailweir.*.mail.hold.v1.>",
    max_deliver=-1,
    description="quarantine takes held mail in",
)
RECORDER: Final = ConsumerSpec(
    "recorder", JUDGED, "mailweir.*.judged.v1.>", max_deliver=20, max_ack_pending=5000,
    description="quarantine writes the records",
)  # fmt: skip
TRACKER: Final = ConsumerSpec(
    "tracker", DELIVERY, "mailweir.*.delivery.progress.v1.>", max_deliver=20, max_ack_pending=5000,
    description="quarantine notes where delivery stands",
)  # fmt: skip
HISTORIAN: Final = ConsumerSpec(
    "historian", JUDGED, "mailweir.*.judged.v1.>", max_deliver=20, max_ack_pending=5000,
    description="reputation remembers what clients and senders have done",
)  # fmt: skip
WARDEN: Final = ConsumerSpec(
    "warden", JUDGED, "mailweir.*.judged.v1.>", max_deliver=20, max_ack_pending=5000,
    description="ratelimit takes in what was judged: scores of outgoing mail, corrections of limits",
)  # fmt: skip
GREYLISTER: Final = ConsumerSpec(
    "greylister", JUDGED, "mailweir.*.judged.v1.>", max_deliver=20, max_ack_pending=5000,
    description="greylist notes whose last message was spam, in adaptive mode",
)  # fmt: skip
CONSUMERS: Final = (DELIVERER, HOLDER, RECORDER, TRACKER, HISTORIAN, WARDEN, GREYLISTER)

CONFIG: Final = BucketSpec(
    "config", description="`v.<n>`: immutable policy documents; `current`: the number in force"
)
SERVICES: Final = BucketSpec("services", ttl_seconds=15.0, description="heartbeat of every process")
ACCOUNTS: Final = BucketSpec(
    "accounts", description="submission accounts: login (base32) to password hash, senders"
)
CAMPAIGNS: Final = BucketSpec(
    "campaigns",
    ttl_seconds=3600.0,
    description="by process: how many copies of which mail it saw in the present window",
)
FUZZY: Final = BucketSpec(
    "fuzzy",
    ttl_seconds=90 * DAY,
    description="fingerprints of labelled mail: how much each was called spam and ham",
)
BANS: Final = BucketSpec(
    "bans",
    key_ttl=True,
    description="who is turned away, by subject (base32); see mailweir_core.bans",
)
PASSES: Final = BucketSpec(
    "passes", relaxed=True, key_ttl=True,
    description="clients that have waited for the banner as mail servers do",
)  # fmt: skip
GREYLIST: Final = BucketSpec(
    "greylist", relaxed=True, key_ttl=True,
    description="who was asked to come back, who did, who need not",
)  # fmt: skip
RATES: Final = BucketSpec(
    "rates", storage="memory", key_ttl=True, description="inbound counters; lost with the broker"
)
QUOTAS: Final = BucketSpec(
    "quotas", key_ttl=True, description="outbound counters, what waits for them; bans in a row"
)
HISTORY: Final = BucketSpec(
    "history", relaxed=True, key_ttl=True,
    description="what clients, networks and senders have done, with decay",
)  # fmt: skip
LISTS: Final = BucketSpec("lists", key_ttl=True, description="entries of allow and block lists")
LIST_HITS: Final = BucketSpec(
    "list-hits", relaxed=True, description="how often each entry of a list was hit, by entry"
)
BUCKETS: Final = (
    CONFIG, SERVICES, ACCOUNTS, CAMPAIGNS, FUZZY, BANS, PASSES, GREYLIST, RATES, QUOTAS, HISTORY, LISTS,
    LIST_HITS,
)  # fmt: skip

BODIES: Final = "bodies"
"""The object store of big and held bodies."""


def deliver_subject(shard: str, ref: str) -> str:
    """Return the subject of a message that is to be delivered."""
    return f"mailweir.{shard}.mail.deliver.v1.{ref}"


def hold_subject(shard: str, ref: str) -> str:
    """Return the subject of a message that goes to quarantine."""
    return f"mailweir.{shard}.mail.hold.v1.{ref}"


def judged_subject(shard: str, ref: str) -> str:
    """Return the subject of a record."""
    return f"mailweir.{shard}.judged.v1.{ref}"


def progress_subject(shard: str, ref: str) -> str:
    """Return the subject of a message's delivery progress."""
    return f"mailweir.{shard}.delivery.progress.v1.{ref}"


def parked_subject(shard: str, consumer: str) -> str:
    """Return the subject that a consumer parks to."""
    return f"mailweir.{shard}.parked.v1.{consumer}"
