"""Records, held mail, outbox."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

REF = sa.String(64).with_variant(sa.String(64, collation="C"), "postgresql")


def of_message(table: str) -> list[sa.schema.SchemaItem]:
    """Return the reference to the message that a table's rows belong to."""
    return [
        sa.Column("ref", REF, nullable=False),
        sa.ForeignKeyConstraint(["ref"], ["messages.ref"], name=f"fk_{table}_ref", ondelete="CASCADE"),
    ]


def upgrade() -> None:
    op.create_table(
        "messages",
        sa.Column("ref", REF, nullable=False),
        sa.Column("received_at", sa.Double(), nullable=False),
        sa.Column("kind", sa.SmallInteger(), nullable=False),
        sa.Column("recorded", sa.Boolean(), nullable=False),
        sa.Column("client_ip", sa.String(64), nullable=False),
        sa.Column("helo", sa.String(255), nullable=False),
        sa.Column("sender", sa.String(320), nullable=False),
        sa.Column("sender_key", sa.Text(), nullable=False),
        sa.Column("subject", sa.String(500), nullable=False),
        sa.Column("subject_key", sa.Text(), nullable=False),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
        sa.Column("score", sa.Double(), nullable=False),
        sa.Column("action", sa.String(32), nullable=False),
        sa.Column("reason", sa.String(32), nullable=False),
        sa.Column("state", sa.String(32), nullable=False),
        sa.Column("releases", sa.Integer(), nullable=False),
        sa.Column("has_body", sa.Boolean(), nullable=False),
        sa.Column("was_held", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("ref", name="pk_messages"),
    )
    op.create_index("ix_messages_received_at_ref", "messages", ["received_at", "ref"])
    for column in ("state", "action", "reason"):
        op.create_index(f"ix_messages_{column}_received_at_ref", "messages", [column, "received_at", "ref"])
    op.create_table(
        "message_recipients",
        *of_message("message_recipients"),
        sa.Column("position", sa.SmallInteger(), nullable=False),
        sa.Column("accepted", sa.Boolean(), nullable=False),
        sa.Column("address", sa.String(320), nullable=False),
        sa.Column("address_key", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("ref", "position", name="pk_message_recipients"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "message_details",
        *of_message("message_details"),
        sa.Column("judged", sa.LargeBinary(), nullable=True),
        sa.Column("delivery", sa.LargeBinary(), nullable=True),
        sa.PrimaryKeyConstraint("ref", name="pk_message_details"),
    )
    op.create_table(
        "held",
        *of_message("held"),
        sa.Column("body_key", sa.Text(), nullable=False),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("shard", sa.String(32), nullable=False),
        sa.Column("mail", sa.LargeBinary(), nullable=False),
        sa.Column("spent_at", sa.Double(), nullable=True),
        sa.PrimaryKeyConstraint("ref", name="pk_held"),
    )
    op.create_index("ix_held_spent_at", "held", ["spent_at"])
    op.create_table(
        "outbox",
        *of_message("outbox"),
        sa.Column("release", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("ref", "release", name="pk_outbox"),
    )
    op.create_index("ix_outbox_created_at", "outbox", ["created_at"])


def downgrade() -> None:
    for table in ("outbox", "held", "message_details", "message_recipients", "messages"):
        op.drop_table(table)
