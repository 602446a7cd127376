"""Registers and renews the connections' webhooks with their systems, where these have a call for it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final

import structlog
from rq.timeouts import BaseTimeoutException

from connector.core.errors import AccessRefused, CrmError, CrmUnavailable
from connector.runtime.connections import Connected
from connector.runtime.parts import Runtime
from connector.runtime.retry import SUBSCRIPTION
from connector.runtime.vault import ConnectionSecrets
from connector.store import connections as queries
from connector.store.connections import ConnectionRow

NEVER: Final = datetime(9999, 12, 31, tzinfo=UTC)
"""When what needs no renewal is due again."""
ADDRESS: Final = "webhook address"
"""The name under which is kept what address was registered; no adapter keeps anything by it."""
log: Final = structlog.get_logger(__name__)


def subscribe_all(runtime: Runtime, has_time: Callable[[], bool]) -> None:
    """Register the webhooks of every connection that is due, at the public address; nothing where none is set."""
    if runtime.config.public_url is None:
        return
    with runtime.database.read() as connection:
        rows = {row.name: row for row in queries.listed(connection) if not row.is_paused}
    for name, row in rows.items():
        connected = runtime.connections.all().get(name)
        if connected is None or not _is_due(runtime, row):
            continue
        if not has_time():
            break
        subscribe(runtime, connected, row)


def subscribe(runtime: Runtime, connected: Connected, row: ConnectionRow) -> datetime:
    """Register one connection's webhooks; when to do so again (UTC), which is stored. Failures are logged."""
    now, url = runtime.clock(), runtime.config.webhook_url(connected.name)
    again = now + SUBSCRIPTION.most
    is_done = False
    try:
        again = connected.adapter.subscribe(url, now, runtime.api_for(connected)) or NEVER
        is_done = True
    except CrmError as error:
        if isinstance(error, CrmUnavailable | AccessRefused):
            again = now + SUBSCRIPTION.pause(1, getattr(error, "retry_after", None))
        log.warning("webhooks not registered", connection=connected.name, error=str(error), again=again.isoformat())
    except BaseTimeoutException:
        raise
    except Exception:
        log.exception("webhooks not registered", connection=connected.name)
    _store(runtime, row, again, url if is_done else None)
    return again


def _is_due(runtime: Runtime, row: ConnectionRow) -> bool:
    """Never tried, to be renewed, or registered at another address than the one of now."""
    at = row.subscribe_at
    if at is None or at <= runtime.clock():
        return True
    address = registered(runtime, row.name)
    return address is not None and address != runtime.config.webhook_url(row.name)


def registered(runtime: Runtime, name: str) -> str | None:
    """The address that a connection's webhooks were registered at last; None: never, or the last try has failed."""
    return _secrets(runtime, name).get(ADDRESS) or None


def _store(runtime: Runtime, row: ConnectionRow, again: datetime, url: str | None) -> None:
    with runtime.database.write() as connection:
        now = queries.get(connection, row.name)
        if now is None or (now.settings, now.sealed) != (row.settings, row.sealed):
            return  # it was changed meanwhile, and is due by that
        queries.change(connection, row.name, subscribe_at=again)
    _secrets(runtime, row.name).set(ADDRESS, url or "")


def _secrets(runtime: Runtime, name: str) -> ConnectionSecrets:
    return ConnectionSecrets(name, database=runtime.database, vault=runtime.vault, clock=runtime.clock)
