"""The first tables."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from connector.store.rows import Instant

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

INSTANT = Instant(timezone=True)
JSON = sa.JSON(none_as_null=True).with_variant(postgresql.JSONB(none_as_null=True), "postgresql")


def upgrade() -> None:
    op.create_table(
        "accepted",
        sa.Column("connection", sa.String(length=63), nullable=False),
        sa.Column("shard", sa.Integer(), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("connection", "shard", name="pk_accepted"),
    )
    op.create_table(
        "audit",
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("at", INSTANT, nullable=False),
        sa.Column("actor", sa.String(length=255), nullable=False),
        sa.Column("action", sa.String(length=63), nullable=False),
        sa.Column("target", sa.String(length=255), nullable=False),
        sa.Column("detail", JSON, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_audit"),
    )
    op.create_table(
        "connections",
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("name", sa.String(length=63), nullable=False),
        sa.Column("adapter", sa.String(length=63), nullable=False),
        sa.Column("settings", JSON, nullable=False),
        sa.Column("sealed", sa.Text(), nullable=False),
        sa.Column("is_paused", sa.Boolean(), nullable=False),
        sa.Column("removed_at", INSTANT, nullable=True),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("reconciled_at", INSTANT, nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_connections"),
        sa.UniqueConstraint("name", name="uq_connections_name"),
    )
    op.create_table(
        "deliveries",
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("connection", sa.String(length=63), nullable=False),
        sa.Column("key", sa.String(length=255), nullable=False),
        sa.Column("received_at", INSTANT, nullable=False),
        sa.Column("lane", sa.Integer(), nullable=False),
        sa.Column("outcome", sa.String(length=16), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("next_attempt_at", INSTANT, nullable=False),
        sa.Column("duplicates", sa.Integer(), nullable=False),
        sa.Column("method", sa.String(length=8), nullable=False),
        sa.Column("query", JSON, nullable=False),
        sa.Column("headers", JSON, nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=True),
        sa.Column("tally", JSON, nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("finished_at", INSTANT, nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_deliveries"),
        sa.UniqueConstraint("connection", "key", name="uq_deliveries_connection_key"),
    )
    op.create_index("ix_deliveries_account", "deliveries", ["connection", "outcome"], unique=False)
    op.create_index(
        "ix_deliveries_pending",
        "deliveries",
        ["lane", "next_attempt_at"],
        unique=False,
        sqlite_where=sa.text("outcome = 'pending'"),
        postgresql_where=sa.text("outcome = 'pending'"),
    )
    op.create_table(
        "mapping_versions",
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("connection", sa.String(length=63), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("author", sa.String(length=255), nullable=False),
        sa.Column("comment", sa.Text(), nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("published_at", INSTANT, nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_mapping_versions"),
        sa.UniqueConstraint("connection", "version", name="uq_mapping_versions_connection_version"),
    )
    op.create_table(
        "quarantine",
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("connection", sa.String(length=63), nullable=False),
        sa.Column("received_at", INSTANT, nullable=False),
        sa.Column("reason", sa.String(length=32), nullable=False),
        sa.Column("error", sa.Text(), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("sealed", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_quarantine"),
    )
    op.create_index("ix_quarantine_connection", "quarantine", ["connection", "received_at"], unique=False)
    op.create_table(
        "settings",
        sa.Column("key", sa.String(length=63), nullable=False),
        sa.Column("value", JSON, nullable=False),
        sa.Column("changed_at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("key", name="pk_settings"),
    )
    op.create_table(
        "subjects",
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("kind", sa.String(length=8), nullable=False),
        sa.Column("status", sa.String(length=63), nullable=False),
        sa.Column("since", INSTANT, nullable=False),
        sa.Column("owner", sa.String(length=255), nullable=True),
        sa.Column("due", sa.Integer(), nullable=True),
        sa.Column("state", JSON, nullable=True),
        sa.Column("base", JSON, nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("merged_into", sa.String(length=26), nullable=True),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_subjects"),
    )
    op.create_index(
        "ix_subjects_due",
        "subjects",
        ["due"],
        unique=False,
        sqlite_where=sa.text("due IS NOT NULL"),
        postgresql_where=sa.text("due IS NOT NULL"),
    )
    op.create_index("ix_subjects_status", "subjects", ["status", "id"], unique=False)
    op.create_table(
        "decisions",
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("subject", sa.String(length=26), nullable=False),
        sa.Column("at", INSTANT, nullable=False),
        sa.Column("place", sa.String(length=600), nullable=False),
        sa.Column("rule", sa.String(length=255), nullable=False),
        sa.Column("before", sa.String(length=63), nullable=False),
        sa.Column("after", sa.String(length=63), nullable=False),
        sa.Column("notify", JSON, nullable=False),
        sa.Column("skipped", JSON, nullable=False),
        sa.Column("reason", sa.String(length=32), nullable=True),
        sa.Column("notice", sa.String(length=16), nullable=True),
        sa.Column("step", sa.String(length=511), nullable=True),
        sa.Column("facts", JSON, nullable=False),
        sa.Column("delivery", sa.String(length=26), nullable=True),
        sa.Column("mapping_version", sa.Integer(), nullable=True),
        sa.Column("recorded_at", INSTANT, nullable=False),
        sa.Column("revised_at", INSTANT, nullable=True),
        sa.Column("mail", sa.String(length=16), nullable=True),
        sa.ForeignKeyConstraint(["subject"], ["subjects.id"], name="fk_decisions_subject"),
        sa.PrimaryKeyConstraint("id", name="pk_decisions"),
    )
    op.create_index("ix_decisions_subject", "decisions", ["subject", "at"], unique=False)
    op.create_table(
        "events",
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("connection", sa.String(length=63), nullable=False),
        sa.Column("key", sa.String(length=400), nullable=False),
        sa.Column("subject", sa.String(length=26), nullable=False),
        sa.Column("origin", sa.String(length=26), nullable=False),
        sa.Column("at", INSTANT, nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("outcome", sa.String(length=16), nullable=False),
        sa.Column("reason", sa.String(length=400), nullable=True),
        sa.Column("said", JSON, nullable=False),
        sa.Column("steps", JSON, nullable=False),
        sa.Column("mapping_version", sa.Integer(), nullable=True),
        sa.Column("delivery", sa.String(length=26), nullable=True),
        sa.ForeignKeyConstraint(["subject"], ["subjects.id"], name="fk_events_subject"),
        sa.PrimaryKeyConstraint("id", name="pk_events"),
        sa.UniqueConstraint("connection", "key", name="uq_events_connection_key"),
    )
    op.create_index("ix_events_delivery", "events", ["delivery"], unique=False)
    op.create_index(
        "ix_events_held",
        "events",
        ["connection", "reason"],
        unique=False,
        sqlite_where=sa.text("outcome = 'held'"),
        postgresql_where=sa.text("outcome = 'held'"),
    )
    op.create_index("ix_events_subject", "events", ["subject", "at"], unique=False)
    op.create_table(
        "identities",
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("value", sa.String(length=320), nullable=False),
        sa.Column("subject", sa.String(length=26), nullable=False),
        sa.ForeignKeyConstraint(["subject"], ["subjects.id"], name="fk_identities_subject"),
        sa.PrimaryKeyConstraint("kind", "value", name="pk_identities"),
    )
    op.create_index("ix_identities_subject", "identities", ["subject"], unique=False)
    op.create_table(
        "records",
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("connection", sa.String(length=63), nullable=False),
        sa.Column("object", sa.String(length=63), nullable=False),
        sa.Column("external_id", sa.String(length=255), nullable=False),
        sa.Column("subject", sa.String(length=26), nullable=False),
        sa.Column("stage", sa.String(length=255), nullable=True),
        sa.Column("pipeline", sa.String(length=63), nullable=True),
        sa.Column("stage_at", INSTANT, nullable=True),
        sa.Column("is_gone", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["subject"], ["subjects.id"], name="fk_records_subject"),
        sa.PrimaryKeyConstraint("id", name="pk_records"),
        sa.UniqueConstraint("connection", "object", "external_id", name="uq_records_connection_object_external_id"),
    )
    op.create_index("ix_records_subject", "records", ["subject"], unique=False)
    op.create_table(
        "echoes",
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("record", sa.String(length=26), nullable=False),
        sa.Column("field", sa.String(length=16), nullable=False),
        sa.Column("value", sa.String(length=400), nullable=False),
        sa.Column("at", INSTANT, nullable=False),
        sa.Column("matched", sa.String(length=400), nullable=True),
        sa.ForeignKeyConstraint(["record"], ["records.id"], name="fk_echoes_record"),
        sa.PrimaryKeyConstraint("id", name="pk_echoes"),
    )
    op.create_index("ix_echoes_record", "echoes", ["record", "at"], unique=False)
    op.create_table(
        "outbox",
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("kind", sa.String(length=8), nullable=False),
        sa.Column("key", sa.String(length=400), nullable=False),
        sa.Column("connection", sa.String(length=63), nullable=True),
        sa.Column("record", sa.String(length=26), nullable=True),
        sa.Column("subject", sa.String(length=26), nullable=True),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("outcome", sa.String(length=16), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("next_attempt_at", INSTANT, nullable=False),
        sa.Column("failing_since", INSTANT, nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("payload", JSON, nullable=True),
        sa.Column("delivery", sa.String(length=26), nullable=True),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("finished_at", INSTANT, nullable=True),
        sa.ForeignKeyConstraint(["record"], ["records.id"], name="fk_outbox_record"),
        sa.PrimaryKeyConstraint("id", name="pk_outbox"),
        sa.UniqueConstraint("kind", "key", name="uq_outbox_kind_key"),
    )
    op.create_index(
        "ix_outbox_waiting",
        "outbox",
        ["kind", "connection", "next_attempt_at"],
        unique=False,
        sqlite_where=sa.text("outcome = 'waiting'"),
        postgresql_where=sa.text("outcome = 'waiting'"),
    )
