"""Reads records of `crm.lead`, its stages, fields and salespersons from an Odoo server."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from adapters.odoo.client import Server
from adapters.odoo.records import FIELDS, MODEL, OBJECT, PLAIN, Row, events_of
from connector.adapter_kit.contract import Catalog, Person
from connector.adapter_kit.identities import normalize_email
from connector.adapter_kit.rest import RecordGone
from connector.core.errors import BadPayload, CrmError, CrmRefused, CrmUnavailable
from connector.core.event import Event

PAGE: Final = 200
_FIELDS: Final = "fields of crm.lead"
_STAGES: Final = "stages"
_USERS: Final = "users"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """Reads `more` fields than the usual ones; stages are known `by_id` or by name."""

    server: Server
    by_id: bool = False
    more: tuple[str, ...] = ()

    def rows(self, ids: Iterable[int]) -> dict[str, Any]:
        """The records by name (`lead:77`); None: gone; in the place of one that cannot be read `{"error", "later"}`."""
        wanted = list(dict.fromkeys(ids))
        found: dict[str, Any] = {}
        for start in range(0, len(wanted), PAGE):
            part = wanted[start : start + PAGE]
            found |= {f"{OBJECT}:{row['id']}": row for row in self._search([["id", "in", part]], len(part))}
        # A search leaves out what is gone and what the user may not see alike: only `read` tells which.
        return found | {f"{OBJECT}:{of}": self._missing(of) for of in wanted if f"{OBJECT}:{of}" not in found}

    def changes(self, since: datetime) -> Iterator[Event]:
        """The events of the records written since (aware UTC), in pages; deleted ones leave no trace there."""
        first, owners = 0, self.owners()
        written = since.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")
        while rows := self._search([["write_date", ">=", written], ["id", ">", first]], PAGE):
            for row in rows:
                yield from self._events(row, owners)
            first = rows[-1]["id"]

    def fields(self) -> Mapping[str, Mapping[str, Any]]:
        """The fields of `crm.lead` by name: `type`, `string`."""
        found: Mapping[str, Mapping[str, Any]] = self._kept(
            _FIELDS, lambda: self.server.call(MODEL, "fields_get", attributes=["type", "string"])
        )
        return found

    def stages(self) -> Sequence[Mapping[str, Any]]:
        """The stages in their order: `id`, `name` and the ids of their `teams` (none: all)."""
        found: Sequence[Mapping[str, Any]] = self._kept(_STAGES, self._stages)
        return found

    def people(self, *, is_fresh: bool = False) -> Sequence[Person]:
        """The internal users, also those who have left; their login is their e-mail, else the e-mail of their card."""
        if is_fresh:
            self.server.api.memo.pop(_USERS, None)
        found: Sequence[Person] = self._kept(_USERS, lambda: [_person(row) for row in self._users()])
        return found

    def owners(self) -> dict[str, str]:
        """`user:<id>` → e-mail."""
        return {f"user:{person.id}": person.email for person in self.people() if person.email}

    def catalog(self) -> Catalog:
        """Stages with `lost` and `archived`, salespersons, and the fields of `crm.lead`."""
        stages = {str(row["id"] if self.by_id else row["name"]): str(row["name"]) for row in self.stages()}
        labels = {name: str(field.get("string") or name) for name, field in self.fields().items()}
        return Catalog(stages={OBJECT: {"": stages | PLAIN}}, owners=tuple(self.people()), fields={OBJECT: labels})

    def _kept(self, name: str, read: Callable[[], Any]) -> Any:
        memo = self.server.api.memo
        if name not in memo:
            memo[name] = read()
        return memo[name]

    def _search(self, domain: Sequence[Any], limit: int) -> list[dict[str, Any]]:
        known = self.fields()
        wanted = [name for name in dict.fromkeys((*FIELDS, *self.more)) if name in known]
        wanted += [name for name in known if name.startswith("x_") and name not in wanted]
        rows = self.server.call(MODEL, "search_read", domain=domain, fields=wanted, limit=limit, order="id")
        return [_without_empty(row, known) for row in rows]

    def _missing(self, lead: int) -> Any:
        try:
            self.server.call(MODEL, "read", [lead], fields=["id"])
        except RecordGone:
            return None
        except CrmError as error:
            return {"error": str(error), "later": isinstance(error, CrmUnavailable)}
        return {"error": f"{OBJECT}:{lead} came into sight while it was read", "later": True}

    def _events(self, row: Row, owners: Mapping[str, str]) -> Iterator[Event]:
        try:
            yield from events_of(row, owners, by_id=self.by_id)
        except BadPayload:
            return  # one unreadable record does not end the run; a webhook about it is set aside with the reason

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
            limit=PAGE,
            order="id",
        ):
            yield from rows
            first = rows[-1]["id"]


def error_of(row: Mapping[str, Any]) -> CrmError | None:
    """The error in the place of a record that could not be read, as `rows` notes it; None: it is a record."""
    if "error" not in row or "id" in row:
        return None
    return CrmUnavailable(row["error"]) if row["later"] else CrmRefused(row["error"])


def _without_empty(row: Mapping[str, Any], fields: Mapping[str, Any]) -> dict[str, Any]:
    """The row without `false` where that means: empty; only a boolean field can be false."""
    return {
        name: value
        for name, value in row.items()
        if value is not None and (value is not False or fields.get(name, {}).get("type") == "boolean")
    }


def _teams(value: Any) -> list[int]:
    """The ids of a stage's teams: a relation to one is `[id, name]` or false, to several a list of ids."""
    return [part for part in value if type(part) is int] if isinstance(value, list) else []


def _person(row: Mapping[str, Any]) -> Person:
    readable = (normalize_email(row.get(name)) for name in ("login", "email"))
    email = next((value for value in readable if value), None)
    return Person(id=str(row["id"]), email=email, name=str(row["name"]), is_active=row["active"] is True)
