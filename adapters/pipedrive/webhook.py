"""What a delivery of Pipedrive is about: webhooks v2 with the whole record, v1 of old subscriptions by its id.

https://pipedrive.readme.io/docs/guide-for-webhooks-v2 and webhooks-v2-migration-guide
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from adapters.pipedrive.client import OBJECTS
from connector.adapter_kit.payload import Part
from connector.core.errors import UnknownEvent
from connector.core.event import RecordRef

ACTIONS: Final = ("create", "change", "delete")
OLD_ACTIONS: Final[Mapping[str, str]] = {
    "added": "create",
    "updated": "change",
    "deleted": "delete",
    "merged": "change",
}
"""Actions of v1 → of v2."""
IGNORED: Final = (
    "activity",
    "note",
    "organization",
    "pipeline",
    "product",
    "stage",
    "user",
    "deal_installment",
    "deal_product",
    "board",
    "phase",
    "project",
    "task",
)
EVENTS: Final = frozenset(f"{entity}.{action}" for entity in (*OBJECTS, *IGNORED) for action in ACTIONS)


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookMessage:
    """One change. `record` None: ignored on purpose. `data`: the record as it is then; None: it has to be read.

    `changed`: the names of the fields that changed; None: it is new, or they are not told. `survivor` and `merged`: the
    other side of a merge. `user`: who made it; `source`: `app` or `api`.
    """

    word: str
    at: datetime
    record: RecordRef | None = None
    data: Mapping[str, Any] | None = None
    changed: frozenset[str] | None = None
    company: str = ""
    survivor: str | None = None
    merged: str | None = None
    user: str = ""
    source: str = ""

    def is_ours(self, user: str | None) -> bool | None:
        """Whether our own `user` made it, where that can be told: we write by the API alone."""
        if self.source == "app":
            return False
        return self.user == user if user and self.user and self.source == "api" else None

    @property
    def is_deleted(self) -> bool:
        """Whether the record is gone."""
        return self.word.endswith(".delete") or (self.data or {}).get("status") == "deleted"


def read_message(body: Part) -> WebhookMessage:
    """The change in a body. Raises `BadPayload` and `UnknownEvent`."""
    meta = body["meta"]
    is_old = not meta["version"].exists
    entity = meta["object" if is_old else "entity"].text(100)
    action = meta["action"].text(100)
    word = f"{entity}.{OLD_ACTIONS.get(action, action) if is_old else action}"
    if word not in EVENTS:
        message = f"the event {word} is not known"
        raise UnknownEvent(message)
    at = _at(meta, entity)
    if entity not in OBJECTS:
        return WebhookMessage(word=word, at=at)
    record = RecordRef(object=entity, id=meta["id" if is_old else "entity_id"].identifier(100))
    company = meta["company_id"].maybe(Part.identifier) or ""
    if is_old:
        return WebhookMessage(word=word, at=at, record=record, company=company)
    before = body["previous"].object() if body["previous"].exists else {}
    return WebhookMessage(
        word=word,
        at=at,
        record=record,
        data=None if action == "delete" else body["data"].object(),
        changed=frozenset(before) if action == "change" else None,
        company=company,
        survivor=meta["merged_to_id"].maybe(Part.identifier),
        merged=meta["merged_from_id"].maybe(Part.identifier),
        user=meta["user_id"].maybe(Part.identifier) or "",
        source=meta["change_source"].maybe(Part.text) or "",
    )


def key_of(body: Part) -> str:
    """The event's id, which a retry keeps; for users and v1, whose id is the record's, with what was done and when."""
    meta = body["meta"]
    number = meta["id"].identifier(100)
    if meta["version"].exists and meta["entity"].value != "user":
        return number
    when = next((meta[name] for name in ("timestamp_micro", "timestamp") if meta[name].exists), meta["timestamp"])
    about = meta["entity" if meta["version"].exists else "object"].text(60)
    webhook = meta["webhook_id"].maybe(Part.identifier) or "-"
    return f"{webhook[:40]}:{about}:{number[:60]}:{meta['action'].text(30)}:{when.identifier(50)}"


def _at(meta: Part, entity: str) -> datetime:
    """ISO 8601 in v2; whole seconds in v1 and for users."""
    given = meta["timestamp"]
    if isinstance(given.value, str) and not given.value.isdecimal():
        return given.instant()
    seconds = given.integer()
    if not 0 <= seconds < 7_000_000_000:  # noqa: PLR2004 - the year 2191
        given.refuse(f"the time of the {entity} in seconds since 1970")
    return datetime.fromtimestamp(seconds, UTC)
