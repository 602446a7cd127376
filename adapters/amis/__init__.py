"""MISA AMIS CRM and aiMarketing: webhooks of any form come in, records are polled, read and written by Open API v2.

https://crmconnect.misa.vn/docs-v2/index.html and https://www.misa.vn/155017/tai-lieu-open-api-tich-hop-misa-crm
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, ClassVar

from adapters.amis.client import Crm
from adapters.amis.push import push
from adapters.amis.read import Source
from adapters.amis.records import CONTACTS, CUSTOMERS, Shape
from adapters.amis.settings import ALL, FOUND_BY, SETTINGS, URL
from adapters.amis.webhook import WebhookMessage, events_in, first_name, is_pair, key_of, keys_of, read_messages
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
from connector.adapter_kit.payload import read_json
from connector.adapter_kit.records import deleted_event
from connector.adapter_kit.settings import check_settings, pairs, zone_of
from connector.adapter_kit.signatures import check_hmac, check_token
from connector.core.errors import BadPayload, CrmUnavailable, UnknownEvent
from connector.core.event import Event, RecordRef


@dataclass(frozen=True, slots=True, kw_only=True)
class Amis:
    """A connection to one company's AMIS."""

    NAME: ClassVar[str] = "amis"
    SETTINGS: ClassVar[Mapping[str, Setting]] = SETTINGS
    CONTENT_TYPES: ClassVar[frozenset[str]] = frozenset({"application/json"})
    SECRET_KEYS: ClassVar[frozenset[str]] = frozenset({"token", "client_secret", "access_token"})
    RATE: ClassVar[tuple[int, int]] = (2, 1)
    ECHOES: ClassVar[Mapping[str, str]] = {"stage": "stage", "owner_name": "owner"}
    EVENTS: ClassVar[frozenset[str]] = frozenset(
        {
            *("customer.created", "customer.updated", "customer.deleted", "contact.created", "contact.updated"),
            *("contact.deleted", "contact.stage_changed", "order.created", "order.updated", "order.deleted"),
            *("contact.form_submitted", "contact.email_clicked", "contact.email_opened", "ping"),
        }
    )

    client_id: str = ""
    client_secret: tuple[str, ...] = field(default=(), repr=False)
    webhook_token: tuple[str, ...] = field(default=(), repr=False)
    signing_secret: tuple[str, ...] = field(default=(), repr=False)
    signature_header: str = "X-Signature"
    url: str = URL
    resources: tuple[str, ...] = ALL
    stage_field: str = "custom_field1"
    owners: tuple[str, ...] = ()
    subjects: str = "person"
    found_by: tuple[str, ...] = FOUND_BY
    form_layout: str = "Mẫu tiêu chuẩn"
    first_page: int = 0
    pages: int = 100
    overlap_minutes: int = 10
    zone: str = "Asia/Ho_Chi_Minh"
    keys: tuple[str, ...] = ()
    rate: int = 0

    @property
    def PERSONS(self) -> frozenset[str]:  # noqa: N802 - as the contract calls it
        """Contacts; where a company with all its contacts is one subject, the companies."""
        return frozenset({CUSTOMERS if self.subjects == "company" else CONTACTS})

    @property
    def takes_updates(self) -> bool:
        """Only where the API can be called."""
        return bool(self.client_id and self.client_secret)

    def greet(self, delivery: Delivery) -> Reply | None:
        """Answers 200 when somebody looks whether the address is there; nothing is stored."""
        return Reply(status=200) if delivery.method in {"GET", "HEAD"} else None

    def verify(self, delivery: Delivery, now: datetime) -> None:
        """Checks the token in the address, and the HMAC of the body too where a signing secret is set."""
        del now
        check_token(delivery.parameter("token"), self.webhook_token)
        if self.signing_secret:
            check_hmac(delivery.headers.get(self.signature_header.lower()), delivery.body, self.signing_secret)

    def receive(self, delivery: Delivery) -> Received:
        """The key is the hash of the body, with the time of receipt where the body has no time.

        The lane is the first record. The answer is always 200: AMIS sends a webhook that was answered otherwise again
        and again.
        """
        keys, body = keys_of(self.keys), read_json(delivery.body)
        return Received(
            key=key_of(body, delivery, keys),
            lane=first_name(body, keys),
            reply=Reply(status=200, body=b'{"success": true}'),
        )

    def fetch(self, deliveries: Sequence[Delivery], api: Api) -> Mapping[str, Any]:
        """The records as they are now, by name (`Contacts:17`), each once; None: gone."""
        messages = (webhook for delivery in deliveries for webhook in self._messages(delivery))
        names = [webhook.name for webhook in messages if self._is_read(webhook)]
        return self._source(api).records(names) if names else {}

    def parse(self, delivery: Delivery, fetched: Mapping[str, Any]) -> Sequence[Event | BadPayload]:
        """What the records show. A webhook that names somebody by e-mail or phone alone is read by itself.

        Also raises `CrmUnavailable` for a record that was not read.
        """
        found: list[Event | BadPayload] = []
        for webhook in read_messages(read_json(delivery.body), keys_of(self.keys)):
            try:
                found += self._events(webhook, delivery, fetched)
            except BadPayload as error:
                found.append(error)
        return found

    def changes(self, since: datetime, api: Api) -> Iterator[Event]:
        """The records changed since, by `modified_date`; deleted ones leave no trace there, but for orders."""
        return self._source(api).changes(since)

    def push(self, updates: Sequence[Update], api: Api) -> Sequence[Pushed]:
        """Arrays of up to 100 customers or contacts, read back by their ids."""
        return push(self._source(api), updates, self._owners(), self.form_layout)

    def catalog(self, api: Api) -> Catalog:
        """The life-cycle stages, the states of revenue, and the owners of the settings: AMIS has no call for them."""
        return self._source(api).catalog(self._owners())

    def inspect(self, url: str, api: Api) -> Sequence[InspectionResult]:
        """Whether each resource can be read and shows the stage, and what is to be done by hand."""
        hooks = f"AMIS shows no webhooks: give {url}?token=<webhook_token> to its administrator; polling works without"
        names = f"{len(self.owners)} owners are known by e-mail" if self.owners else "the setting owners is empty"
        return [
            *self._source(api).findings(),
            InspectionResult(topic="webhooks", is_good=bool(self.webhook_token), text=hooks),
            InspectionResult(
                topic="fields", is_good=bool(self.owners), text=f"{names}; AMIS has no call that lists employees"
            ),
        ]

    subscribe = defaults.subscribe
    mistakes = defaults.mistakes

    def _events(self, webhook: WebhookMessage, delivery: Delivery, fetched: Mapping[str, Any]) -> list[Event]:
        if webhook.id is None:
            return events_in(webhook, self._shape(), keys_of(self.keys), delivery)
        if not self._is_read(webhook):
            return []
        if webhook.name not in fetched:
            message = f"{webhook.name} was not read"
            raise CrmUnavailable(message)
        row = fetched[webhook.name]
        if row is None:
            return [deleted_event(RecordRef(object=webhook.resource, id=webhook.id), delivery.received_at)]
        return self._shape().events(webhook.resource, row)

    def _is_read(self, webhook: WebhookMessage) -> bool:
        return webhook.id is not None and webhook.resource in self.resources

    def _messages(self, delivery: Delivery) -> list[WebhookMessage]:
        try:
            return read_messages(read_json(delivery.body), keys_of(self.keys))
        except (BadPayload, UnknownEvent):
            return []  # `parse` says what is wrong

    def _owners(self) -> dict[str, str]:
        """E-mail → name."""
        return {email.casefold(): name for email, name in pairs(self.owners) if name}

    def _shape(self) -> Shape:
        """Raises `CrmRefused` when the setting `zone` is no time zone."""
        return Shape(
            stage_field=self.stage_field,
            owners={name.casefold(): email for email, name in self._owners().items()},
            zone=zone_of(self.zone),
            is_by_company=self.subjects == "company",
            found_by=self.found_by,
        )

    def _source(self, api: Api) -> Source:
        """Raises `CrmRefused` when a setting cannot be used."""
        checks = {
            "client_id (missing)": bool(self.client_id),
            f"resources ({', '.join(ALL)})": set(self.resources) <= set(ALL),
            "subjects (person or company)": self.subjects in {"person", "company"},
            "first_page (0 or 1)": self.first_page in {0, 1},
            "pages (1 or more)": self.pages > 0,
            "keys (event, data, id, stage or time, = and a key)": all(map(is_pair, self.keys)),
            "owners (e-mail=name)": len(self._owners()) == len(self.owners),
        }
        check_settings(checks)
        crm = Crm(
            api=api,
            url=self.url,
            client_id=self.client_id,
            client_secrets=self.client_secret,
            first_page=self.first_page,
        )
        overlap = timedelta(minutes=max(self.overlap_minutes, 0))
        return Source(crm=crm, shape=self._shape(), resources=self.resources, overlap=overlap, most_pages=self.pages)
