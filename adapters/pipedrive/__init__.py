"""Pipedrive: webhooks with whole records come in, deals, persons and leads are written by REST, webhooks looked after.

https://pipedrive.readme.io/docs/guide-for-webhooks-v2
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, ClassVar

from adapters.pipedrive.client import OBJECTS, Company
from adapters.pipedrive.connect import inspect, subscribe
from adapters.pipedrive.push import push
from adapters.pipedrive.read import Source
from adapters.pipedrive.records import Told, events_of
from adapters.pipedrive.webhook import EVENTS, WebhookMessage, key_of, read_message
from connector.adapter_kit import defaults
from connector.adapter_kit.contract import (
    RATE_SETTING,
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
from connector.adapter_kit.payload import Part, read_json
from connector.adapter_kit.records import deleted_event
from connector.adapter_kit.settings import check_settings, is_safe_address
from connector.adapter_kit.signatures import check_basic
from connector.core.errors import BadPayload, CrmUnavailable, UnknownEvent
from connector.core.event import Event, Identity, IdentityKind


@dataclass(frozen=True, slots=True, kw_only=True)
class Pipedrive:
    """A connection to one Pipedrive company."""

    NAME: ClassVar[str] = "pipedrive"
    SETTINGS: ClassVar[Mapping[str, Setting]] = {
        "http_password": Setting(
            description="Password of the webhooks' basic authentication: make one up", is_secret=True, is_required=True
        ),
        "http_user": Setting(description="User of the webhooks' basic authentication", default="connector"),
        "company_url": Setting(description="https://<company>.pipedrive.com", default="https://api.pipedrive.com"),
        "api_token": Setting(
            description="API token of a user of its own; the newest is used", is_secret=True, is_dictated=True
        ),
        "client_id": Setting(description="In place of api_token: the OAuth app's client id", default=""),
        "client_secret": Setting(description="The OAuth app's client secret", is_secret=True, is_dictated=True),
        "refresh_token": Setting(description="The OAuth app's refresh token", is_secret=True, is_dictated=True),
        "oauth_url": Setting(description="Where tokens are refreshed", default="https://oauth.pipedrive.com"),
        "company_id": Setting(description="The company's id: events of others are ignored; empty: all", default=""),
        "objects": Setting(description="What is read: deal, person, lead", default=("deal", "person", "lead")),
        "rate": RATE_SETTING,
    }
    CONTENT_TYPES: ClassVar[frozenset[str]] = frozenset({"application/json"})
    SECRET_KEYS: ClassVar[frozenset[str]] = frozenset({"api_token", "http_auth_password", "access_token"})
    RATE: ClassVar[tuple[int, int]] = (18, 2)
    ECHOES: ClassVar[Mapping[str, str]] = {"stage_id": "stage", "status": "stage", "owner_id": "owner"}
    EVENTS: ClassVar[frozenset[str]] = EVENTS
    PERSONS: ClassVar[frozenset[str]] = frozenset({"person"})

    http_password: tuple[str, ...] = field(default=(), repr=False)
    http_user: str = "connector"
    company_url: str = "https://api.pipedrive.com"
    api_token: tuple[str, ...] = field(default=(), repr=False)
    client_id: str = ""
    client_secret: tuple[str, ...] = field(default=(), repr=False)
    refresh_token: tuple[str, ...] = field(default=(), repr=False)
    oauth_url: str = "https://oauth.pipedrive.com"
    company_id: str = ""
    objects: tuple[str, ...] = ("deal", "person", "lead")
    rate: int = 0

    @property
    def takes_updates(self) -> bool:
        """Only where a token is set."""
        return bool(self.api_token or self.refresh_token)

    greet = defaults.greet
    mistakes = defaults.mistakes

    def verify(self, delivery: Delivery, now: datetime) -> None:
        """Checks user and password: Pipedrive signs nothing."""
        del now
        accounts = [f"{self.http_user}:{password}" for password in self.http_password if self.http_user and password]
        check_basic(delivery.headers.get("authorization"), accounts)

    def receive(self, delivery: Delivery) -> Received:
        """The key is the id of the event, which a retry keeps.

        The lane is the record. The answer is 202 at once: ten first attempts that fail ban a webhook for half an hour,
        and what happens then is lost.
        """
        body = read_json(delivery.body)
        webhook = self._message_in(body)
        return Received(
            key=key_of(body),
            lane=webhook.record.name if webhook and webhook.record else "",
            reply=Reply(status=202, body=b'{"accepted": 1}'),
        )

    def fetch(self, deliveries: Sequence[Delivery], api: Api) -> Mapping[str, Any]:
        """The persons of deals and leads, the owners' e-mails, and the records of old webhooks, in batch calls."""
        messages = [webhook for each in deliveries if (webhook := self._message(each)) and not webhook.is_deleted]
        records = [webhook.data for webhook in messages if webhook.data is not None]
        names = dict.fromkeys(message.record.name for message in messages if message.record and message.data is None)
        if not messages or not self.takes_updates:
            return {}
        source = self._source(api)
        me = source.me() if any(webhook.source == "api" for webhook in messages) else None
        return {**source.needed(records, names), "me": me}

    def parse(self, delivery: Delivery, fetched: Mapping[str, Any]) -> Sequence[Event | BadPayload]:
        """The identity, stage, owner and profile of the record as the delivery has it, or its end.

        Also raises `CrmUnavailable` where the record of an old webhook was not read.
        """
        webhook = read_message(read_json(delivery.body))
        ref = webhook.record
        if ref is None or not self._is_read(webhook):
            return []
        if webhook.is_deleted:
            merged_with = (
                [Identity(kind=IdentityKind.RECORD, value=f"{ref.object}:{webhook.survivor}")]
                if webhook.survivor
                else []
            )
            end = deleted_event(ref, webhook.at, *merged_with)
            # What is told after it, if it is restored, is dated to the second.
            return [replace(end, at=webhook.at.replace(microsecond=0), read_at=webhook.at)]
        record = webhook.data
        if record is None:
            if ref.name not in fetched:
                message = f"{ref.name} was not read: webhooks of version 1 need a token"
                raise CrmUnavailable(message)
            record = fetched[ref.name]
            if record is None:
                return [deleted_event(ref, webhook.at)]
            return events_of(ref, record, fetched)
        is_ours = webhook.is_ours(fetched.get("me"))
        told = Told(at=webhook.at, changed=webhook.changed, is_ours=is_ours, merged=webhook.merged)
        return events_of(ref, record, fetched, told)

    def changes(self, since: datetime, api: Api) -> Iterator[Event]:
        """What was updated since, archived deals and leads too; deleted records leave no trace there."""
        return self._source(api).changes(self._objects(), since)

    def push(self, updates: Sequence[Update], api: Api) -> Sequence[Pushed]:
        """A call per record, as Pipedrive has no batch, and one per hundred to read them back."""
        return push(self._source(api), updates)

    def catalog(self, api: Api) -> Catalog:
        """Stages, users and fields."""
        return self._source(api).catalog(self._objects())

    def inspect(self, url: str, api: Api) -> Sequence[InspectionResult]:
        """Token, budget left, rights, and the webhooks that go to `url`."""
        company = self._source(api).company
        return inspect(company, self._objects(), url, has_password=any(self.http_password))

    def subscribe(self, url: str, now: datetime, api: Api) -> datetime | None:
        """Makes the webhooks v2 that are missing, with basic authentication; looked at again after a day."""
        account = (self.http_user, next(iter(self.http_password), ""))
        return subscribe(self._source(api).company, self._objects(), url, now, account)

    def _message(self, delivery: Delivery) -> WebhookMessage | None:
        try:
            return self._message_in(read_json(delivery.body))
        except BadPayload:
            return None  # `parse` says what is wrong

    def _message_in(self, body: Part) -> WebhookMessage | None:
        """The message, where it can be read and is to be read; raises nothing."""
        try:
            webhook = read_message(body)
        except (BadPayload, UnknownEvent):
            return None
        return webhook if self._is_read(webhook) else None

    def _is_read(self, webhook: WebhookMessage) -> bool:
        is_ours = not self.company_id or not webhook.company or webhook.company == self.company_id
        return is_ours and webhook.record is not None and webhook.record.object in self._objects()

    def _objects(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(word.strip().lower() for word in self.objects))

    def _source(self, api: Api) -> Source:
        """Raises `CrmRefused` when a setting cannot be used."""
        checks = {
            "objects (deal, person, lead)": set(self._objects()) <= set(OBJECTS),
            "company_url (https://<company>.pipedrive.com)": is_safe_address(self.company_url),
            "oauth_url (https://oauth.pipedrive.com)": is_safe_address(self.oauth_url),
        }
        check_settings(checks)
        company = Company(
            api=api,
            url=self.company_url.rstrip("/"),
            oauth_url=self.oauth_url.rstrip("/"),
            api_token=next(iter(self.api_token), ""),
            client_id=self.client_id,
            client_secret=next(iter(self.client_secret), ""),
            refresh_token=next(iter(self.refresh_token), ""),
        )
        return Source(company=company)
