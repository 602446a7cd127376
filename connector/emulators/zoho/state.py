"""What an emulated Zoho CRM knows: users, fields, pick-lists, records as the API shows them, and their timelines."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any, Final

from connector.emulators.engine.shelf import Record, Shelf

ZONE: Final = timezone(timedelta(hours=9))
CONNECTOR: Final = "4876876000000399001"
MOST_VALUES: Final = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """A user of the account."""

    id: str
    name: str
    email: str
    status: str = "active"


USERS: Final = (
    User(id="4876876000000226001", name="Keiko Sato", email="k.sato@example.jp"),
    User(id="4876876000000226002", name="Ren Ito", email="r.ito@example.jp"),
    User(id="4876876000000226003", name="Mio Kato", email="m.kato@example.jp", status="disabled"),
    User(id=CONNECTOR, name="Connector User", email="connector@example.jp"),
)
_ALL: Final = ("id", "Owner", "Created_Time", "Modified_Time", "Modified_By", "Lead_Source", "ABM_Status", "ABM_Since")
_PERSON: Final = ("First_Name", "Last_Name", "Full_Name", "Email", "Phone", "Mobile", "Account_Name")
FIELDS: Final[Mapping[str, frozenset[str]]] = {
    "Leads": frozenset({*_ALL, *_PERSON[:-1], "Company", "Designation", "Website", "Lead_Status"}),
    "Contacts": frozenset({*_ALL, *_PERSON, "Title"}),
    "Deals": frozenset(
        {*_ALL, "Deal_Name", "Stage", "Pipeline", "Amount", "Closing_Date", "Account_Name", "Contact_Name"}
    ),
}
PICKLISTS: Final = {
    "Lead_Status": ("Not Contacted", "Contacted", "Contact in Future", "Junk Lead", "Lost Lead"),
    "Stage": ("Qualification", "Proposal/Price Quote", "Negotiation/Review", "Closed Won", "Closed Lost"),
}
READ_ONLY: Final = frozenset({"Created_Time", "Modified_Time", "Modified_By"})
_COQL: Final = re.compile(
    r"select (?P<fields>[\w, ]+) from (?P<module>\w+) where "
    r"(?:id in \((?P<ids>'\d+'(?:, '\d+')*)\)|Modified_Time >= '(?P<since>[^']+)')"
    r"(?: order by Modified_Time, id limit (?P<offset>\d+), (?P<limit>\d+))?"
)


class QueryError(Exception):
    """A query that Zoho refuses; its argument is the error's code."""


def written(at: datetime) -> str:
    """An instant as the API writes it: whole seconds with the account's offset."""
    return at.astimezone(ZONE).isoformat(timespec="seconds")


def user_of(user_id: Any) -> dict[str, Any] | None:
    """A lookup of a user."""
    found = next((user for user in USERS if user.id == user_id), None)
    return {"name": found.name, "id": found.id, "email": found.email} if found else None


class Tables:
    """Reads the shelf as the API shows it."""

    def __init__(self, shelf: Shelf) -> None:
        self._shelf = shelf

    def select(self, query: str) -> list[dict[str, Any]]:
        """The records of a COQL query. Raises `QueryError`."""
        match = _COQL.fullmatch(query)
        fields = [name.strip() for name in match["fields"].split(",")] if match else []
        if match is None or match["module"] not in FIELDS or not set(fields) <= FIELDS[match["module"]]:
            code = "INVALID_QUERY"
            raise QueryError(code)
        records = self._shelf.all(match["module"])
        if match["ids"]:
            ids = re.findall(r"\d+", match["ids"])
            if len(ids) > MOST_VALUES:
                code = "LIMIT_EXCEEDED"
                raise QueryError(code)
            records = [record for record in records if record.id in ids]
        else:
            since = datetime.fromisoformat(match["since"])
            records = [record for record in records if record.modified >= since]
        records.sort(key=lambda record: (record.modified, record.id))
        offset, limit = int(match["offset"] or 0), int(match["limit"] or 200)
        return [self._row(record, fields) for record in records[offset : offset + limit]]

    def _row(self, record: Record, fields: list[str]) -> dict[str, Any]:
        by = next(change.by for change in reversed(self._shelf.changes) if change.id == record.id)
        values = {
            **record.fields,
            "id": record.id,
            "Owner": user_of(record.fields.get("Owner")),
            "Created_Time": written(record.created),
            "Modified_Time": written(record.modified),
            "Modified_By": user_of(by or USERS[0].id),
        }
        return {name: values.get(name) for name in fields}

    def timeline(self, record_id: str) -> list[dict[str, Any]]:
        """What was done to a record, the newest first."""
        return [
            {
                "audited_time": written(change.at),
                "action": "added" if change.kind == "create" else "updated",
                "done_by": user_of(change.by or USERS[0].id),
                "field_history": [
                    {"api_name": name, "_value": {"old": change.before.get(name), "new": value}}
                    for name, value in change.after.items()
                    if change.kind == "update"
                ],
            }
            for change in reversed(self._shelf.changes)
            if change.id == record_id
        ]

    def deleted(self, module: str) -> list[dict[str, Any]]:
        """The records of a module that are in the recycle bin, the newest first, each as it was deleted last."""
        found = {
            change.id: {"id": change.id, "deleted_time": written(change.at), "type": "recycle"}
            for change in self._shelf.changes
            if (change.object, change.kind) == (module, "delete") and self._shelf.find(module, change.id) is None
        }
        return sorted(found.values(), key=lambda row: row["deleted_time"], reverse=True)
