"""Reads records of `crm.lead`, its stages, fields and salespersons from an Odoo server."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, NoReturn

from adapters.odoo.client import Server
from adapters.odoo.records import FIELDS, MODEL, OBJECT, PLAIN, US, Row, events_of, record_of
from connector.adapter_kit.contract import Catalog, Person
from connector.adapter_kit.identities import normalize_email
from connector.adapter_kit.owners import PEOPLE
from connector.adapter_kit.records import readable, records_by_id, remembered
from connector.core.errors import CrmError, CrmUnavailable
from connector.core.event import Event

PAGE: Final = 200
_FIELDS: Final = "fields of crm.lead"
_STAGES: Final = "stages"


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """The records of `crm.lead`, read with `more` fields than the usual ones; stages are known `by_id` or by name.

    `page`: records a call.
    """

    server: Server
    by_id: bool = False
    more: tuple[str, ...] = ()
    page: int = PAGE

    def rows(self, ids: Iterable[int]) -> dict[str, Row | CrmError | None]:
        """The records by name (`lead:77`); None: gone; in the place of one that cannot be read its error."""
        found = records_by_id(ids, self._many, self._single, size=self.page)
        return {record_of(lead).name: row for lead, row in found.items()}

    def changes(self, since: datetime) -> Iterator[Event]:
        """The events of the records written since (aware UTC), in pages; deleted ones leave no trace there."""
        first, known = 0, self.known()
        written = since.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")
        while rows := self._search([["write_date", ">=", written], ["id", ">", first]], self.page):
            for row in rows:
                yield from readable(events_of, row, known, by_id=self.by_id)
            first = rows[-1]["id"]

    def fields(self) -> Mapping[str, Mapping[str, Any]]:
        """The fields of `crm.lead` by name: `type`, `string`."""
        found: Mapping[str, Mapping[str, Any]] = remembered(
            self.server.api, _FIELDS, lambda: self.server.call(MODEL, "fields_get", attributes=["type", "string"])
        )
        return found

    def stages(self) -> Sequence[Mapping[str, Any]]:
        """The stages in their order: `id`, `name` and the ids of their `teams` (none: all)."""
        return remembered(self.server.api, _STAGES, self._stages)

    def people(self, *, is_fresh: bool = False) -> Sequence[Person]:
        """The internal users, also those who have left; their login is their e-mail, else the e-mail of their card."""
        return remembered(self.server.api, PEOPLE, lambda: [_person(row) for row in self._users()], is_fresh=is_fresh)

    def known(self) -> dict[str, Any]:
        """What rows are read with: `user:<id>` → e-mail, and under `us` the id of the user of the API key."""
        return {**{f"user:{person.id}": person.email for person in self.people() if person.email}, US: self._us()}

    def catalog(self) -> Catalog:
        """Stages with `lost` and `archived`, salespersons, and the fields of `crm.lead`."""
        stages = {str(row["id"] if self.by_id else row["name"]): str(row["name"]) for row in self.stages()}
        labels = {name: str(field.get("string") or name) for name, field in self.fields().items()}
        return Catalog(stages={OBJECT: {"": stages | PLAIN}}, owners=tuple(self.people()), fields={OBJECT: labels})

    def _us(self) -> int | None:
        """None: Odoo does not say."""
        user = remembered(self.server.api, US, lambda: self.server.call("res.users", "context_get"))
        uid = user.get("uid") if isinstance(user, dict) else None
        return uid if isinstance(uid, int) else None

    def _search(self, domain: Sequence[Any], limit: int) -> list[dict[str, Any]]:
        known = self.fields()
        wanted = [name for name in dict.fromkeys((*FIELDS, *self.more)) if name in known]
        wanted += [name for name in known if name.startswith("x_") and name not in wanted]
        rows = self.server.call(MODEL, "search_read", domain=domain, fields=wanted, limit=limit, order="id")
        return [_with_empty_as_none(row, known) for row in rows]

    def _many(self, ids: list[int]) -> dict[int, Row]:
        return {row["id"]: row for row in self._search([["id", "in", ids]], len(ids))}

    def _single(self, lead: int) -> NoReturn:
        self.server.call(MODEL, "read", [lead], fields=["id"])
        message = f"{record_of(lead).name} came into sight while it was read"
        raise CrmUnavailable(message)

    def _stages(self) -> list[dict[str, Any]]:
        known = self.server.call("crm.stage", "fields_get", attributes=["type"])
        team = next((name for name in ("team_ids", "team_id") if name in known), None)
        rows = self.server.call(
            "crm.stage", "search_read", domain=[], fields=["name", *([team] if team else [])], order="sequence,name,id"
        )
        return [{"id": row["id"], "name": str(row["name"]).strip(), "teams": _teams(row.get(team))} for row in rows]

    def _users(self) -> Iterator[Mapping[str, Any]]:
        first = 0
        fields = ["login", "email", "name", "active"]
        while rows := self.server.call(
            *("res.users", "search_read"),
            domain=[["share", "=", False], ["id", ">", first]],
            fields=fields,
            limit=self.page,
            order="id",
        ):
            yield from rows
            first = rows[-1]["id"]


def _with_empty_as_none(row: Mapping[str, Any], fields: Mapping[str, Any]) -> dict[str, Any]:
    """The row with None in the place of `false` where that means: empty; only a boolean field can be false."""
    return {
        name: None if value is False and fields.get(name, {}).get("type") != "boolean" else value
        for name, value in row.items()
    }


def _teams(value: Any) -> list[int]:
    """The ids of a stage's teams: a relation to one is `[id, name]` or false, to several a list of ids."""
    return [part for part in value if type(part) is int] if isinstance(value, list) else []


def _person(row: Mapping[str, Any]) -> Person:
    readable = (normalize_email(row.get(name)) for name in ("login", "email"))
    email = next((value for value in readable if value), None)
    return Person(id=str(row["id"]), email=email, name=str(row["name"]), is_active=row["active"] is True)
