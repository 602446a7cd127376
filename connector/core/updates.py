"""What a record of an external system should show of its subject: one answer for the outbox, the push and the what-if.

The outbox asks `follows_subject` only. What exactly is to be shown is decided when the update is sent, by the record as
it is then: while an older update is on its way, nobody knows which stage the record shows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, tzinfo
from typing import Any, Final

from connector.core.calendar import local_day
from connector.core.identity import is_stand_in
from connector.core.mapping import MappingRules

VIEW_NAMES: Final = ("status.code", "status.label", "since.date", "since.iso", "owner")
PERSON_NAMES: Final = ("email", "phone")
PROFILE: Final = "profile."
"""What push templates may name: `{status.label}` and its like, `{email}`, and `{profile.company}` and its like."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenRecord:
    """A record as its system showed it last. `stage`, `owner` None: none was seen yet. `owner` is case-folded."""

    object: str
    pipeline: str | None = None
    stage: str | None = None
    owner: str | None = None
    is_gone: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownSubject:
    """What records can show of a subject. `label`: its status in words. `since`: aware UTC. `identities`: kind, value.

    The first e-mail and phone, a mobile first, among the identities stand in where the profile has none.
    """

    status: str
    label: str
    since: datetime
    owner: str | None
    profile: Mapping[str, Any]
    identities: Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class WantedUpdate:
    """What a record should show. `label`: the status in words. `texts`: the fields that are filled by templates.

    `status`: the fields that say the status; empty where the record's stage says it or the mapping writes no status;
    None where the mapping has no values for this status. `owner`: an e-mail for `owner_field`; None: leave the owner
    alone, as where the record shows it already. `is_new`: the push makes the record, so it is sent even if it shows
    nothing.
    """

    label: str
    status: Mapping[str, Any] | None
    texts: Mapping[str, str]
    owner: str | None
    owner_field: str | None
    is_new: bool

    @property
    def fields(self) -> dict[str, Any]:
        """All fields, by the names of the system."""
        return {**(self.status or {}), **self.texts}

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to send."""
        return not self.fields and self.owner is None and not self.is_new


def follows_subject(rules: MappingRules, record_object: str, record_id: str = "") -> bool:
    """Whether a record is updated when its subject changes: those of new leads are made once only."""
    rule = rules.push.get(record_object)
    return rule is not None and not rule.new_leads and is_known_there(rules, record_id)


def is_known_there(rules: MappingRules, record_id: str) -> bool:
    """Whether the system has a record of this id; most have none that an e-mail or a phone stands in for."""
    return rules.takes_stand_ins or not is_stand_in(record_id)


def shows_otherwise(rules: MappingRules, record: SeenRecord, status: str, owner: str | None) -> bool:
    """Whether a record shows another stage or owner than the one that it should show."""
    rule = rules.push.get(record.object)
    if rule is None or not follows_subject(rules, record.object) or record.is_gone:
        return False
    is_owner_other = bool(rule.owner and owner and record.owner is not None and record.owner != owner.casefold())
    stage, wanted = record.stage or "", rule.status.get(status) or {}
    is_shown = rules.stands_for(record.object, record.pipeline, stage, status) or stage.casefold() in {
        str(value).casefold() for value in wanted.values()
    }
    return is_owner_other or bool(wanted and stage and not is_shown)


def wanted_update(rules: MappingRules, record: SeenRecord, subject: ShownSubject, zone: tzinfo) -> WantedUpdate | None:
    """What the record should show of its subject; None: it is gone, or the mapping pushes no records of its object.

    `zone`: the workspace's, in which dates are shown.
    """
    rule = rules.push.get(record.object)
    if rule is None or record.is_gone:
        return None
    names = template_names(subject, zone)
    is_owner_shown = subject.owner is not None and subject.owner.casefold() == record.owner
    is_shown = rules.stands_for(record.object, record.pipeline, record.stage or "", subject.status)
    return WantedUpdate(
        label=subject.label,
        status={} if is_shown or not rule.status else rule.status.get(subject.status),
        texts={name: template(names) for name, template in rule.fields.items()},
        owner=subject.owner if rule.owner is not None and not is_owner_shown else None,
        owner_field=rule.owner,
        is_new=rule.new_leads,
    )


def template_names(subject: ShownSubject, zone: tzinfo) -> dict[str, str]:
    """What each name stands for that a push template may use; a profile field that is not there has no name."""
    identities = dict(reversed(subject.identities))
    identities["phone"] = identities.get("mobile") or identities.get("phone", "")
    profile = {name: _text(value) for name, value in subject.profile.items()}
    return {
        "status.code": subject.status,
        "status.label": subject.label,
        "since.date": date.fromordinal(local_day(subject.since, zone)).isoformat(),
        "since.iso": subject.since.isoformat(),
        "owner": subject.owner or "",
        **{name: profile.get(name) or identities.get(name, "") for name in PERSON_NAMES},
        **{f"{PROFILE}{name}": text for name, text in profile.items()},
    }


def _text(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(map(_text, value))
    return "" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
