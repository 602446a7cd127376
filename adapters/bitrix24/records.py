"""What a CRM item of Bitrix24 says: the names of its object, stage and fields, its identities, its data, its events.

https://apidocs.bitrix24.com/api-reference/crm/universal/object-fields.html
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import Any, Final, TypeAlias

from connector.adapter_kit.identities import normalize_email
from connector.adapter_kit.payload import Part
from connector.adapter_kit.records import digest, exact, readable_identities
from connector.core.event import Event, Identity, IdentityKind, Kind, RecordRef

TYPES: Final[Mapping[str, int]] = {"lead": 1, "deal": 2, "contact": 3, "smart_invoice": 31}
"""Object → `entityTypeId`; a smart process is `dynamic_<entityTypeId>`."""
OLD_NAMES: Final[Mapping[str, str]] = {
    "createdTime": "DATE_CREATE",
    "updatedTime": "DATE_MODIFY",
    "createdBy": "CREATED_BY_ID",
    "updatedBy": "MODIFY_BY_ID",
    "movedBy": "MOVED_BY_ID",
}
"""New name of a field → its old name, where that is not the new one in upper case."""
LEAD_NAMES: Final[Mapping[str, str]] = {"stageId": "STATUS_ID", "stageSemanticId": "STATUS_SEMANTIC_ID"}
NEW_NAMES: Final[Mapping[str, str]] = {old: new for new, old in (*OLD_NAMES.items(), *LEAD_NAMES.items())}
MULTI_FIELDS: Final = ("EMAIL", "PHONE")
US: Final = "us"
"""What the id of the employee whose webhook or application calls is known under."""

_PREFIX: Final = re.compile(r"(?:C([0-9]+)|DT[0-9]+_([0-9]+)):")
_DIRECTORY: Final = re.compile(r"(STATUS)|(DEAL|SMART_INVOICE|DYNAMIC_[0-9]+)_STAGE(?:_([0-9]+))?")
_WORD: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=^ufCrm)(?=[0-9])")
_UNREAD: Final = frozenset({"searchContent"})
"""The portal's full-text copy of the other fields."""
Item: TypeAlias = Mapping[str, Any]


def type_of(record_object: str) -> int | None:
    """The `entityTypeId` of an object; None: the connector reads and writes no such objects."""
    dynamic = re.fullmatch(r"dynamic_([0-9]{1,9})", record_object)
    return int(dynamic[1]) if dynamic else TYPES.get(record_object)


def object_of(type_id: int) -> str:
    """The object of an `entityTypeId`."""
    return next((name for name, number in TYPES.items() if number == type_id), f"dynamic_{type_id}")


def record_of(name: str) -> RecordRef:
    """The record of that name, `lead:1907`."""
    record_object, _, record_id = name.partition(":")
    return RecordRef(object=record_object, id=record_id)


def bare_stage(stage: str) -> str:
    """The stage as mappings call it: without the `C5:` or `DT1044_12:` of its pipeline."""
    return _PREFIX.sub("", stage, count=1) if _PREFIX.match(stage) else stage


def told_stage(record_object: str, stage: str, pipeline: str) -> tuple[str, str]:
    """Stage and pipeline as events have them, of `STAGE_ID` and `CATEGORY_ID`; a prefix names the pipeline too."""
    if record_object == "lead" or not stage:
        return stage, ""
    prefix = _PREFIX.match(stage)
    return bare_stage(stage), prefix[1] or prefix[2] if prefix else pipeline or "0"


def full_stage(record_object: str, category: int, stage: str) -> str:
    """The stage as the portal calls it in that pipeline; one that has its prefix already stays."""
    if record_object == "lead" or _PREFIX.match(stage) or (record_object == "deal" and category == 0):
        return stage
    return f"C{category}:{stage}" if record_object == "deal" else f"DT{type_of(record_object)}_{category}:{stage}"


def pipeline_of(directory: str) -> tuple[str, str] | None:
    """Object and pipeline of a stage directory, `deal` and `5` for `DEAL_STAGE_5`; None: it holds no stages of ours."""
    match = _DIRECTORY.fullmatch(directory)
    if match is None:
        return None
    return ("lead", "") if match[1] else (match[2].lower(), match[3] or "0")


def new_name(field: str) -> str:
    """A field's name in `crm.item.*`: `companyTitle` for `COMPANY_TITLE`; custom fields keep their original names."""
    if field.startswith("ufCrm"):
        return old_name("", field)
    if field.startswith("UF_") or not field.isupper():
        return field
    head, *tail = field.lower().split("_")
    return NEW_NAMES.get(field) or head + "".join(part.capitalize() for part in tail)


def old_name(record_object: str, field: str) -> str:
    """A field's name in `crm.lead.*` and `crm.deal.*`: `UF_CRM_2_1639` for `ufCrm2_1639`."""
    names = {**OLD_NAMES, **LEAD_NAMES} if record_object == "lead" else OLD_NAMES
    return names.get(field) or _WORD.sub("_", field).upper()


def contacts_of(item: Item) -> list[str]:
    """The ids of the contacts that an item names, the primary one first."""
    ids = item.get("contactIds") or [item.get("contactId")]
    return [str(number) for number in ids if str(number).isdecimal() and int(number) > 0]


def owner_of(item: Item) -> str | None:
    """The id of the employee in charge; nobody is written as null, "", "0" or 0."""
    owner = str(item.get("assignedById") or "0")
    return None if owner == "0" else owner


def multis(item: Item, kind: str) -> list[dict[str, Any]]:
    """The e-mails or phones of an item in the old form; where a list leaves `fm` out, the plain alias."""
    rows = item.get("fm") or []
    found = [
        {"ID": str(row.get("id")), "VALUE_TYPE": row.get("valueType"), "VALUE": row.get("value"), "TYPE_ID": kind}
        for row in (rows.values() if isinstance(rows, dict) else rows)
        if row.get("typeId") == kind and row.get("value")
    ]
    alias = item.get(kind.lower())
    return found or ([{"VALUE": alias, "TYPE_ID": kind}] if alias else [])


def identities_of(record: RecordRef, item: Item, contacts: Mapping[str, Item]) -> tuple[Identity, ...]:
    """What finds the subject: the record, its lead and contacts, and the e-mails and phones of itself and of these."""
    names = [record.name, *(f"contact:{number}" for number in contacts)]
    if str(lead := item.get("leadId") or 0) != "0":
        names.append(f"lead:{lead}")
    found = [Identity(kind=IdentityKind.RECORD, value=name) for name in names]
    for source in (item, *contacts.values()):
        found += readable_identities(IdentityKind.EMAIL, (row["VALUE"] for row in multis(source, "EMAIL")))
        found += readable_identities(IdentityKind.PHONE, (row["VALUE"] for row in multis(source, "PHONE")))
    return tuple(dict.fromkeys(found))


def data_of(record: RecordRef, item: Item, contacts: Sequence[Item]) -> dict[str, Any]:
    """What mappings read: each value by its new and its old name; what a deal lacks comes from its contacts.

    What is empty in a new record was never filled; e-mails and phones are empty only where the portal shows that.
    """
    is_new = item.get("createdTime") == item.get("updatedTime")
    data: dict[str, Any] = {}
    for name, value in item.items():
        if name not in _UNREAD and not (is_new and value in (None, [])):
            data |= {name: value, old_name(record.object, name): value}
    for kind in MULTI_FIELDS:
        found = multis(item, kind) or [row for contact in contacts for row in multis(contact, kind)]
        data.pop(kind, None)
        if found or (not is_new and any("fm" in source for source in (item, *contacts))):
            data[kind] = found
    if contacts:
        data["CONTACTS"] = [
            {old_name("contact", name): value for name, value in contact.items() if isinstance(value, str | int)}
            for contact in contacts
        ]
    return data


def events_of(record: RecordRef, item: Item, fetched: Mapping[str, Any], most_contacts: int | None) -> list[Event]:
    """The events that an item stands for as it is now. Raises `BadPayload` when it has no readable time.

    `fetched`: contacts and users by name, and under `us` our own user's id.
    """
    known = {number: fetched.get(f"contact:{number}") or {} for number in contacts_of(item)[:most_contacts]}
    identities = identities_of(record, item, known)
    event = partial(Event, record=record, is_lead=True, identities=identities)
    name, created, updated = record.name, _time(item, "createdTime"), _time(item, "updatedTime")
    events = [event(key=f"{name}:identify", at=created, kind=Kind.IDENTIFY)]
    if stage := item.get("stageId"):
        moved = stage_event(record, str(stage), item.get("categoryId"), at=entered(item), identities=identities)
        events.append(replace(moved, is_ours=is_moved_by_us(item, fetched)))
    owner = owner_of(item)
    email = (fetched.get(f"user:{owner}") or {}).get("EMAIL")
    events.append(
        event(
            key=f"{name}:owner:{owner or 'nobody'}@{exact(updated)}",
            at=updated,
            kind=Kind.OWNER,
            owner=owner,
            owner_email=normalize_email(email),
        )
    )
    data = data_of(record, item, [contact for contact in known.values() if contact])
    key = f"{name}:profile@{exact(updated)}:{digest(data)}"
    events.append(event(key=key, at=updated, kind=Kind.PROFILE, data=data))
    return events


def entered(item: Item) -> datetime:
    """When the item entered its stage; aware UTC. Raises `BadPayload`."""
    return _time(item, "movedTime")


def is_moved_by_us(item: Item, fetched: Mapping[str, Any]) -> bool | None:
    """Whether our own user moved the item into its stage; None: the portal does not say who did, or who we are."""
    mover, us = item.get("movedBy"), fetched.get(US)
    return str(mover) == us if mover and us else None


def stage_event(
    record: RecordRef, stage: str, category: Any, *, at: datetime, identities: tuple[Identity, ...]
) -> Event:
    """The event of a record that entered a stage; the same for an item and for a row of its stage history."""
    return Event(
        key=f"{record.name}:stage:{stage}@{exact(at)}",
        at=at,
        kind=Kind.STAGE,
        record=record,
        is_lead=True,
        identities=identities,
        stage=bare_stage(stage),
        pipeline=None if record.object == "lead" else str(category or 0),
    )


def _time(item: Item, name: str) -> datetime:
    """The item's time of that name, or the nearest that it has."""
    given = next((item[key] for key in (name, "createdTime", "updatedTime") if item.get(key)), None)
    return Part(given, f"$.{name}").instant()
