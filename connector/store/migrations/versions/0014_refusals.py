"""Which connections are refused as a whole, since when, and when they are tried again."""

import sqlalchemy as sa
from alembic import op

from connector.store.rows import Instant

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "refusals",
        sa.Column("connection", sa.String(63), nullable=False),
        sa.Column("act", sa.String(16), nullable=False),
        sa.Column("since", Instant(timezone=True), nullable=False),
        sa.Column("until", Instant(timezone=True), nullable=False),
        sa.Column("error", sa.Text, nullable=False),
        sa.Column("told_at", Instant(timezone=True)),
        sa.PrimaryKeyConstraint("connection", "act", name="pk_refusals"),
    )
