"""Reads records of a kintone app, its fields, its process and the users of the domain."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from adapters.kintone.client import Site
from adapters.kintone.records import OBJECT, OWNER, STAGE, Record, Shape, code_of, events_of, number_of, ref_of
from connector.adapter_kit.contract import Catalog, Person
from connector.adapter_kit.identities import normalize_email
from connector.adapter_kit.rest import RecordGone
from connector.core.errors import BadPayload, CrmError, CrmRefused, CrmUnavailable
from connector.core.event import Event

MANY: Final = 100
PAGE: Final = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """Reads as `shape` says. `known`: login names by e-mail that the setting gives; `language`: of the process."""

    site: Site
    shape: Shape
    known: Mapping[str, str]
    language: str = "default"

    def records(self, ids: Iterable[int]) -> dict[str, Any]:
        """The records by name (`record:345`); None: gone; in the place of one that cannot be read an error."""
        wanted = list(dict.fromkeys(ids))
        found: dict[str, Any] = {}
        for start in range(0, len(wanted), MANY):
            listed = ", ".join(f'"{number}"' for number in wanted[start : start + MANY])
            records = self.site.query(f"$id in ({listed}) limit {MANY}")
            found |= {ref_of(number_of(record, "$id")).name: record for record in records}
        # A query leaves out what is gone and what may not be seen alike: only the single call tells which.
        missing = [number for number in wanted if ref_of(number).name not in found]
        return found | {ref_of(number).name: self._single(number) for number in missing}

    def changes(self, since: datetime) -> Iterator[Event]:
        """The events of the records changed since (aware UTC), in pages of 500; deleted ones leave no trace there."""
        code, first, owners = code_of("UPDATED_TIME", self.fields()), 0, self.owners()
        if code is None:
            message = "the app's form shows no updated time; without it nobody can tell what changed"
            raise CrmRefused(message)
        moment = since.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:00Z")
        while records := self.site.query(f'{code} >= "{moment}" and $id > {first} order by $id asc limit {PAGE}'):
            for record in records:
                yield from self._events(record, owners)
            first = number_of(records[-1], "$id")

    def fields(self) -> Mapping[str, Mapping[str, Any]]:
        """The app's fields by code: `type`, `label`, `options`."""
        found: Mapping[str, Mapping[str, Any]] = self._kept(
            "fields", lambda: self.site.get("app/form/fields.json")["properties"]
        )
        return found

    def process(self) -> Mapping[str, Any]:
        """The process: whether it is on (`enable`), its `states` and `actions`."""
        found: Mapping[str, Any] = self._kept("process", lambda: self.site.get("app/status.json", lang=self.language))
        return found

    def people(self, *, is_fresh: bool = False) -> list[Person]:
        """The users of the domain, as far as the credentials show them, and those of the setting."""
        if is_fresh:
            self.site.api.memo.pop("people", None)
        found: list[Person] = self._kept("people", lambda: [_person(row) for row in self.site.users()])
        given = [Person(id=code, email=email, name=code) for email, code in self.known.items()]
        names = {person.id: person.name for person in found}
        told = {person.id for person in given}
        return [
            *(Person(id=one.id, email=one.email, name=names.get(one.id, one.name)) for one in given),
            *(person for person in found if person.id not in told),
        ]

    def owners(self) -> dict[str, str]:
        """`user:<login name>` → e-mail."""
        return {f"user:{person.id}": person.email for person in self.people() if person.email}

    def catalog(self) -> Catalog:
        """The states of the process or the options of the drop-down, users, and fields with `$stage` and `$owner`."""
        fields = self.fields()
        if self.shape.stage:
            options = fields.get(self.shape.stage, {}).get("options") or {}
            named = sorted(options.values(), key=_place)
            stages = {str(one["label"]): str(one["label"]) for one in named}
        else:
            named = sorted((self.process().get("states") or {}).values(), key=_place)
            stages = {str(one["name"]): str(one["name"]) for one in named}
        labels = {code: str(field.get("label") or code) for code, field in fields.items()}
        labels |= {STAGE: self.shape.stage or "process status", OWNER: self.shape.owner or "process assignee"}
        return Catalog(stages={OBJECT: {"": stages}}, owners=tuple(self.people()), fields={OBJECT: labels})

    def _kept(self, name: str, read: Callable[[], Any]) -> Any:
        memo = self.site.api.memo
        if name not in memo:
            memo[name] = read()
        return memo[name]

    def _single(self, number: int) -> Any:
        try:
            return self.site.get("record.json", id=str(number))["record"]
        except RecordGone:
            return None
        except CrmError as error:
            return {"error": {"text": str(error), "later": isinstance(error, CrmUnavailable)}}

    def _events(self, record: Record, owners: Mapping[str, str]) -> Iterator[Event]:
        try:
            yield from events_of(record, self.shape, owners, entered=number_of(record, "$revision") == 1)
        except BadPayload:
            return  # one unreadable record does not end the run; a webhook about it is set aside with the reason


def error_of(record: Record) -> CrmError | None:
    """The error in the place of a record that could not be read, as `records` notes it; None: it is a record."""
    if "$id" in record:
        return None
    error = record["error"]
    return CrmUnavailable(error["text"]) if error["later"] else CrmRefused(error["text"])


def _place(option: Mapping[str, Any]) -> int:
    return int(option.get("index") or 0)


def _person(row: Mapping[str, Any]) -> Person:
    code = str(row["code"])
    email = next((found for value in (row.get("email"), code) if (found := normalize_email(value))), None)
    return Person(id=code, email=email, name=str(row.get("name") or code), is_active=row.get("valid") is not False)
