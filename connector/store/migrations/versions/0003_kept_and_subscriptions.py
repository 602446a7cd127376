"""What adapters keep of a connection, and when its webhooks are to be renewed."""

import sqlalchemy as sa
from alembic import op

from connector.store.rows import Instant

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

INSTANT = Instant(timezone=True)


def upgrade() -> None:
    op.add_column("connections", sa.Column("subscribe_at", INSTANT, nullable=True))
    op.create_table(
        "kept",
        sa.Column("connection", sa.String(length=63), nullable=False),
        sa.Column("name", sa.String(length=63), nullable=False),
        sa.Column("sealed", sa.Text(), nullable=False),
        sa.Column("kept_at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("connection", "name", name="pk_kept"),
    )
