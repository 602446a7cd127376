"""The `crm.item.*` methods of an emulated Bitrix24: current, camelCase, with numbers as numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from connector.emulators.bitrix24.application import Application
from connector.emulators.bitrix24.directory import directory_of
from connector.emulators.bitrix24.fields import FIELDS, Entity, Field, custom_item_name
from connector.emulators.bitrix24.listing import matching, ordered, page
from connector.emulators.bitrix24.php import as_array, as_list
from connector.emulators.bitrix24.records import Record, Refused, as_item, as_row, show
from connector.emulators.bitrix24.state import Portal

_ONLY_WITH_STAR: Final = frozenset({"fm", "email", "phone", "skype", "icq", "imol"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One REST call: its parameters, the user whose webhook or token it is, and whether an update is only pretended.

    `application`: the one whose token it is; None: an incoming webhook.
    """

    portal: Portal
    params: Mapping[str, Any]
    user: int
    is_lying: bool = False
    application: Application | None = None

    @property
    def entity(self) -> Entity:
        """The object type that `entityTypeId` names."""
        number = self.number("entityTypeId")
        if number not in set(Entity):
            raise Refused(code="NOT_FOUND", text="Smart process not found")
        return Entity(number)

    @property
    def is_original(self) -> bool:
        """Whether custom fields go by their original names; only `Y` says so."""
        return self.params.get("useOriginalUfNames") == "Y"

    def number(self, name: str) -> int:
        """A required whole number."""
        try:
            return int(self.params[name])
        except (KeyError, TypeError, ValueError) as error:
            raise Refused(code="100", text=f"Could not find value for parameter {{{name}}}") from error

    def old(self, name: str) -> Any:
        """A parameter of the old methods, whose names go in any case."""
        return next((value for key, value in self.params.items() if key.lower() == name.lower()), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What a method answers; lists have a total, and the next offset if there is more."""

    result: Any
    total: int | None = None
    next: int | None = None


def item_get(call: Call) -> Found:
    """`crm.item.get`."""
    entity, record_id = call.entity, call.number("id")
    return Found(result={"item": _shown(call, call.portal.find(entity, record_id))})


def item_list(call: Call) -> Found:
    """`crm.item.list`: filter, order, select, pages of 50."""
    portal, entity = call.portal, call.entity
    with portal.lock:
        rows = [
            as_row(record, portal.semantics(record), portal.customs[entity], is_original=call.is_original)
            for record in _candidates(call)
        ]
    rows_wanted = ordered(matching(rows, call.params.get("filter")), call.params.get("order"))
    chosen, total, following = page(rows_wanted, call.params.get("start"))
    items = [_selected(row, as_list(call.params.get("select")), call) for row in chosen]
    return Found(result={"items": items}, total=total, next=following)


def _candidates(call: Call) -> list[Record]:
    """The records that the filter's ids leave, or all: only a short cut."""
    records, conditions = call.portal.records[call.entity], as_array(call.params.get("filter"))
    ids = [number for name in ("id", "=id", "@id") for number in as_list(conditions.get(name))]
    numbers = [int(number) for number in ids if str(number).isdecimal()]
    return (
        [records[number] for number in sorted(set(numbers)) if number in records] if numbers else list(records.values())
    )


def _selected(row: Mapping[str, Any], select: list[Any], call: Call) -> dict[str, Any]:
    def is_wanted(name: str) -> bool:
        if "*" in select:
            return True
        is_alias = name in _ONLY_WITH_STAR or name.startswith(("email", "phone"))
        return not is_alias and (not select or name in select or name == "id")

    return {name: show(value, call.portal.zone) for name, value in row.items() if is_wanted(name)}


def item_update(call: Call) -> Found:
    """`crm.item.update`: unknown names are ignored, and nothing is saved when nothing differs."""
    entity, record_id, fields = call.entity, call.number("id"), _written(call)
    if call.is_lying:
        shown = _shown(call, call.portal.find(entity, record_id))
        pretended = {name: value for name, value in as_array(call.params.get("fields")).items() if name in shown}
        return Found(result={"item": {**shown, **pretended}})
    call.portal.change(entity, record_id, fields, by=call.user, origin="rest")
    return item_get(call)


def item_add(call: Call) -> Found:
    """`crm.item.add`."""
    record_id = call.portal.add(call.entity, _written(call), by=call.user, origin="rest")
    return Found(result={"item": _shown(call, call.portal.find(call.entity, record_id))})


def item_fields(call: Call) -> Found:
    """`crm.item.fields`."""
    entity = call.entity
    described = {name: _described(field, entity) for name, field in FIELDS[entity].items() if name != "fm"}
    for original, type_name in call.portal.customs[entity].items():
        name = original if call.is_original else custom_item_name(original)
        described[name] = {
            **_described(Field(name=name, type=type_name), entity),
            "isDynamic": True,
            "title": original,
            "upperName": original,
        }
    return Found(result={"fields": described})


def _described(field: Field, entity: Entity) -> dict[str, Any]:
    return {
        "type": field.type,
        "isRequired": False,
        "isReadOnly": field.is_read_only,
        "isImmutable": False,
        "isMultiple": field.is_list,
        "isDynamic": False,
        **({"statusType": directory_of(entity, 0)} if field.name == "stageId" else {}),
        "title": field.name,
        "upperName": field.upper,
    }


def _written(call: Call) -> dict[str, Any]:
    """The fields of a write, custom ones by original name; the other spelling of a custom field is an unknown name."""
    customs = call.portal.customs[call.entity]
    spelled = {name if call.is_original else custom_item_name(name): name for name in customs}
    fields = as_array(call.params.get("fields"))
    return {spelled.get(name, name): value for name, value in fields.items() if name in spelled or name not in customs}


def _shown(call: Call, record: Record) -> dict[str, Any]:
    portal = call.portal
    with portal.lock:
        semantics = portal.semantics(record)
        return as_item(record, semantics, portal.customs[record.entity], portal.zone, is_original=call.is_original)
