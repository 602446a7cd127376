"""What an emulated Salesforce knows: its users, pick-lists and columns, and its records as rows of tables."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from connector.emulators.engine.shelf import Change, Record, Shelf

ORGANIZATION: Final = "00D5g000004XkLmEAK"
INTEGRATION: Final = "0055g000001HsTzAAK"
QUEUE: Final = "00G5g000000LmNoEAK"
_DIGITS: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_CHECK: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZ012345"
PREFIXES: Final = {"Lead": "00Q", "Contact": "003", "Opportunity": "006", "Account": "001", "Notification": "04l"}


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """A user of the organization."""

    id: str
    name: str
    email: str
    is_active: bool = True


USERS: Final = (
    User(id="0055g000001HsTuAAK", name="Hana Sato", email="h.sato@example.jp"),
    User(id="0055g000001HsTvAAK", name="Ken Mori", email="k.mori@example.jp"),
    User(id="0055g000001HsTwAAK", name="Yuki Abe", email="y.abe@example.jp", is_active=False),
    User(id=INTEGRATION, name="Connector", email="connector@example.jp"),
)
LEAD_STATUSES: Final = ("Open - Not Contacted", "Working - Contacted", "Closed - Converted", "Closed - Not Converted")
STAGES: Final = ("Prospecting", "Qualification", "Proposal/Price Quote", "Closed Won", "Closed Lost")
PICKLISTS: Final = {"Status": LEAD_STATUSES, "StageName": STAGES}
_RECORD: Final = (
    *("Id", "IsDeleted", "CreatedDate", "LastModifiedDate", "LastModifiedById", "SystemModstamp", "OwnerId"),
    *("Owner.Email", "ABM_Status__c", "ABM_Since__c", "LeadSource", "Name"),
)
_PERSON: Final = ("FirstName", "LastName", "Title", "Email", "Phone", "MobilePhone")
_CONVERTED: Final = (
    "IsConverted",
    "ConvertedDate",
    "ConvertedAccountId",
    "ConvertedContactId",
    "ConvertedOpportunityId",
)
_DEAL: Final = ("StageName", "Amount", "CloseDate", "IsClosed", "IsWon", "Probability", "AccountId", "Account.Name")
COLUMNS: Final[Mapping[str, frozenset[str]]] = {
    "Lead": frozenset((*_RECORD, *_PERSON, "Company", "Website", "Status", *_CONVERTED)),
    "Contact": frozenset((*_RECORD, *_PERSON, "AccountId", "Account.Name")),
    "Opportunity": frozenset((*_RECORD, *_DEAL)),
    "LeadHistory": frozenset({"Id", "LeadId", "Field", "OldValue", "NewValue", "CreatedDate", "CreatedById"}),
    "OpportunityHistory": frozenset({"Id", "OpportunityId", "StageName", "CreatedDate", "CreatedById"}),
    "OpportunityContactRole": frozenset(
        {
            *("Id", "OpportunityId", "ContactId", "IsPrimary", "CreatedDate"),
            *("Contact.Name", "Contact.Email", "Contact.MobilePhone"),
        }
    ),
    "User": frozenset({"Id", "Name", "Email", "IsActive", "UserType"}),
    "LeadStatus": frozenset({"Id", "ApiName", "MasterLabel", "IsConverted", "IsDefault", "SortOrder"}),
    "OpportunityStage": frozenset({"Id", "ApiName", "MasterLabel", "IsActive", "IsClosed", "IsWon", "SortOrder"}),
    "Organization": frozenset({"Id", "Name", "IsSandbox"}),
    "FieldDefinition": frozenset({"EntityDefinition.QualifiedApiName", "QualifiedApiName", "IsFieldHistoryTracked"}),
}
READ_ONLY: Final = frozenset({*_RECORD[:6], *_CONVERTED, "IsClosed", "IsWon", "Owner.Email", "Account.Name"})


def make_id(kind: str, number: int) -> str:
    """An id of 18 characters."""
    tail = "".join(_DIGITS[number // 62**place % 62] for place in reversed(range(7)))
    short = f"{PREFIXES[kind]}5g{tail:0>10}"
    blocks = (short[at : at + 5][::-1] for at in (0, 5, 10))
    return short + "".join(_CHECK[int("".join(str(int(letter.isupper())) for letter in block), 2)] for block in blocks)


def written(at: datetime) -> str:
    """An instant as REST writes it: milliseconds that are always 0, and an offset without colon."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.000+0000")


class Tables:
    """The rows of each table, out of the shelf and its changes. `roles`: opportunity → contacts, the primary one first.

    `is_tracked`: the history has the leads' Status and Owner.
    """

    def __init__(self, shelf: Shelf) -> None:
        self._shelf = shelf
        self.roles: dict[str, list[str]] = {}
        self.is_tracked = True
        self._rows: Mapping[str, Callable[[], Iterator[dict[str, Any]]]] = {
            "LeadHistory": self._lead_history,
            "OpportunityHistory": self._deal_history,
            "OpportunityContactRole": self._contact_roles,
            "User": self._users,
            "LeadStatus": lambda: self._picklist(LEAD_STATUSES, IsConverted=False, IsDefault=False),
            "OpportunityStage": lambda: self._picklist(STAGES, IsActive=True, IsClosed=False, IsWon=False),
            "Organization": lambda: iter([{"Id": ORGANIZATION, "Name": "Example", "IsSandbox": False}]),
            "FieldDefinition": self._definitions,
        }

    def rows(self, table: str, *, with_deleted: bool) -> list[dict[str, Any]]:
        """The rows of a table of `COLUMNS`."""
        if table in self._rows:
            return list(self._rows[table]())
        last = {(change.object, change.id): change.by for change in self._shelf.changes}
        rows = [self.row(record, last.get((table, record.id))) for record in self._shelf.all(table)]
        return rows + (list(self._deleted(table)) if with_deleted else [])

    def row(self, record: Record, by: str | None = None) -> dict[str, Any]:
        """A record with its system fields; `by` changed it last."""
        emails = {user.id: user.email for user in USERS}
        owner = record.fields.get("OwnerId")
        row = {
            **record.fields,
            "Id": record.id,
            "IsDeleted": False,
            "CreatedDate": written(record.created),
            "LastModifiedDate": written(record.modified),
            "LastModifiedById": by or USERS[0].id,
            "SystemModstamp": written(record.modified),
        }
        if record.object == "Lead":
            row = {"IsConverted": False, **row}
        return {**row, "Owner.Email": emails.get(str(owner))}

    def _deleted(self, table: str) -> Iterator[dict[str, Any]]:
        for change in self._shelf.changes:
            if (change.object, change.kind) == (table, "delete") and self._shelf.find(table, change.id) is None:
                times = dict.fromkeys(("CreatedDate", "LastModifiedDate", "SystemModstamp"), written(change.at))
                yield {**change.before, **times, "Id": change.id, "IsDeleted": True}

    def _of(self, record_object: str) -> list[Change]:
        return [change for change in self._shelf.changes if change.object == record_object]

    def _lead_history(self) -> Iterator[dict[str, Any]]:
        names = {user.id: user.name for user in USERS} | {QUEUE: "Queue"}
        for change in self._of("Lead"):
            if change.kind != "update" or not self.is_tracked:
                continue
            by = change.by or USERS[0].id
            common = {"LeadId": change.id, "CreatedDate": written(change.at), "CreatedById": by}
            for field, name in (("Status", "Status"), ("OwnerId", "Owner")):
                if field in change.after:
                    old, new = change.before[field], change.after[field]
                    number = f"{change.number:08d}"
                    yield {**common, "Id": f"{number}a", "Field": name, "OldValue": old, "NewValue": new}
                    if name == "Owner":
                        old, new = names.get(old), names.get(new)
                        yield {**common, "Id": f"{number}b", "Field": name, "OldValue": old, "NewValue": new}

    def _deal_history(self) -> Iterator[dict[str, Any]]:
        stages: dict[str, str] = {}
        for change in self._of("Opportunity"):
            if change.kind in {"create", "update"} and {"StageName", "Amount", "CloseDate"} & set(change.after):
                stages[change.id] = change.after.get("StageName", stages.get(change.id))
                row = {"OpportunityId": change.id, "StageName": stages[change.id], "CreatedDate": written(change.at)}
                yield {**row, "Id": f"{change.number:08d}", "CreatedById": change.by or USERS[0].id}

    def _contact_roles(self) -> Iterator[dict[str, Any]]:
        for deal, contacts in self.roles.items():
            for place, contact in enumerate(contacts):
                record = self._shelf.find("Contact", contact)
                fields = record.fields if record else {}
                row = {f"Contact.{name}": fields.get(name) for name in ("Name", "Email", "MobilePhone")}
                ids = {"Id": f"{place:08d}", "OpportunityId": deal, "ContactId": contact, "IsPrimary": place == 0}
                yield {**row, **ids, "CreatedDate": written(record.created) if record else None}

    def _users(self) -> Iterator[dict[str, Any]]:
        for user in USERS:
            row = {"Id": user.id, "Name": user.name, "Email": user.email, "IsActive": user.is_active}
            yield {**row, "UserType": "Standard"}

    def _picklist(self, values: tuple[str, ...], **more: bool) -> Iterator[dict[str, Any]]:
        for place, value in enumerate(values):
            yield {"Id": str(place), "ApiName": value, "MasterLabel": value, "SortOrder": place + 1, **more}

    def _definitions(self) -> Iterator[dict[str, Any]]:
        for name in COLUMNS["Lead"]:
            is_tracked = self.is_tracked and name in {"Status", "OwnerId"}
            row = {"EntityDefinition.QualifiedApiName": "Lead", "QualifiedApiName": name}
            yield {**row, "IsFieldHistoryTracked": is_tracked}
