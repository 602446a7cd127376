"""kintone: webhooks bring whole records of one app, process status or a drop-down is the stage, REST writes back.

https://jp.cybozu.help/k/en/user/app_settings/set_webhook/webhook_notification.html
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, ClassVar

from adapters.kintone.client import Site
from adapters.kintone.connect import inspect
from adapters.kintone.push import push
from adapters.kintone.read import Source
from adapters.kintone.records import ADMINISTRATOR, OWNER, STAGE, Shape, events_of, ref_of
from adapters.kintone.webhook import DELETED, IGNORED, WITH_RECORD, body_with_record, number_in
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
from connector.adapter_kit.records import deleted_event, present
from connector.adapter_kit.settings import check_settings, is_safe_address, pairs
from connector.adapter_kit.signatures import check_token
from connector.core.errors import BadPayload, BadSignature, CrmUnavailable, UnknownEvent
from connector.core.event import Event


@dataclass(frozen=True, slots=True, kw_only=True)
class Kintone:
    """A connection to the records of one app."""

    NAME: ClassVar[str] = "kintone"
    SETTINGS: ClassVar[Mapping[str, Setting]] = {
        "url": Setting(description="https://<subdomain>.cybozu.com (or kintone.com)", is_required=True, default=""),
        "app": Setting(
            description="Number of the app; other apps' deliveries are refused", is_required=True, default=""
        ),
        "guest_space": Setting(description="Number of the guest space that the app is in; empty: none", default=""),
        "webhook_token": Setting(
            description="What the webhook's address has as ?token=…; empty: deliveries are refused",
            is_secret=True,
            is_required=True,
        ),
        "login": Setting(description="Login name of the connector's user; with it the password is used", default=""),
        "password": Setting(
            description="Password of that user; without it the API token is used", is_secret=True, is_dictated=True
        ),
        "api_token": Setting(
            description="API token of the app with rights to view and edit records", is_secret=True, is_dictated=True
        ),
        "stage_field": Setting(
            description="Code of the field that is the stage; empty: the process status", default=""
        ),
        "owner_field": Setting(description="Code of the field of the owner; empty: the process assignee", default=""),
        "email_fields": Setting(description="Codes of e-mail fields; empty: links that are e-mails", default=()),
        "phone_fields": Setting(description="Codes of phone fields; empty: links that are phones", default=()),
        "people": Setting(description="e-mail=login name, where the users cannot be read", default=()),
        "language": Setting(description="Language of states and actions: ja, en, zh, user, default", default="default"),
        "rate": RATE_SETTING,
    }
    CONTENT_TYPES: ClassVar[frozenset[str]] = frozenset({"application/json"})
    SECRET_KEYS: ClassVar[frozenset[str]] = frozenset({"token", "password", "api_token"})
    RATE: ClassVar[tuple[int, int]] = (10, 1)
    ECHOES: ClassVar[Mapping[str, str]] = {STAGE: "stage", OWNER: "owner"}
    COLUMNS: ClassVar[Mapping[str, str]] = {"id": "$id"}
    EVENTS: ClassVar[frozenset[str]] = frozenset({*WITH_RECORD, DELETED, *IGNORED})

    url: str = ""
    app: str = ""
    guest_space: str = ""
    webhook_token: tuple[str, ...] = field(default=(), repr=False)
    login: str = ""
    password: tuple[str, ...] = field(default=(), repr=False)
    api_token: tuple[str, ...] = field(default=(), repr=False)
    stage_field: str = ""
    owner_field: str = ""
    email_fields: tuple[str, ...] = ()
    phone_fields: tuple[str, ...] = ()
    people: tuple[str, ...] = ()
    language: str = "default"
    rate: int = 0

    @property
    def takes_updates(self) -> bool:
        """Only where the app and credentials are set."""
        return bool(self.url and self.app and (self.password or self.api_token))

    greet = defaults.greet

    def verify(self, delivery: Delivery, now: datetime) -> None:
        """Checks the token in the address, and the app: kintone signs nothing and sends no header of ours."""
        del now
        check_token(delivery.parameter("token"), self.webhook_token)
        with suppress(BadPayload):  # what cannot be read is refused as such by `receive`
            app = read_json(delivery.body)["app"]["id"].identifier()
            if self.app and app != str(self.app):
                message = f"the delivery comes from app {app[:20]}; this connection is that of app {self.app}"
                raise BadSignature(message)

    def receive(self, delivery: Delivery) -> Received:
        """The key is the id of the notification, the lane is the record."""
        body = read_json(delivery.body)
        key, lane = body["id"].identifier(), ""
        body["type"].text(100)
        with suppress(BadPayload):
            lane = ref_of(number_in(body)).name
        return Received(key=key, lane=lane, reply=Reply(status=202, body=b'{"accepted": 1}'))

    def fetch(self, deliveries: Sequence[Delivery], api: Api) -> Mapping[str, Any]:
        """The e-mails of owners. Where a field is the stage, also the updated records as they are now."""
        bodies = [body for delivery in deliveries if (body := body_with_record(delivery)) is not None]
        if not bodies or not self.takes_updates:
            return {}
        source = self._source(api)
        unclear = [number_in(body) for body in bodies if self._is_unclear(body)]
        return {**source.owners(), **(source.records(unclear) if unclear else {})}

    def parse(self, delivery: Delivery, fetched: Mapping[str, Any]) -> Sequence[Event | BadPayload]:
        """The identity, stage, owner and profile that the record in the body shows, or its end.

        Where a field is the stage, the body of an update does not say whether the stage changed: then the record as it
        is now counts, and `CrmUnavailable` and `CrmRefused` are raised too, which are about this record alone.
        """
        body = read_json(delivery.body)
        word = body["type"].text(100)
        if word in IGNORED:
            return []
        if word == DELETED:
            return [deleted_event(ref_of(number_in(body)), body["deletedAt"].instant())]
        if word not in WITH_RECORD:
            message = f"the event {word} is not known"
            raise UnknownEvent(message)
        if not self._is_unclear(body):
            # An updated record has the status that it had: a late one would look like one that came back to it.
            entered = None if word == "UPDATE_RECORD" else True
            return events_of(body["record"].object(), self._shape(), fetched, entered=entered)
        name = ref_of(number_in(body)).name
        if name not in fetched:
            message = f"{name} was not read"
            raise CrmUnavailable(message)
        if (record := fetched[name]) is None:
            return [deleted_event(ref_of(number_in(body)), delivery.received_at)]
        return events_of(present(record), self._shape(), fetched, entered=False)

    def changes(self, since: datetime, api: Api) -> Iterator[Event]:
        """The records updated since; deleted ones leave no trace."""
        return self._source(api).changes(since)

    def push(self, updates: Sequence[Update], api: Api) -> Sequence[Pushed]:
        """Actions of the process, fields and assignees, up to 100 records a call, each with the revision it has."""
        return push(self._source(api), updates)

    def catalog(self, api: Api) -> Catalog:
        """States or options, users, fields."""
        return self._source(api).catalog()

    def inspect(self, url: str, api: Api) -> Sequence[InspectionResult]:
        """Credentials, fields and users; webhooks cannot be asked for."""
        del url
        return tuple(inspect(self._source(api)))

    subscribe = defaults.subscribe

    def _is_unclear(self, body: Part) -> bool:
        """Whether the record may have entered its stage without the body saying so."""
        return bool(self.stage_field) and body["type"].value in {"UPDATE_RECORD", "UPDATE_STATUS"}

    def _shape(self) -> Shape:
        return Shape(
            stage=self.stage_field,
            owner=self.owner_field,
            emails=self.email_fields,
            phones=self.phone_fields,
            writer=self.login if self.password and self.login else ADMINISTRATOR,
        )

    def mistakes(self) -> list[str]:
        """What cannot be used; a connection that only listens needs no account."""
        return defaults.mistakes(self) if self.takes_updates else []

    def _source(self, api: Api) -> Source:
        """Raises `CrmRefused` when a setting cannot be used."""
        people = pairs(self.people)
        checks = {
            "url (https://<subdomain>.cybozu.com)": is_safe_address(self.url),
            "app (its number)": str(self.app).isdecimal(),
            "password (with login) or api_token": bool(self.password and self.login) or bool(self.api_token),
            "people (e-mail=login name)": all(email and code for email, code in people),
        }
        check_settings(checks)
        site = Site(
            api=api,
            url=self.url,
            app=str(self.app),
            guest=str(self.guest_space),
            token=next(iter(self.api_token), ""),
            login=self.login,
            password=next(iter(self.password), "") if self.login else "",
        )
        known = {email.casefold(): code for email, code in people}
        return Source(site=site, shape=self._shape(), known=known, language=self.language)
