"""Binds the events of a Bitrix24 application to the connector's address, and keeps them bound.

https://apidocs.bitrix24.com/api-reference/events/event-bind.html
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final
from urllib.parse import urlencode

from adapters.bitrix24.client import Command, Portal
from connector.adapter_kit.contract import InspectionResult
from connector.adapter_kit.update_plan import Failure
from connector.core.errors import CrmRefused

_CHANGES: Final = ("ADD", "UPDATE", "DELETE")
_PLAIN: Final = ("lead", "deal", "contact")


def events_for(objects: Sequence[str]) -> list[str]:
    """The events that tell of these objects."""
    words = [f"ONCRM{of.upper()}{change}" for of in _PLAIN if of in objects for change in _CHANGES]
    if "deal" in objects:
        words.append("ONCRMDEALMOVETOCATEGORY")
    if any(of not in _PLAIN for of in objects):
        words += [f"ONCRMDYNAMICITEM{change}" for change in _CHANGES]
    return words


def handler_of(url: str, tokens: Sequence[str]) -> str:
    """The address that an application's events are sent to: its token proves them. Raises `CrmRefused` without one."""
    if not tokens:
        message = "set the secret robot_token: the application's events are proven by it, as a part of their address"
        raise CrmRefused(message)
    return f"{url}?{urlencode({'token': tokens[0]})}"


def bind(portal: Portal, handler: str, objects: Sequence[str], *, is_offline: bool) -> None:
    """Bind what is not bound yet, and unbind our older addresses. Raises `CrmUnavailable` and `CrmRefused`.

    `handler`: the connector's address with its token; one with another token, or none, is an older one of ours.
    """
    rows = portal.call("event.get", {})["result"]
    missing, old = _missing(rows, handler, objects, is_offline=is_offline), list(_old(rows, handler))
    for result in portal.batch([*missing, *old]):
        if isinstance(result, Failure):
            raise result.error()


def look(portal: Portal, handler: str, objects: Sequence[str], *, is_offline: bool) -> InspectionResult:
    """Whether all events are bound. Raises `CrmUnavailable` and `CrmRefused`."""
    missing = _missing(portal.call("event.get", {})["result"], handler, objects, is_offline=is_offline)
    if not missing:
        text = f"the application's events are registered for {handler.partition('?')[0]}"
        return InspectionResult(topic="webhooks", is_good=True, text=text)
    words = ", ".join(sorted({str(values["event"]) for _, values in missing}))
    text = f"not registered for {handler.partition('?')[0]}: {words}; the next registration adds them"
    return InspectionResult(topic="webhooks", is_good=False, text=text)


def _missing(
    rows: Sequence[Mapping[str, Any]], handler: str, objects: Sequence[str], *, is_offline: bool
) -> list[Command]:
    online = {str(row["event"]).upper() for row in rows if row.get("handler") == handler}
    queued = {str(row["event"]).upper() for row in rows if _is_offline(row)}
    found: list[Command] = [
        ("event.bind", {"event": word, "handler": handler}) for word in events_for(objects) if word not in online
    ]
    deletes = [word for word in events_for(objects) if word.endswith("DELETE") and is_offline and word not in queued]
    return [*found, *(("event.bind", {"event": word, "event_type": "offline"}) for word in deletes)]


def _old(rows: Sequence[Mapping[str, Any]], handler: str) -> Iterator[Command]:
    for row in rows:
        url = str(row.get("handler") or "")
        if url != handler and url.partition("?")[0] == handler.partition("?")[0]:
            yield ("event.unbind", {"event": row["event"], "handler": url})


def _is_offline(row: Mapping[str, Any]) -> bool:
    return str(row.get("offline") or "0") == "1"
