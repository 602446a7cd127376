"""Looks at a connection to Bitrix24: who calls, with which scopes, what of a limit is used.

https://apidocs.bitrix24.com/api-reference/common/system/scope.html and limits.html
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from adapters.bitrix24.client import Portal
from adapters.bitrix24.records import type_of
from connector.adapter_kit.contract import InspectionResult
from connector.core.errors import CrmRefused

SCOPES: Final = (("crm", frozenset({"crm"})), ("user_basic", frozenset({"user", "user_basic"})))
"""What is needed, and what of the portal's scopes gives it; `user_brief` gives no e-mails."""
OPERATING_SECONDS: Final = 480
"""Seconds of operating time that a method has in ten minutes, by the vendor's example; plans may differ."""
_MUCH: Final = 0.8


def look(portal: Portal, record_object: str) -> Iterator[InspectionResult]:
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
    has = {str(one) for one in (granted.values() if isinstance(granted, dict) else granted)}
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
