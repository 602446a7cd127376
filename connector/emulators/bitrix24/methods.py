"""The other REST methods of an emulated Bitrix24, and the table of all of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from connector.emulators.bitrix24.catalog import category_list, entity_types, listed, profile, status_list, user_get
from connector.emulators.bitrix24.directory import Stage
from connector.emulators.bitrix24.events import (
    event_bind,
    event_get,
    event_unbind,
    feature_get,
    offline_clear,
    offline_get,
    scope,
)
from connector.emulators.bitrix24.fields import Entity
from connector.emulators.bitrix24.items import Call, Found, item_add, item_fields, item_get, item_list, item_update
from connector.emulators.bitrix24.php import as_array
from connector.emulators.bitrix24.records import Refused, as_old, show
from connector.emulators.bitrix24.state import Move


def _old_get(entity: Entity) -> Callable[[Call], Found]:
    def get(call: Call) -> Found:
        raw = str(call.old("id") or "")
        if not raw.isdecimal() or not int(raw):
            raise Refused(code="", text="ID is not defined or invalid")
        portal = call.portal
        with portal.lock:
            record = portal.records[entity].get(int(raw))
            if record is None:
                raise Refused(code="", text="Not found")
            return Found(result=as_old(record, portal.semantics(record), portal.customs[entity], portal.zone))

    return get


def _stage_history(call: Call) -> Found:
    entity = call.entity
    if entity is Entity.CONTACT:
        raise Refused(code="ENTITY_TYPE_NOT_SUPPORTED", text="Entity type CONTACT is not supported")
    portal = call.portal
    with portal.lock:
        # of a deal that changed funnel only the rows of its present funnel come (b24restdocs issue 8, April 2025)
        moves = [
            move
            for move in portal.history
            if move.entity is entity and move.category == (portal.find(entity, move.owner).get("categoryId") or 0)
        ]
        rows = [_move_row(move, portal.stages) for move in moves]
    found = listed(call, rows)
    select = [str(name) for name in as_array(call.old("select")).values()]
    items = [
        {name: show(value, portal.zone) for name, value in row.items() if not select or name in select}
        for row in found.result
    ]
    return Found(result={"items": items}, total=found.total, next=found.next)


def _move_row(move: Move, stages: Mapping[str, tuple[Stage, ...]]) -> dict[str, Any]:
    semantics = {stage.status_id: stage.semantics for found in stages.values() for stage in found}
    head = {"ID": move.id, "TYPE_ID": move.type, "OWNER_ID": move.owner, "CREATED_TIME": move.at}
    if move.entity is Entity.LEAD:
        return {**head, "STATUS_SEMANTIC_ID": semantics[move.stage], "STATUS_ID": move.stage}
    rest = {"STAGE_SEMANTIC_ID": semantics[move.stage], "STAGE_ID": move.stage}
    return {**head, "CATEGORY_ID": move.category, **rest}


def _automation_trigger(call: Call) -> Found:
    target = str(call.old("target") or "")
    if not target:
        raise Refused(code="", text="Target is not set.")
    name, _, number = target.rpartition("_")
    if name not in Entity.__members__ or not number.isdecimal():
        raise Refused(code="", text="Incorrect target format.")
    entity, record_id = Entity[name], int(number)
    if record_id not in call.portal.records[entity]:
        raise Refused(code="", text="Target is not found.")
    of, stage = call.portal.triggers.get(str(call.old("code")), (None, ""))
    if of is entity and not call.is_lying:
        call.portal.change(entity, record_id, {"stageId": stage}, by=call.user, origin="rest")
    return Found(result=True)


METHODS: Final[Mapping[str, Callable[[Call], Found]]] = {
    "crm.item.get": item_get,
    "crm.item.list": item_list,
    "crm.item.update": item_update,
    "crm.item.add": item_add,
    "crm.item.fields": item_fields,
    "crm.lead.get": _old_get(Entity.LEAD),
    "crm.deal.get": _old_get(Entity.DEAL),
    "crm.contact.get": _old_get(Entity.CONTACT),
    "crm.status.list": status_list,
    "crm.status.entity.types": entity_types,
    "crm.category.list": category_list,
    "crm.stagehistory.list": _stage_history,
    "crm.automation.trigger": _automation_trigger,
    "user.get": user_get,
    "profile": profile,
    "scope": scope,
    "feature.get": feature_get,
    "event.get": event_get,
    "event.bind": event_bind,
    "event.unbind": event_unbind,
    "event.offline.get": offline_get,
    "event.offline.clear": offline_clear,
}


def invoke(method: str, call: Call) -> Found:
    """Runs a method by name; raises `Refused`."""
    run = METHODS.get(method.lower())
    if run is None:
        raise Refused(code="ERROR_METHOD_NOT_FOUND", text="Method not found!", status=404)
    return run(call)


def error_body(error: Refused) -> dict[str, Any]:
    """The body of an error."""
    return {"error": error.code, "error_description": error.text}
