"""Jira Cloud: signed webhooks tell of issues and their changelog, statuses go out by the transitions of the workflow.

https://developer.atlassian.com/cloud/jira/platform/webhooks/
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, ClassVar, Final

from adapters.jira.client import Site
from adapters.jira.connect import inspect
from adapters.jira.push import push
from adapters.jira.read import Source
from adapters.jira.records import ASSIGNEE, OBJECT, STATUS, Change, Issue, Shape, account_of
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
from connector.adapter_kit.settings import check_settings, is_safe_address, pairs
from connector.adapter_kit.signatures import check_hmac
from connector.core.errors import BadPayload, CrmError, UnknownEvent
from connector.core.event import Event, RecordRef

CREATED: Final = "jira:issue_created"
UPDATED: Final = "jira:issue_updated"
DELETED: Final = "jira:issue_deleted"
IGNORED: Final = tuple(
    f"{kind}_{what}" for kind in ("comment", "worklog") for what in ("created", "updated", "deleted")
)
IDENTIFIER: Final = "x-atlassian-webhook-identifier"


@dataclass(frozen=True, slots=True, kw_only=True)
class Jira:
    """A connection to the issues of one site, or of some of its projects."""

    NAME: ClassVar[str] = "jira"
    SETTINGS: ClassVar[Mapping[str, Setting]] = {
        "url": Setting(description="https://<site>.atlassian.net", is_required=True, default=""),
        "login": Setting(description="E-mail of the API token's user", is_required=True, default=""),
        "api_token": Setting(
            description="API token of that user; the newest is used", is_secret=True, is_dictated=True, is_required=True
        ),
        "webhook_secret": Setting(
            description="Secret of the webhook, which signs it", is_secret=True, is_required=True
        ),
        "projects": Setting(description="Keys of the projects; other issues are ignored. Empty: all", default=()),
        "stages_by": Setting(description="How the mapping calls statuses: by name or by id", default="name"),
        "email_fields": Setting(description="Fields that hold e-mails; empty: custom fields that are one", default=()),
        "phone_fields": Setting(description="Fields that hold phones", default=()),
        "people": Setting(description="e-mail=account id, for users who hide their e-mail", default=()),
        "rate": RATE_SETTING,
    }
    CONTENT_TYPES: ClassVar[frozenset[str]] = frozenset({"application/json"})
    SECRET_KEYS: ClassVar[frozenset[str]] = frozenset({"api_token", "webhook_secret"})
    RATE: ClassVar[tuple[int, int]] = (10, 1)
    ECHOES: ClassVar[Mapping[str, str]] = {STATUS: "stage", ASSIGNEE: "owner"}
    EVENTS: ClassVar[frozenset[str]] = frozenset({CREATED, UPDATED, DELETED, *IGNORED})

    url: str = ""
    login: str = ""
    api_token: tuple[str, ...] = field(default=(), repr=False)
    webhook_secret: tuple[str, ...] = field(default=(), repr=False)
    projects: tuple[str, ...] = ()
    stages_by: str = "name"
    email_fields: tuple[str, ...] = ()
    phone_fields: tuple[str, ...] = ()
    people: tuple[str, ...] = ()
    rate: int = 0

    @property
    def takes_updates(self) -> bool:
        """Only where the site and credentials are set."""
        return bool(self.url and self.login and self.api_token)

    greet = defaults.greet

    def verify(self, delivery: Delivery, now: datetime) -> None:
        """Checks the HMAC over the body, which has no time in it."""
        del now
        check_hmac(delivery.headers.get("x-hub-signature"), delivery.body, self.webhook_secret, prefix="sha256=")

    def receive(self, delivery: Delivery) -> Received:
        """The key is the identifier that is the same on every retry.

        Without one it is event, issue, time and changelog. The lane is the issue. The answer is 202 to all that is
        JSON: after a 4xx Jira never sends again.
        """
        body = read_json(delivery.body)
        number = ""
        with suppress(BadPayload):
            number = _number(body)
        return Received(
            key=_key(body, number, delivery),
            lane=f"{OBJECT}:{number}" if number else "",
            reply=Reply(status=202, body=b'{"accepted": 1}'),
        )

    def fetch(self, deliveries: Sequence[Delivery], api: Api) -> Mapping[str, Any]:
        """The e-mails of assignees, which webhooks leave out, and who we are, where they name who made a change."""
        if not self.takes_updates:
            return {}
        accounts = {account for delivery in deliveries for account in _assignees(delivery)}
        fetched = dict(self._source(api).owners(accounts)) if accounts else {}
        if any(_actor(delivery) for delivery in deliveries):
            with suppress(CrmError):  # the deliveries say all else themselves
                fetched["me"] = self._source(api).me() or ""
        return fetched

    def parse(self, delivery: Delivery, fetched: Mapping[str, Any]) -> Sequence[Event | BadPayload]:
        """The identity and profile of the issue, its status and assignee as they were set or changed, or its end."""
        body = read_json(delivery.body)
        word = body["webhookEvent"].text(100)
        if word in IGNORED:
            return []
        if word not in self.EVENTS:
            message = f"the event {word} is not known"
            raise UnknownEvent(message)
        at = body["timestamp"].milliseconds()
        if word == DELETED:
            return [deleted_event(RecordRef(object=OBJECT, id=_number(body)), at)]
        issue = Issue(part=body["issue"], shape=self._shape(), owners=fetched, me=fetched.get("me"))
        if self.projects and issue.part["fields"]["project"]["key"].text(100) not in self.projects:
            return []
        if word == CREATED:
            return [issue.identify(), *issue.creation(issue.stage(), issue.owner()), issue.profile()]
        log = body["changelog"]
        if not log.exists:
            return [issue.identify(), issue.profile()]
        by = account_of(body["user"])
        change = Change(id=log["id"].identifier(), at=at, items=log["items"].items(), by=by)
        return [issue.identify(), *issue.changed(change), issue.profile()]

    def changes(self, since: datetime, api: Api) -> Iterator[Event]:
        """The issues updated since by JQL, with their changelogs; deleted ones leave no trace."""
        return self._source(api).changes(since)

    def push(self, updates: Sequence[Update], api: Api) -> Sequence[Pushed]:
        """Fields, transition and assignee, issue by issue; read back together."""
        return push(self._source(api), updates)

    def catalog(self, api: Api) -> Catalog:
        """Statuses, users, fields."""
        return self._source(api).catalog()

    def inspect(self, url: str, api: Api) -> Sequence[InspectionResult]:
        """Credentials, permissions, webhooks."""
        return tuple(inspect(self._source(api), url))

    subscribe = defaults.subscribe
    mistakes = defaults.mistakes

    def _shape(self) -> Shape:
        return Shape(by_id=self.stages_by == "id", emails=self.email_fields, phones=self.phone_fields)

    def _source(self, api: Api) -> Source:
        """Raises `CrmRefused` when a setting cannot be used."""
        people = pairs(self.people)
        checks = {
            "url (https://<site>.atlassian.net)": is_safe_address(self.url),
            "login and api_token": bool(self.login and self.api_token),
            "projects (their keys)": all(key.replace("_", "").isalnum() for key in self.projects),
            "stages_by (name or id)": self.stages_by in {"name", "id"},
            "people (e-mail=account id)": all(email and account for email, account in people),
        }
        check_settings(checks)
        known = {email.casefold(): account for email, account in people}
        site = Site(api=api, url=self.url, login=self.login, token=self.api_token[0])
        return Source(site=site, shape=self._shape(), known=known, projects=self.projects)


def _key(body: Part, number: str, delivery: Delivery) -> str:
    given = delivery.headers.get(IDENTIFIER, "")
    if given and given.isprintable():
        return given[:255]
    parts = [delivery.received_at.isoformat()]
    with suppress(BadPayload):
        if number:
            parts = [body["webhookEvent"].text(100), body["timestamp"].identifier(30), number]
            parts.append(body["changelog"]["id"].identifier(30) if body["changelog"].exists else "-")
    return ":".join(parts)[:255]


def _number(body: Part) -> str:
    """The id of the issue. Raises `BadPayload`."""
    return body["issue"]["id"].identifier(30)


def _actor(delivery: Delivery) -> str | None:
    """Who created or changed an issue."""
    with suppress(BadPayload):
        body = read_json(delivery.body)
        return account_of(body["user"]) if body["webhookEvent"].value in {CREATED, UPDATED} else None
    return None


def _assignees(delivery: Delivery) -> Iterator[str]:
    with suppress(BadPayload):
        body = read_json(delivery.body)
        owner = Issue(part=body["issue"], shape=Shape(), owners={}).owner()
        if owner:
            yield owner
        if body["changelog"].exists:
            items = [item for item in body["changelog"]["items"].items() if item["fieldId"].value == ASSIGNEE]
            yield from (item["to"].text(200) for item in items if item["to"].value)
