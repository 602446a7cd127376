"""Odoo CRM: automation rules call a webhook with a record's id, leads are read and written by JSON-2 or JSON-RPC.

https://github.com/odoo/documentation/blob/master/content/applications/studio/automated_actions/webhooks.rst
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, ClassVar, Final

from adapters.odoo.client import PROTOCOLS, Server
from adapters.odoo.connect import inspect
from adapters.odoo.push import push
from adapters.odoo.read import Source
from adapters.odoo.records import MODEL, OBJECT, events_of, record_of
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
from connector.adapter_kit.payload import read_json
from connector.adapter_kit.records import deleted_event, present
from connector.adapter_kit.settings import check_settings, is_safe_address
from connector.adapter_kit.signatures import check_token
from connector.core.errors import BadPayload, CrmUnavailable, UnknownEvent
from connector.core.event import Event

DELETED: Final = "deleted"


@dataclass(frozen=True, slots=True, kw_only=True)
class Odoo:
    """A connection to the leads of one database by its automation rules and one API key."""

    NAME: ClassVar[str] = "odoo"
    SETTINGS: ClassVar[Mapping[str, Setting]] = {
        "url": Setting(description="Address of Odoo, https://example.odoo.com", is_required=True, default=""),
        "database": Setting(description="Name of the database; may be empty where the host has one only", default=""),
        "api_key": Setting(
            description="API key of a user who sees and changes all leads; the newest is used",
            is_secret=True,
            is_dictated=True,
            is_required=True,
        ),
        "webhook_token": Setting(
            description="What automation rules add to the address as ?token=…; empty: deliveries are refused",
            is_secret=True,
        ),
        "protocol": Setting(description="json2 (Odoo 19 and later) or jsonrpc (before)", default="json2"),
        "login": Setting(description="Login of the API key's user; for jsonrpc only", default=""),
        "stages_by": Setting(description="How the mapping calls stages: by name or by id", default="name"),
        "language": Setting(description="Language of the stages' names, as Odoo calls it", default="en_US"),
        "fields": Setting(description="Fields of crm.lead to read besides the usual and your own (x_…)", default=()),
        "rate": RATE_SETTING,
    }
    CONTENT_TYPES: ClassVar[frozenset[str]] = frozenset({"application/json"})
    SECRET_KEYS: ClassVar[frozenset[str]] = frozenset({"token", "api_key"})
    RATE: ClassVar[tuple[int, int]] = (5, 1)
    ECHOES: ClassVar[Mapping[str, str]] = {"stage_id": "stage", "user_id": "owner"}
    EVENTS: ClassVar[frozenset[str]] = frozenset({MODEL, DELETED})

    url: str = ""
    database: str = ""
    api_key: tuple[str, ...] = field(default=(), repr=False)
    webhook_token: tuple[str, ...] = field(default=(), repr=False)
    protocol: str = PROTOCOLS[0]
    login: str = ""
    stages_by: str = "name"
    language: str = "en_US"
    fields: tuple[str, ...] = ()
    rate: int = 0

    @property
    def takes_updates(self) -> bool:
        """Only where an address and an API key are set."""
        return bool(self.url and self.api_key)

    greet = defaults.greet

    def verify(self, delivery: Delivery, now: datetime) -> None:
        """Checks the token in the address: Odoo signs nothing and sends no header of ours."""
        del now
        check_token(delivery.parameter("token"), self.webhook_token)

    def receive(self, delivery: Delivery) -> Received:
        """The key has the time of receipt in it: Odoo sends once, and nothing in the body need tell two changes apart.

        The lane is the record. The answer is 202, and must come within a second.
        """
        model, lead = _message(delivery)
        word = (delivery.parameter("event") or "-")[:40]
        return Received(
            key=f"{model}:{lead}:{word}:{delivery.received_at.isoformat()}",
            lane=f"{OBJECT}:{lead}",
            reply=Reply(status=202, body=b'{"accepted": 1}'),
        )

    def fetch(self, deliveries: Sequence[Delivery], api: Api) -> Mapping[str, Any]:
        """The records as they are now, once each, by name (`lead:77`; None: gone), salespersons' e-mails, and us."""
        leads = [lead for delivery in deliveries if (lead := _wanted(delivery)) is not None]
        if not leads:
            return {}
        source = self._source(api)
        return {**source.rows(leads), **source.known()}

    def parse(self, delivery: Delivery, fetched: Mapping[str, Any]) -> Sequence[Event | BadPayload]:
        """The identity, stage, owner and profile that the record shows, or its end.

        Also raises `CrmUnavailable` and `CrmRefused`, which are about this record alone.
        """
        model, lead = _message(delivery)
        if model != MODEL:
            message = f"a rule of the model {model} calls this address; only those of {MODEL} may"
            raise UnknownEvent(message)
        word = delivery.parameter("event")
        if word == DELETED:
            return [deleted_event(record_of(lead), delivery.received_at)]
        if word:
            message = f"the address says event={word}; it may say event={DELETED}, or nothing"
            raise UnknownEvent(message)
        name = f"{OBJECT}:{lead}"
        if name not in fetched:
            message = f"{name} was not read"
            raise CrmUnavailable(message)
        if (row := fetched[name]) is None:
            return [deleted_event(record_of(lead), delivery.received_at)]
        return events_of(present(row), fetched, by_id=self.stages_by == "id")

    def changes(self, since: datetime, api: Api) -> Iterator[Event]:
        """The records written since; deleted ones leave no trace."""
        return self._source(api).changes(since)

    def push(self, updates: Sequence[Update], api: Api) -> Sequence[Pushed]:
        """`write` once for all records that get the same, `action_set_lost` and `action_unarchive` for the archive."""
        return push(self._source(api), updates)

    def catalog(self, api: Api) -> Catalog:
        """Stages with `lost` and `archived`, internal users, fields."""
        return self._source(api).catalog()

    def inspect(self, url: str, api: Api) -> Sequence[InspectionResult]:
        """Whether the key works, the fields are there, and a rule calls the address, as far as the user may know."""
        return inspect(self._source(api), url, self.webhook_token)

    subscribe = defaults.subscribe
    mistakes = defaults.mistakes

    def _source(self, api: Api) -> Source:
        """Raises `CrmRefused` when a setting cannot be used."""
        checks = {
            "url (https://example.odoo.com)": is_safe_address(self.url),
            "api_key": bool(self.api_key),
            "protocol (json2 or jsonrpc)": self.protocol in PROTOCOLS,
            "login and database (needed by jsonrpc)": self.protocol != "jsonrpc" or bool(self.login and self.database),
            "stages_by (name or id)": self.stages_by in {"name", "id"},
        }
        check_settings(checks)
        server = Server(
            api=api,
            url=self.url,
            key=self.api_key[0],
            database=self.database,
            login=self.login,
            protocol=self.protocol,
            language=self.language,
        )
        return Source(server=server, by_id=self.stages_by == "id", more=self.fields)


def _message(delivery: Delivery) -> tuple[str, int]:
    """Model and id of the record that the rule was run for. Raises `BadPayload`."""
    body = read_json(delivery.body)
    lead = body["_id"].integer()
    if lead < 1:
        body["_id"].refuse("the id of a record")
    return body["_model"].text(100), lead


def _wanted(delivery: Delivery) -> int | None:
    try:
        model, lead = _message(delivery)
    except BadPayload:
        return None
    return lead if model == MODEL and not delivery.parameter("event") else None
