"""An emulated RudderStack workspace: sessions by number, traits in the context, no nulls, a static header."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, ClassVar, Final

from connector.emulators.engine.courier import Message
from connector.emulators.engine.emulator import VisitorAction
from connector.emulators.engine.segment_site import SegmentSpecSite, compact

TOKEN: Final = "rudder-token-of-the-demo-7f3a"  # noqa: S105 - of a workspace that is not real
REST: Final = timedelta(minutes=30)
PAUSES: Final = (0.02, 0.05, 0.1)


class RudderStackSite(SegmentSpecSite):
    """A workspace with one source and one destination; `batch` above 1 sends lists, as HTTP Webhook does."""

    NAME: ClassVar[str] = "rudderstack"

    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        self._sessions: dict[str, tuple[int, datetime]] = {}

    def connection(self) -> tuple[Mapping[str, Any], Mapping[str, Sequence[str]]]:
        """The header's token; nothing else has to be set."""
        return {}, {"token": [TOKEN]}

    def context(self, action: VisitorAction) -> dict[str, Any]:
        """The session's number, which is the time of its start; the first event says that it is the first."""
        number, last = self._sessions.get(action.visitor, (0, action.at - REST))
        is_new = action.at - last >= REST
        if is_new:
            number = int(action.at.timestamp() * 1000)
        self._sessions[action.visitor] = (number, action.at)
        return {"sessionId": number, "traits": {}, **({"sessionStart": True} if is_new else {})}

    def sent(self, messages: Sequence[Mapping[str, Any]], url: str) -> Message:
        """One message by itself, several as a list; null values are removed."""
        events = [_without_nulls(_by_context(message)) for message in messages]
        body = compact(events[0] if self.batch == 1 else events)
        headers = {
            "Content-Type": "application/json",
            "User-Agent": "RudderLabs",
            "Authorization": f"Bearer {TOKEN}",
        }
        return Message(url=url, about="", make=lambda _: (body, headers), pauses=PAUSES)


def _by_context(message: Mapping[str, Any]) -> dict[str, Any]:
    """The message with its traits where RudderStack has them, and with its own keys besides."""
    values = {name: value for name, value in message.items() if name != "traits"}
    context = {**message.get("context", {}), **({"traits": message["traits"]} if "traits" in message else {})}
    user = {"userId": message["userId"] or ""}
    return {**values, **user, "context": context, "channel": "web", "request_ip": "203.0.113.24"}


def _without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_nulls(inner) for name, inner in value.items() if inner is not None}
    return value
