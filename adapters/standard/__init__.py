"""Any system: lines of our own form signed by Standard Webhooks come in, each update goes out as one HTTP request.

https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md (1.0.0)
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, ClassVar

import orjson

from adapters.standard.webhook import TYPES, first_identity, read_lines
from connector.adapter_kit import defaults
from connector.adapter_kit.contract import RATE_SETTING, Api, Delivery, Pushed, Received, Reply, Setting, Update
from connector.adapter_kit.push_in_batches import Plan, each, push_in_batches
from connector.adapter_kit.rest import address_of, check_answer, check_target, refuse_unless_good, search
from connector.adapter_kit.signatures import is_usable, sign_webhook, verify_webhook
from connector.core.errors import BadPayload, CrmRefused
from connector.core.event import Event


@dataclass(frozen=True, slots=True, kw_only=True)
class Standard:
    """A connection to a system that speaks Standard Webhooks."""

    NAME: ClassVar[str] = "standard"
    SETTINGS: ClassVar[Mapping[str, Setting]] = {
        "secret": Setting(
            description="Signs what comes in: `whsec_…`, or the sender's public key `whpk_…`",
            is_secret=True,
            is_required=True,
        ),
        "url": Setting(description="Where updates go, with `{record.object}` and `{record.id}` filled in", default=""),
        "method": Setting(description="Its HTTP method: POST, PUT or PATCH", default="POST"),
        "auth_header": Setting(description="Header that carries `auth_value`", default="Authorization"),
        "auth_value": Setting(
            description="Its value, for example `Bearer …`; the newest is sent", is_secret=True, is_dictated=True
        ),
        "push_secret": Setting(description="Signs updates by Standard Webhooks; with several, by each", is_secret=True),
        "read_url": Setting(
            description="Where a record is read back, filled in as `url`. Empty: unverified", default=""
        ),
        "read_status": Setting(description="JMESPath to the status code in what `read_url` answers", default="status"),
        "person_objects": Setting(description="Kinds of record that are people: two of them are never one", default=()),
        "rate": RATE_SETTING,
    }
    CONTENT_TYPES: ClassVar[frozenset[str]] = frozenset({"application/json"})
    SECRET_KEYS: ClassVar[frozenset[str]] = frozenset({"access_token", "password", "secret"})
    RATE: ClassVar[tuple[int, int]] = (10, 1)
    ECHOES: ClassVar[Mapping[str, str]] = {}
    EVENTS: ClassVar[frozenset[str]] = frozenset(TYPES)
    TAKES_STAND_INS: ClassVar[bool] = True

    secret: tuple[str, ...] = field(default=(), repr=False)
    url: str = ""
    method: str = "POST"
    auth_header: str = "Authorization"
    auth_value: tuple[str, ...] = field(default=(), repr=False)
    push_secret: tuple[str, ...] = field(default=(), repr=False)
    read_url: str = ""
    read_status: str = "status"
    person_objects: tuple[str, ...] = ()
    rate: int = 0

    @property
    def PERSONS(self) -> frozenset[str]:  # noqa: N802 - as the contract calls it
        """The kinds of record that the connection says are people."""
        return frozenset(self.person_objects)

    @property
    def takes_updates(self) -> bool:
        """Only where an address is set."""
        return bool(self.url)

    greet = defaults.greet

    def verify(self, delivery: Delivery, now: datetime) -> None:
        """Checks the signature over id, timestamp and body. The timestamp may be 300 seconds old or ahead."""
        verify_webhook(delivery.headers, delivery.body, self.secret, now)

    def receive(self, delivery: Delivery) -> Received:
        """The key is the id of the message, which is the same on every retry.

        The lane is the first identity of the first line. The answer is 202 and says which lines are wrong, and how:
        `{"accepted": 1, "refused": [{"line", "path", "id", "errors"}]}`.
        """
        message_id = delivery.headers.get("webhook-id") or delivery.headers.get("svix-id", "")
        if not message_id.isprintable() or not 1 <= len(message_id) <= 255:  # noqa: PLR2004 - the contract's length
            message = "must be 1 to 255 printable characters"
            raise BadPayload(message, "header webhook-id")
        lines = read_lines(delivery)
        identity = first_identity(lines)
        refused = [line.report() for line in lines if line.event is None]
        report = {"accepted": len(lines) - len(refused), "refused": refused}
        return Received(
            key=message_id,
            lane=f"{identity.kind}:{identity.value}" if identity else "",
            reply=Reply(status=202, body=orjson.dumps(report)),
        )

    fetch = defaults.fetch

    def parse(self, delivery: Delivery, fetched: Mapping[str, Any]) -> Sequence[Event | BadPayload]:
        """An event for each line.

        In the place of a bad line stands its first mistake, with the others in its message.
        """
        del fetched
        return [line.event or line.refusal() for line in read_lines(delivery)]

    changes = defaults.changes

    def push(self, updates: Sequence[Update], api: Api) -> Sequence[Pushed]:
        """One request per update; without `read_url` a 2xx counts as done, with the reason `not read back`."""
        read = each(lambda plan: self._read(plan, api)) if self.read_url else None
        return push_in_batches(updates, self._plan, each(lambda plan: self._write(plan, api)), read)

    catalog = defaults.catalog
    inspect = defaults.inspect
    subscribe = defaults.subscribe

    def mistakes(self) -> list[str]:
        """What cannot be used; without `url` nothing goes out."""
        found = (
            [] if any(map(is_usable, self.secret)) else ["secret is neither `whsec_` nor `whpk_` and base64 of a key"]
        )
        try:
            check_target(self.url or "none", self.method)
            search("read_status", self.read_status, {})
        except CrmRefused as error:
            found.append(str(error))
        return found

    def _plan(self, update: Update) -> Plan:
        check_target(self.url, self.method)
        return Plan(update=update, wanted={"status": update.status}, secrets=self._secrets())

    def _write(self, plan: Plan, api: Api) -> None:
        update, content = plan.update, _content(plan.update)
        headers = {"Content-Type": "application/json", "Idempotency-Key": update.key} | self._credentials()
        headers |= self._signed(update, content)
        answer = api.call(self.method.upper(), address_of(self.url, update), data=content, headers=headers)
        check_answer(answer, self._secrets())

    def _read(self, plan: Plan, api: Api) -> Mapping[str, Any]:
        answer = api.call("GET", address_of(self.read_url, plan.update), headers=self._credentials())
        refuse_unless_good(answer, self._secrets())
        return {"status": search("read_status", self.read_status, answer.json())}

    def _signed(self, update: Update, content: bytes) -> dict[str, str]:
        if not self.push_secret:
            return {}
        if update.attempted_at is None:
            message = "the update cannot be signed: the time of the attempt is not known"
            raise CrmRefused(message)
        headers = sign_webhook(update.key, content, self.push_secret, update.attempted_at)
        if not headers["webhook-signature"]:
            message = "the connection's secret `push_secret` must be `whsec_` and base64 of 24 bytes or more"
            raise CrmRefused(message)
        return headers

    def _credentials(self) -> dict[str, str]:
        return {self.auth_header: self.auth_value[0]} if self.auth_value else {}

    def _secrets(self) -> tuple[str, ...]:
        return (*self.auth_value, *self.push_secret, *self.secret)


def _content(update: Update) -> bytes:
    """The body of an update: docs/adapters/standard.md shows it."""
    body = {
        "record": {"object": update.record.object, "id": update.record.id},
        "status": update.status,
        "label": update.label,
        "since": update.since.isoformat(),
        "owner": update.owner if update.owner_field else None,
        "fields": dict(update.fields),
    }
    return json.dumps(body, default=str, ensure_ascii=False).encode()
