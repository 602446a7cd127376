"""Imports and how far they are; what reconciliation found that no webhook had brought."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from connector.store.rows import Instant

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

INSTANT = Instant(timezone=True)
JSON = sa.JSON(none_as_null=True).with_variant(postgresql.JSONB(none_as_null=True), "postgresql")


def upgrade() -> None:
    op.add_column("connections", sa.Column("tried_at", INSTANT, nullable=True))
    op.add_column("connections", sa.Column("missed", sa.Integer(), nullable=False, server_default="0"))
    op.create_table(
        "imports",
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("connection", sa.String(length=63), nullable=False),
        sa.Column("source", sa.String(length=16), nullable=False),
        sa.Column("file", sa.String(length=255), nullable=True),
        sa.Column("since", INSTANT, nullable=True),
        sa.Column("reached", INSTANT, nullable=True),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.Column("tally", JSON, nullable=False),
        sa.Column("actor", sa.String(length=255), nullable=False),
        sa.Column("started_at", INSTANT, nullable=False),
        sa.Column("changed_at", INSTANT, nullable=False),
        sa.Column("finished_at", INSTANT, nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_imports"),
    )
    op.create_index("ix_imports_connection", "imports", ["connection", "id"])
    op.create_table(
        "imported",
        sa.Column("connection", sa.String(length=63), nullable=False),
        sa.Column("about", sa.String(length=400), nullable=False),
        sa.Column("digest", sa.String(length=32), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("connection", "about", name="pk_imported"),
    )
