"""Stale events are stored as such, and what is stored has plainer names.

A stale event was stored as applied and told apart by its delivery's tally. `events.said` is the event as its adapter
read it; `kept` holds secrets that systems handed out.
"""

import sqlalchemy as sa
from alembic import op

from connector.store.rows import Instant
from connector.store.tables import Json

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.alter_column("events", "said", new_column_name="event")
    op.rename_table("kept", "connection_secrets")
    op.alter_column("connection_secrets", "kept_at", new_column_name="set_at")
    _mark_stale_events(op.get_bind())


def _mark_stale_events(connection: sa.Connection) -> None:
    """Of each delivery as many stage events as it counts as stale: those that are the furthest behind their record."""
    deliveries = sa.table("deliveries", sa.column("id"), sa.column("tally", Json))
    for delivery, tally in connection.execute(sa.select(deliveries.c.id, deliveries.c.tally)).all():
        stale = (tally or {}).get("stale", 0)
        if stale:
            found = _older_than_their_record(connection, delivery)
            events = sa.table("events", sa.column("id"), sa.column("outcome"))
            connection.execute(events.update().where(events.c.id.in_(found[:stale])).values(outcome="stale"))


def _older_than_their_record(connection: sa.Connection, delivery: str) -> list[str]:
    """The ids of a delivery's applied stage events whose record has a newer stage, the oldest first."""
    events = sa.table(
        "events",
        *(sa.column(name) for name in ("id", "connection", "delivery", "kind", "outcome")),
        sa.column("at", Instant(timezone=True)),
        sa.column("event", Json),
    )
    records = sa.table(
        "records",
        *(sa.column(name) for name in ("connection", "object", "external_id")),
        sa.column("stage_at", Instant(timezone=True)),
    )
    stages = sa.select(events.c.id, events.c.connection, events.c.at, events.c.event).where(
        events.c.delivery == delivery, events.c.kind == "stage", events.c.outcome == "applied"
    )
    found = []
    for event, name, at, content in connection.execute(stages).all():
        record = content.get("record")
        newest = None if record is None else connection.execute(
            sa.select(records.c.stage_at).where(
                records.c.connection == name, records.c.object == record[0], records.c.external_id == record[1]
            )
        ).scalar()
        if newest is not None and at < newest:
            found.append((at, event))
    return [event for _, event in sorted(found)]
