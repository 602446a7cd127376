"""The methods of an emulated Bitrix24 that are about the application itself: scopes, events, the offline queue."""

from __future__ import annotations

import secrets
from typing import Final

from connector.emulators.bitrix24.application import Application, Row
from connector.emulators.bitrix24.items import Call, Found
from connector.emulators.bitrix24.php import as_list
from connector.emulators.bitrix24.records import Refused
from connector.emulators.bitrix24.state import MOVED_FUNNEL
from connector.emulators.bitrix24.webhooks import SENT_BY_WEBHOOKS

APPLICATION_EVENTS: Final = frozenset({"ONAPPINSTALL", "ONAPPUPDATE", "ONAPPUNINSTALL", "ONAPPTEST", "ONOFFLINEEVENT"})
DYNAMIC: Final = frozenset(f"ONCRMDYNAMICITEM{change}" for change in ("ADD", "UPDATE", "DELETE"))
BINDABLE: Final = SENT_BY_WEBHOOKS | APPLICATION_EVENTS | DYNAMIC | {MOVED_FUNNEL}
_OFF: Final = frozenset({"", "0", "false", "n"})


def scope(call: Call) -> Found:
    """`scope`: what the application or the webhook may do."""
    return Found(result=list(call.application.scopes if call.application else call.portal.webhook_scopes))


def feature_get(call: Call) -> Found:
    """`feature.get`: Y for what the plan has, and for what nobody knows."""
    has_it = call.application is None or call.application.is_extended or call.old("CODE") != "rest_offline_extended"
    return Found(result={"value": "Y" if has_it else "N"})


def event_get(call: Call) -> Found:
    """`event.get`: the handlers of this application."""
    application = _application(call)
    online = [
        {"event": event, "handler": handler.url, "auth_type": "0", "offline": 0}
        for handler in application.handlers
        for event in handler.events
    ]
    offline = [{"event": event, "connector_id": "", "offline": 1} for event in sorted(application.offline)]
    return Found(result=[*online, *offline])


def event_bind(call: Call) -> Found:
    """`event.bind`: the same address twice is refused."""
    application, event = _application(call), str(call.old("event") or "").upper()
    if not application.is_administrator:
        raise Refused(code="ACCESS_DENIED", text="Access denied!", status=403)
    if event not in BINDABLE:
        raise Refused(code="ERROR_EVENT_NOT_FOUND", text="Event not found")
    url, is_offline = str(call.old("handler") or ""), call.old("event_type") == "offline"
    is_bound = any(handler.url == url and event in handler.events for handler in application.handlers)
    if is_bound or (is_offline and event in application.offline):
        raise Refused(code="", text="Handler already binded")
    if is_offline:
        application.offline.add(event)
    elif url.startswith(("http://", "https://")):
        application.bind(event, url)
    else:
        raise Refused(code="ERROR_ARGUMENT", text="Wrong handler URL")
    return Found(result=True)


def event_unbind(call: Call) -> Found:
    """`event.unbind`: how many were bound."""
    application, event, url = _application(call), str(call.old("event") or "").upper(), call.old("handler")
    gone = [handler for handler in application.handlers if handler.url == url and event in handler.events]
    application.handlers[:] = [handler for handler in application.handlers if handler not in gone]
    return Found(result={"count": len(gone)})


def offline_get(call: Call) -> Found:
    """`event.offline.get`: removes what it gives, or with `clear=0` reserves it for the process that it names."""
    application = _application(call)
    is_cleared = str(call.params.get("clear", 1)).lower() not in _OFF
    given, limit = call.old("process_id"), int(call.params.get("limit", 50))
    if not is_cleared and not application.is_extended:
        raise Refused(code="ACCESS_DENIED", text="Extended offline events are not available on your plan", status=403)
    with application.lock:
        rows = [row for row in application.queue if row.process == given][:limit]
        process = None if is_cleared else given or secrets.token_hex(16)
        for row in rows:
            row.process = process
        if is_cleared:
            application.queue[:] = [row for row in application.queue if row not in rows]
    shown = [_shown(row, call) for row in rows]
    return Found(result={"process_id": process, "events": shown})


def offline_clear(call: Call) -> Found:
    """`event.offline.clear`: removes what a process has reserved, or of it those with these ids."""
    application, process = _application(call), call.old("process_id")
    if not process:
        raise Refused(code="ERROR_ARGUMENT", text="process_id is required")
    ids = {str(row_id) for row_id in as_list(call.old("id"))}
    with application.lock:
        application.queue[:] = [
            row for row in application.queue if row.process != process or (ids and str(row.id) not in ids)
        ]
    return Found(result=True)


def _shown(row: Row, call: Call) -> dict[str, object]:
    return {
        "ID": str(row.id),
        "TIMESTAMP_X": row.at.astimezone(call.portal.zone).isoformat(timespec="seconds"),
        "EVENT_NAME": row.event,
        "EVENT_DATA": {"FIELDS": {"ID": row.record}} if row.record else False,
        "EVENT_ADDITIONAL": {"user_id": call.user},
        "MESSAGE_ID": str(row.id),
    }


def _application(call: Call) -> Application:
    if call.application is None:
        text = "Current authorization type is denied for this method"
        raise Refused(code="WRONG_AUTH_TYPE", text=text, status=403)
    return call.application
