"""What a delivery of Zoho CRM says: which records changed, by a channel's callback or an administrator's webhook.

https://www.zoho.com/crm/developer/docs/api/v8/notifications/overview.html
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from connector.adapter_kit.contract import Delivery
from connector.adapter_kit.payload import Part, read_form, read_json
from connector.core.errors import BadPayload
from connector.core.event import RecordRef

OPERATIONS: Final = ("insert", "update", "delete")
WEBHOOK: Final = "webhook"
EVENTS: Final = frozenset({*OPERATIONS, WEBHOOK})
_ID: Final = re.compile(r"[0-9]{1,25}")
_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,79}")
_SECRET: Final = "secret"  # noqa: S105 - the name of a parameter
_MOST: Final = 1000
_LONGEST: Final = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookMessage:
    """Records that something happened to, and a `BadPayload` in the place of each id that is none.

    `word`: an operation, or `webhook`. `at`: aware UTC, where the sender says it. `action` is the administrator's own
    word for what happened; `data` is what came along.
    """

    word: str
    mark: str
    records: Sequence[RecordRef | BadPayload]
    at: datetime | None = None
    action: str | None = None
    data: Mapping[str, Any] = field(default_factory=dict)


def body_of(delivery: Delivery) -> Part:
    """The body as an object: JSON, or a form with what the address adds. Raises `BadPayload`."""
    content = delivery.body.lstrip()
    if content.startswith((b"{", b"[", b"\xef\xbb\xbf")):
        body = read_json(delivery.body)
        body.object()
        return body
    return Part({**dict(delivery.query), **read_form(delivery.body).object()})


def is_callback(body: Part) -> bool:
    """Whether it is a channel's; all else is a workflow's webhook."""
    return body["channel_id"].exists


def secret_of(delivery: Delivery, body: Part) -> str | None:
    """What proves a workflow's webhook: its parameter or header `secret`."""
    given = body[_SECRET].value
    return given if isinstance(given, str) else delivery.headers.get(_SECRET) or delivery.parameter(_SECRET)


def read_message(delivery: Delivery, ids: Mapping[str, str]) -> WebhookMessage:
    """The message of a delivery. `ids`: parameter of a webhook → module whose id it holds. Raises `BadPayload`."""
    body = body_of(delivery)
    return _callback(body) if is_callback(body) else _webhook(delivery, body, ids)


def key_of(webhook: WebhookMessage) -> str:
    """The delivery's identity, at most 255 characters: of many records a hash."""
    return webhook.mark if len(webhook.mark) <= _LONGEST else hashlib.sha256(webhook.mark.encode()).hexdigest()


def _callback(body: Part) -> WebhookMessage:
    module, word = body["module"], body["operation"].text(40)
    ids = body["ids"].items()
    if len(ids) > _MOST:
        body["ids"].refuse(f"a list of at most {_MOST} ids")
    sent = body["server_time"].integer()
    listed = ",".join(str(one.value) for one in ids)
    return WebhookMessage(
        word=word,
        mark=f"{body['channel_id'].identifier()}:{module.text(80)}:{word}:{listed}:{sent}",
        records=[_each(module, one) for one in ids],
        at=body["server_time"].milliseconds(),
    )


def _webhook(delivery: Delivery, body: Part, ids: Mapping[str, str]) -> WebhookMessage:
    named = [(module, body[name]) for name, module in ids.items() if body[name].exists and body[name].value != ""]
    if body["module"].exists and body["id"].exists:
        named.append((body["module"].text(80), body["id"]))
    if not named:
        message = f"no parameter holds the id of a record: name it {', '.join(ids)}, or send module and id"
        raise BadPayload(message)
    data = {name: value for name, value in body.object().items() if name != _SECRET}
    action = body["event"].text(100) if body["event"].value else None
    # Without a time in it nothing tells two changes apart, and Zoho is not known to repeat a webhook.
    sent = body["modified"].text(60) if body["modified"].value else delivery.received_at.isoformat()
    digest = hashlib.sha256(repr(sorted(data.items(), key=str)).encode("utf-8", "replace")).hexdigest()[:16]
    records = [_each(Part(module), one) for module, one in named]
    about = ",".join(f"{module}:{one.value}" for module, one in named)
    return WebhookMessage(
        word=WEBHOOK, mark=f"{about}:{action or ''}:{sent}:{digest}", records=records, action=action, data=data
    )


def _each(module: Part, record_id: Part) -> RecordRef | BadPayload:
    try:
        if not _NAME.fullmatch(module.text(80)):
            module.refuse("the API name of a module, such as Leads")
        if not isinstance(record_id.value, str) or not _ID.fullmatch(record_id.value):
            record_id.refuse("an id as a text of digits")
    except BadPayload as error:
        return error
    return RecordRef(object=module.text(), id=str(record_id.value))
