"""Reads records of AMIS CRM by id, and what changed since, resource by resource."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from adapters.amis.client import Crm
from adapters.amis.records import CONTACTS, CUSTOMERS, MARKETING, ORDERS, REVENUE, STAGES, Row, Shape
from connector.adapter_kit.contract import Catalog, InspectionResult, Person
from connector.adapter_kit.records import ids_by_object, readable
from connector.adapter_kit.rest import chunks
from connector.core.errors import AccessRefused, BadPayload, CrmRefused
from connector.core.event import Event

IDS: Final = 50
"""Ids in one address."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """The records of one company. `overlap`: how far a look at what changed goes back behind the asked time."""

    crm: Crm
    shape: Shape
    resources: tuple[str, ...]
    overlap: timedelta
    most_pages: int

    def records(self, names: Iterable[str]) -> dict[str, Row | None]:
        """The records by name (`Contacts:17`), each once; None: gone. What a batch leaves out is asked for alone."""
        found: dict[str, Row | None] = {}
        for resource, numbers in ids_by_object(names).items():
            for chunk in chunks(numbers, IDS):
                listed = self._by_id(resource, ",".join(chunk))
                found |= {f"{resource}:{id_}": listed.get(id_) or self._alone(resource, id_) for id_ in chunk}
        return found

    def changes(self, since: datetime) -> Iterator[Event]:
        """The events of the records changed since: customers and contacts before the orders that name them."""
        for resource in self.resources:
            for row in self._changed(resource, since - self.overlap):
                yield from readable(self.shape.events, resource, row)

    def catalog(self, owners: Mapping[str, str]) -> Catalog:
        """The life-cycle stages, the states of an order's revenue, and the owners of the settings (e-mail → name)."""
        words = {CUSTOMERS: STAGES, CONTACTS: STAGES, ORDERS: REVENUE, MARKETING: STAGES}
        stages = {name: {"": {word: word for word in words[name]}} for name in (*self.resources, MARKETING)}
        people = tuple(Person(id=name, email=email, name=name) for email, name in owners.items())
        return Catalog(stages=stages, owners=people)

    def findings(self) -> list[InspectionResult]:
        """Whether each resource can be read, and whether customers and contacts show the field of the stage."""
        found = []
        for resource in self.resources:
            try:
                rows = self.crm.rows(f"/{resource}", {"page": str(self.crm.first_page), "pageSize": "1"})
            except CrmRefused as error:
                topic = "credentials" if isinstance(error, AccessRefused) else "scopes"
                found.append(InspectionResult(topic=topic, is_good=False, text=f"{resource} cannot be read: {error}"))
                continue
            found.append(InspectionResult(topic="scopes", is_good=True, text=f"{resource} can be read"))
            field = self.shape.stage_field
            if rows and resource != ORDERS and field not in rows[0]:
                text = f"{resource} show no field {field}: make it in AMIS CRM, or correct the setting stage_field"
                found.append(InspectionResult(topic="fields", is_good=False, text=text))
        return found

    def _changed(self, resource: str, since: datetime) -> Iterator[Row]:
        for page in self.crm.pages(resource, self.most_pages):
            for row in page:
                try:
                    at = self.shape.changed(row)
                except BadPayload:
                    continue
                if at < since:
                    return
                yield row

    def _by_id(self, resource: str, ids: str) -> dict[str, Row]:
        rows = self.crm.rows(f"/{resource}/id", {"ids": ids})
        return {str(row.get("id")): row for row in rows}

    def _alone(self, resource: str, number: str) -> Row | None:
        """One record; None: the answer is good, or says that there is none, and has not got it."""
        envelope = self.crm.call("GET", f"/{resource}/id", params={"ids": number})
        is_none = envelope.code in {"404", "notfound"} or "answered 404" in envelope.text
        if not envelope.is_good and not is_none:
            raise envelope.error()
        rows: list[dict[str, Any]] = envelope.rows if envelope.is_good else []
        return next((row for row in rows if str(row.get("id")) == number), None)
