"""What becomes of a delivery that could not be read: held, tried again later, or given up, by what stopped it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy.exc import DBAPIError

from connector.core.errors import BadPayload, ConnectorError, CrmError, CrmUnavailable, UnknownEvent
from connector.pipeline.normalize import LONGEST_ERROR
from connector.store.deliveries import ClaimedDelivery
from connector.store.rows import Row

BACKOFF: Final = timedelta(seconds=2)
BACKOFF_MOST: Final = timedelta(minutes=10)


@dataclass(frozen=True, slots=True, kw_only=True)
class Postponed:
    """It is tried again: a row for `deliveries.postpone`."""

    row: Row


def end_of(
    delivery: ClaimedDelivery, error: Exception, now: datetime, *, give_up: timedelta, max_attempts: int
) -> Row | Postponed:
    """A row for `deliveries.finish`, or when it is tried again (`now` aware UTC).

    `give_up`: how long a system may be away; `max_attempts`: how often anything else is tried.
    """
    text = said(error)
    if isinstance(error, UnknownEvent | BadPayload):
        outcome = "held" if isinstance(error, UnknownEvent) else "dead"
    elif (isinstance(error, CrmError) and now - delivery.received_at < give_up) or delivery.attempts < max_attempts:
        asked = error.retry_after if isinstance(error, CrmUnavailable) else None
        pause = timedelta(seconds=asked) if asked else min(BACKOFF * (1 << min(delivery.attempts, 12)), BACKOFF_MOST)
        return Postponed(row={"of": delivery.id, "until": now + pause, "tried": delivery.attempts, "error": text})
    else:
        outcome = "dead"
    return {"of": delivery.id, "outcome": outcome, "tally": {outcome: 1}, "error": text, "at": now}


def said(error: Exception) -> str:
    """An error in words that any database can keep; a database's own error without the statement and its values."""
    said = error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
    text = f"{said}" if isinstance(error, ConnectorError) else f"{type(said).__name__}: {said}"
    return text.replace("\0", "\ufffd").encode(errors="replace").decode()[:LONGEST_ERROR]
