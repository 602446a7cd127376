"""What a record of a kintone app says: fields by code or type, its stage and owner, its identities, data and events."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final, TypeAlias

from connector.adapter_kit.payload import Part
from connector.adapter_kit.records import readable_identities
from connector.core.event import Event, Identity, IdentityKind, Kind, RecordRef

OBJECT: Final = "record"
STAGE: Final = "$stage"
OWNER: Final = "$owner"
"""How mappings call stage and owner, whichever fields these are; kintone's own such names are `$id`, `$revision`."""
MOST_REVISIONS: Final = 59_999_999
ADMINISTRATOR: Final = "Administrator"
"""The login name that kintone gives as the writer of what was written by an API token.

https://cybozu.dev/ja/kintone/docs/rest-api/records/update-status/
"""
Record: TypeAlias = Mapping[str, Mapping[str, Any]]
"""Field code → `type` and `value`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """Which fields say what, by code. Empty: process status, assignee, and every link that is an address or a phone.

    `writer`: the login name that the connector writes with.
    """

    stage: str = ""
    owner: str = ""
    emails: tuple[str, ...] = ()
    phones: tuple[str, ...] = ()
    writer: str = ADMINISTRATOR

    def code_of(self, name: str, record: Record) -> str | None:
        """The code of a field as the mapping calls it; None: the record has no such field."""
        if name in {STAGE, OWNER}:
            chosen, kind = (self.stage, "STATUS") if name == STAGE else (self.owner, "STATUS_ASSIGNEE")
            name = chosen or code_of(kind, record) or name
        return name if name in record else None

    def stage_of(self, record: Record) -> str | None:
        """The stage; None where the field is empty or not there."""
        value = _value(record, self.code_of(STAGE, record))
        return value if isinstance(value, str) and value else None

    def owner_of(self, record: Record) -> str | None:
        """The login name of the first person in charge."""
        return login_in(_value(record, self.code_of(OWNER, record)))

    def is_ours(self, record: Record) -> bool | None:
        """Whether the connector wrote this revision; None: the record does not say who did."""
        login = login_in(_value(record, code_of("MODIFIER", record)))
        return None if login is None else login == self.writer

    def identities_of(self, name: str, record: Record) -> tuple[Identity, ...]:
        """The record, and the e-mails and phones that it names."""
        links = [code for code, field in record.items() if isinstance(field, dict) and field.get("type") == "LINK"]
        found = [Identity(kind=IdentityKind.RECORD, value=name)]
        for kind, codes in ((IdentityKind.EMAIL, self.emails or links), (IdentityKind.PHONE, self.phones or links)):
            found += readable_identities(kind, (_value(record, code) for code in codes))
        return tuple(dict.fromkeys(found))


def login_in(value: Any) -> str | None:
    """The login name of a user, or of the first of several."""
    first = value[0] if isinstance(value, list) and value else value
    login = first.get("code") if isinstance(first, dict) else None
    return str(login) if login else None


def code_of(kind: str, record: Mapping[str, Mapping[str, Any]]) -> str | None:
    """The code of the first field of a type: codes are in the app's language and may be changed."""
    return next((code for code, field in record.items() if isinstance(field, dict) and field.get("type") == kind), None)


def number_of(record: Record, name: str) -> int:
    """`$id` or `$revision`. Raises `BadPayload`."""
    number = Part(record)[name]["value"].integer()
    if number < 0:
        Part(number, f"$.{name}.value").refuse("a number of a record")
    return number


def ref_of(number: int) -> RecordRef:
    """The record of an id."""
    return RecordRef(object=OBJECT, id=str(number))


def events_of(record: Record, shape: Shape, owners: Mapping[str, Any], *, entered: bool | None) -> list[Event]:
    """The events that a record stands for. `owners`: `user:<login name>` → e-mail. Raises `BadPayload`.

    `entered`: whether it is known to have entered its stage with this revision, or was only seen in it; None: neither
    is told. kintone dates to the minute, so that within one the revision puts the changes in order. Who wrote the
    revision is who moved the stage only where it entered it with that. What is empty in a new record was never filled.
    """
    number, revision = number_of(record, "$id"), number_of(record, "$revision")
    created, updated = _time(record, "CREATED_TIME"), _time(record, "UPDATED_TIME")
    at, mark = updated + timedelta(microseconds=min(revision, MOST_REVISIONS)), f"r{revision:08d}"
    ref = ref_of(number)
    name, identities = ref.name, shape.identities_of(ref.name, record)
    event = partial(Event, record=ref, is_lead=True, identities=identities, sequence=revision)
    events = [event(key=f"{name}:identify", at=created, kind=Kind.IDENTIFY)]
    stage, owner = shape.stage_of(record), shape.owner_of(record)
    if stage and entered is not None:
        word = "stage" if entered else "seen"
        writer = shape.is_ours(record) if entered else None
        key = f"{name}:{word}@{mark}"
        events.append(event(key=key, at=at, kind=Kind.STAGE, stage=stage, is_seen=not entered, is_ours=writer))
    email = owners.get(f"user:{owner}")
    events.append(event(key=f"{name}:owner@{mark}", at=at, kind=Kind.OWNER, owner=owner, owner_email=email))
    values = {code: _value(record, code) for code in record} | {STAGE: stage, OWNER: owner}
    data = values if revision > 1 else {code: value for code, value in values.items() if value not in (None, "", [])}
    events.append(event(key=f"{name}:profile@{mark}", at=at, kind=Kind.PROFILE, data=data))
    return events


def _value(record: Record, code: str | None) -> Any:
    field = record.get(code) if code else None
    return field.get("value") if isinstance(field, dict) else None


def _time(record: Record, kind: str) -> datetime:
    code = code_of(kind, record)
    return Part(_value(record, code), f"$.record.{code or kind}.value").instant()
