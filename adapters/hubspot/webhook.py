"""A delivery of HubSpot: its signature in three versions, and what it is about: up to 100 events, or one record.

https://developers.hubspot.com/docs/api-reference/latest/webhooks/guide
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from typing import Any, Final
from urllib.parse import quote

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
from connector.adapter_kit.signatures import check_time, compute_hmac
from connector.core.errors import BadPayload, BadSignature, CrmUnavailable, MissingProof, UnknownEvent
from connector.core.event import Event, Kind, RecordRef

V3: Final = "x-hubspot-signature-v3"
TIMESTAMP: Final = "x-hubspot-request-timestamp"
OLD: Final = "x-hubspot-signature"
OLD_VERSION: Final = "x-hubspot-signature-version"
DECODED: Final[Mapping[str, str]] = {
    "%3A": ":",
    "%2F": "/",
    "%3F": "?",
    "%40": "@",
    "%21": "!",
    "%24": "$",
    "%27": "'",
    "%28": "(",
    "%29": ")",
    "%2A": "*",
    "%2C": ",",
    "%3B": ";",
}
"""What HubSpot decodes in an address before it signs; everything else stays as it was called."""
_v3: Final = partial(compute_hmac, encoding="base64")
_ENCODED: Final = re.compile("|".join(DECODED), re.IGNORECASE)


def verify_request(delivery: Delivery, url: str, secrets: Sequence[str], now: datetime) -> None:
    """Check a delivery by the newest kind of signature that it carries; `url` is the public address without query.

    HubSpot sends the older kinds beside v3: without the address v1 is what can be checked. `now` is aware UTC. Raises
    `BadSignature`.
    """
    keys = [_bytes(secret) for secret in secrets if secret]
    if not keys:
        message = "no client secret is configured"
        raise BadSignature(message)
    headers = delivery.headers
    has_v1 = OLD in headers and headers.get(OLD_VERSION, "v1") == "v1"
    if V3 in headers and (url or not has_v1):
        check_time(TIMESTAMP, headers.get(TIMESTAMP, ""), now, per_second=1000)
        stamp = _bytes(headers[TIMESTAMP])
        signed = [_bytes(delivery.method + decoded(each)) + delivery.body + stamp for each in _addresses(url, delivery)]
        _match(keys, _v3, signed, headers[V3])
    elif headers.get(OLD_VERSION) == "v2":
        signed = [
            _bytes(delivery.method + form) + delivery.body
            for each in _addresses(url, delivery)
            for form in (decoded(each), each)
        ]
        _match(keys, _hash, signed, headers.get(OLD, ""))
    elif has_v1:
        _match(keys, _hash, [delivery.body], headers[OLD])
    else:
        message = "the request carries no signature of HubSpot"
        raise MissingProof(message)


def sign_request(delivery: Delivery, url: str, secret: str, at: datetime) -> dict[str, str]:
    """The headers that HubSpot sends with a request to the full address `url`; `at` is aware UTC."""
    stamp = str(round(at.timestamp() * 1000))
    content = _bytes(delivery.method + decoded(url)) + delivery.body + _bytes(stamp)
    return {V3: _v3(_bytes(secret), content).decode(), TIMESTAMP: stamp}


def sign_old(delivery: Delivery, url: str, secret: str, version: str) -> dict[str, str]:
    """The headers of the older kinds, `v1` or `v2`."""
    content = delivery.body if version == "v1" else _bytes(delivery.method + url) + delivery.body
    return {OLD: _hash(_bytes(secret), content).decode(), OLD_VERSION: version}


def decoded(url: str) -> str:
    """The address as HubSpot signs it."""
    return _ENCODED.sub(lambda found: DECODED[found[0].upper()], url)


def _addresses(url: str, delivery: Delivery) -> list[str]:
    """The address as it was called.

    Where only the parsed query is known, it is written in the two spellings of a space that there are.
    """
    if not url:
        message = "the setting `webhook_url` is missing: without the public address no such signature can be checked"
        raise BadSignature(message)
    if delivery.query_string:
        return [f"{url}?{delivery.query_string}"]
    if not delivery.query:
        return [url]
    pairs = [(_quoted(name), _quoted(value)) for name, value in delivery.query]
    query = "&".join(f"{name}={value}" for name, value in pairs)
    return list(dict.fromkeys((f"{url}?{query}", f"{url}?{query.replace('%20', '+')}")))


def _quoted(text: str) -> str:
    return quote(text, safe="-._~", errors="replace")


def _match(keys: Sequence[bytes], make: Callable[[bytes, bytes], bytes], signed: Sequence[bytes], given: str) -> None:
    signature = _bytes(given)
    matches = [hmac.compare_digest(make(key, content), signature) for key in keys for content in signed]
    if not any(matches):
        message = "the signature does not match: check client_secret, and that webhook_url is the address in HubSpot"
        raise BadSignature(message)


def _hash(key: bytes, content: bytes) -> bytes:
    return hashlib.sha256(key + content).hexdigest().encode()


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


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

    `changed`: the property that got `value`, from `source` and `source_id`. `app`: the one that the webhook is of.
    `merged`: the ids that a merge ended. `trigger`: the workflow's word in the address. `at` is aware UTC. `record`
    None: the event is ignored on purpose.
    """

    word: str
    at: datetime
    portal: str = ""
    record: RecordRef | None = None
    changed: str | None = None
    value: str = ""
    merged: tuple[str, ...] = ()
    trigger: str | None = None
    app: str = ""
    source: str = ""
    source_id: str = ""

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
        name, app = part["propertyName"].text(200), _text(part["appId"])
        by, by_id = _text(part["changeSource"]), _text(part["sourceId"])
        return replace(webhook, record=record, changed=name, value=text, app=app, source=by, source_id=by_id)
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


def _text(part: Part) -> str:
    return str(part.value) if isinstance(part.value, str | int) else ""


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


def events_in(webhook: WebhookMessage, delivery: Delivery, fetched: Mapping[str, Any], view: View) -> list[Event]:
    """The events of a message about a record. Raises `BadPayload`, and `CrmUnavailable` when it was not read."""
    ref, mark = webhook.record, f"@{moment(webhook.at)}"
    if ref is None or webhook.is_deleted:
        return [deleted_event(ref, webhook.at)] if ref else []
    name = ref.name
    if name not in fetched:
        message = f"{name} was not read"
        raise CrmUnavailable(message)
    record = fetched[name]
    if record is None:
        return [deleted_event(ref, webhook.at)]
    survivor = RecordRef(object=ref.object, id=str(record["id"]))
    owners, pipelines = (fetched.get(key) or {} for key in ("owners", "pipelines"))
    view = replace(view, owners=owners, pipelines=pipelines, told_app=webhook.app)
    events = events_of(survivor, record, view)
    if webhook.changed in {view.stage_of(ref.object), OWNER}:
        change = PropertyChange(
            property=webhook.changed or "",
            value=webhook.value,
            at=webhook.at,
            source=webhook.source,
            source_id=webhook.source_id,
        )
        events.append(changed_event(survivor, record, change, view))
    if webhook.word.endswith(".restore"):
        events.append(replace(events[0], key=f"{name}:restore{mark}", at=webhook.at))
    if webhook.trigger:
        events.append(_action(webhook, events[0], delivery, events))
    found = identities_of(survivor, record)
    # The records that a merge ended belong to the survivor's subject, and take no more updates.
    ended = [id_ for id_ in dict.fromkeys((ref.id, *webhook.merged)) if id_ != survivor.id]
    return [*events, *(deleted_event(replace(ref, id=id_), webhook.at, *found) for id_ in ended)]


def _action(webhook: WebhookMessage, like: Event, delivery: Delivery, events: list[Event]) -> Event:
    """What a workflow tells: its word is in the address, beside whatever else a mapping may ask for."""
    data = next(event.data for event in events if event.kind is Kind.PROFILE)
    content = {**data, "body": parts_of(delivery)[0].object(), **dict(delivery.query)}
    key = f"{like.key.rpartition(':')[0]}:{webhook.trigger}"[:150] + f":{key_of(parts_of(delivery), delivery)}"
    page = delivery.parameter("page")
    return replace(like, key=key, at=webhook.at, kind=Kind.ACTION, name=webhook.trigger, page=page, data=content)
