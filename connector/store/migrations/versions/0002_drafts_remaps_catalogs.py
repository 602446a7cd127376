"""Drafts of mappings, how far re-mapping is, and catalogues of the systems."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from connector.store.rows import Instant

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

INSTANT = Instant(timezone=True)
JSON = sa.JSON(none_as_null=True).with_variant(postgresql.JSONB(none_as_null=True), "postgresql")


def upgrade() -> None:
    op.add_column("mapping_versions", sa.Column("published_by", sa.String(length=255), nullable=True))
    op.add_column("mapping_versions", sa.Column("based_on", sa.Integer(), nullable=True))
    op.create_table(
        "remaps",
        sa.Column("connection", sa.String(length=63), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("since", INSTANT, nullable=True),
        sa.Column("after", sa.String(length=26), nullable=False),
        sa.Column("subjects", sa.Integer(), nullable=False),
        sa.Column("changed", sa.Integer(), nullable=False),
        sa.Column("released", sa.Integer(), nullable=False),
        sa.Column("held", sa.Integer(), nullable=False),
        sa.Column("started_at", INSTANT, nullable=False),
        sa.Column("finished_at", INSTANT, nullable=True),
        sa.PrimaryKeyConstraint("connection", "version", name="pk_remaps"),
    )
    op.create_table(
        "catalogs",
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("connection", sa.String(length=63), nullable=False),
        sa.Column("seen_at", INSTANT, nullable=False),
        sa.Column("first_seen_at", INSTANT, nullable=False),
        sa.Column("content", JSON, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_catalogs"),
    )
    op.create_index("ix_catalogs_connection", "catalogs", ["connection", "id"], unique=False)
