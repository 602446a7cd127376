"""What a delivery of HubSpot is about: a batch of up to 100 events in any order, or one record of a workflow.

https://developers.hubspot.com/docs/api-reference/latest/webhooks/guide
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from adapters.hubspot.records import (
    OWNER,
    PropertyChange,
    View,
    changed_event,
    events_of,
    identities_of,
    moment,
)
from connector.adapter_kit.contract import Delivery
from connector.adapter_kit.payload import Part, read_json
from connector.adapter_kit.records import deleted_event
from connector.core.errors import BadPayload, CrmUnavailable, UnknownEvent
from connector.core.event import Event, Kind, RecordRef

WORKFLOW: Final = "workflow"
CHANGE_KINDS: Final = ("creation", "deletion", "propertyChange", "merge", "restore", "associationChange")
OBJECT_TYPES: Final[Mapping[str, str]] = {"0-1": "contact", "0-3": "deal"}
"""`objectTypeId` of the generic events → object."""
PRIVACY: Final = "contact.privacyDeletion"
FAMILIES: Final = ("contact", "deal", "object")
EVENTS: Final = frozenset(f"{family}.{what}" for family in FAMILIES for what in CHANGE_KINDS) | {PRIVACY}
IGNORED: Final = frozenset(
    {f"{family}.{what}" for family in ("company", "ticket", "product", "line_item") for what in CHANGE_KINDS}
    | {f"conversation.{what}" for what in ("creation", "deletion", "privacyDeletion", "propertyChange", "newMessage")}
) - {"product.associationChange"}
MOST_EVENTS: Final = 1000
"""HubSpot sends at most 100 in a request; much more is no batch of HubSpot's."""
_IDS: Final = ("hs_object_id", "objectId", "vid", "id")


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookMessage:
    """One event. `word`: the type of the classic events, or `workflow`.

    `changed`: the property that got `value`. `merged`: the ids that a merge ended. `trigger`: the
    workflow's word in the address. `at` is aware UTC. `record` None: the event is ignored on purpose.
    """

    word: str
    at: datetime
    portal: str = ""
    record: RecordRef | None = None
    changed: str | None = None
    value: str = ""
    merged: tuple[str, ...] = ()
    trigger: str | None = None

    @property
    def is_deleted(self) -> bool:
        """Whether the record is gone."""
        return self.word.endswith(("deletion", "privacyDeletion"))


def parts_of(delivery: Delivery) -> list[Part]:
    """The events of a batch, or the one record of a workflow. Raises `BadPayload`."""
    root = read_json(delivery.body)
    if isinstance(root.value, dict):
        return [root]
    events = root.items()
    if len(events) > MOST_EVENTS:
        message = f"has {len(events)} events; at most {MOST_EVENTS} are read"
        raise BadPayload(message)
    return events


def is_workflow(delivery: Delivery) -> bool:
    """Whether it comes from a workflow: one object in place of a list."""
    return delivery.body.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"{")


def read_message(part: Part, delivery: Delivery) -> WebhookMessage:
    """The event in one part. Raises `BadPayload` and `UnknownEvent`."""
    if is_workflow(delivery):
        return _workflow(part, delivery)
    word = _word(part)
    if word not in EVENTS | IGNORED:
        message = f"the event {word} is not known"
        raise UnknownEvent(message)
    family, _, what = word.partition(".")
    webhook = WebhookMessage(
        word=word, at=part["occurredAt"].milliseconds(), portal=part["portalId"].maybe(Part.identifier) or ""
    )
    if family == "object":
        kind = part["objectTypeId"] if part["objectTypeId"].exists else part["fromObjectTypeId"]
        family = OBJECT_TYPES.get(kind.text(200), "")
    return webhook if word in IGNORED or not family else _filled(webhook, part, family, what)


def key_of(parts: Sequence[Part], delivery: Delivery) -> str:
    """What the delivery with those parts says, as a hash: the same on every attempt, another for another change."""
    if is_workflow(delivery):
        content = [parts[0].value, delivery.query, _changed_when(parts[0]) or delivery.received_at.isoformat()]
    else:
        content = [_without_attempt(part.object()) for part in parts]
    about = "workflow" if is_workflow(delivery) else f"{len(parts)}-events"
    return f"{about}:{hashlib.sha256(repr(content).encode(errors='replace')).hexdigest()}"


def record_of(part: Part, query_object: str | None) -> RecordRef:
    """The record that a workflow enrolled. Raises `BadPayload`."""
    record_object = query_object or ("deal" if part["properties"].exists and _has(part, "dealstage") else "contact")
    for place in (part, part["properties"] if part["properties"].exists else Part({}, "$.properties")):
        for name in _IDS:
            value = place[name]
            found = value["value"] if isinstance(value.value, dict) else value
            if found.exists:
                return RecordRef(object=record_object, id=found.identifier(50))
    return part["hs_object_id"].refuse(f"the record's id, as one of {', '.join(_IDS)}")


def _filled(webhook: WebhookMessage, part: Part, family: str, what: str) -> WebhookMessage:
    if what == "associationChange":
        return replace(webhook, record=_association(part, family))
    if what == "merge":
        ids = [part["primaryObjectId"], *part["mergedObjectIds"].items()]
        survivor = part["newObjectId"] if part["newObjectId"].exists else part["primaryObjectId"]
        merged = tuple(id_.identifier(50) for id_ in ids)
        return replace(webhook, record=RecordRef(object=family, id=survivor.identifier(50)), merged=merged)
    record = RecordRef(object=family, id=part["objectId"].identifier(50))
    if what == "propertyChange":
        value = part["propertyValue"]
        text = "" if value.value in (None, "") else value.identifier(65_536)
        return replace(webhook, record=record, changed=part["propertyName"].text(200), value=text)
    return replace(webhook, record=record)


def _workflow(part: Part, delivery: Delivery) -> WebhookMessage:
    return WebhookMessage(
        word=WORKFLOW,
        at=delivery.received_at,
        portal=part["portal-id"].maybe(Part.identifier) or "",
        record=record_of(part, delivery.parameter("object")),
        trigger=delivery.parameter("event") or None,
    )


def _association(part: Part, family: str) -> RecordRef | None:
    """Both sides tell the same: what is read anew is the deal, which names its contacts; others say nothing to us."""
    kind = part["associationType"].maybe(Part.text) or ""
    side = {"DEAL_TO_CONTACT": "fromObjectId", "CONTACT_TO_DEAL": "toObjectId"}.get(kind.upper())
    if side is None and family == "deal" and part["fromObjectId"].exists:
        side = "fromObjectId"
    return RecordRef(object="deal", id=part[side].identifier(50)) if side else None


def _word(part: Part) -> str:
    named = part["subscriptionType"]
    return (named if named.exists else part["eventType"]).text(200)


def _has(part: Part, name: str) -> bool:
    properties = part["properties"]
    return isinstance(properties.value, dict) and properties[name].exists


def _changed_when(part: Part) -> str | None:
    """The time of the record's last change in a workflow's body."""
    for name in ("lastmodifieddate", "hs_lastmodifieddate"):
        if _has(part, name):
            return str(part["properties"][name].value)
    return str(part["updatedAt"].value) if part["updatedAt"].exists else None


def _without_attempt(event: Mapping[str, Any]) -> Sequence[Any]:
    return [[name, value] for name, value in sorted(event.items()) if name != "attemptNumber"]


def events_in(
    webhook: WebhookMessage, delivery: Delivery, fetched: Mapping[str, Any], contact_stage: str
) -> list[Event]:
    """The events of a message about a record. Raises `BadPayload`, and `CrmUnavailable` when it was not read."""
    ref, mark = webhook.record, f"@{moment(webhook.at)}"
    if ref is None or webhook.is_deleted:
        return [deleted_event(ref, webhook.at, mark=mark)] if ref else []
    name = ref.name
    if name not in fetched:
        message = f"{name} was not read"
        raise CrmUnavailable(message)
    record = fetched[name]
    if record is None:
        return [deleted_event(ref, webhook.at, mark=mark)]
    survivor = RecordRef(object=ref.object, id=str(record["id"]))
    owners, pipelines = (fetched.get(key) or {} for key in ("owners", "pipelines"))
    view = View(contact_stage=contact_stage, owners=owners, pipelines=pipelines)
    events = events_of(survivor, record, view)
    if webhook.changed in {view.stage_of(ref.object), OWNER}:
        change = PropertyChange(property=webhook.changed or "", value=webhook.value, at=webhook.at)
        events.append(changed_event(survivor, record, change, view))
    if webhook.word.endswith(".restore"):
        events.append(replace(events[0], key=f"{name}:restore{mark}", at=webhook.at))
    if webhook.trigger:
        events.append(_action(webhook, events[0], delivery, events))
    found = identities_of(survivor, record)
    # The records that a merge ended belong to the survivor's subject, and take no more updates.
    ended = [id_ for id_ in dict.fromkeys((ref.id, *webhook.merged)) if id_ != survivor.id]
    return [*events, *(deleted_event(replace(ref, id=id_), webhook.at, *found, mark=mark) for id_ in ended)]


def _action(webhook: WebhookMessage, like: Event, delivery: Delivery, events: list[Event]) -> Event:
    """What a workflow tells: its word is in the address, beside whatever else a mapping may ask for."""
    data = next(event.data for event in events if event.kind is Kind.PROFILE)
    content = {**data, "body": parts_of(delivery)[0].object(), **dict(delivery.query)}
    key = f"{like.key.rpartition(':')[0]}:{webhook.trigger}"[:150] + f":{key_of(parts_of(delivery), delivery)}"
    page = delivery.parameter("page")
    return replace(like, key=key, at=webhook.at, kind=Kind.ACTION, name=webhook.trigger, page=page, data=content)
