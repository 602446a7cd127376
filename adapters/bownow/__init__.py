"""BowNow: messages come in with sids alone, leads are read, searched and written by its API 1.0.0.

https://developer.bownow.jp/en/api/index.html and https://manual.bow-now.jp/basic/configuration/webhook_configuration/
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, ClassVar

from adapters.bownow.client import CALLS, Account, is_call, renamed
from adapters.bownow.push import push
from adapters.bownow.read import Source
from adapters.bownow.records import KEYS, LEAD, Shape, name_of
from adapters.bownow.settings import SETTINGS, SID_KEYS, TAGS, URL
from adapters.bownow.webhook import read_sids
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
from connector.adapter_kit.settings import check_settings, zone_of
from connector.adapter_kit.signatures import check_token
from connector.core.errors import BadPayload, CrmUnavailable
from connector.core.event import Event, RecordRef

FAR = "2199-01-01T00:00:00+00:00"
"""No lead was changed since: a search that gives one all the same does not read the key."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BowNow:
    """A connection to the leads of one tracking code."""

    NAME: ClassVar[str] = "bownow"
    SETTINGS: ClassVar[Mapping[str, Setting]] = SETTINGS
    CONTENT_TYPES: ClassVar[frozenset[str]] = frozenset({"application/json", "application/x-www-form-urlencoded"})
    SECRET_KEYS: ClassVar[frozenset[str]] = frozenset(
        {"token", "api_key", "access_token", "refresh_token", "client_token"}
    )
    RATE: ClassVar[tuple[int, int]] = (2, 1)
    ECHOES: ClassVar[Mapping[str, str]] = {"status_id": "stage", "staff_ids": "owner"}
    EVENTS: ClassVar[frozenset[str]] = frozenset()
    PERSONS: ClassVar[frozenset[str]] = frozenset({LEAD})

    tracking_id: str = ""
    api_key: tuple[str, ...] = field(default=(), repr=False)
    webhook_token: tuple[str, ...] = field(default=(), repr=False)
    url: str = URL
    calls: tuple[str, ...] = ()
    keys: tuple[str, ...] = ()
    sid_keys: tuple[str, ...] = SID_KEYS
    accounts: tuple[str, ...] = ()
    tags: tuple[str, ...] = TAGS
    zone: str = "Asia/Tokyo"
    lookback_minutes: int = 60
    order: str = "created"
    pages: int = 25
    rate: int = 0

    @property
    def takes_updates(self) -> bool:
        """Only where the API can be called."""
        return bool(self.tracking_id and self.api_key)

    greet = defaults.greet

    def verify(self, delivery: Delivery, now: datetime) -> None:
        """Checks the token in the address: BowNow signs nothing."""
        del now
        check_token(delivery.parameter("token"), self.webhook_token)

    def receive(self, delivery: Delivery) -> Received:
        """The key has the time of receipt in it: a message has no id and no values, so that two changes look the same.

        The lane is the first lead. The answer is 202 with the number of leads.
        """
        sids = read_sids(delivery, self.sid_keys)
        return Received(
            key=f"{hashlib.sha256(delivery.body).hexdigest()}:{delivery.received_at.isoformat()}",
            lane=next(iter(sids), ""),
            reply=Reply(status=202, body=b'{"accepted": %d}' % len(sids)),
        )

    def fetch(self, deliveries: Sequence[Delivery], api: Api) -> Mapping[str, Any]:
        """The leads as they are now, each read once, by name (`lead:sid_1`; None: gone).

        For messages without sids: the leads that changed lately, under `changed` their names.
        """
        source = self._source(api)
        sids: dict[str, None] = {}
        blind: list[datetime] = []
        for delivery in deliveries:
            try:
                named = read_sids(delivery, self.sid_keys)
            except BadPayload:
                continue  # `parse` says what is wrong
            sids |= dict.fromkeys(named)
            blind += [] if named else [self._since(delivery)]
        changed = {name_of(str(source.shape.sid(lead))): lead for lead in source.changed(min(blind))} if blind else {}
        leads = {name_of(sid): lead for sid, lead in source.leads(sids).items()} if sids else {}
        people = source.emails() if leads or changed else {}
        return {**changed, **leads, "changed": list(changed), "people": people}

    def parse(self, delivery: Delivery, fetched: Mapping[str, Any]) -> Sequence[Event | BadPayload]:
        """The identity, status, owner, tags and profile that the leads show, or their end.

        Also raises `CrmUnavailable` for a lead that was not read.
        """
        shape, people = self._shape(), fetched.get("people", {})
        sids = read_sids(delivery, self.sid_keys)
        if not sids:
            since = self._since(delivery)
            changed = [fetched[name] for name in fetched.get("changed", ())]
            recent = [lead for lead in changed if lead is not None and shape.updated(lead) >= since]
            return [event for lead in recent for event in _events(shape, lead, people)]
        found: list[Event | BadPayload] = []
        for sid in sids:
            if name_of(sid) not in fetched:
                message = f"the lead {sid} was not read"
                raise CrmUnavailable(message)
            if (lead := fetched[name_of(sid)]) is None:
                found.append(deleted_event(RecordRef(object=LEAD, id=sid), delivery.received_at))
            else:
                found += _events(shape, lead, people)
        return found

    def changes(self, since: datetime, api: Api) -> Iterator[Event]:
        """The leads changed since; deleted ones leave no trace there."""
        return self._source(api).changes(since)

    def push(self, updates: Sequence[Update], api: Api) -> Sequence[Pushed]:
        """One call per lead, as BowNow has none for several; all are read back by one search."""
        return push(self._source(api), updates)

    def catalog(self, api: Api) -> Catalog:
        """Statuses by id, and accounts."""
        return self._source(api).catalog()

    def inspect(self, url: str, api: Api) -> Sequence[InspectionResult]:
        """Whether the credentials are good, and whether a search reads the keys that narrow it."""
        source = self._source(api)
        count = len(source.account.rows("statuses", "statuses", {"page": 1, "per_page": 200}))
        newest = source.account.rows("search", "leads", {"page": 1, "per_page": 1, source.shape.keys["since"]: FAR})
        text = f"a search {{}} the key {source.shape.keys['since']!r}"
        ignored = f"does not read; each run reads the newest {self.pages * 200} leads. Correct it: keys=since=…"
        hooks = f"BowNow shows no webhooks: register {url}?token=<webhook_token> under 設定 > Webhook by hand"
        return [
            InspectionResult(topic="credentials", is_good=True, text=f"the API key works; BowNow has {count} statuses"),
            InspectionResult(topic="limits", is_good=not newest, text=text.format(ignored if newest else "reads")),
            InspectionResult(topic="webhooks", is_good=bool(self.webhook_token), text=hooks),
        ]

    subscribe = defaults.subscribe
    mistakes = defaults.mistakes

    def _since(self, delivery: Delivery) -> datetime:
        return delivery.received_at - timedelta(minutes=max(self.lookback_minutes, 1))

    def _shape(self) -> Shape:
        """Raises `CrmRefused` when a setting cannot be used."""
        keys = renamed(self.keys)
        checks = {f"keys ({name!r} is none of {', '.join(KEYS)})": name in KEYS for name in keys}
        check_settings(checks)
        return Shape(keys={**KEYS, **keys}, zone=zone_of(self.zone), tags=renamed(self.tags))

    def _source(self, api: Api) -> Source:
        """Raises `CrmRefused` when a setting cannot be used."""
        calls = renamed(self.calls)
        checks = {
            **{f"calls ({name!r} is none of {', '.join(CALLS)})": name in CALLS for name in calls},
            **{f"calls ({name} must be a method and a path)": is_call(call) for name, call in calls.items()},
            "order (created or updated)": self.order in {"created", "updated"},
            "pages (1 or more)": self.pages > 0,
            "tracking_id (missing)": bool(self.tracking_id),
        }
        check_settings(checks)
        account = Account(
            api=api, url=self.url, tracking_id=self.tracking_id, api_keys=self.api_key, calls={**CALLS, **calls}
        )
        return Source(
            account=account,
            shape=self._shape(),
            accounts={email.casefold(): account for email, account in renamed(self.accounts).items()},
            most_pages=self.pages,
            is_by_update=self.order == "updated",
        )


def _events(shape: Shape, lead: Mapping[str, Any], people: Mapping[str, str | None]) -> list[Event | BadPayload]:
    """The lead's events; in their place what cannot be read: that stops no other lead of the message."""
    try:
        return list(shape.events(lead, people))
    except BadPayload as error:
        return [error]
