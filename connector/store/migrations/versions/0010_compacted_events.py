"""Old events are compacted where they are: when that was. The base state, which nothing ever had, goes."""

import sqlalchemy as sa
from alembic import op

from connector.store.rows import Instant

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("events", sa.Column("compacted_at", Instant(timezone=True)))
    op.drop_column("subjects", "base")
