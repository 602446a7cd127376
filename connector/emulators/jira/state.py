"""The site of an emulated Jira: its workflow, users and fields, how issues and their changes are shown."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import Any, Final

from connector.emulators.engine.shelf import Change, Record

PROJECT: Final = "LEAD"
STATUSES: Final = {"10000": "To Do", "3": "In Progress", "10002": "In Review", "10001": "Done"}
TRANSITIONS: Final = {
    "11": ("Start", "To Do", "In Progress"),
    "21": ("Ask for a review", "In Progress", "In Review"),
    "31": ("Win", "In Review", "Done"),
    "32": ("Win at once", "In Progress", "Done"),
    "41": ("Back", "In Progress", "To Do"),
    "51": ("Open again", "Done", "In Progress"),
}
BOT: Final = "5b10a2844c20165700eabbot"
USERS: Final = {
    BOT: ("connector@example.com", "Connector"),
    "5b10a2844c20165700ede21g": ("k.sato@example.com", "Keiko Sato"),
    "5b10ac8d82e05b22cc7d4ef5": ("k.mori@example.com", "Ken Mori"),
}
EMAIL: Final = "customfield_10042"
PHONE: Final = "customfield_10045"
FIELDS: Final = {
    EMAIL: "E-mail",
    PHONE: "Phone",
    "customfield_10050": "ABM status",
    "customfield_10051": "ABM since",
    "summary": "Summary",
}
"""The fields that may be written."""
ZONE: Final = timezone(timedelta(hours=9), "Asia/Tokyo")
_UPDATED: Final = re.compile(r'project in \("LEAD"\) AND updated >= "([0-9: -]{16})" ORDER BY updated ASC')


@dataclass(slots=True, kw_only=True)
class Refused(Exception):
    """An error body of Jira with its HTTP status."""

    status: int
    text: str = ""
    errors: Mapping[str, str] = field(default_factory=dict)

    def body(self) -> dict[str, Any]:
        """As Jira writes it."""
        return {"errorMessages": [self.text] if self.text else [], "errors": dict(self.errors)}


def time_text(at: datetime) -> str:
    """A time as Jira writes it: milliseconds, and the offset without a colon."""
    local = at.astimezone(ZONE)
    return f"{local:%Y-%m-%dT%H:%M:%S}.{local.microsecond // 1000:03d}{local:%z}"


def user(account: str | None, *, is_open: bool) -> dict[str, Any] | None:
    """A user; `is_open`: with the e-mail, which webhooks and issues leave out."""
    if account is None:
        return None
    email, name = USERS[account]
    shown = {"accountId": account, "displayName": name, "active": True, "accountType": "atlassian"}
    return shown | ({"emailAddress": email} if is_open else {})


def issue(record: Record) -> dict[str, Any]:
    """An issue as the API and the webhooks show it."""
    given = record.fields
    status = {"id": given["status"], "name": STATUSES[given["status"]]}
    fields = {name: given.get(name) for name in FIELDS} | {
        "project": {"id": "10010", "key": PROJECT},
        "status": status,
        "assignee": user(given.get("assignee"), is_open=False),
        "creator": user(given.get("creator"), is_open=False),
        "created": time_text(record.created),
        "updated": time_text(record.modified),
    }
    return {"id": record.id, "key": f"{PROJECT}-{record.id}", "fields": fields}


def items(change: Change) -> list[dict[str, Any]]:
    """What a change did, field by field."""
    labels: dict[str, dict[Any, str]] = {
        "status": dict(STATUSES),
        "assignee": {account: name for account, (_, name) in USERS.items()},
    }
    found = []
    for name, after in change.after.items():
        before, known = change.before.get(name), labels.get(name, {})
        sides = {"from": before, "to": after} if known else {"from": None, "to": None}
        strings = {"fromString": known.get(before, before), "toString": known.get(after, after)}
        found.append({"field": name, "fieldtype": "jira", "fieldId": name, **sides, **strings})
    return found


def changelog(changes: Sequence[Change]) -> dict[str, Any]:
    """The changes of an issue, the newest first."""
    histories = [
        {
            "id": history_id(change),
            "author": user(change.by or next(one for one in USERS if one != BOT), is_open=False),
            "created": time_text(change.at),
            "items": items(change),
        }
        for change in changes
        if change.kind == "update"
    ]
    return {"startAt": 0, "maxResults": len(histories), "total": len(histories), "histories": histories[::-1]}


def history_id(change: Change) -> str:
    """The id that webhooks and the API give a change."""
    return str(20900 + change.number)


def updated_since(jql: str) -> str:
    """The local time, to the minute, that the only JQL which is known here asks for."""
    match = _UPDATED.fullmatch(jql)
    if match is None:
        raise Refused(status=400, text=f"Error in the JQL Query: {jql}")
    return match[1]


def is_since(record: Record, local: str) -> bool:
    """Whether the issue was updated at or after a local time."""
    return f"{record.modified.astimezone(ZONE):%Y-%m-%d %H:%M}" >= local


def checked(given: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a write. Raises `Refused` for those that are on no screen."""
    text = "Field '{}' cannot be set. It is not on the appropriate screen, or unknown."
    wrong = {name: text.format(name) for name in given if name not in FIELDS}
    if wrong:
        raise Refused(status=400, errors=wrong)
    return dict(given)
