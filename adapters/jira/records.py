"""What a Jira issue and its changelog say: status and assignee by change, identities, data, events."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, Final

from connector.adapter_kit.payload import Part
from connector.adapter_kit.records import readable_identities
from connector.core.event import Event, Identity, IdentityKind, Kind, RecordRef

OBJECT: Final = "issue"
STATUS: Final = "status"
ASSIGNEE: Final = "assignee"
CREATED: Final = "created"
"""The place of a change id in the keys of what an issue was made with."""
_UNREAD: Final = frozenset({"attachment", "comment", "description", "environment", "worklog", "issuelinks", "subtasks"})
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """How mappings call statuses, by id or name, and which fields name the person; no e-mail field: all custom ones."""

    by_id: bool = False
    emails: tuple[str, ...] = ()
    phones: tuple[str, ...] = ()

    def stage_of(self, status: Part) -> str | None:
        """The stage that a status is."""
        return status["id" if self.by_id else "name"].maybe(Part.identifier) if status.exists else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One change of an issue: `id` of the changelog, `at` aware UTC, its items, and the account that made it."""

    id: str
    at: datetime
    items: Sequence[Part]
    by: str | None = None

    @property
    def sequence(self) -> int | None:
        """Its number among all changes of the site: a later one has a higher one."""
        return int(self.id) if self.id.isdecimal() else None

    def item(self, field: str) -> Part | None:
        """The item about a field; of several the last."""
        found = [item for item in self.items if field in {item["fieldId"].value, item["field"].value}]
        return found[-1] if found else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Issue:
    """An issue as a webhook or the API shows it. `owners`: `user:<account id>` → e-mail; `me`: our own account id."""

    part: Part
    shape: Shape
    owners: Mapping[str, Any]
    me: str | None = None

    @property
    def name(self) -> str:
        """The issue as one word, `issue:10482`: its key changes when it is moved to another project."""
        return f"{OBJECT}:{self.part['id'].identifier()}"

    def identify(self) -> Event:
        """That the issue is there."""
        return self._event()(key=f"{self.name}:identify", at=self.time("created"), kind=Kind.IDENTIFY)

    def staged(self, stage: str | None, change: Change) -> list[Event]:
        """That it entered a stage by a change."""
        event = self._event(change)
        return [event(key=f"{self.name}:stage@{change.id}", kind=Kind.STAGE, stage=stage)] if stage else []

    def owned(self, owner: str | None, change: Change) -> Event:
        """That somebody, or nobody, is in charge by a change."""
        email = self.owners.get(f"user:{owner}")
        event = self._event(change)
        return event(key=f"{self.name}:owner@{change.id}", kind=Kind.OWNER, owner=owner, owner_email=email)

    def profile(self) -> Event:
        """What its fields say, empty ones too."""
        at, fields = self.time("updated"), self.part["fields"].object()
        data = {name: value for name, value in fields.items() if name not in _UNREAD}
        data |= {name: self.part[name].value for name in ("id", "key")}
        mark = int((at - _EPOCH) / timedelta(milliseconds=1))
        return self._event()(key=f"{self.name}:profile@{mark}", at=at, kind=Kind.PROFILE, data=data)

    def creation(self, status: str | None, owner: str | None) -> list[Event]:
        """What it was created with."""
        by = account_of(self.part["fields"]["creator"])
        made = Change(id=CREATED, at=self.time("created"), items=(), by=by)
        return [*self.staged(status, made), self.owned(owner, made)]

    def changed(self, change: Change) -> list[Event]:
        """What a change did to status and assignee."""
        events: list[Event] = []
        if item := change.item(STATUS):
            events += self.staged(_side(item, "to", self.shape), change)
        if item := change.item(ASSIGNEE):
            events.append(self.owned(_id(item["to"]), change))
        return events

    def history(self, changes: Sequence[Change], since: datetime, *, whole: bool) -> Iterator[Event]:
        """The events of the changes since, and always the last of status and assignee: it may have been missed before.

        `changes` in their order; `whole`: they go back to the issue's making.
        """
        last = [
            next((change for change in reversed(changes) if change.item(name)), None) for name in (STATUS, ASSIGNEE)
        ]
        for change in changes:
            if change.at >= since or change in last:
                yield from self.changed(change)
        if whole:
            status, assignee = (
                next((item for change in changes if (item := change.item(name))), None) for name in (STATUS, ASSIGNEE)
            )
            yield from self.creation(
                _side(status, "from", self.shape) if status else self.stage(),
                _id(assignee["from"]) if assignee else self.owner(),
            )

    def stage(self) -> str | None:
        """The stage that it shows."""
        return self.shape.stage_of(self.part["fields"][STATUS])

    def owner(self) -> str | None:
        """The account id of its assignee."""
        return self.part["fields"][ASSIGNEE].maybe(lambda assignee: assignee["accountId"].text(200))

    def time(self, name: str) -> datetime:
        """`created` or `updated`."""
        return self.part["fields"][name].instant()

    def _event(self, change: Change | None = None) -> partial[Event]:
        record = RecordRef(object=OBJECT, id=self.part["id"].identifier())
        event = partial(Event, record=record, is_lead=True, identities=self._identities())
        if change is None:
            return event
        is_ours = change.by == self.me if change.by and self.me else None
        return partial(event, at=change.at, sequence=change.sequence, is_ours=is_ours)

    def _identities(self) -> tuple[Identity, ...]:
        fields = self.part["fields"].object()
        found = [Identity(kind=IdentityKind.RECORD, value=self.name)]
        emails = self.shape.emails or [name for name in fields if name.startswith("customfield_")]
        for kind, names in ((IdentityKind.EMAIL, emails), (IdentityKind.PHONE, self.shape.phones)):
            found += readable_identities(kind, map(fields.get, names))
        return tuple(dict.fromkeys(found))


def changes_in(changelog: Part) -> list[Change]:
    """The changes of an issue in their order, as the API gives them, newest first. Raises `BadPayload`."""
    found = [
        Change(
            id=row["id"].identifier(),
            at=row["created"].instant(),
            items=row["items"].items(),
            by=account_of(row["author"]),
        )
        for row in changelog["histories"].items()
    ]
    return sorted(found, key=lambda change: (change.at, change.sequence or 0))


def _side(item: Part, side: str, shape: Shape) -> str | None:
    """The status before or after a change."""
    return item[side if shape.by_id else f"{side}String"].maybe(Part.identifier)


def account_of(user: Part) -> str | None:
    """The account id of a user; None: there is none, or the user was an application or is gone."""
    return user["accountId"].maybe(Part.identifier) if isinstance(user.value, dict) else None


def _id(part: Part) -> str | None:
    return part.text(200) if part.value else None
