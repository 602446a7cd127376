"""What a customer, contact or sale order of AMIS CRM says: its identities, times and stage, and its events."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any, Final, TypeAlias
from zoneinfo import ZoneInfo

from connector.adapter_kit.payload import Part
from connector.adapter_kit.records import deleted_event, digest, instant_in, readable_identities
from connector.core.errors import BadPayload
from connector.core.event import Event, Identity, IdentityKind, Kind, RecordRef

CUSTOMERS: Final = "Customers"
CONTACTS: Final = "Contacts"
ORDERS: Final = "SaleOrders"
MARKETING: Final = "aiMarketing"
"""The object of whoever a webhook names by e-mail or phone alone: there is no record that could be read or written."""
CODES: Final[Mapping[str, str]] = {CUSTOMERS: "account_number", CONTACTS: "contact_code", ORDERS: "sale_order_no"}
"""Resource → the field of its code, by which other records name it."""
STAGES: Final = ("Lead", "MQL", "SQL", "Customer", "Loyal customer", "Unsubscribed", "Disqualified")
"""The life-cycle stages (Giai đoạn) of a contact.

https://helpaimarketing.misa.vn/knowledge-base/su-dung-giai-doan-cua-lien-he/
"""
REVENUE: Final = ("Bản nháp", "Đề nghị ghi", "Đã ghi", "Từ chối ghi")
"""The values of `revenue_status`; Đã ghi is booked revenue."""
Row: TypeAlias = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """What records look like. `stage_field`: where customers and contacts have their stage; `owners`: name → e-mail.

    `is_by_company`: a customer, its contacts and its orders are one subject; else each contact is its own.
    `found_by`: the fields whose e-mails and phones find a subject.
    """

    stage_field: str
    owners: Mapping[str, str]
    zone: ZoneInfo
    is_by_company: bool
    found_by: tuple[str, ...]

    def changed(self, row: Row) -> datetime:
        """When the record was changed last; aware UTC. Raises `BadPayload`."""
        return self._time(row, "modified_date", "created_date")

    def events(self, resource: str, row: Row) -> list[Event]:
        """The events that a record stands for as it is now. Raises `BadPayload`.

        What is empty in a new record was never filled.
        """
        record = RecordRef(object=resource, id=Part(row)["id"].identifier())
        at, name = self.changed(row), f"{resource}:{record.id}"
        if row.get("is_deleted") is True:
            return [deleted_event(record, at)]
        moment = at.isoformat()
        event = partial(Event, record=record, is_lead=True, identities=self._identities(record, row))
        created = self._time(row, "created_date", "modified_date")
        found = [event(key=f"{name}:identify", at=created, kind=Kind.IDENTIFY)]
        if stage := self._stage(resource, row):
            key = f"{name}:stage:{stage}@{moment}"
            found.append(event(key=key, at=at, kind=Kind.STAGE, stage=stage, is_seen=True))
        if resource != ORDERS:
            owner = _text(row, "owner_name")
            key, email = f"{name}:owner:{owner or 'nobody'}@{moment}", self.owners.get((owner or "").casefold())
            found.append(event(key=key, at=at, kind=Kind.OWNER, owner=owner, owner_email=email))
        data = {key: value for key, value in row.items() if value not in (None, "") or at != created}
        found.append(event(key=f"{name}:profile@{moment}:{digest(data)}", at=at, kind=Kind.PROFILE, data=data))
        return found

    def _stage(self, resource: str, row: Row) -> str | None:
        return _text(row, "revenue_status" if resource == ORDERS else self.stage_field)

    def _identities(self, record: RecordRef, row: Row) -> tuple[Identity, ...]:
        """Id and code of the record, whom it names, and of persons e-mails and phones.

        An order belongs to its contact, without one to its customer.
        """
        found = [Identity(kind=IdentityKind.RECORD, value=f"{record.name}")]
        code, contact, customer = (_text(row, name) for name in (CODES[record.object], "contact_name", "account_name"))
        named = [(record.object, code)]
        if record.object == ORDERS and contact:
            named.append((CONTACTS, contact))
        if (record.object == ORDERS and not contact) or (record.object != CUSTOMERS and self.is_by_company):
            named.append((CUSTOMERS, customer))
        found += [
            Identity(kind=IdentityKind.RECORD, value=f"{resource}.code:{code}") for resource, code in named if code
        ]
        return (*found, *(self.identities_in(row) if record.object != ORDERS else ()))

    def identities_in(self, row: Row) -> list[Identity]:
        """The e-mails and phones in a record that find its subject."""
        found: list[Identity] = []
        for name in self.found_by:
            found += readable_identities(IdentityKind.EMAIL if "email" in name else IdentityKind.PHONE, [row.get(name)])
        return list(dict.fromkeys(found))

    def time_in(self, row: Row, name: str) -> datetime | None:
        """The time under that name as aware UTC; None: there is none that can be read."""
        try:
            return self._time(row, name)
        except BadPayload:
            return None

    def _time(self, row: Row, *names: str) -> datetime:
        """The first of the times that the record has; one without a zone is of the connection's."""
        name = next((name for name in names if row.get(name)), names[0])
        return instant_in(Part(row.get(name), f"$.{name}"), self.zone)


def _text(row: Row, name: str) -> str | None:
    """A short value without the spaces around it; None: there is none."""
    value = row.get(name)
    text = str(value).strip() if isinstance(value, str | int) and not isinstance(value, bool) else ""
    return text[:200] or None
