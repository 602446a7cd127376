"""A record knows whom its system shows as the person in charge."""

import sqlalchemy as sa
from alembic import op

from connector.store.tables import Json

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("records", sa.Column("owner", sa.String(255), nullable=True))
    op.add_column("records", sa.Column("owner_order", Json, nullable=True))
