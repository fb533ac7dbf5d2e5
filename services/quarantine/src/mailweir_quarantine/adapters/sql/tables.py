"""The tables. What lists filter and sort by is narrow and indexed; what only one record shows lies apart.

Lists go by keyset, newest first: (received_at, ref) descending, alone or behind the filter's column. Texts
that are searched for a part are kept a second time in the form they are compared in.
"""

from typing import Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Double,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    String,
    Table,
    Text,
)

from mailweir_quarantine.policy.text import (
    MAX_ADDRESS,
    MAX_HELO,
    MAX_IP,
    MAX_REF,
    MAX_SUBJECT,
    MAX_WORD,
)

METADATA: Final = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)
# The order of references is that of their bytes, whatever language the database was made for.
REF: Final = String(MAX_REF).with_variant(String(MAX_REF, collation="C"), "postgresql")


def _of_message() -> Column[str]:
    owner = ForeignKey("messages.ref", ondelete="CASCADE")
    return Column("ref", REF, owner, primary_key=True)


messages: Final = Table(
    "messages",
    METADATA,
    Column("ref", REF, primary_key=True),
    Column("received_at", Double, nullable=False),
    Column("kind", SmallInteger, nullable=False),  # 0: only delivery knows of it; not listed
    Column("recorded", Boolean, nullable=False),  # its record has come
    Column("client_ip", String(MAX_IP), nullable=False),
    Column("helo", String(MAX_HELO), nullable=False),
    Column("sender", String(MAX_ADDRESS), nullable=False),
    Column("sender_key", Text, nullable=False),
    Column("subject", String(MAX_SUBJECT), nullable=False),
    Column("subject_key", Text, nullable=False),
    Column("bytes", BigInteger, nullable=False),
    Column("score", Double, nullable=False),
    Column("action", String(MAX_WORD), nullable=False),
    Column("reason", String(MAX_WORD), nullable=False),
    Column("state", String(MAX_WORD), nullable=False),
    Column("releases", Integer, nullable=False),
    Column("has_body", Boolean, nullable=False),
    Column("was_held", Boolean, nullable=False),
    Index(None, "received_at", "ref"),
    Index(None, "state", "received_at", "ref"),
    Index(None, "action", "received_at", "ref"),
    Index(None, "reason", "received_at", "ref"),
)

message_recipients: Final = Table(
    "message_recipients",
    METADATA,
    _of_message(),
    Column("position", SmallInteger, primary_key=True),
    Column("accepted", Boolean, nullable=False),
    Column("address", String(MAX_ADDRESS), nullable=False),
    Column("address_key", Text, nullable=False),
    sqlite_with_rowid=False,
)

message_details: Final = Table(
    "message_details",
    METADATA,
    _of_message(),
    Column("judged", LargeBinary),  # adapters.events: the record as judged, packed
    Column("delivery", LargeBinary),  # events.v1.DeliveryProgress
)

held: Final = Table(
    "held",
    METADATA,
    _of_message(),
    Column("body_key", Text, nullable=False),
    Column("bytes", BigInteger, nullable=False),
    Column("sha256", String(64), nullable=False),
    Column("shard", String(MAX_WORD), nullable=False),
    Column("mail", LargeBinary, nullable=False),  # events.v1.QueuedMail without its content
    Column("spent_at", Double, index=True),  # since when nobody needs the body
)

outbox: Final = Table(
    "outbox",
    METADATA,
    _of_message(),
    Column("release", Integer, primary_key=True),
    Column("created_at", Double, nullable=False, index=True),
)
