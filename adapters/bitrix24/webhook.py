"""What a delivery of Bitrix24 is about: the tables of its event and trigger words, and the reading of its forms.

https://apidocs.bitrix24.com/api-reference/events/index.html
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from adapters.bitrix24.records import object_of
from connector.adapter_kit.contract import Delivery
from connector.adapter_kit.payload import Part, read_pairs
from connector.core.errors import BadPayload
from connector.core.event import Event, Kind, RecordRef

EVENTS: Final[Mapping[str, tuple[str, bool]]] = {
    "ONCRMLEADADD": ("lead", False),
    "ONCRMLEADUPDATE": ("lead", False),
    "ONCRMLEADDELETE": ("lead", True),
    "ONCRMDEALADD": ("deal", False),
    "ONCRMDEALUPDATE": ("deal", False),
    "ONCRMDEALMOVETOCATEGORY": ("deal", False),
    "ONCRMDEALDELETE": ("deal", True),
    "ONCRMCONTACTADD": ("contact", False),
    "ONCRMCONTACTUPDATE": ("contact", False),
    "ONCRMCONTACTDELETE": ("contact", True),
    "ONCRMDYNAMICITEMADD": ("dynamic", False),
    "ONCRMDYNAMICITEMUPDATE": ("dynamic", False),
    "ONCRMDYNAMICITEMDELETE": ("dynamic", True),
}
"""Event → object and whether it is gone; those of dynamic items also end in `_<entityTypeId>`."""
IGNORED: Final = frozenset(
    {
        *("ONCRMCOMPANYADD", "ONCRMCOMPANYUPDATE", "ONCRMCOMPANYDELETE"),
        *("ONCRMACTIVITYADD", "ONCRMACTIVITYUPDATE", "ONCRMACTIVITYDELETE"),
        *("ONAPPTEST", "ONAPPINSTALL", "ONAPPUPDATE", "ONAPPUNINSTALL", "ONOFFLINEEVENT"),
    }
)
"""Companies and activities move nobody; the rest is about the application itself: its tokens are entered by people."""
TRIGGERS: Final[Mapping[str, str]] = {
    "incoming_email": "Incoming email",
    "message_sent": "Message has been sent",
    "email_viewed": "Email viewed",
    "email_link_clicked": "Email link clicked",
    "incoming_call": "Incoming call",
    "crm_form_submitted": "CRM form submission",
    "callback": "Callback",
    "webhook": "Webhook",
    "visit": "Visit",
    "visitor_return": "Visitor return",
    "live_chat_started": "Initial message posted by client to live chat",
    "live_chat_message": "Each message posted by client to live chat",
    "resource_booked": "Resource booked",
    "app_trigger": "App triggers",
}
"""What a robot's address may say as `?event=`, and the trigger's name in the portal."""
_DOCUMENT: Final = re.compile(r"([A-Z][A-Z0-9_]{0,30})_([1-9][0-9]{0,17})")


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookMessage:
    """What a delivery tells: the event's word (`ROBOT` for a robot's), the record if it is of interest, the trigger."""

    word: str
    record: RecordRef | None = None
    is_deleted: bool = False
    trigger: str | None = None


def read_message(form: Part, delivery: Delivery) -> WebhookMessage:
    """What the delivery with that form is about. Raises `BadPayload`."""
    if form["event"].exists:
        return read_event(form)
    parts = form["document_id"].items()
    document = _DOCUMENT.fullmatch(parts[2].text(64)) if len(parts) > 2 else None  # noqa: PLR2004 - module, class, id
    if document is None:
        message = "must be three texts, the last such as DEAL_4821"
        raise BadPayload(message, "$.document_id")
    trigger = (delivery.parameter("event") or "").strip().casefold()
    return WebhookMessage(
        word="ROBOT", record=RecordRef(object=document[1].lower(), id=document[2]), trigger=trigger or None
    )


def read_event(form: Part) -> WebhookMessage:
    """What an event is about, out of `event` and `data`. Raises `BadPayload`."""
    word = form["event"].text(60).upper()
    base, _, suffix = word.partition("_")
    record_object, is_deleted = EVENTS.get(base, ("", False))
    if not record_object or (suffix and record_object != "dynamic"):
        return WebhookMessage(word=word)
    fields = form["data"]["FIELDS"]
    if record_object == "dynamic":
        given = fields["ENTITY_TYPE_ID"]
        record_object = object_of((given if given.exists or not suffix else Part(suffix, "$.event")).integer())
    if (record_id := fields["ID"].integer()) <= 0:
        fields["ID"].refuse("a record's id")
    return WebhookMessage(word=word, record=RecordRef(object=record_object, id=str(record_id)), is_deleted=is_deleted)


def word_at(form: Part, *path: str) -> str:
    """A short value of the form, for a key; empty where it is none."""
    try:
        for name in path:
            form = form[name]
        return form.text(60)
    except BadPayload:
        return ""


def trigger_event(identified: Event, trigger: str, delivery: Delivery, data: Mapping[str, Any]) -> Event:
    """The event of a trigger, out of the record's identity and data; the address goes before these."""
    query = {key: value for key, value in read_pairs(delivery.query).object().items() if key != "token"}
    at, page = delivery.received_at, delivery.parameter("page")
    name = identified.record.name if identified.record else "-"
    key = f"{name}:{trigger}@{at.isoformat()}"
    return replace(identified, key=key, at=at, kind=Kind.ACTION, name=trigger, page=page, data={**data, **query})
