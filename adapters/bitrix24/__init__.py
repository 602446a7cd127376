"""Bitrix24: events and robots come in with ids only, records are read and written in batches by REST.

https://apidocs.bitrix24.com/api-reference/events/index.html and local-integrations/local-webhooks.html
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, ClassVar

from adapters.bitrix24.address import is_webhook
from adapters.bitrix24.client import PAGE, Portal
from adapters.bitrix24.connect import bind, handler_of, inspect, inspect_events
from adapters.bitrix24.oauth import Login
from adapters.bitrix24.push import push
from adapters.bitrix24.read import Source, deletions
from adapters.bitrix24.records import events_of, object_of, told_stage, type_of
from adapters.bitrix24.settings import SETTINGS
from adapters.bitrix24.webhook import EVENTS, IGNORED, TRIGGERS, read_message, trigger_event, word_at
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
from connector.adapter_kit.payload import Part, read_form
from connector.adapter_kit.records import deleted_event, present
from connector.adapter_kit.settings import check_settings
from connector.adapter_kit.signatures import check_token
from connector.core.errors import BadPayload, BadSignature, CrmUnavailable, MissingProof, UnknownEvent
from connector.core.event import Event, RecordRef


@dataclass(frozen=True, slots=True, kw_only=True)
class Bitrix24:
    """A connection to one portal by its webhooks and robots, or by an application with OAuth."""

    NAME: ClassVar[str] = "bitrix24"
    SETTINGS: ClassVar[Mapping[str, Setting]] = SETTINGS
    CONTENT_TYPES: ClassVar[frozenset[str]] = frozenset({"application/x-www-form-urlencoded"})
    SECRET_KEYS: ClassVar[frozenset[str]] = frozenset(
        {"auth[application_token]", "auth[access_token]", "auth[refresh_token]", "event_token", "token"}
    )
    RATE: ClassVar[tuple[int, int]] = (2, 1)
    ECHOES: ClassVar[Mapping[str, str]] = {
        "STATUS_ID": "stage",
        "STAGE_ID": "stage",
        "stageId": "stage",
        "ASSIGNED_BY_ID": "owner",
        "assignedById": "owner",
    }
    EVENTS: ClassVar[frozenset[str]] = frozenset({*EVENTS, *IGNORED, *TRIGGERS})
    PERSONS: ClassVar[frozenset[str]] = frozenset({"contact"})
    COLUMNS: ClassVar[Mapping[str, str]] = {"id": "ID", "pipeline": "CATEGORY_ID"}

    webhook_url: tuple[str, ...] = field(default=(), repr=False)
    application_tokens: tuple[str, ...] = field(default=(), repr=False)
    robot_token: tuple[str, ...] = field(default=(), repr=False)
    client_id: str = ""
    client_secret: tuple[str, ...] = field(default=(), repr=False)
    refresh_token: tuple[str, ...] = field(default=(), repr=False)
    portal_url: str = ""
    oauth_server: str = SETTINGS["oauth_server"].default
    offline_events: bool = False
    member_id: str = ""
    objects: tuple[str, ...] = ("lead", "deal")
    contacts: str = "first"
    read_by: str = "list"
    batch: int = PAGE
    rate: int = 0

    @property
    def takes_updates(self) -> bool:
        """Only where an incoming webhook or an application is set."""
        return bool(self.webhook_url or self.client_id)

    greet = defaults.greet
    mistakes = defaults.mistakes
    told_stage = staticmethod(told_stage)

    def verify(self, delivery: Delivery, now: datetime) -> None:
        """Checks the token in the body of an event, or the token in the address of a robot; Bitrix24 signs nothing.

        The events of an application have the token in the address too: that in their body is known only after the first
        event.
        """
        del now
        try:
            form = read_form(delivery.body)
            if form["event"].exists and not (self.client_id and delivery.parameter("token")):
                check_token(form["auth"]["application_token"].text(), self.application_tokens)
            else:
                check_token(delivery.parameter("token"), self.robot_token)
            member = form["auth"]["member_id"] if form["auth"].exists else Part(None)
            if self.member_id and member.exists and member.text() != self.member_id:
                message = "the delivery comes from another portal: its member_id differs"
                raise BadSignature(message)
        except BadPayload as error:
            message = f"the delivery carries no readable token: {error}"
            raise MissingProof(message) from error

    def receive(self, delivery: Delivery) -> Received:
        """The key has the time of receipt in it.

        Nothing else tells two changes in one second apart, and nothing is sent twice. The lane is the record. The
        answer is 202 at once: the portal slows down for handlers that are slow.
        """
        form = read_form(delivery.body)
        webhook = read_message(form, delivery)
        name = webhook.record.name if webhook.record else ""
        sent = f"{word_at(form, 'auth', 'member_id')}:{word_at(form, 'ts')}"
        return Received(
            key=f"{webhook.word}:{name or '-'}:{sent}:{delivery.received_at.isoformat()}",
            lane=name,
            reply=Reply(status=202, body=b'{"accepted": 1}'),
        )

    def fetch(self, deliveries: Sequence[Delivery], api: Api) -> Mapping[str, Any]:
        """The records as they are now, once each, by name (`lead:1907`), with contacts and users; None: gone."""
        names = [name for delivery in deliveries if (name := self._wanted(delivery))]
        return self._source(api).records(names) if names else {}

    def parse(self, delivery: Delivery, fetched: Mapping[str, Any]) -> Sequence[Event | BadPayload]:
        """The identity, stage, owner and profile that the record shows, or its end, and what `?event=` names.

        Also raises `CrmUnavailable` and `CrmRefused`, which are about this record alone.
        """
        webhook = read_message(read_form(delivery.body), delivery)
        if webhook.record is None:
            if webhook.word in IGNORED:
                return []
            message = f"the event {webhook.word} is not known"
            raise UnknownEvent(message)
        if webhook.record.object not in self._objects():
            return []
        if webhook.trigger and webhook.trigger not in TRIGGERS:
            message = f"the trigger {webhook.trigger!r} in the robot's address is none of {', '.join(TRIGGERS)}"
            raise UnknownEvent(message)
        if webhook.is_deleted:
            return [deleted_event(webhook.record, delivery.received_at)]
        return self._events(webhook.record, webhook.trigger, delivery, fetched)

    def changes(self, since: datetime, api: Api) -> Iterator[Event]:
        """The stage history and the records changed since, object by object; deletions by the offline queue alone."""
        source, objects = self._source(api), self._objects()
        yield from source.changes(objects, since)
        if self.client_id and self.offline_events:
            yield from deletions(source.portal, objects, since)

    def push(self, updates: Sequence[Update], api: Api) -> Sequence[Pushed]:
        """`crm.item.update` in batches, each with the commands that read the records back."""
        return push(self._source(api), updates)

    def catalog(self, api: Api) -> Catalog:
        """Stages by pipeline without the pipeline's prefix, employees, and fields by their old names."""
        return self._source(api).catalog(self._objects())

    def inspect(self, url: str, api: Api) -> Sequence[InspectionResult]:
        """Who calls, the scopes, the operating time, and for an application which events are registered."""
        portal, objects = self._source(api).portal, self._objects()
        found = list(inspect(portal, objects[0] if objects else "lead"))
        if not (self.application_tokens or self.robot_token):
            text = "neither application_tokens nor robot_token is set: every delivery is refused"
            found.append(InspectionResult(topic="webhooks", is_good=False, text=text))
        elif self.client_id and found[0].is_good:
            handler = handler_of(url, self.robot_token)
            found.append(inspect_events(portal, handler, objects, is_offline=self.offline_events))
        return found

    def subscribe(self, url: str, now: datetime, api: Api) -> datetime | None:
        """With OAuth the events are bound, and a day later again: an update of the application drops all of them."""
        if not self.client_id:
            return None
        portal = self._source(api).portal
        bind(portal, handler_of(url, self.robot_token), self._objects(), is_offline=self.offline_events)
        return now + timedelta(days=1)

    def _events(
        self, record: RecordRef, trigger: str | None, delivery: Delivery, fetched: Mapping[str, Any]
    ) -> list[Event]:
        name, at = record.name, delivery.received_at
        if name not in fetched:
            message = f"{name} was not read"
            raise CrmUnavailable(message)
        if (item := fetched[name]) is None:
            return [deleted_event(record, at)]
        events = events_of(record, present(item), fetched, self._most_contacts())
        if trigger:
            events.append(trigger_event(events[0], trigger, delivery, events[-1].data))
        return events

    def _wanted(self, delivery: Delivery) -> str | None:
        try:
            webhook = read_message(read_form(delivery.body), delivery)
        except BadPayload:
            return None
        is_read = webhook.record is not None and webhook.record.object in self._objects() and not webhook.is_deleted
        return webhook.record.name if webhook.record and is_read else None

    def _objects(self) -> tuple[str, ...]:
        words = dict.fromkeys(word.strip().lower() for word in self.objects)
        return tuple(object_of(int(word)) if word.isdecimal() else word for word in words)

    def _most_contacts(self) -> int | None:
        return None if self.contacts == "all" else 1

    def _source(self, api: Api) -> Source:
        """Raises `CrmRefused` when a setting cannot be used."""
        login = self._login()
        webhook = self.webhook_url[0] if self.webhook_url else ""
        hint = "webhook_url (https://<portal>/rest/<user id>/<secret>/), or client_id for OAuth"
        checks = {
            **(login.checks() if login else {hint: is_webhook(webhook)}),
            "objects (lead, deal, contact, smart_invoice or numbers)": all(map(type_of, self._objects())),
            "contacts (all or first)": self.contacts in {"all", "first"},
            "read_by (list or get)": self.read_by in {"list", "get"},
            "batch (2 to 50)": self.batch in range(2, PAGE + 1),
        }
        check_settings(checks)
        url = f"{self.portal_url.rstrip('/')}/rest/" if login else webhook
        portal = Portal(api=api, url=url, size=self.batch, access=login.access(api) if login else None)
        return Source(portal=portal, is_listing=self.read_by == "list", most_contacts=self._most_contacts())

    def _login(self) -> Login | None:
        """None: the webhook is used."""
        if not self.client_id:
            return None
        return Login(
            client_id=self.client_id,
            client_secret=self.client_secret,
            refresh_token=self.refresh_token,
            portal_url=self.portal_url,
            server=self.oauth_server,
        )
