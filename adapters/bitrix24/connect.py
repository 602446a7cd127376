"""Looks at a connection to Bitrix24, and binds the events of an application to the connector's address.

https://apidocs.bitrix24.com/api-reference/common/system/scope.html and limits.html,
https://apidocs.bitrix24.com/api-reference/events/event-bind.html
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final
from urllib.parse import urlencode

from adapters.bitrix24.client import Command, Portal
from adapters.bitrix24.records import type_of
from connector.adapter_kit.contract import InspectionResult
from connector.core.errors import CrmError, CrmRefused

SCOPES: Final = (("crm", frozenset({"crm"})), ("user_basic", frozenset({"user", "user_basic"})))
"""What is needed, and what of the portal's scopes gives it; `user_brief` gives no e-mails."""
OPERATING_SECONDS: Final = 480
"""Seconds of operating time that a method has in ten minutes, by the vendor's example; plans may differ."""
_MUCH: Final = 0.8
_CHANGES: Final = ("ADD", "UPDATE", "DELETE")
_PLAIN: Final = ("lead", "deal", "contact")


def inspect(portal: Portal, record_object: str) -> Iterator[InspectionResult]:
    """Credentials, scopes and limits. Raises `CrmUnavailable`."""
    try:
        user = portal.call("profile", {})["result"]
    except CrmRefused as error:
        yield InspectionResult(topic="credentials", is_good=False, text=str(error))
        return
    name = " ".join(str(user[key]) for key in ("NAME", "LAST_NAME") if user.get(key)) or "nameless"
    right = ", an administrator" if user.get("ADMIN") else ""
    text = f"the portal answers; calls are made as {name} (employee {user.get('ID')}{right})"
    yield InspectionResult(topic="credentials", is_good=True, text=text)
    try:
        yield from _scopes(portal.call("scope", {})["result"])
        yield _limit(portal, record_object)
    except CrmRefused as error:
        yield InspectionResult(topic="scopes", is_good=False, text=str(error))


def _scopes(granted: Any) -> Iterator[InspectionResult]:
    has = {str(scope) for scope in (granted.values() if isinstance(granted, dict) else granted)}
    missing = [name for name, ways in SCOPES if not ways & has]
    if missing:
        text = f"missing: {', '.join(missing)}; add them to the webhook or the application (it has {sorted(has)})"
        yield InspectionResult(topic="scopes", is_good=False, text=text)
    else:
        yield InspectionResult(topic="scopes", is_good=True, text=f"granted: {', '.join(sorted(has))}")


def _limit(portal: Portal, record_object: str) -> InspectionResult:
    """The operating time of the method that is called most, as a short call of it tells."""
    method = "crm.item.list"
    parameters = {"entityTypeId": type_of(record_object), "select": ["id"], "filter": {"id": 0}, "start": -1}
    time: Mapping[str, Any] = portal.call(method, parameters).get("time") or {}
    used = time.get("operating")
    if not isinstance(used, int | float):
        return InspectionResult(topic="limits", is_good=True, text="the portal names no operating time: it limits none")
    text = f"{method} has used {used:.0f} s of about {OPERATING_SECONDS} s of operating time in ten minutes"
    return InspectionResult(topic="limits", is_good=used < _MUCH * OPERATING_SECONDS, text=text)


def events_for(objects: Sequence[str]) -> list[str]:
    """The events that tell of these objects."""
    words = [f"ONCRM{name.upper()}{change}" for name in _PLAIN if name in objects for change in _CHANGES]
    if "deal" in objects:
        words.append("ONCRMDEALMOVETOCATEGORY")
    if any(name not in _PLAIN for name in objects):
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
        if isinstance(result, CrmError):
            raise result


def inspect_events(portal: Portal, handler: str, objects: Sequence[str], *, is_offline: bool) -> InspectionResult:
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
