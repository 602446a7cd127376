"""Reads records with contacts and owners, what changed and what was deleted, and the directories of a Bitrix24 portal.

https://apidocs.bitrix24.com/api-reference/events/offline-events.html
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from adapters.bitrix24.address import user_in
from adapters.bitrix24.client import PAGE, Command, Portal
from adapters.bitrix24.records import (
    US,
    Item,
    bare_stage,
    contacts_of,
    entered,
    events_of,
    identities_of,
    is_moved_by_us,
    old_name,
    owner_of,
    pipeline_of,
    record_of,
    stage_event,
    type_of,
)
from adapters.bitrix24.webhook import read_event
from connector.adapter_kit.contract import Catalog, Person
from connector.adapter_kit.identities import normalize_email
from connector.adapter_kit.payload import Part
from connector.adapter_kit.records import deleted_event, ids_by_object, readable, remembered
from connector.adapter_kit.rest import RecordGone, as_object, chunks
from connector.core.errors import BadPayload, CrmError, CrmRefused
from connector.core.event import Event, RecordRef

TRIGGER: Final = "TRIGGER"
"""The push field that holds the code of an automation trigger in place of a value."""
TRIGGERED: Final = ("lead", "deal")
"""The objects that have such triggers, of those that the connector writes; smart processes have none."""
LISTS: Final = 20
"""Full pages of 50 items in one request at most: some megabytes."""
_FULL: Final = {"select": ["*"], "useOriginalUfNames": "Y"}
_RESERVED: Final = "offline events reserved"
_EXTENDED: Final = "rest_offline_extended"
_USER: Final = ("ID", "EMAIL", "NAME", "LAST_NAME", "ACTIVE")


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """The records of a portal, read by `crm.item.list` where `is_listing`, else one by one.

    `most_contacts` of an item, None: all.
    """

    portal: Portal
    is_listing: bool = True
    most_contacts: int | None = None

    def records(self, names: Iterable[str]) -> dict[str, Any]:
        """The items of records (`lead:1907`) by name with their contacts and owners.

        None: gone; in the place of one that cannot be read its error.
        """
        wanted = list(dict.fromkeys(names))
        found: dict[str, Any] = self.items(wanted) if self.is_listing else {}
        # A list leaves out what is gone and what may not be read alike: only `crm.item.get` tells which.
        missing = [name for name in wanted if name not in found]
        results = self.portal.batch([_getting(name) for name in missing])
        found |= {
            name: None if isinstance(result, RecordGone) else result if isinstance(result, CrmError) else result["item"]
            for name, result in zip(missing, results, strict=True)
        }
        return found | self.related([item for item in found.values() if isinstance(item, dict)])

    def items(self, names: Sequence[str]) -> dict[str, Item]:
        """The items of records by name, nothing else; without those that cannot be read."""
        commands = self._commands(names)
        return _by_name(commands, self.portal.batch([command for _, command in commands], most=LISTS))

    def after(self, writes: Sequence[Command], names: Sequence[str]) -> tuple[list[Any], dict[str, Item]]:
        """The results of the writes, and the items of the records as the same request shows them after these."""
        commands = self._commands(names)
        results = self.portal.batch([*writes, *(command for _, command in commands)])
        return results[: len(writes)], _by_name(commands, results[len(writes) :])

    def writes_per_request(self, objects: Collection[str]) -> int:
        """How many writes fit into one request with the commands that read their records back."""
        return max(1, self.portal.size - len(objects) if self.is_listing else self.portal.size // 2)

    def related(self, items: Sequence[Item]) -> dict[str, Any]:
        """The contacts and owners of items by name, as far as they can be read, in one request; and who we are."""
        memo = self.portal.api.memo
        contacts = self._commands(
            [f"contact:{id_}" for item in items for id_ in contacts_of(item)[: self.most_contacts]]
        )
        owners = dict.fromkeys(f"user:{owner}" for item in items if (owner := owner_of(item)))
        unknown = [name for name in owners if name not in memo]
        queries = [("user.get", {"FILTER": {"ID": record_of(name).id}}) for name in unknown]
        results = self.portal.batch([*(command for _, command in contacts), *queries], most=LISTS)
        for name, rows in zip(unknown, results[len(contacts) :], strict=True):
            # Without the scope for users the owner stays unknown, and the mapping holds the event for it.
            for row in () if isinstance(rows, CrmError) else rows:
                if f"user:{row.get('ID')}" == name:
                    memo[name] = {key: row[key] for key in _USER if key in row}
        known = {name: memo.get(name) for name in owners} | {US: self._us() if items else None}
        return _by_name(contacts, results[: len(contacts)]) | known

    def _us(self) -> str | None:
        """The id of the employee whose webhook or application calls: in the webhook's address, or by `profile`."""
        return user_in(self.portal.url) or remembered(self.portal.api, US, self._profile)

    def _profile(self) -> str | None:
        try:
            return str(as_object(self.portal.call("profile", {})["result"]).get("ID") or "") or None
        except CrmRefused:
            return None

    def changes(self, objects: Sequence[str], since: datetime) -> Iterator[Event]:
        """The stages entered and the records changed since (aware UTC), in pages of 50."""
        for record_object in objects:
            if record_object != "contact":
                yield from self._stages(record_object, since)
            yield from self._changed(record_object, since)

    def catalog(self, objects: Sequence[str]) -> Catalog:
        """Stages, owners and fields as they are now."""
        types = self.portal.call("crm.status.entity.types", {})["result"]
        places = {row["ID"]: place for row in types if (place := pipeline_of(row["ID"])) and place[0] in objects}
        listed = self.portal.batch([("crm.status.list", {"filter": {"ENTITY_ID": name}}) for name in places])
        stages: dict[str, dict[str, dict[str, str]]] = defaultdict(dict)
        for (record_object, pipeline), statuses in zip(places.values(), listed, strict=True):
            stages[record_object][pipeline] = {bare_stage(row["STATUS_ID"]): row["NAME"] for row in _good(statuses)}
        fields = self.portal.batch(
            [("crm.item.fields", {"entityTypeId": type_of(name), "useOriginalUfNames": "Y"}) for name in objects]
        )
        return Catalog(
            stages=stages,
            owners=tuple(self._people()),
            fields={
                record_object: {
                    old_name(record_object, name): field["title"] for name, field in _good(answer)["fields"].items()
                }
                | ({TRIGGER: "Fires an automation trigger, by its code"} if record_object in TRIGGERED else {})
                for record_object, answer in zip(objects, fields, strict=True)
            },
        )

    def _commands(self, names: Sequence[str]) -> list[tuple[str, Command]]:
        """The commands that read records, each with the object that it reads."""
        if not self.is_listing:
            return [(record_of(name).object, _getting(name)) for name in dict.fromkeys(names)]
        return [
            (record_object, _listing(record_object, chunk))
            for record_object, numbers in ids_by_object(names).items()
            for chunk in chunks(numbers, PAGE)
        ]

    def _people(self) -> Iterator[Person]:
        start: int | None = 0
        while start is not None:
            reply = self.portal.call("user.get", {"start": start})
            for row in reply["result"]:
                name = " ".join(part for part in (row.get("NAME"), row.get("LAST_NAME")) if part)
                email = normalize_email(row.get("EMAIL"))
                yield Person(id=str(row["ID"]), email=email, name=name, is_active=row.get("ACTIVE") is not False)
            following = int(reply.get("next") or 0)
            start = following if following > start else None

    def _stages(self, record_object: str, since: datetime) -> Iterator[Event]:
        parameters = {
            "entityTypeId": type_of(record_object),
            "filter": {">=CREATED_TIME": since.isoformat(timespec="seconds")},
        }
        for rows in self.portal.pages("crm.stagehistory.list", parameters, "ID"):
            # A stage that was left within its second (by a robot) would have no place in time: the last one counts.
            last = {(str(row["OWNER_ID"]), str(row["CREATED_TIME"])): row for row in rows}
            fetched = self.records(f"{record_object}:{owner}" for owner, _ in last)
            for (owner, moved), row in last.items():
                record, at = RecordRef(object=record_object, id=owner), Part(moved).instant()
                item = fetched[record.name]
                if item is None:
                    yield deleted_event(record, at)
                elif not isinstance(item, CrmError):
                    yield self._entered(record, row, at, item, fetched)

    def _entered(
        self, record: RecordRef, row: Mapping[str, Any], at: datetime, item: Item, fetched: Mapping[str, Any]
    ) -> Event:
        contacts = {id_: fetched.get(f"contact:{id_}") or {} for id_ in contacts_of(item)[: self.most_contacts]}
        found = identities_of(record, item, contacts)
        stage = str(row.get("STAGE_ID") or row["STATUS_ID"])
        is_last = (item.get("stageId"), entered(item)) == (stage, at)
        moved = stage_event(record, stage, row.get("CATEGORY_ID"), at=at, identities=found)
        return replace(moved, is_ours=is_moved_by_us(item, fetched) if is_last else None)

    def _changed(self, record_object: str, since: datetime) -> Iterator[Event]:
        parameters = {
            **_FULL,
            "entityTypeId": type_of(record_object),
            "filter": {">=updatedTime": since.isoformat(timespec="seconds")},
        }
        for items in self.portal.pages("crm.item.list", parameters, "id"):
            listed = {f"{record_object}:{item['id']}": item for item in items}
            fetched = listed | self.related(items) if self.is_listing else self.records(listed)
            for name in listed:
                if isinstance(item := fetched[name], dict):
                    yield from readable(events_of, record_of(name), item, fetched, self.most_contacts)


def deletions(portal: Portal, objects: Collection[str], since: datetime) -> Iterator[Event]:
    """The records that the queue says are deleted. Raises `CrmUnavailable` and `CrmRefused`.

    Where the plan has the extended mode, they are reserved at first. The next run removes them if its `since` is later,
    since then this one has been stored; else it gives them once more. Other plans remove what they give.
    """
    if portal.call("feature.get", {"CODE": _EXTENDED})["result"].get("value") == "N":
        for rows in _offline_pages(portal, {}):
            yield from _deleted(rows, objects)
        return
    reserved: list[str] = []
    processes, _, before = (portal.api.get_secret(_RESERVED) or "").partition(" ")
    for process in filter(None, processes.split(",")):
        if since > datetime.fromisoformat(before):
            portal.call("event.offline.clear", {"process_id": process})
        else:
            again = portal.call("event.offline.get", {"process_id": process, "clear": 0})["result"]
            yield from _deleted(again["events"], objects)
            reserved.append(process)
    portal.api.set_secret(_RESERVED, f"{','.join(reserved)} {since.isoformat()}")
    for rows in _offline_pages(portal, {"clear": 0}, reserved, since):
        yield from _deleted(rows, objects)


def _offline_pages(
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


def _deleted(rows: list[Mapping[str, Any]], objects: Collection[str]) -> Iterator[Event]:
    for row in rows:
        try:
            webhook = read_event(Part({"event": row["EVENT_NAME"], "data": row["EVENT_DATA"]}))
            at = Part(row["TIMESTAMP_X"]).instant()
        except BadPayload:
            continue  # the vendor's sample has no data at all: which record it was cannot be known
        if webhook.record and webhook.is_deleted and webhook.record.object in objects:
            yield deleted_event(webhook.record, at)


def _listing(record_object: str, ids: Sequence[str]) -> Command:
    return ("crm.item.list", {**_FULL, "entityTypeId": type_of(record_object), "filter": {"@id": list(ids)}})


def _getting(name: str) -> Command:
    record = record_of(name)
    return ("crm.item.get", {"entityTypeId": type_of(record.object), "id": record.id, "useOriginalUfNames": "Y"})


def _by_name(commands: Sequence[tuple[str, Command]], results: Sequence[Any]) -> dict[str, Item]:
    """The items in the results of reading commands, by record."""
    return {
        f"{record_object}:{item['id']}": item
        for (record_object, _), result in zip(commands, results, strict=True)
        if not isinstance(result, CrmError)
        for item in ([result["item"]] if "item" in result else result["items"])
    }


def _good(result: Any) -> Any:
    if isinstance(result, CrmError):
        raise result
    return result
