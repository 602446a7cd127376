"""Salesforce: outbound messages, Flow callouts and relayed change events say what changed; REST reads and writes it.

https://developer.salesforce.com/docs/platform/api-rest/overview and
https://developer.salesforce.com/docs/atlas.en-us.api.meta/api/sforce_api_om_outboundmessaging.htm
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, ClassVar

from adapters.salesforce.client import Org, version_of
from adapters.salesforce.connect import inspect
from adapters.salesforce.push import push
from adapters.salesforce.read import Source
from adapters.salesforce.records import data_of, events_of, identities_of
from adapters.salesforce.settings import SETTINGS, check
from adapters.salesforce.soap import ACK
from adapters.salesforce.webhook import (
    DELETED,
    EVENTS,
    WebhookMessage,
    is_xml,
    key_of,
    long_id,
    organization_of,
    read_messages,
)
from connector.adapter_kit import defaults
from connector.adapter_kit.contract import (
    Api,
    Catalog,
    Delivery,
    InspectionResult,
    Pushed,
    Received,
    Reply,
    Setting,
    Update,
)
from connector.adapter_kit.records import deleted_event
from connector.adapter_kit.settings import fields_by_object
from connector.adapter_kit.signatures import check_token, find_token
from connector.core.errors import BadPayload, BadSignature, CrmUnavailable, UnknownEvent
from connector.core.event import Event, Kind, RecordRef


@dataclass(frozen=True, slots=True, kw_only=True)
class Salesforce:
    """A connection to one organization by an external client app with the client credentials flow."""

    NAME: ClassVar[str] = "salesforce"
    SETTINGS: ClassVar[Mapping[str, Setting]] = SETTINGS
    CONTENT_TYPES: ClassVar[frozenset[str]] = frozenset({"text/xml", "application/xml", "application/json"})
    SECRET_KEYS: ClassVar[frozenset[str]] = frozenset({"token", "access_token", "SessionId"})
    RATE: ClassVar[tuple[int, int]] = (10, 1)
    ECHOES: ClassVar[Mapping[str, str]] = {"Status": "stage", "StageName": "stage", "OwnerId": "owner"}
    EVENTS: ClassVar[frozenset[str]] = EVENTS
    PERSONS: ClassVar[frozenset[str]] = frozenset({"Contact"})

    url: str = ""
    client_id: str = ""
    client_secret: tuple[str, ...] = field(default=(), repr=False)
    token: tuple[str, ...] = field(default=(), repr=False)
    token_header: str = "X-Connector-Token"  # noqa: S105 - the name of a header
    organization_id: str = ""
    objects: tuple[str, ...] = ("Lead", "Opportunity")
    more_fields: tuple[str, ...] = ()
    contacts: str = "primary"
    history: str = "auto"
    version: str = "66.0"
    rate: int = 0

    @property
    def takes_updates(self) -> bool:
        """Only where the app's credentials are set."""
        return bool(self.url and self.client_id and self.client_secret)

    greet = defaults.greet

    def verify(self, delivery: Delivery, now: datetime) -> None:
        """Checks the token in the header or the address, and the organization where one is named: nothing is signed."""
        del now
        check_token(find_token(delivery, self.token_header, "token"), self.token)
        try:
            organization = organization_of(delivery)
        except BadPayload:
            return  # `receive` cannot read it either, and the answer then says what is wrong with the body
        if self.organization_id and organization and organization != long_id(self.organization_id.strip()):
            message = f"the delivery comes from another organization: {organization}"
            raise BadSignature(message)

    def receive(self, delivery: Delivery) -> Received:
        """The key is the id of the notification, change or callout, which is the same when it comes again.

        Of a delivery with several it is a hash. The lane is the first record. An outbound message is answered by the
        SOAP Ack, which ends its retries; all else by 202.
        """
        messages = read_messages(delivery)
        records = (part.record for part in messages if isinstance(part, WebhookMessage) and part.record)
        reply = Reply(status=202, body=b'{"accepted": 1}')
        if is_xml(delivery):
            reply = Reply(status=200, body=ACK, content_type="text/xml; charset=utf-8")
        lane = next((record.name for record in records), "")
        return Received(key=key_of(messages, delivery.body), lane=lane, reply=reply)

    def fetch(self, deliveries: Sequence[Delivery], api: Api) -> Mapping[str, Any]:
        """The records as they are now, once each, by name (`Lead:00Q…`). None: the user may not see it."""
        wanted: dict[str, set[str]] = defaultdict(set)
        for delivery in deliveries:
            for record in self._wanted(delivery):
                wanted[record.object].add(record.id)
        if not wanted:
            return {}
        source = self._source(api)
        fetched: dict[str, Any] = {}
        for record_object, ids in wanted.items():
            found = source.records(record_object, ids)
            fetched |= {f"{record_object}:{record_id}": found.get(record_id) for record_id in ids}
        return fetched

    def parse(self, delivery: Delivery, fetched: Mapping[str, Any]) -> Sequence[Event | BadPayload]:
        """The identity, stage, owner and profile that each record shows, or its end, and what a callout names.

        Also raises `CrmUnavailable` for a record that was not read.
        """
        events: list[Event | BadPayload] = []
        for webhook in read_messages(delivery):
            if isinstance(webhook, BadPayload):
                events.append(webhook)
            elif webhook.word not in EVENTS:
                message = f"the change type {webhook.word} is not known"
                raise UnknownEvent(message)
            else:
                events += self._events(webhook, delivery, fetched)
        return events

    def changes(self, since: datetime, api: Api) -> Iterator[Event]:
        """The records changed since by `SystemModstamp`, with their stages since; deleted ones too."""
        return self._source(api).changes(self.objects, since)

    def push(self, updates: Sequence[Update], api: Api) -> Sequence[Pushed]:
        """Collections of 200 with `allOrNone: false`, each read back by one query."""
        return push(self._source(api).org, updates)

    def catalog(self, api: Api) -> Catalog:
        """Lead statuses, opportunity stages, users and fields."""
        return self._source(api).catalog(self.objects)

    def inspect(self, url: str, api: Api) -> Sequence[InspectionResult]:
        """Organization, calls left, field history, and what is to be set up by hand."""
        return inspect(self._source(api), self.organization_id.strip(), url)

    subscribe = defaults.subscribe
    mistakes = defaults.mistakes

    def _events(
        self, webhook: WebhookMessage, delivery: Delivery, fetched: Mapping[str, Any]
    ) -> list[Event | BadPayload]:
        record = webhook.record
        if record is None or record.object not in self.objects:
            return []
        name = record.name
        if webhook.word in DELETED:
            # In whole seconds, as the record itself dates its end, and what follows when it is restored.
            end = deleted_event(record, (webhook.at or delivery.received_at).replace(microsecond=0))
            return [replace(end, read_at=webhook.at)]
        if name not in fetched:
            message = f"{name} was not read"
            raise CrmUnavailable(message)
        if (found := fetched[name]) is None:
            message = "deleted for good, or the app's user may not see it: give that user access to all records"
            return [BadPayload(message, name)]
        events: list[Event | BadPayload] = [*events_of(record, found)]
        if webhook.action:
            events.append(
                Event(
                    key=f"{name}:{webhook.action}:{webhook.mark}"[:250],
                    at=webhook.at or delivery.received_at,
                    kind=Kind.ACTION,
                    record=record,
                    is_lead=True,
                    identities=identities_of(record, found),
                    name=webhook.action,
                    data={**data_of(found), **webhook.data},
                )
            )
        return events

    def _wanted(self, delivery: Delivery) -> list[RecordRef]:
        try:
            messages = [message for message in read_messages(delivery) if isinstance(message, WebhookMessage)]
        except BadPayload:
            return []
        records = (message.record for message in messages if message.word not in DELETED)
        return [record for record in records if record and record.object in self.objects]

    def _source(self, api: Api) -> Source:
        """Raises `CrmRefused` when a setting cannot be used."""
        check(
            url=self.url,
            has_credentials=self.takes_updates,
            objects=self.objects,
            more_fields=self.more_fields,
            contacts=self.contacts,
            history=self.history,
            version=self.version,
        )
        org = Org(
            api=api,
            url=self.url,
            version=str(version_of(self.version)),
            client_id=self.client_id,
            client_secret=self.client_secret[0],
        )
        more = fields_by_object(self.more_fields)
        return Source(org=org, more=more, history=self.history, all_contacts=self.contacts == "all")
