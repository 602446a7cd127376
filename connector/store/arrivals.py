"""When something came last for a connection, accepted or quarantined."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, select

from connector.store.rows import Row
from connector.store.tables import deliveries, quarantine


def last_delivery(connection: Connection, of: str) -> datetime | None:
    """When the newest delivery was received (UTC); None: there was none."""
    query = select(deliveries.c.received_at).where(deliveries.c.connection == of).order_by(deliveries.c.id.desc())
    found: datetime | None = connection.execute(query.limit(1)).scalar()
    return found


def last_quarantined(connection: Connection, of: str) -> Row | None:
    """The quarantined delivery that came last: `received_at`, `reason`, `error`; None: there is none."""
    query = (
        select(quarantine.c.received_at, quarantine.c.reason, quarantine.c.error)
        .where(quarantine.c.connection == of)
        .order_by(quarantine.c.received_at.desc())
    )
    row = connection.execute(query.limit(1)).mappings().first()
    return dict(row) if row else None
