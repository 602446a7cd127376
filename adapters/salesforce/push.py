"""Writes updates to Salesforce in collections of 200.

https://developer.salesforce.com/docs/platform/api-rest/guide/resources-composite-sobjects-collections-update.html
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from adapters.salesforce.client import CHUNK, Org, Row, among, error_in, select
from adapters.salesforce.records import FIELDS
from connector.adapter_kit.contract import Pushed, Update
from connector.adapter_kit.owners import owners_of
from connector.adapter_kit.push_in_batches import Plan, Shown, Written, push_in_batches
from connector.adapter_kit.rest import chunks
from connector.core.errors import CrmRefused, CrmUnavailable

_ID: Final = re.compile(r"[A-Za-z0-9]{18}")


def push(org: Org, updates: Sequence[Update]) -> list[Pushed]:
    """The result of each update, in order. Raises `CrmError` when the owners cannot be read before."""
    writer = Writer(org=org, people=_people(org, owners_of(updates)))
    # A collection of one type is one transaction chunk; of mixed ones at most ten are allowed.
    return push_in_batches(updates, writer.plan, writer.write, writer.read, size=CHUNK, undone_by=(CrmRefused,))


@dataclass(frozen=True, slots=True, kw_only=True)
class Writer:
    """Plans and writes updates, a collection of records of one object at a time. `people`: e-mail → ids."""

    org: Org
    people: Mapping[str, Sequence[str]]

    def plan(self, update: Update) -> Plan:
        """What the update writes."""
        record = update.record
        if record.object not in FIELDS or not _ID.fullmatch(record.id):
            message = f"{record.name} cannot be written: it is no {', '.join(FIELDS)} with an id of 18"
            raise CrmRefused(message)
        return Plan(update=update, wanted=update.fields).with_owner(self.people, "active user")

    def write(self, plans: Sequence[Plan]) -> Written[Plan]:
        """One collection, whose records fail one by one."""
        rows = [{"attributes": {"type": plan.object}, "id": plan.id, **plan.wanted} for plan in plans]
        body = {"allOrNone": False, "records": rows}
        answers = self.org.call("PATCH", "composite/sobjects", json=body).json()
        if not isinstance(answers, list) or len(answers) != len(plans):
            message = "Salesforce answered for another number of records than were sent"
            raise CrmUnavailable(message)
        return [None if answer.get("success") is True else error_in(answer.get("errors")) for answer in answers]

    def read(self, plans: Sequence[Plan]) -> Shown:
        """The fields that were written."""
        rows: dict[str, Row] = {}
        for chunk in chunks(plans, CHUNK):
            names = ("Id", *(name for plan in chunk for name in plan.wanted))
            where = among("Id", (plan.id for plan in chunk))
            rows |= {str(row["Id"]): row for row in self.org.query(select(names, chunk[0].object, where=where))}
        return [rows.get(plan.id) for plan in plans]


def _people(org: Org, emails: Iterable[str]) -> dict[str, list[str]]:
    """E-mail → ids of the active users who have it; remembered, unless there is none."""
    memo: dict[str, list[str]] = org.api.memo.setdefault("users by e-mail", {})
    unknown = sorted(email for email in emails if email not in memo)
    found: dict[str, list[str]] = defaultdict(list)
    for chunk in chunks(unknown, CHUNK):
        where = f"IsActive = true AND UserType = 'Standard' AND {among('Email', chunk)}"
        for row in org.query(select(("Id", "Email"), "User", where=where, order="Id")):
            found[str(row["Email"]).casefold()].append(str(row["Id"]))
    memo.update(found)
    return memo
