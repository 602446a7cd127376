"""When a record was deleted, so that a later fact about it shows that it is back."""

import sqlalchemy as sa
from alembic import op

from connector.store.rows import Instant

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("records", sa.Column("gone_at", Instant(timezone=True), nullable=True))
