"""Zoho CRM: notification channels and workflows' webhooks say what changed; REST reads and writes it.

https://www.zoho.com/crm/developer/docs/api/v8/
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, ClassVar

from adapters.zoho import connect
from adapters.zoho.client import ACCOUNTS, Account
from adapters.zoho.push import push
from adapters.zoho.read import Source
from adapters.zoho.records import data_of, events_of, identities_of
from adapters.zoho.settings import SETTINGS, check
from adapters.zoho.webhook import EVENTS, WEBHOOK, WebhookMessage, body_of, is_callback, key_of, read_message, secret_of
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
from connector.adapter_kit.payload import Part
from connector.adapter_kit.records import deleted_event
from connector.adapter_kit.settings import fields_by_object, pairs
from connector.adapter_kit.signatures import check_token
from connector.core.errors import BadPayload, BadSignature, CrmRefused, CrmUnavailable, MissingProof, UnknownEvent
from connector.core.event import Event, Kind, RecordRef

CHANNELS = 100
"""So many ids from `channel_id` on are the connection's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Zoho:
    """A connection to one account by a client of the API console and its refresh token."""

    NAME: ClassVar[str] = "zoho"
    SETTINGS: ClassVar[Mapping[str, Setting]] = SETTINGS
    CONTENT_TYPES: ClassVar[frozenset[str]] = frozenset({"application/json", "application/x-www-form-urlencoded"})
    SECRET_KEYS: ClassVar[frozenset[str]] = frozenset({"token", "secret", "access_token", "refresh_token"})
    RATE: ClassVar[tuple[int, int]] = (5, 1)
    ECHOES: ClassVar[Mapping[str, str]] = {"Lead_Status": "stage", "Stage": "stage", "Owner": "owner"}
    EVENTS: ClassVar[frozenset[str]] = EVENTS
    PERSONS: ClassVar[frozenset[str]] = frozenset({"Contacts"})

    data_center: str = "com"
    client_id: str = ""
    client_secret: tuple[str, ...] = field(default=(), repr=False)
    refresh_token: tuple[str, ...] = field(default=(), repr=False)
    token: tuple[str, ...] = field(default=(), repr=False)
    webhook_secret: tuple[str, ...] = field(default=(), repr=False)
    webhook_ids: tuple[str, ...] = ("lead_id:Leads", "deal_id:Deals", "contact_id:Contacts")
    channel_id: int = 1000000067001
    modules: tuple[str, ...] = ("Leads", "Deals")
    more_fields: tuple[str, ...] = ()
    pipelines: str = "no"
    timeline: str = "yes"
    trigger: tuple[str, ...] = ()
    accounts_url: str = ""
    api_url: str = ""
    rate: int = 0

    @property
    def takes_updates(self) -> bool:
        """Only where the client's credentials are set."""
        return bool(self.client_id and self.client_secret and self.refresh_token)

    greet = defaults.greet
    mistakes = defaults.mistakes

    def verify(self, delivery: Delivery, now: datetime) -> None:
        """Checks the token and number of a callback's channel, or the secret of a webhook: nothing is signed."""
        del now
        try:
            body = body_of(delivery)
            if not is_callback(body):
                check_token(secret_of(delivery, body), self.webhook_secret)
                return
            check_token(body["token"].text(), self.token)
            if body["channel_id"].integer() not in range(self.channel_id, self.channel_id + CHANNELS):
                message = "the channel is none of this connection: its channel_id differs"
                raise BadSignature(message)
        except BadPayload as error:
            message = f"the delivery carries no readable token: {error}"
            raise MissingProof(message) from error

    def receive(self, delivery: Delivery) -> Received:
        """The key of a callback is channel, module, operation, ids and time.

        That of a webhook is its records, its time and a hash. The lane is the first record. The answer is 202: what a
        callback expects is not documented.
        """
        webhook = self._message(delivery)
        records = (record for record in webhook.records if isinstance(record, RecordRef))
        return Received(
            key=key_of(webhook),
            lane=next((record.name for record in records), ""),
            reply=Reply(status=202, body=b'{"accepted": 1}'),
        )

    def fetch(self, deliveries: Sequence[Delivery], api: Api) -> Mapping[str, Any]:
        """The records as they are now, once each, by name (`Leads:4876…`). None: the record is not there any more.

        Of those that are gone when they were deleted, under `deleted` and the name, as the system lists it.
        """
        wanted: dict[str, set[str]] = defaultdict(set)
        gone: dict[str, set[str]] = defaultdict(set)
        for delivery in deliveries:
            for record, is_deleted in self._named(delivery):
                (gone if is_deleted else wanted)[record.object].add(record.id)
        source = self._source(api) if wanted or gone else None
        fetched: dict[str, Any] = {}
        for module, ids in wanted.items():
            found = source.records(module, ids) if source else {}
            fetched |= {f"{module}:{record_id}": found.get(record_id) for record_id in ids}
            gone[module] |= ids - found.keys()
        for module, ids in gone.items():
            times = source.deletions(module) if source and ids else {}
            fetched |= {f"deleted {module}:{record_id}": times[record_id] for record_id in ids & times.keys()}
        return fetched

    def parse(self, delivery: Delivery, fetched: Mapping[str, Any]) -> Sequence[Event | BadPayload]:
        """The identity, stage, owner and profile that each record shows, or its end, and what a webhook names.

        Also raises `CrmUnavailable` for a record that was not read.
        """
        webhook = self._message(delivery)
        if webhook.word not in EVENTS:
            message = f"the operation {webhook.word} is not known"
            raise UnknownEvent(message)
        events: list[Event | BadPayload] = []
        for record in webhook.records:
            if isinstance(record, BadPayload):
                events.append(record)
            elif record.object in self.modules:
                events += self._events(webhook, record, delivery, fetched)
        return events

    def changes(self, since: datetime, api: Api) -> Iterator[Event]:
        """The records changed since by `Modified_Time`, with their stages since; deleted ones too."""
        return self._source(api).changes(self.modules, since)

    def push(self, updates: Sequence[Update], api: Api) -> Sequence[Pushed]:
        """Batches of 100 without the customer's rules, stages by transition under a blueprint, all read back."""
        return push(self._source(api), updates, self.trigger)

    def catalog(self, api: Api) -> Catalog:
        """Lead statuses, deal stages (by pipeline, where they are in use), users and fields."""
        return self._source(api).catalog(self.modules)

    def inspect(self, url: str, api: Api) -> Sequence[InspectionResult]:
        """The connector's user, the channels for the address, and the credits when they run low."""
        return connect.inspect(self._source(api).account, self._channels(), url)

    def subscribe(self, url: str, now: datetime, api: Api) -> datetime | None:
        """A channel for each module; they live for a week at most, and are renewed every day."""
        account = self._source(api).account
        if not self.token or not 1 <= len(self.token[0]) <= 50:  # noqa: PLR2004 - one page says 50, another 256
            message = "no channels are made: set the secret `token` to a text of 1 to 50 characters"
            raise CrmRefused(message)
        return connect.subscribe(account, self._channels(), url, self.token[0], now)

    def _channels(self) -> Mapping[str, str]:
        return connect.channel_ids(self.channel_id, self.modules)

    def _message(self, delivery: Delivery) -> WebhookMessage:
        return read_message(delivery, dict(pairs(self.webhook_ids, ":")))

    def _events(
        self, webhook: WebhookMessage, record: RecordRef, delivery: Delivery, fetched: Mapping[str, Any]
    ) -> list[Event | BadPayload]:
        name, at = record.name, webhook.at or delivery.received_at
        ended = Part(fetched.get(f"deleted {name}"), "$.deleted_time").maybe(Part.instant) or at
        if webhook.word == "delete":
            return [deleted_event(record, ended)]
        if name not in fetched:
            message = f"{name} was not read"
            raise CrmUnavailable(message)
        if (found := fetched[name]) is None:
            return [deleted_event(record, ended)]
        events: list[Event | BadPayload] = [*events_of(record, found)]
        if webhook.word == WEBHOOK and webhook.action:
            events.append(
                Event(
                    key=f"{name}:{key_of(webhook)}",
                    at=at,
                    kind=Kind.ACTION,
                    record=record,
                    is_lead=True,
                    identities=identities_of(record, found),
                    name=webhook.action,
                    data={**data_of(found), **webhook.data},
                )
            )
        return events

    def _named(self, delivery: Delivery) -> list[tuple[RecordRef, bool]]:
        """The records that a delivery is about, and whether it says that they are gone."""
        try:
            webhook = self._message(delivery)
        except BadPayload:
            return []
        records = webhook.records if webhook.word in EVENTS else ()
        is_deleted = webhook.word == "delete"
        return [
            (record, is_deleted)
            for record in records
            if isinstance(record, RecordRef) and record.object in self.modules
        ]

    def _source(self, api: Api) -> Source:
        """Raises `CrmRefused` when a setting cannot be used."""
        check(
            data_center=self.data_center,
            accounts_url=self.accounts_url,
            api_url=self.api_url,
            has_credentials=self.takes_updates,
            modules=self.modules,
            more_fields=self.more_fields,
            choices=(self.pipelines, self.timeline),
            trigger=self.trigger,
        )
        account = Account(
            api=api,
            accounts=self.accounts_url or ACCOUNTS[self.data_center],
            base=self.api_url,
            client_id=self.client_id,
            client_secret=self.client_secret[0],
            refresh_token=self.refresh_token[0],
        )
        return Source(
            account=account,
            more=fields_by_object(self.more_fields),
            has_pipelines=self.pipelines == "yes",
            has_timeline=self.timeline == "yes",
        )
