"""Reads records, their contacts and owners, what changed, and the directories of a Bitrix24 portal, in batches."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from adapters.bitrix24.client import PAGE, Command, Portal
from adapters.bitrix24.records import (
    Item,
    bare_stage,
    contacts_of,
    events_of,
    identities_of,
    old_name,
    owner_of,
    pipeline_of,
    record_of,
    stage_event,
    type_of,
)
from connector.adapter_kit.contract import Catalog, Person, PushOutcome
from connector.adapter_kit.payload import Part
from connector.adapter_kit.records import deleted_event
from connector.adapter_kit.update_plan import Failure
from connector.core.errors import BadPayload, CrmRefused, CrmUnavailable
from connector.core.event import Event, RecordRef

TRIGGER: Final = "TRIGGER"
"""The push field that holds the code of an automation trigger in place of a value."""
TRIGGERED: Final = ("lead", "deal")
"""The objects that have such triggers, of those that the connector writes; smart processes have none."""
LISTS: Final = 20
"""Full pages of 50 items in one request at most: some megabytes."""
_FULL: Final = {"select": ["*"], "useOriginalUfNames": "Y"}
_USER: Final = ("ID", "EMAIL", "NAME", "LAST_NAME", "ACTIVE")


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """Reads by `crm.item.list` where `is_listing`, else record by record; `most_contacts` None: all of an item's."""

    portal: Portal
    is_listing: bool = True
    most_contacts: int | None = None

    def records(self, names: Iterable[str]) -> dict[str, Any]:
        """The items of records (`lead:1907`) by name with their contacts and owners; None: gone; see `failure_of`."""
        wanted = list(dict.fromkeys(names))
        found: dict[str, Any] = self.bare(wanted) if self.is_listing else {}
        # A list leaves out what is gone and what may not be read alike: only `crm.item.get` tells which.
        missing = [name for name in wanted if name not in found]
        results = self.portal.batch([_getting(name) for name in missing])
        found |= {name: _item(result) for name, result in zip(missing, results, strict=True)}
        return found | self.related([item for item in found.values() if item and "id" in item])

    def bare(self, names: Sequence[str]) -> dict[str, Item]:
        """The items of records by name, nothing else; without those that cannot be read."""
        commands = self._reading(names)
        return _by_name(commands, self.portal.batch([command for _, command in commands], most=LISTS))

    def after(self, writes: Sequence[Command], names: Sequence[str]) -> tuple[list[Any], dict[str, Item]]:
        """The results of the writes, and the items of the records as the same request shows them after these."""
        commands = self._reading(names)
        results = self.portal.batch([*writes, *(command for _, command in commands)])
        return results[: len(writes)], _by_name(commands, results[len(writes) :])

    def writes_per_request(self, objects: Collection[str]) -> int:
        """How many writes fit into one request with the commands that read their records back."""
        return max(1, self.portal.size - len(objects) if self.is_listing else self.portal.size // 2)

    def related(self, items: Sequence[Item]) -> dict[str, Any]:
        """The contacts and owners of items by name, as far as they can be read, in one request."""
        memo = self.portal.api.memo
        contacts = self._reading([f"contact:{of}" for item in items for of in contacts_of(item)[: self.most_contacts]])
        owners = dict.fromkeys(f"user:{owner}" for item in items if (owner := owner_of(item)))
        unknown = [name for name in owners if name not in memo]
        asked = [("user.get", {"FILTER": {"ID": record_of(name).id}}) for name in unknown]
        results = self.portal.batch([*(command for _, command in contacts), *asked], most=LISTS)
        for name, rows in zip(unknown, results[len(contacts) :], strict=True):
            # Without the scope for users the owner stays unknown, and the mapping holds the event for it.
            found = {f"user:{row.get('ID')}": row for row in ([] if isinstance(rows, Failure) else rows)}
            memo |= {of: {key: row[key] for key in _USER if key in row} for of, row in found.items() if of == name}
        return _by_name(contacts, results[: len(contacts)]) | {name: memo.get(name) for name in owners}

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
            stages[record_object][pipeline] = {bare_stage(of["STATUS_ID"]): of["NAME"] for of in _good(statuses)}
        fields = self.portal.batch(
            [("crm.item.fields", {"entityTypeId": type_of(of), "useOriginalUfNames": "Y"}) for of in objects]
        )
        return Catalog(
            stages=stages,
            owners=tuple(self._people()),
            fields={
                of: {old_name(of, name): field["title"] for name, field in _good(answer)["fields"].items()}
                | ({TRIGGER: "Fires an automation trigger, by its code"} if of in TRIGGERED else {})
                for of, answer in zip(objects, fields, strict=True)
            },
        )

    def _reading(self, names: Sequence[str]) -> list[tuple[str, Command]]:
        """The commands that read records, each with the object that it reads."""
        if not self.is_listing:
            return [(record_of(name).object, _getting(name)) for name in dict.fromkeys(names)]
        ids: dict[str, dict[str, None]] = defaultdict(dict)
        for record in map(record_of, names):
            ids[record.object][record.id] = None
        return [
            (of, _listing(of, list(numbers)[place : place + PAGE]))
            for of, numbers in ids.items()
            for place in range(0, len(numbers), PAGE)
        ]

    def _people(self) -> Iterator[Person]:
        start: int | None = 0
        while start is not None:
            reply = self.portal.call("user.get", {"start": start})
            for row in reply["result"]:
                name = " ".join(part for part in (row.get("NAME"), row.get("LAST_NAME")) if part)
                email = (row.get("EMAIL") or "").strip().casefold() or None
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
            entered = {(str(row["OWNER_ID"]), str(row["CREATED_TIME"])): row for row in rows}
            fetched = self.records(f"{record_object}:{owner}" for owner, _ in entered)
            for (owner, moved), row in entered.items():
                record, at = RecordRef(object=record_object, id=owner), Part(moved).instant()
                item = fetched[record.name]
                if item is None:
                    yield deleted_event(record, at)
                elif "id" in item:
                    yield self._entered(record, row, at, item, fetched)

    def _entered(
        self, record: RecordRef, row: Mapping[str, Any], at: datetime, item: Item, fetched: Mapping[str, Any]
    ) -> Event:
        contacts = {of: fetched.get(f"contact:{of}") or {} for of in contacts_of(item)[: self.most_contacts]}
        found = identities_of(record, item, contacts)
        stage = row.get("STAGE_ID") or row["STATUS_ID"]
        return stage_event(record, str(stage), row.get("CATEGORY_ID"), at=at, identities=found)

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
                if (item := fetched[name]) and "id" in item:
                    yield from self._events(record_of(name), item, fetched)

    def _events(self, record: RecordRef, item: Item, fetched: Mapping[str, Any]) -> Iterator[Event]:
        try:
            yield from events_of(record, item, fetched, self.most_contacts)
        except BadPayload:
            return  # one unreadable record does not end the run; a webhook about it is set aside with the reason


def failure_of(item: Mapping[str, Any]) -> CrmUnavailable | CrmRefused | None:
    """The error in the place of an item that could not be read, as `records` notes it; None: it is an item."""
    if "id" in item:
        return None
    return Failure(outcome=PushOutcome(item["outcome"]), reason=item["reason"], retry_after=item["retry_after"]).error()


def _listing(record_object: str, ids: Sequence[str]) -> Command:
    return ("crm.item.list", {**_FULL, "entityTypeId": type_of(record_object), "filter": {"@id": list(ids)}})


def _getting(name: str) -> Command:
    record = record_of(name)
    return ("crm.item.get", {"entityTypeId": type_of(record.object), "id": record.id, "useOriginalUfNames": "Y"})


def _by_name(commands: Sequence[tuple[str, Command]], results: Sequence[Any]) -> dict[str, Item]:
    """The items in the results of reading commands, by record."""
    return {
        f"{of}:{item['id']}": item
        for (of, _), result in zip(commands, results, strict=True)
        if not isinstance(result, Failure)
        for item in ([result["item"]] if "item" in result else result["items"])
    }


def _item(result: Any) -> Any:
    if not isinstance(result, Failure):
        return result["item"]
    if result.outcome is PushOutcome.GONE:
        return None
    return {"outcome": result.outcome.value, "reason": result.reason, "retry_after": result.retry_after}


def _good(result: Any) -> Any:
    if isinstance(result, Failure):
        raise result.error()
    return result
