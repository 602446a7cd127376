"""Reads from a Bitrix24 application's offline queue what was deleted, which nothing else tells after the fact.

https://apidocs.bitrix24.com/api-reference/events/offline-events.html
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from datetime import datetime
from typing import Any, Final

from adapters.bitrix24.client import PAGE, Portal
from adapters.bitrix24.webhook import read_event
from connector.adapter_kit.payload import Part
from connector.adapter_kit.records import deleted_event
from connector.core.errors import BadPayload
from connector.core.event import Event

_RESERVED: Final = "offline events reserved"
_EXTENDED: Final = "rest_offline_extended"


def deletions(portal: Portal, objects: Collection[str], since: datetime) -> Iterator[Event]:
    """The records that the queue says are deleted. Raises `CrmUnavailable` and `CrmRefused`.

    Where the plan has the extended mode, they are reserved at first. The next run removes them if its `since` is later,
    since then this one has been stored; else it gives them once more. Other plans remove what they give.
    """
    if portal.call("feature.get", {"CODE": _EXTENDED})["result"].get("value") == "N":
        for rows in _pages(portal, {}):
            yield from _events(rows, objects)
        return
    reserved: list[str] = []
    processes, _, before = (portal.api.get_secret(_RESERVED) or "").partition(" ")
    for process in filter(None, processes.split(",")):
        if since > datetime.fromisoformat(before):
            portal.call("event.offline.clear", {"process_id": process})
        else:
            again = portal.call("event.offline.get", {"process_id": process, "clear": 0})["result"]
            yield from _events(again["events"], objects)
            reserved.append(process)
    portal.api.set_secret(_RESERVED, f"{','.join(reserved)} {since.isoformat()}")
    for rows in _pages(portal, {"clear": 0}, reserved, since):
        yield from _events(rows, objects)


def _pages(
    portal: Portal, parameters: Mapping[str, Any], reserved: list[str] | None = None, since: datetime | None = None
) -> Iterator[list[Mapping[str, Any]]]:
    """The rows in pages; what reserves them is kept before they are given."""
    while True:
        result = portal.call("event.offline.get", {**parameters, "limit": PAGE})["result"]
        rows = result["events"]
        if rows and reserved is not None and since is not None:
            reserved.append(str(result["process_id"]))
            portal.api.set_secret(_RESERVED, f"{','.join(reserved)} {since.isoformat()}")
        yield rows
        if len(rows) < PAGE:
            return


def _events(rows: list[Mapping[str, Any]], objects: Collection[str]) -> Iterator[Event]:
    for row in rows:
        try:
            webhook = read_event(Part({"event": row["EVENT_NAME"], "data": row["EVENT_DATA"]}))
            at = Part(row["TIMESTAMP_X"]).instant()
        except BadPayload:
            continue  # the vendor's sample has no data at all: which record it was cannot be known
        if webhook.record and webhook.is_deleted and webhook.record.object in objects:
            yield deleted_event(webhook.record, at)
