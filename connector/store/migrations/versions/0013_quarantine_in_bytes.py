"""The quarantine is bounded in bytes, and knows what looks as if the configured sender had sent it."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("quarantine", sa.Column("is_plausible", sa.Boolean, nullable=False, server_default=sa.true()))
    op.add_column("quarantine", sa.Column("weight", sa.Integer, nullable=False, server_default="0"))
    op.execute("UPDATE quarantine SET weight = 500 + LENGTH(sealed) + LENGTH(error)")
    op.create_index("ix_quarantine_worth", "quarantine", ["is_plausible", "received_at", "connection", "weight"])
