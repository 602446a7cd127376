"""The notification channels of an emulated Zoho CRM: made, renewed, listed, lapsed, and what they send."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final
from urllib.parse import parse_qsl, urlsplit

from connector.emulators.engine.courier import Content, Message
from connector.emulators.engine.shelf import Change
from connector.emulators.zoho.state import FIELDS, written

WEEK: Final = timedelta(days=7)
HOUR: Final = timedelta(hours=1)
_OPERATIONS: Final = {"create": "insert", "update": "update", "delete": "delete", "restore": "insert"}
_WORDS: Final = {"create": "create", "update": "edit", "delete": "delete", "restore": "create"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Channel:
    """A channel, until `expiry` (aware UTC)."""

    id: int
    url: str
    token: str
    events: tuple[str, ...]
    expiry: datetime

    def hears(self, change: Change, now: datetime) -> bool:
        """Whether the change is told by it."""
        words = {f"{change.object}.{_WORDS[change.kind]}", f"{change.object}.all"}
        return self.expiry > now and bool(words & set(self.events))

    def shown(self) -> dict[str, Any]:
        """It as the list of channels shows it."""
        expiry = written(self.expiry)
        return {"channel_id": str(self.id), "notify_url": self.url, "channel_expiry": expiry, "events": [*self.events]}


class Channels:
    """The channels by id. `now` gives aware UTC."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now = now
        self.by_id: dict[int, Channel] = {}

    def watch(self, wanted: Mapping[str, Any], *, is_renewal: bool) -> dict[str, Any]:
        """Make or renew a channel; what the API says to it."""
        for name in ("channel_id", "events", "notify_url"):
            if not wanted.get(name):
                return {"code": "MANDATORY_NOT_FOUND", "details": {"api_name": name}, "status": "error"}
        events = tuple(wanted["events"])
        if len(wanted.get("token", "")) > 50 or not all(event.split(".")[0] in FIELDS for event in events):  # noqa: PLR2004
            return {"code": "INVALID_DATA", "details": {"api_name": "token or events"}, "status": "error"}
        number, now = int(wanted["channel_id"]), self._now()
        if is_renewal and (number not in self.by_id or self.by_id[number].expiry <= now):
            return {"code": "NOT_SUBSCRIBED", "details": {}, "message": "not subscribed", "status": "error"}
        asked = datetime.fromisoformat(wanted["channel_expiry"]) if wanted.get("channel_expiry") else None
        expiry = asked if asked and asked <= now + WEEK else now + HOUR
        url, token = wanted["notify_url"], wanted.get("token", "")
        self.by_id[number] = Channel(id=number, url=url, token=token, events=events, expiry=expiry)
        return {"code": "SUCCESS", "details": {"events": [self.by_id[number].shown()]}, "status": "success"}

    def messages(self, change: Change) -> Iterator[Message]:
        """The callbacks that a change causes: sent once, without a signature."""
        for channel in self.by_id.values():
            if channel.hears(change, self._now()):
                make = partial(self._callback, channel, change)
                about = f"{change.object}:{change.id}:{change.number}:{channel.id}"
                yield Message(url=channel.url, about=about, make=make)

    def _callback(self, channel: Channel, change: Change, _attempt: int) -> Content:
        body = {
            "server_time": int(change.at.timestamp() * 1000) + change.number % 1000,
            "query_params": dict(parse_qsl(urlsplit(channel.url).query)),
            "module": change.object,
            "resource_uri": f"https://www.zohoapis.jp/crm/v8/{change.object}",
            "ids": [change.id],
            "affected_fields": [{change.id: [*change.after]}] if change.kind == "update" else [],
            "operation": _OPERATIONS[change.kind],
            "channel_id": str(channel.id),
            "token": channel.token,
        }
        return json.dumps(body).encode(), {"Content-Type": "application/json"}
