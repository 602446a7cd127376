"""What a lead of BowNow says: the names of its values, its identities and times, and the events that it stands for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any, Final, TypeAlias
from zoneinfo import ZoneInfo

from connector.adapter_kit.payload import Part
from connector.adapter_kit.records import digest, instant_in, readable_identities
from connector.core.event import Event, Identity, IdentityKind, Kind, RecordRef

LEAD: Final = "lead"
KEYS: Final[Mapping[str, str]] = {
    "sid": "sid",
    "sids": "sids",
    "since": "updated_from",
    "status_id": "status_id",
    "staff_ids": "staff_ids",
    "tag_ids": "tag_ids",
    "email": "email",
    "phone": "phone",
    "created_at": "created_at",
    "updated_at": "updated_at",
    "root": "",
}
"""Our word → the key in BowNow's JSON, as assumed; the setting `keys` corrects it. `sids` and `since` narrow a search;
`root` is the object that a lead is wrapped in when it is written, empty: none. Published are sid and created_at."""
Lead: TypeAlias = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """What leads look like: their keys, the zone of times without one, and which tags are ours (theirs → ours)."""

    keys: Mapping[str, str]
    zone: ZoneInfo
    tags: Mapping[str, str]

    def sid(self, lead: Lead) -> str | None:
        """The lead's id."""
        return id_of(lead.get(self.keys["sid"]))

    def staffs(self, lead: Lead) -> list[str]:
        """The ids of the persons in charge, the owner first."""
        return ids_of(lead.get(self.keys["staff_ids"]))

    def updated(self, lead: Lead) -> datetime:
        """When it was changed last, or made; aware UTC. Raises `BadPayload`."""
        return self._time(lead, "updated_at", "created_at")

    def events(self, lead: Lead, people: Mapping[str, str | None]) -> list[Event]:
        """The events that a lead stands for as it is now. `people`: account id → e-mail. Raises `BadPayload`."""
        sid = Part(lead, "$")[self.keys["sid"]].identifier()
        at, created = self.updated(lead), self._time(lead, "created_at", "updated_at")
        record, moment = RecordRef(object=LEAD, id=sid), at.isoformat()
        identities = self._identities(sid, lead)
        event = partial(Event, record=record, is_lead=True, identities=identities)
        found = [event(key=f"{sid}:identify", at=created, kind=Kind.IDENTIFY)]
        if status := id_of(lead.get(self.keys["status_id"])):
            key = f"{sid}:stage:{status}@{moment}"
            found.append(event(key=key, at=at, kind=Kind.STAGE, stage=status, is_seen=True))
        owner = next(iter(self.staffs(lead)), None)
        email = people.get(owner or "")
        key = f"{sid}:owner:{owner or 'nobody'}@{moment}"
        found.append(event(key=key, at=at, kind=Kind.OWNER, owner=owner, owner_email=email))
        found += self._tag_events(lead, sid, at, event)
        data = self.data(lead, is_new=at == created)
        found.append(event(key=f"{sid}:profile@{moment}:{digest(data)}", at=at, kind=Kind.PROFILE, data=data))
        return found

    def data(self, lead: Lead, *, is_new: bool) -> dict[str, Any]:
        """What mappings read: the lead's values by BowNow's names, and by ours where those differ.

        What is empty in a new lead was never filled.
        """
        named = {name: lead[key] for name, key in self.keys.items() if key in lead}
        return {name: value for name, value in {**named, **lead}.items() if value not in (None, "") or not is_new}

    def _tag_events(self, lead: Lead, sid: str, at: datetime, event: Any) -> list[Event]:
        """The tags of ours that the lead has. One that it lacks is not taken away: the rules here set tags too."""
        there = {word for tag in _listed(lead.get(self.keys["tag_ids"])) for word in _words(tag)}
        ours = dict.fromkeys(name for theirs, name in self.tags.items() if theirs in there)
        moment = at.isoformat()
        return [event(key=f"{sid}:tag:{name}@{moment}", at=at, kind=Kind.TAG, tag=name) for name in ours]

    def _identities(self, sid: str, lead: Lead) -> tuple[Identity, ...]:
        found = [Identity(kind=IdentityKind.RECORD, value=name_of(sid))]
        for kind in (IdentityKind.EMAIL, IdentityKind.PHONE):
            found += readable_identities(kind, [lead.get(self.keys[kind])])
        return tuple(found)

    def _time(self, lead: Lead, *names: str) -> datetime:
        """The first of the times that the lead has; one without a zone is of the connection's."""
        name = next((self.keys[name] for name in names if lead.get(self.keys[name])), self.keys[names[0]])
        value = lead.get(name)
        written = value.replace("/", "-") if isinstance(value, str) else value
        return instant_in(Part(written, f"$.{name}"), self.zone)


def name_of(sid: str) -> str:
    """The record of a lead as one word."""
    return f"{LEAD}:{sid}"


def id_of(value: Any) -> str | None:
    """An id, given as number, text, or object with `id`; None: there is none."""
    if isinstance(value, dict):
        return id_of(value.get("id"))
    return str(value) if type(value) in {int, str} and value != "" else None


def ids_of(value: Any) -> list[str]:
    """The ids of a list, in order; of one value a list of one."""
    return [id_ for entry in _listed(value) if (id_ := id_of(entry)) is not None]


def _listed(value: Any) -> Sequence[Any]:
    return value if isinstance(value, list) else [value]


def _words(tag: Any) -> set[str]:
    """A tag's id and name, as far as it is shown."""
    name = tag.get("name") if isinstance(tag, dict) else None
    return {word for word in (id_of(tag), name) if isinstance(word, str)}
