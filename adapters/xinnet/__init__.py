"""Xinnet (新网) 线索管理: leads of seven intake applications come in by a webhook; what was done with them goes out.

企业建站线索管理使用手册 (新网, 2019-11-28) describes the leads; no interface is published: docs/adapters/xinnet.md says
what is assumed. Leads that were there before come by `connector import --csv`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, ClassVar, Final
from urllib.parse import quote

import orjson

from adapters.xinnet.records import (
    ALIASES,
    EMAIL,
    MOBILE,
    NUMBER,
    STAGE,
    STAGES,
    SUBMITTED,
    UPDATED,
    events_of,
    key_of,
    leads_in,
    number_of,
)
from connector.adapter_kit import defaults
from connector.adapter_kit.contract import (
    RATE_SETTING,
    Answer,
    Api,
    Catalog,
    Delivery,
    Pushed,
    Received,
    Reply,
    Setting,
    Update,
)
from connector.adapter_kit.push_in_batches import Plan, each, push_in_batches
from connector.adapter_kit.rest import as_object, check_answer, check_target
from connector.adapter_kit.signatures import check_token
from connector.core.errors import BadPayload, CrmRefused
from connector.core.event import Event

_OFFSET: Final = re.compile(r"([+-])(\d{1,2}):(\d{2})")
WRITTEN: Final = ("已处理", "已回复", "已转为客户")
"""The stages that can be written: a lead is handled, replied to, or made a customer. It is never made new again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Xinnet:
    """A connection to the leads of one company's sites."""

    NAME: ClassVar[str] = "xinnet"
    SETTINGS: ClassVar[Mapping[str, Setting]] = {
        "token": Setting(
            description="Stands in the webhook's address as `?token=…`, or in its header X-Token",
            is_secret=True,
            is_required=True,
        ),
        "utc_offset": Setting(description="The zone of its times", default="+08:00"),
        "url": Setting(description="Where updates go, with `{id}` filled in; empty: nothing goes out", default=""),
        "method": Setting(description="Its HTTP method: POST, PUT or PATCH", default="POST"),
        "read_url": Setting(description="Where a lead is read back, with `{id}`; empty: unverified", default=""),
        "auth_header": Setting(description="Header that carries `auth_value`", default="Authorization"),
        "auth_value": Setting(
            description="Its value, for example `Bearer …`; the newest is sent", is_secret=True, is_dictated=True
        ),
        "rate": RATE_SETTING,
    }
    CONTENT_TYPES: ClassVar[frozenset[str]] = frozenset({"application/json", "application/x-www-form-urlencoded"})
    SECRET_KEYS: ClassVar[frozenset[str]] = frozenset({"token"})
    RATE: ClassVar[tuple[int, int]] = (5, 1)
    ECHOES: ClassVar[Mapping[str, str]] = {STAGE: "stage"}
    EVENTS: ClassVar[frozenset[str]] = frozenset({*STAGES, *ALIASES, UPDATED})
    COLUMNS: ClassVar[Mapping[str, str]] = {
        "id": NUMBER,
        "made": SUBMITTED,
        "stage": STAGE,
        "email": EMAIL,
        "phone": MOBILE,
    }

    token: tuple[str, ...] = field(default=(), repr=False)
    utc_offset: str = "+08:00"
    url: str = ""
    method: str = "POST"
    read_url: str = ""
    auth_header: str = "Authorization"
    auth_value: tuple[str, ...] = field(default=(), repr=False)
    rate: int = 0

    @property
    def takes_updates(self) -> bool:
        """Only where an address is set."""
        return bool(self.url)

    greet = defaults.greet

    def verify(self, delivery: Delivery, now: datetime) -> None:
        """Checks the token in the address or the header: nothing else proves who sent it."""
        del now
        check_token(delivery.parameter("token") or delivery.headers.get("x-token"), self.token)

    def receive(self, delivery: Delivery) -> Received:
        """The key is the 单号 of the first lead and a hash of the body. The lane is that lead.

        The answer is 200 with the number of leads.
        """
        leads = leads_in(delivery)
        return Received(
            key=key_of(leads, delivery),
            lane=f"lead:{number_of(leads[0])}",
            reply=Reply(status=200, body=orjson.dumps({"code": 0, "accepted": len(leads)})),
        )

    fetch = defaults.fetch

    def parse(self, delivery: Delivery, fetched: Mapping[str, Any]) -> Sequence[Event | BadPayload]:
        """What is known of each lead, where it came in, and its stage.

        In the place of a bad lead stands its mistake.
        """
        del fetched
        found: list[Event | BadPayload] = []
        for lead in leads_in(delivery):
            try:
                found += events_of(lead, delivery.received_at, self._offset())
            except BadPayload as error:
                found.append(error)
        return found

    changes = defaults.changes

    def mistakes(self) -> list[str]:
        """What cannot be used; without `url` nothing goes out."""
        try:
            check_target(self.url or "none", self.method)
        except CrmRefused as error:
            return [str(error)]
        return []

    def push(self, updates: Sequence[Update], api: Api) -> Sequence[Pushed]:
        """One request for each lead, as no batch call is known, and one that reads it back."""
        read = each(lambda plan: self._read(plan, api)) if self.read_url else None
        return push_in_batches(updates, self._plan, each(lambda plan: self._write(plan, api)), read)

    def catalog(self, api: Api) -> Catalog:
        """The stages, which are the same everywhere."""
        del api
        return Catalog(stages={"lead": {"": {stage: stage for stage in STAGES.values()}}})

    inspect = defaults.inspect
    subscribe = defaults.subscribe

    def _plan(self, update: Update) -> Plan:
        stage = update.fields.get(STAGE)
        if stage is not None and stage not in WRITTEN:
            message = f"{STAGE} cannot be set to {str(stage)[:60]!r}; allowed: {', '.join(WRITTEN)}"
            raise CrmRefused(message)
        plan = Plan(update=update, wanted=update.fields, secrets=self._secrets())
        if update.owner is None:
            return plan
        return plan.refused("Xinnet's leads have no person in charge; take `owner` out of the mapping's `push`")

    def _write(self, plan: Plan, api: Api) -> None:
        body = json.dumps({NUMBER: plan.id, **plan.wanted}, ensure_ascii=False, default=str).encode()
        self._call(self.method.upper(), self.url, plan.id, api, body)

    def _read(self, plan: Plan, api: Api) -> Mapping[str, Any]:
        shown = self._call("GET", self.read_url, plan.id, api, None).json()
        for inner in ("data", "lead"):
            shown = as_object(shown).get(inner) or shown
        return as_object(shown)

    def _call(self, method: str, url: str, number: str, api: Api, body: bytes | None) -> Answer:
        headers = {"Content-Type": "application/json"} if body is not None else {}
        if self.auth_value:
            headers[self.auth_header] = self.auth_value[0]
        answer = api.call(method, url.replace("{id}", quote(number, safe="")), data=body, headers=headers)
        check_answer(answer, self._secrets())
        return answer

    def _secrets(self) -> tuple[str, ...]:
        return (*self.auth_value, *self.token)

    def _offset(self) -> timedelta:
        """Beijing's where the setting cannot be read."""
        match = _OFFSET.fullmatch(self.utc_offset.strip())
        if match is None or int(match[2]) > 14:  # noqa: PLR2004 - no zone is further from UTC
            return timedelta(hours=8)
        found = timedelta(hours=int(match[2]), minutes=int(match[3]))
        return -found if match[1] == "-" else found
