"""A local application in an emulated Bitrix24: its OAuth tokens, the handlers that it has bound, its offline queue."""

from __future__ import annotations

import itertools
import secrets
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from connector.emulators.bitrix24.fields import Entity
from connector.emulators.bitrix24.records import Refused
from connector.emulators.bitrix24.webhooks import Handler

HOUR: Final = timedelta(hours=1)
SCOPES: Final = ("crm", "user_basic")


@dataclass(slots=True, kw_only=True)
class Row:
    """An entry of the offline queue: the newest change of an object, if it names one; reserved for a process."""

    id: int
    at: datetime
    event: str
    record: int | None
    process: str | None = None


@dataclass(slots=True, kw_only=True)
class Application:
    """An application that is installed. `is_extended`: the plan lets it reserve offline events.

    `user` installed it, and is an administrator unless `is_administrator` says otherwise: nobody else may bind events.
    """

    now: Callable[[], datetime]
    client_id: str = "local.5f1c0e7a93d84b26.41027365"
    client_secret: str = field(default="aP9sLk2mQx7vBn4cRt6wYz1dFg8hJ3", repr=False)
    token: str = field(default_factory=lambda: secrets.token_hex(16), repr=False)
    scopes: tuple[str, ...] = SCOPES
    user: int = 1
    is_administrator: bool = True
    is_extended: bool = True
    handlers: list[Handler] = field(default_factory=list)
    offline: set[str] = field(default_factory=set)
    queue: list[Row] = field(default_factory=list)
    lock: threading.RLock = field(default_factory=threading.RLock)
    _refresh: str = field(default="", repr=False)
    _ends: dict[str, datetime] = field(default_factory=dict, repr=False)
    _numbers: Any = field(default_factory=lambda: itertools.count(1))

    def authorize(self) -> str:
        """A person lets the application in; its refresh token."""
        self._refresh = secrets.token_hex(16)
        return self._refresh

    def issue(self, params: Mapping[str, Any]) -> tuple[int, dict[str, Any]]:
        """Status and body of the OAuth server: a new pair for a refresh token, which is good once."""
        with self.lock:
            if (params.get("client_id"), params.get("client_secret")) != (self.client_id, self.client_secret):
                return 401, {"error": "invalid_client", "error_description": "Client not found"}
            if params.get("grant_type") != "refresh_token":
                return 400, {"error": "invalid_request", "error_description": "Unsupported grant type"}
            if not self._refresh or params.get("refresh_token") != self._refresh:
                return 400, {"error": "invalid_grant", "error_description": "Invalid grant"}
            return 200, {
                "access_token": self.access(),
                "refresh_token": self.authorize(),
                "expires": int((self.now() + HOUR).timestamp()),
                "expires_in": int(HOUR.total_seconds()),
                "domain": "oauth.bitrix.info",
                "scope": ",".join(self.scopes),
                "status": "L",
                "user_id": self.user,
            }

    def access(self) -> str:
        """A new access token, good for an hour."""
        token = secrets.token_hex(16)
        self._ends[token] = self.now() + HOUR
        return token

    def check(self, token: str) -> None:
        """Raises `Refused` for a token that is unknown or too old."""
        end = self._ends.get(token)
        if end is None:
            raise Refused(code="invalid_token", text="Unable to get application by token", status=401)
        if self.now() >= end:
            raise Refused(code="expired_token", text="The access token provided has expired.", status=401)

    def bind(self, event: str, url: str) -> Handler:
        """Binds a handler for one event; it gets the access token of who caused the event."""
        auth = {"access_token": self.access(), "expires_in": "3600", "scope": ",".join(self.scopes), "status": "L"}
        number = 400 + next(self._numbers)
        handler = Handler(url=url, token=self.token, number=number, events=frozenset({event}), auth=auth)
        self.handlers.append(handler)
        return handler

    def announce(self, event: str, _entity: Entity, record_id: int) -> None:
        """Puts the event into the offline queue, if it is bound so; an entry that waits for it gets the new time."""
        if event not in self.offline:
            return
        with self.lock:
            for row in self.queue:
                if (row.event, row.record, row.process) == (event, record_id, None):
                    row.at = self.now()
                    return
            self.queue.append(Row(id=next(self._numbers), at=self.now(), event=event, record=record_id))
