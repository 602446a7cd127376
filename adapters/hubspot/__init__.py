"""HubSpot: signed batches of events and workflows come in, records are read with history and written in batches.

https://developers.hubspot.com/docs/api-reference/latest/webhooks/guide
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, ClassVar

from adapters.hubspot.client import Account
from adapters.hubspot.connect import inspect
from adapters.hubspot.push import push
from adapters.hubspot.read import Source
from adapters.hubspot.records import OWNER, View
from adapters.hubspot.settings import SETTINGS, check
from adapters.hubspot.webhook import (
    EVENTS,
    IGNORED,
    WORKFLOW,
    WebhookMessage,
    events_in,
    key_of,
    parts_of,
    read_message,
    verify_request,
)
from connector.adapter_kit import defaults
from connector.adapter_kit.contract import (
    EMPTIED_STAGE,
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
from connector.adapter_kit.payload import Part
from connector.core.errors import BadPayload, UnknownEvent
from connector.core.event import Event


@dataclass(frozen=True, slots=True, kw_only=True)
class HubSpot:
    """A connection to one HubSpot account by an app's webhooks and its token."""

    NAME: ClassVar[str] = "hubspot"
    SETTINGS: ClassVar[Mapping[str, Setting]] = SETTINGS
    CONTENT_TYPES: ClassVar[frozenset[str]] = frozenset({"application/json"})
    SECRET_KEYS: ClassVar[frozenset[str]] = frozenset({"access_token", "refresh_token", "client_secret"})
    RATE: ClassVar[tuple[int, int]] = (9, 1)
    ECHOES: ClassVar[Mapping[str, str]] = {
        "lifecyclestage": EMPTIED_STAGE,
        "hs_lead_status": "stage",
        "dealstage": "stage",
        OWNER: "owner",
    }
    EVENTS: ClassVar[frozenset[str]] = EVENTS | IGNORED | {WORKFLOW}
    PERSONS: ClassVar[frozenset[str]] = frozenset({"contact"})
    COLUMNS: ClassVar[Mapping[str, str]] = {"id": "hs_object_id"}

    client_secret: tuple[str, ...] = field(default=(), repr=False)
    access_token: tuple[str, ...] = field(default=(), repr=False)
    refresh_token: tuple[str, ...] = field(default=(), repr=False)
    client_id: str = ""
    webhook_url: str = ""
    portal_id: str = ""
    app_id: str = ""
    objects: tuple[str, ...] = ("contact", "deal")
    contact_stage: str = "lifecyclestage"
    contacts: str = "first"
    properties: tuple[str, ...] = ()
    api_version: str = "2026-09"
    api_url: str = "https://api.hubapi.com"
    rate: int = 0

    @property
    def takes_updates(self) -> bool:
        """Only where a token is set."""
        return bool(self.access_token or self.refresh_token)

    greet = defaults.greet

    def verify(self, delivery: Delivery, now: datetime) -> None:
        """Checks the newest kind of signature that can be checked: v3, v2 or, without the public address, v1."""
        verify_request(delivery, self.webhook_url, self.client_secret, now)

    def receive(self, delivery: Delivery) -> Received:
        """The key is a hash of what the events say, without the number of the attempt.

        HubSpot's event ids are not unique. The lane is the first record. The answer is 202, and must come within five
        seconds.
        """
        parts = parts_of(delivery)
        records = (webhook.record for webhook in self._messages_in(parts, delivery) if webhook.record)
        return Received(
            key=key_of(parts, delivery),
            lane=next((record.name for record in records), ""),
            reply=Reply(status=202, body=b'{"accepted": %d}' % len(parts)),
        )

    def fetch(self, deliveries: Sequence[Delivery], api: Api) -> Mapping[str, Any]:
        """The records as they are now, once each, with the history of stage and owner; None: gone."""
        names = dict.fromkeys(
            webhook.record.name
            for delivery in deliveries
            for webhook in self._messages(delivery)
            if webhook.record and not webhook.is_deleted
        )
        return self._source(api).records(names) if names else {}

    def parse(self, delivery: Delivery, fetched: Mapping[str, Any]) -> Sequence[Event | BadPayload]:
        """The identity, stage, owner and profile of each record, merges, ends, and what a workflow names.

        Raises `UnknownEvent` only where nothing else is in the delivery, and `CrmUnavailable` for a record that was not
        read.
        """
        found: dict[str, Event] = {}
        wrong: list[BadPayload] = []
        unknown: list[UnknownEvent] = []
        view = View(contact_stage=self.contact_stage, app_id=self.app_id.strip())
        for part in parts_of(delivery):
            try:
                webhook = read_message(part, delivery)
                events = events_in(webhook, delivery, fetched, view) if self._is_read(webhook) else []
            except BadPayload as error:
                wrong.append(error)
            except UnknownEvent as error:
                unknown.append(error)
                wrong.append(BadPayload(str(error), part.path))
            else:
                found |= {event.key: event for event in events}
        if unknown and not found and len(wrong) == len(unknown):
            raise unknown[0]
        return [*found.values(), *wrong]

    def changes(self, since: datetime, api: Api) -> Iterator[Event]:
        """What changed since by search, with the histories of stage and owner; deleted records leave no trace there."""
        return self._source(api).changes(self._objects(), since)

    def push(self, updates: Sequence[Update], api: Api) -> Sequence[Pushed]:
        """Batch updates of up to 100 records; a lifecycle stage that goes back is emptied first; all is read back."""
        return push(self._source(api), updates)

    def catalog(self, api: Api) -> Catalog:
        """Stages (for deals by pipeline), owners, and properties."""
        return self._source(api).catalog(self._objects())

    def inspect(self, url: str, api: Api) -> Sequence[InspectionResult]:
        """Token, scopes, the calls left today, and whether HubSpot's signatures are checked with the right address."""
        return inspect(self._source(api), self._objects(), url, self.webhook_url, self.portal_id)

    subscribe = defaults.subscribe
    mistakes = defaults.mistakes

    def _messages_in(self, parts: Sequence[Part], delivery: Delivery) -> Iterator[WebhookMessage]:
        """The events that can be read and are of this account; raises nothing."""
        for part in parts:
            with suppress(BadPayload, UnknownEvent):
                webhook = read_message(part, delivery)
                if self._is_read(webhook):
                    yield webhook

    def _messages(self, delivery: Delivery) -> list[WebhookMessage]:
        try:
            return list(self._messages_in(parts_of(delivery), delivery))
        except BadPayload:
            return []  # `parse` says what is wrong

    def _is_read(self, webhook: WebhookMessage) -> bool:
        is_ours = not self.portal_id or not webhook.portal or webhook.portal == self.portal_id
        return is_ours and webhook.record is not None and webhook.record.object in self._objects()

    def _objects(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(word.strip().lower() for word in self.objects))

    def _source(self, api: Api) -> Source:
        """Raises `CrmRefused` when a setting cannot be used."""
        check(self._objects(), self.contact_stage, self.contacts, self.api_url)
        account = Account(
            api=api,
            url=self.api_url.rstrip("/"),
            version=self.api_version,
            access_token=next(iter(self.access_token), ""),
            client_id=self.client_id,
            client_secret=next(iter(self.client_secret), ""),
            refresh_token=next(iter(self.refresh_token), ""),
        )
        return Source(
            account=account,
            contact_stage=self.contact_stage,
            app_id=self.app_id.strip(),
            properties=tuple(name.strip() for name in self.properties),
            most_contacts=None if self.contacts == "all" else 1,
        )
