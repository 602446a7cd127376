"""Which subjects turned out to be one, and which are to be kept apart."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from connector.store.rows import Instant

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

INSTANT = Instant(timezone=True)
JSON = sa.JSON(none_as_null=True).with_variant(postgresql.JSONB(none_as_null=True), "postgresql")


def upgrade() -> None:
    op.create_table(
        "merges",
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("at", INSTANT, nullable=False),
        sa.Column("loser", sa.String(length=26), nullable=False),
        sa.Column("survivor", sa.String(length=26), nullable=False),
        sa.Column("event", sa.String(length=400), nullable=False),
        sa.Column("identities", JSON, nullable=False),
        sa.Column("undone_at", INSTANT, nullable=True),
        sa.Column("undone_by", sa.String(length=255), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_merges"),
    )
    op.create_index("ix_merges_survivor", "merges", ["survivor"], unique=False)
    op.create_index("ix_merges_loser", "merges", ["loser"], unique=False)
    op.create_index(
        "ix_subjects_merged_into",
        "subjects",
        ["merged_into"],
        unique=False,
        sqlite_where=sa.text("merged_into IS NOT NULL"),
        postgresql_where=sa.text("merged_into IS NOT NULL"),
    )
    op.create_table(
        "apart",
        sa.Column("one", sa.String(length=26), nullable=False),
        sa.Column("other", sa.String(length=26), nullable=False),
        sa.Column("at", INSTANT, nullable=False),
        sa.Column("by", sa.String(length=255), nullable=False),
        sa.PrimaryKeyConstraint("one", "other", name="pk_apart"),
    )
