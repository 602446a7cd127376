"""Bitrix24: outgoing webhooks and robots come in with ids only, records are read and written in batches by REST.

https://apidocs.bitrix24.com/api-reference/events/index.html and local-integrations/local-webhooks.html
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, ClassVar

from adapters.bitrix24_items import deleted_event, events_of, name_of, object_of, type_of
from adapters.bitrix24_notice import EVENTS, IGNORED, TRIGGERS, read_notice, word_at
from adapters.bitrix24_push import push
from adapters.bitrix24_reads import Reader, failure_of
from adapters.bitrix24_rest import PAGE, Portal, is_webhook
from connector import absent
from connector.adapter import RATE_SETTING, Api, Catalog, Delivery, Pushed, Reply, Setting, Update
from connector.core.errors import BadPayload, BadSignature, CrmRefused, CrmUnavailable, UnknownEvent
from connector.core.event import Event, Kind, RecordRef
from connector.payload import Part, read_form, read_pairs
from connector.signatures import check_token


@dataclass(frozen=True, slots=True, kw_only=True)
class Bitrix24:
    """A connection to one portal by its outgoing webhooks, robots and one incoming webhook."""

    NAME: ClassVar[str] = "bitrix24"
    SETTINGS: ClassVar[Mapping[str, Setting]] = {
        "webhook_url": Setting(
            description="Incoming webhook (scopes crm, user_basic): https://<portal>/rest/<user id>/<secret>/",
            is_secret=True,
            is_required=True,
        ),
        "application_tokens": Setting(
            description="Tokens of the outgoing webhooks, one for each; empty: their deliveries are refused",
            is_secret=True,
        ),
        "robot_token": Setting(
            description="What robots add to the address as ?token=…; empty: their deliveries are refused",
            is_secret=True,
        ),
        "member_id": Setting(description="The portal's member_id; empty: not compared", default=""),
        "objects": Setting(
            description="What is read: lead, deal, contact, smart_invoice, and smart processes by entityTypeId",
            default=("lead", "deal"),
        ),
        "contacts": Setting(
            description="Whose e-mails and phones find a deal's subject: all contacts or the first", default="first"
        ),
        "read_by": Setting(description="list: 50 records a command; get: one record a command", default="list"),
        "rate": RATE_SETTING,
        "batch": Setting(description="Commands per batch request, at most 50", default=PAGE),
    }
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

    webhook_url: tuple[str, ...] = field(default=(), repr=False)
    application_tokens: tuple[str, ...] = field(default=(), repr=False)
    robot_token: tuple[str, ...] = field(default=(), repr=False)
    member_id: str = ""
    objects: tuple[str, ...] = ("lead", "deal")
    contacts: str = "first"
    read_by: str = "list"
    batch: int = PAGE
    rate: int = 0

    @property
    def takes_updates(self) -> bool:
        """Only where an incoming webhook is set."""
        return bool(self.webhook_url)

    def greet(self, delivery: Delivery) -> Reply | None:
        """None: a webhook is set up by hand, without a challenge."""
        del delivery
        return None

    def verify(self, delivery: Delivery, now: datetime) -> None:
        """Events by the webhook's own token in the body, robots by the token in the address; there is no signature."""
        del now
        try:
            form = read_form(delivery.body)
            if form["event"].exists:
                check_token(form["auth"]["application_token"].text(), self.application_tokens)
            else:
                check_token(delivery.parameter("token"), self.robot_token)
            member = form["auth"]["member_id"] if form["auth"].exists else Part(None)
            if self.member_id and member.exists and member.text() != self.member_id:
                message = "the delivery comes from another portal: its member_id differs"
                raise BadSignature(message)
        except BadPayload as error:
            message = f"the delivery carries no readable token: {error}"
            raise BadSignature(message) from error

    def key(self, delivery: Delivery) -> str:
        """With the time of receipt: nothing tells two changes in one second apart, and the portal repeats nothing."""
        form, notice = read_form(delivery.body), read_notice(delivery)
        about = name_of(notice.record) if notice.record else "-"
        sent = f"{word_at(form, 'auth', 'member_id')}:{word_at(form, 'ts')}"
        return f"{notice.word}:{about}:{sent}:{delivery.received_at.isoformat()}"

    def lane(self, delivery: Delivery) -> str:
        """The record."""
        try:
            record = read_notice(delivery).record
        except BadPayload:
            return ""
        return name_of(record) if record else ""

    def accept(self, delivery: Delivery) -> Reply:
        """202: the portal waits for it and slows down for slow handlers."""
        read_notice(delivery)
        return Reply(status=202, body=b'{"accepted": 1}')

    def fetch(self, deliveries: Sequence[Delivery], api: Api) -> Mapping[str, Any]:
        """The records as they are now, once each, by name (`lead:1907`), with contacts and users; None: gone."""
        names = [name for delivery in deliveries if (name := self._wanted(delivery))]
        return self._reader(api).records(names) if names else {}

    def parse(self, delivery: Delivery, fetched: Mapping[str, Any]) -> Sequence[Event | BadPayload]:
        """Identity, stage, owner and profile as the record shows them, or its end; with `?event=` the trigger besides.

        Also raises `CrmUnavailable` and `CrmRefused` in place of this one record's error.
        """
        notice = read_notice(delivery)
        if notice.record is None:
            if notice.word in IGNORED:
                return []
            message = f"the event {notice.word} is not known"
            raise UnknownEvent(message)
        if notice.record.object not in self._objects():
            return []
        if notice.trigger and notice.trigger not in TRIGGERS:
            message = f"the trigger {notice.trigger!r} in the robot's address is none of {', '.join(TRIGGERS)}"
            raise UnknownEvent(message)
        if notice.is_deleted:
            return [deleted_event(notice.record, delivery.received_at)]
        return self._events(notice.record, notice.trigger, delivery, fetched)

    def changes(self, since: datetime, api: Api) -> Iterator[Event]:
        """The stage history and the records changed since, object by object; deleted records leave no trace there."""
        return self._reader(api).changes(self._objects(), since)

    def push(self, updates: Sequence[Update], api: Api) -> Sequence[Pushed]:
        """`crm.item.update` in batches, each with the commands that read the records back."""
        return push(self._reader(api), updates)

    def catalog(self, api: Api) -> Catalog:
        """Stages by pipeline without the pipeline's prefix, employees, and fields by their old names."""
        return self._reader(api).catalog(self._objects())

    inspect = absent.inspect
    subscribe = absent.subscribe

    def _events(
        self, record: RecordRef, trigger: str | None, delivery: Delivery, fetched: Mapping[str, Any]
    ) -> list[Event]:
        name, at = name_of(record), delivery.received_at
        if name not in fetched:
            message = f"{name} was not read"
            raise CrmUnavailable(message)
        if (item := fetched[name]) is None:
            return [deleted_event(record, at)]
        if error := failure_of(item):
            raise error
        events = events_of(record, item, fetched, self._most_contacts())
        if trigger:
            query = {key: value for key, value in read_pairs(delivery.query).object().items() if key != "token"}
            key = f"{name}:{trigger}@{at.isoformat()}"
            page = delivery.parameter("page")
            data = {**events[-1].data, **query}
            events.append(replace(events[0], key=key, at=at, kind=Kind.ACTION, name=trigger, page=page, data=data))
        return events

    def _wanted(self, delivery: Delivery) -> str | None:
        try:
            notice = read_notice(delivery)
        except BadPayload:
            return None
        is_read = notice.record is not None and notice.record.object in self._objects() and not notice.is_deleted
        return name_of(notice.record) if notice.record and is_read else None

    def _objects(self) -> tuple[str, ...]:
        words = dict.fromkeys(word.strip().lower() for word in self.objects)
        return tuple(object_of(int(word)) if word.isdecimal() else word for word in words)

    def _most_contacts(self) -> int | None:
        return None if self.contacts == "all" else 1

    def _reader(self, api: Api) -> Reader:
        """Raises `CrmRefused` when a setting cannot be used."""
        url = self.webhook_url[0] if self.webhook_url else ""
        checks = {
            "webhook_url (https://<portal>/rest/<user id>/<secret>/)": is_webhook(url),
            "objects (lead, deal, contact, smart_invoice or numbers)": all(map(type_of, self._objects())),
            "contacts (all or first)": self.contacts in {"all", "first"},
            "read_by (list or get)": self.read_by in {"list", "get"},
            "batch (2 to 50)": self.batch in range(2, PAGE + 1),
        }
        if wrong := [name for name, is_right in checks.items() if not is_right]:
            message = f"the connection's settings cannot be used: {'; '.join(wrong)}"
            raise CrmRefused(message)
        portal = Portal(api=api, url=url, size=self.batch)
        return Reader(portal=portal, is_listing=self.read_by == "list", most_contacts=self._most_contacts())
