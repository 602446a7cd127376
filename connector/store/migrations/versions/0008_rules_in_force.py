"""Subjects know by which version of the rules they were folded, and up to which day.

A subject to which nothing has happened that counts stands since its first event, not since its row was written.
"""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("subjects", sa.Column("last_run", sa.Integer))
    op.add_column("subjects", sa.Column("rules", sa.Integer, nullable=False, server_default="0"))
    is_postgresql = op.get_bind().dialect.name == "postgresql"
    last_run = "(state->>'last_run')::integer" if is_postgresql else "json_extract(state, '$.last_run')"
    op.execute(f"UPDATE subjects SET last_run = {last_run} WHERE state IS NOT NULL")
    first = "SELECT min(at) FROM events WHERE events.subject = subjects.id"
    op.execute(f"UPDATE subjects SET since = coalesce(({first}), since) WHERE state IS NULL")
    op.create_index("ix_subjects_last_run", "subjects", ["last_run"])
    op.create_index("ix_subjects_rules", "subjects", ["rules", "id"])
