"""A record knows the whole place of its newest stage and deletion, not their times alone.

Where only the time is known, anything else of that instant comes after it.
"""

import sqlalchemy as sa
from alembic import op

from connector.store.tables import Json

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("records", sa.Column("stage_order", Json, nullable=True))
    op.add_column("records", sa.Column("gone_order", Json, nullable=True))
