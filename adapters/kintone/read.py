"""Reads records of a kintone app, its fields, its process and the users of the domain."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from adapters.kintone.client import Site
from adapters.kintone.records import OBJECT, OWNER, STAGE, Record, Shape, code_of, events_of, number_of, ref_of
from connector.adapter_kit.contract import Catalog, Person
from connector.adapter_kit.identities import normalize_email
from connector.adapter_kit.owners import PEOPLE
from connector.adapter_kit.records import readable, records_by_id, remembered
from connector.core.errors import CrmError, CrmRefused
from connector.core.event import Event

MANY: Final = 100
PAGE: Final = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """The records of an app, read as `shape` says. `known`: login names by e-mail that the setting gives.

    `language`: of the process; `page`: records a call when all are read.
    """

    site: Site
    shape: Shape
    known: Mapping[str, str]
    language: str = "default"
    page: int = PAGE

    def records(self, ids: Iterable[int]) -> dict[str, Record | CrmError | None]:
        """The records by name (`record:345`); None: gone; in the place of one that cannot be read its error."""
        found = records_by_id(ids, self._many, self._single, size=MANY)
        return {ref_of(number).name: record for number, record in found.items()}

    def changes(self, since: datetime) -> Iterator[Event]:
        """The events of the records changed since (aware UTC), in pages of 500; deleted ones leave no trace there."""
        code, first, owners = code_of("UPDATED_TIME", self.fields()), 0, self.owners()
        if code is None:
            message = "the app's form shows no updated time; without it nobody can tell what changed"
            raise CrmRefused(message)
        minute = since.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:00Z")
        while records := self.site.query(f'{code} >= "{minute}" and $id > {first} order by $id asc limit {self.page}'):
            for record in records:
                yield from readable(self._events, record, owners)
            first = number_of(records[-1], "$id")

    def fields(self) -> Mapping[str, Mapping[str, Any]]:
        """The app's fields by code: `type`, `label`, `options`."""
        found: Mapping[str, Mapping[str, Any]] = remembered(
            self.site.api, "fields", lambda: self.site.get("app/form/fields.json")["properties"]
        )
        return found

    def process(self) -> Mapping[str, Any]:
        """The process: whether it is on (`enable`), its `states` and `actions`."""
        found: Mapping[str, Any] = remembered(
            self.site.api, "process", lambda: self.site.get("app/status.json", lang=self.language)
        )
        return found

    def people(self, *, is_fresh: bool = False) -> list[Person]:
        """The users of the domain, as far as the credentials show them, and those of the setting."""
        users = remembered(
            self.site.api, PEOPLE, lambda: [_person(row) for row in self.site.users()], is_fresh=is_fresh
        )
        names = {person.id: person.name for person in users}
        given = [Person(id=login, email=email, name=names.get(login, login)) for email, login in self.known.items()]
        logins = set(self.known.values())
        return [*given, *(person for person in users if person.id not in logins)]

    def owners(self) -> dict[str, str]:
        """`user:<login name>` → e-mail."""
        return {f"user:{person.id}": person.email for person in self.people() if person.email}

    def catalog(self) -> Catalog:
        """The states of the process or the options of the drop-down, users, and fields with `$stage` and `$owner`."""
        fields = self.fields()
        if self.shape.stage:
            options = fields.get(self.shape.stage, {}).get("options") or {}
            in_order = sorted(options.values(), key=_place)
            stages = {str(option["label"]): str(option["label"]) for option in in_order}
        else:
            in_order = sorted((self.process().get("states") or {}).values(), key=_place)
            stages = {str(state["name"]): str(state["name"]) for state in in_order}
        labels = {code: str(field.get("label") or code) for code, field in fields.items()}
        labels |= {STAGE: self.shape.stage or "process status", OWNER: self.shape.owner or "process assignee"}
        return Catalog(stages={OBJECT: {"": stages}}, owners=tuple(self.people()), fields={OBJECT: labels})

    def _many(self, ids: list[int]) -> dict[int, Record]:
        listed = ", ".join(f'"{number}"' for number in ids)
        records = self.site.query(f"$id in ({listed}) limit {MANY}")
        return {number_of(record, "$id"): record for record in records}

    def _single(self, number: int) -> Any:
        return self.site.get("record.json", id=str(number))["record"]

    def _events(self, record: Record, owners: Mapping[str, str]) -> list[Event]:
        return events_of(record, self.shape, owners, entered=number_of(record, "$revision") == 1)


def _place(option: Mapping[str, Any]) -> int:
    return int(option.get("index") or 0)


def _person(row: Mapping[str, Any]) -> Person:
    code = str(row["code"])
    email = next((found for value in (row.get("email"), code) if (found := normalize_email(value))), None)
    return Person(id=code, email=email, name=str(row.get("name") or code), is_active=row.get("valid") is not False)
