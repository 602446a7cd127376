"""An emulated Salesforce organization: people work on leads, outbound messages tell of it, REST reads and writes."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Any, ClassVar, Final
from urllib.parse import urlencode
from xml.sax.saxutils import escape

from flask import Flask, Response

from connector.emulators.engine.courier import Content, Message
from connector.emulators.engine.emulator import CrmEmulator, clock
from connector.emulators.engine.faults import Faults
from connector.emulators.engine.shelf import Change
from connector.emulators.salesforce.rest import CLIENT, Rest, error
from connector.emulators.salesforce.state import LEAD_STATUSES, ORGANIZATION, PREFIXES, USERS, Tables, make_id

TOKEN: Final = "q7h2m9x4v1c8z5k3n6b0"  # noqa: S105 - of an organization that is not real
PAUSES: Final = (0.05, 0.1)
"""Seconds before a message is sent again; the real ones grow to two hours, for 24 hours."""
_SENT: Final = {
    "Lead": ("Email", "Company", "IsConverted", "LastModifiedById", "LastModifiedDate", "OwnerId", "Status"),
    "Opportunity": ("AccountId", "IsClosed", "IsWon", "LastModifiedById", "LastModifiedDate", "OwnerId", "StageName"),
}
_RELAYED: Final = {"delete": "DELETE", "restore": "UNDELETE"}
"""Kinds of changes for which there is no outbound message."""
_ENVELOPE: Final = """<?xml version="1.0" encoding="UTF-8"?>
<soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/" \
xmlns:xsd="http://www.w3.org/2001/XMLSchema" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">
 <soapenv:Body>
  <notifications xmlns="http://soap.sforce.com/2005/09/outbound">
   <OrganizationId>{organization}</OrganizationId>
   <ActionId>04k5g000000GtRsAAK</ActionId>
   <SessionId xsi:nil="true"/>
   <EnterpriseUrl>{url}/services/Soap/c/66.0/{short}</EnterpriseUrl>
   <PartnerUrl>{url}/services/Soap/u/66.0/{short}</PartnerUrl>
   <Notification>
    <Id>{id}</Id>
    <sObject xsi:type="sf:{object}" xmlns:sf="urn:sobject.enterprise.soap.sforce.com">
{fields}
    </sObject>
   </Notification>
  </notifications>
 </soapenv:Body>
</soapenv:Envelope>
"""


class SalesforceCrm(CrmEmulator):
    """An organization whose leads are played with; deletions are told by a relay of change events."""

    NAME: ClassVar[str] = "salesforce"
    OBJECT: ClassVar[str] = "Lead"
    EMAIL: ClassVar[str] = "Email"
    STAGE: ClassVar[str] = "Status"
    OWNER: ClassVar[str] = "OwnerId"
    STATUS: ClassVar[str] = "ABM_Status__c"
    STAGES: ClassVar[Sequence[str]] = (LEAD_STATUSES[0], LEAD_STATUSES[1], LEAD_STATUSES[3])
    OWNERS: ClassVar[Mapping[str, str]] = {user.id: user.email for user in USERS[:2]}

    def __init__(
        self,
        *,
        now: Callable[[], datetime] = clock,
        faults: Faults | None = None,
        threads: int = 2,
        port: int = 0,
    ) -> None:
        # Salesforce keeps whole seconds.
        super().__init__(now=lambda: now().replace(microsecond=0), faults=faults, threads=threads, port=port)
        self.tables = Tables(self.shelf)
        self.rest = Rest(shelf=self.shelf, tables=self.tables, gate=self.gate, url=lambda: self.url)
        self._ids = itertools.count(1)

    def routes(self, app: Flask) -> None:
        """The REST interface."""
        self.rest.put_into(app)

    def connection(self) -> tuple[Mapping[str, Any], Mapping[str, Sequence[str]]]:
        """Settings and secrets of a connection to the running organization."""
        settings = {"url": self.url, "client_id": CLIENT["client_id"], "organization_id": ORGANIZATION}
        return settings, {"client_secret": [CLIENT["client_secret"]], "token": [TOKEN]}

    def too_many(self) -> Response:
        """The allocation or concurrency is used up: a 403 without Retry-After."""
        return error(403, "REQUEST_LIMIT_EXCEEDED", "ConcurrentPerOrgLongTxn Limit exceeded.")

    def unauthorized(self) -> Response:
        """A token that is not good."""
        return error(401, "INVALID_SESSION_ID", "Session expired or invalid")

    def add(
        self, email: str, *, stage: str | None = None, owner: str | None = None, at: datetime | None = None, **more: Any
    ) -> str:
        """A person makes a lead; its id."""
        owner = owner or USERS[0].id
        values = {"LastName": email.partition("@")[0], "Company": "Example", "IsConverted": False, **more}
        return self.make(
            "Lead", {**values, "Email": email, "Status": stage or self.STAGES[0], "OwnerId": owner}, by=owner, at=at
        )

    def make(self, kind: str, fields: Mapping[str, Any], *, by: str = "", at: datetime | None = None) -> str:
        """A person makes a record of any object; its id."""
        record_id = make_id(kind, next(self._ids))
        return self.shelf.add(kind, fields, by=by, at=at, record_id=record_id).id

    def convert(self, lead_id: str) -> tuple[str, str]:
        """A person converts the lead; the ids of its contact and its opportunity."""
        lead = self.record(lead_id)
        owner = {"OwnerId": lead.fields["OwnerId"]}
        person = {name: lead.fields.get(name) for name in ("LastName", "Email", "MobilePhone")}
        contact = self.make("Contact", {**person, **owner, "Name": person["LastName"]})
        deal = {"Name": "Example", "StageName": "Prospecting", "IsClosed": False, "IsWon": False, **owner}
        with self.shelf.lock:
            opportunity = make_id("Opportunity", next(self._ids))
            self.tables.roles[opportunity] = [contact]
            self.shelf.add("Opportunity", deal, record_id=opportunity)
        ids = {"ConvertedContactId": contact, "ConvertedOpportunityId": opportunity}
        changes = {"Status": "Closed - Converted", "IsConverted": True, "ConvertedDate": f"{self.now().date()}", **ids}
        self.shelf.change("Lead", lead_id, changes)
        return contact, opportunity

    def messages(self, change: Change, url: str) -> Iterable[Message]:
        """An outbound message of leads and opportunities; of their end and their return change events, by the relay."""
        about = f"{change.object}:{change.id}:{change.number}"
        if change.kind in _RELAYED:
            yield Message(url=url, about=about, make=partial(self._change_event, change))
        elif change.object in _SENT:
            address = f"{url}?{urlencode({'token': TOKEN})}"
            make = partial(self._outbound, change)
            yield Message(url=address, about=about, make=make, pauses=PAUSES, answered=self._acknowledged)

    def _outbound(self, change: Change, _attempt: int) -> Content:
        """The record is read when the message is sent: of two quick changes both show the last value."""
        record = self.shelf.find(change.object, change.id)
        row = self.tables.row(record, change.by) if record else {**change.after}
        values = {"Id": change.id, **{name: row.get(name) for name in _SENT[change.object]}}
        fields = "\n".join(f"     <sf:{name}>{_word(value)}</sf:{name}>" for name, value in values.items())
        body = _ENVELOPE.format(
            organization=ORGANIZATION,
            short=ORGANIZATION[:15],
            url=self.url,
            id=make_id("Notification", change.number),
            object=change.object,
            fields=fields,
        )
        return body.encode(), {"Content-Type": "text/xml; charset=utf-8", "SOAPAction": '""'}

    def _change_event(self, change: Change, _attempt: int) -> Content:
        return self._relayed(
            change.object, change.number, change.at, recordIds=[change.id], changeType=_RELAYED[change.kind]
        )

    def change_field_type(self, kind: str) -> None:
        """An administrator gives a custom field of an object another type: the change event names all its records."""
        number = next(self._ids)
        for url in self.handlers:
            make = partial(self._field_type_changed, kind, number)
            self.courier.send(Message(url=url, about=f"{kind}:*:{number}", make=make))

    def _field_type_changed(self, kind: str, number: int, _attempt: int) -> Content:
        return self._relayed(kind, number, self.now(), recordIds=[f"{PREFIXES[kind]}*"], changeType="UPDATE")

    def _relayed(self, kind: str, number: int, at: datetime, **more: Any) -> Content:
        """A change event in the envelope that Event Relay and EventBridge put around it."""
        header = {
            "entityName": kind,
            "transactionKey": f"0005e7a1-3c64-9f1b-7d1f-{number:012d}",
            "sequenceNumber": 1,
            "commitTimestamp": int(at.astimezone(UTC).timestamp() * 1000),
            "commitUser": USERS[0].id,
            **more,
        }
        envelope = {
            "version": "0",
            "id": f"5c42b99e-c214-4a9c-8fbd-{number:012d}",
            "detail-type": f"{kind}ChangeEvent",
            "source": f"aws.partner/salesforce.com/{ORGANIZATION}/0YL5g000000CabWGAS",
            "time": at.astimezone(UTC).isoformat(timespec="seconds"),
            "resources": [],
            "detail": {"payload": {"ChangeEventHeader": header}},
        }
        return json.dumps(envelope).encode(), {"Content-Type": "application/json", "X-Connector-Token": TOKEN}

    def _acknowledged(self, status: int, body: bytes) -> None:
        is_taken = status == 200 and b"<Ack>true</Ack>" in body and b"http://soap.sforce.com/2005/09/outbound" in body  # noqa: PLR2004
        self.tally.add("webhooks.acknowledged" if is_taken else "webhooks.unacknowledged")


def _word(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else escape(str(value or ""))
