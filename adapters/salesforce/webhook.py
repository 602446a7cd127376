"""What a delivery of Salesforce says: which records changed, by outbound message, change event or Flow callout.

Change events: https://developer.salesforce.com/docs/atlas.en-us.change_data_capture.meta/change_data_capture/
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, TypeAlias

from adapters.salesforce.soap import read_envelope
from connector.adapter_kit.contract import Delivery
from connector.adapter_kit.payload import Part, read_json
from connector.core.errors import BadPayload
from connector.core.event import RecordRef

MESSAGE: Final = "notifications"
CALLOUT: Final = "callout"
DELETED: Final = frozenset({"DELETE", "GAP_DELETE"})
OVERFLOW: Final = "GAP_OVERFLOW"
"""So many changes at once that none is told: reconciliation finds them."""
CHANGES: Final = frozenset(
    {"CREATE", "UPDATE", "UNDELETE", "GAP_CREATE", "GAP_UPDATE", "GAP_UNDELETE", OVERFLOW, *DELETED}
)
EVENTS: Final = frozenset({MESSAGE, CALLOUT, *CHANGES})

_ID: Final = re.compile(r"[A-Za-z0-9]{15}(?:[A-Za-z0-9]{3})?")
_ALL: Final = re.compile(r"[A-Za-z0-9]{3}\*")
"""https://developer.salesforce.com/docs/atlas.en-us.change_data_capture.meta/change_data_capture/cdc_event_fields_header.htm"""
_RELAY: Final = re.compile(r"aws\.partner/salesforce\.com/([A-Za-z0-9]{15}(?:[A-Za-z0-9]{3})?)/")
"""The source that Event Relay names to EventBridge, with the organization:
https://developer.salesforce.com/docs/atlas.en-us.object_reference.meta/object_reference/sforce_api_objects_eventrelayfeedback.htm
"""
_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,79}")
_CHECK: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZ012345"


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookMessage:
    """A record that something happened to. `word` is one of `EVENTS`, or one that the adapter has never seen.

    `mark` tells the message from all others, also when it is sent again. `at`: aware UTC, where the sender says it.
    `action` is the customer's own word for what happened, in a callout; `data` is what came along.
    """

    word: str
    mark: str
    record: RecordRef | None = None
    at: datetime | None = None
    action: str | None = None
    data: Mapping[str, Any] = field(default_factory=dict)


Parts: TypeAlias = list[WebhookMessage | BadPayload]


def long_id(value: str) -> str:
    """The 18 characters of an id; the last three are made of the case of the first 15."""
    bits = ("".join("1" if one.isupper() else "0" for one in reversed(value[at : at + 5])) for at in (0, 5, 10))
    return value[:15] + "".join(_CHECK[int(block, 2)] for block in bits)


def is_xml(delivery: Delivery) -> bool:
    """Whether it is an outbound message; all else is JSON."""
    return delivery.body.removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"<")


def organization_of(delivery: Delivery) -> str | None:
    """The organization that a delivery names, as 18 characters; change events name none, but their relay does.

    Raises `BadPayload`.
    """
    if is_xml(delivery):
        return _id(read_envelope(delivery.body)["OrganizationId"])
    body = read_json(delivery.body)
    if not isinstance(body.value, dict):
        return None
    relay = _RELAY.match(source) if isinstance(source := body["source"].value, str) else None
    return long_id(relay[1]) if relay else body["orgId"].maybe(_id)


def read_messages(delivery: Delivery) -> Parts:
    """The messages of a delivery, and a `BadPayload` in the place of each part that cannot be read.

    Raises `BadPayload` when nothing can be read.
    """
    if is_xml(delivery):
        return [_each(_notification, one) for one in _some(read_envelope(delivery.body)["Notification"])]
    body = read_json(delivery.body)
    return [one for part in (_some(body) if isinstance(body.value, list) else [body]) for one in _json_messages(part)]


def key_of(messages: Parts, body: bytes) -> str:
    """The delivery's identity: the sender's id of its only message, else a hash of them all."""
    marks = sorted({webhook.mark for webhook in messages if isinstance(webhook, WebhookMessage)})
    if len(marks) == 1 and len(marks[0]) <= 200 and not any(isinstance(one, BadPayload) for one in messages):  # noqa: PLR2004 - room below 255
        return marks[0]
    is_whole = not any(isinstance(one, BadPayload) for one in messages)
    content = "\n".join(marks).encode() if is_whole else body
    return hashlib.sha256(content).hexdigest()


def _some(part: Part) -> list[Part]:
    items = part.items()
    if not items:
        part.refuse("a list that is not empty")
    return items


def _each(read: Any, part: Part) -> WebhookMessage | BadPayload:
    try:
        webhook: WebhookMessage = read(part)
    except BadPayload as error:
        return error
    return webhook


def _notification(part: Part) -> WebhookMessage:
    mark = _id(part["Id"])
    return WebhookMessage(word=MESSAGE, mark=mark, record=_record(part["object"], part["sObject"]["Id"]))


def _json_messages(part: Part) -> Parts:
    try:
        outer = [part, *(part[name] for name in ("data", "detail") if part[name].exists)]
        for wrapped in (part, *(one["payload"] for one in outer)):
            if wrapped.exists and wrapped["ChangeEventHeader"].exists:
                return _change(wrapped["ChangeEventHeader"])
        if part["recordId"].exists:
            return [_callout(part)]
        part.refuse("a change event (ChangeEventHeader) or a callout (recordId)")
    except BadPayload as error:
        return [error]


def _change(header: Part) -> Parts:
    word = header["changeType"].text(40)
    mark = f"{header['transactionKey'].text(100)}:{header['sequenceNumber'].maybe(Part.integer) or 0}"
    if word not in CHANGES or word == OVERFLOW:
        return [WebhookMessage(word=word, mark=mark)]
    at = header["commitTimestamp"].milliseconds()
    mark = f"{mark}:{header['entityName'].text(80)}"
    return [
        _each(lambda one: WebhookMessage(word=word, mark=mark, record=_changed(header["entityName"], one), at=at), one)
        for one in _some(header["recordIds"])
    ]


def _callout(part: Part) -> WebhookMessage:
    record = _record(part["object"], part["recordId"])
    at = part["occurredAt"].maybe(Part.instant)
    if not part["eventId"].exists and at is None:
        part["eventId"].refuse("an id of its own for each change, unless there is occurredAt")
    action = part["event"].maybe(lambda one: one.text(100))
    # The fields of the record first: what a `when` asks for stands at the top.
    data = {**(part["record"].maybe(Part.object) or {}), "changes": part["changes"].maybe(Part.object) or {}}
    mark = part["eventId"].maybe(Part.identifier) or f"{record.object}:{record.id}:{action or ''}@{at}"
    return WebhookMessage(word=CALLOUT, mark=mark, record=record, at=at, action=action, data=data)


def _changed(name: Part, record_id: Part) -> RecordRef | None:
    """A record that changed; None: all of the object, as after a field got another type (`001*`)."""
    return None if _ALL.fullmatch(str(record_id.value)) else _record(name, record_id)


def _record(name: Part, record_id: Part) -> RecordRef:
    if not _NAME.fullmatch(name.text(80)):
        name.refuse("the API name of an object, such as Lead")
    return RecordRef(object=name.text(), id=_id(record_id))


def _id(part: Part) -> str:
    """An id of 15 or 18 characters, as 18; it goes into queries, so nothing else passes."""
    if not _ID.fullmatch(part.text(40)):
        part.refuse("an id of 15 or 18 letters and digits")
    return long_id(part.text())
