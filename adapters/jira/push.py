"""Writes updates to Jira issues one by one, reads them back together, and says per update what they show.

Jira's calls for many issues only start a task whose end has to be asked for; several changes by them are no faster.
https://developer.atlassian.com/cloud/jira/platform/rest/v3/api-group-issues/
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from adapters.jira.client import Refused
from adapters.jira.read import Reader, error_of
from adapters.jira.records import ASSIGNEE, OBJECT, STATUS
from connector.adapter_kit.contract import Pushed, Update
from connector.adapter_kit.rest import RecordGone
from connector.adapter_kit.update_plan import Plan, failed, is_same
from connector.core.errors import CrmError, CrmRefused


@dataclass(slots=True, kw_only=True)
class Work:
    """What is done for one update: `wanted` is what was written, to be looked for; `refusals` what could not be."""

    update: Update
    wanted: dict[str, Any] = field(default_factory=dict)
    refusals: list[str] = field(default_factory=list)
    result: Pushed | None = None

    @property
    def name(self) -> str:
        """The issue, `issue:10482`."""
        return f"{self.update.record.object}:{self.update.record.id}"

    @property
    def path(self) -> str:
        """The issue's address."""
        return f"/rest/api/3/issue/{self.update.record.id}"

    @property
    def plan(self) -> Plan:
        """What came of it so far."""
        return Plan(update=self.update, wanted=self.wanted, refusals=tuple(self.refusals))


def push(reader: Reader, updates: Sequence[Update]) -> list[Pushed]:
    """The result of each update, in order. Raises `CrmUnavailable` and `CrmRefused` when nothing was tried yet."""
    works = [Work(update=update) for update in updates]
    for work in works:
        if work.update.record.object != OBJECT or not work.update.record.id.isdecimal():
            refusal = f"there is no record {work.name} in Jira: issues are named by their numbers"
            work.result = work.plan.refused(refusal).settled()
    issues = reader.issues(work.update.record.id for work in works if work.result is None)
    for work in works:
        if work.result is None:
            try:
                _write(reader, work, _read(work, issues))
            except CrmError as error:
                work.result = failed(work.update, error)
    _read_back(reader, [work for work in works if work.result is None])
    return [work.result for work in works if work.result]


def _read(work: Work, issues: Mapping[str, Any]) -> Mapping[str, Any]:
    """The fields of the issue. Raises what stands in its place."""
    row = issues[work.name]
    if row is None:
        message = "the issue is not there, or the connector's user may not see it"
        raise RecordGone(message)
    if error := error_of(row):
        raise error
    fields: Mapping[str, Any] = row["fields"]
    return fields


def _write(reader: Reader, work: Work, shown: Mapping[str, Any]) -> None:
    """Fields, then the transition, then the assignee: what one refuses keeps none of the others away."""
    update = work.update
    fields = {name: value for name, value in update.fields.items() if name not in {STATUS, ASSIGNEE}}
    if fields:
        _fill(reader, work, fields)
    if STATUS in update.fields:
        _move(reader, work, str(update.fields[STATUS]), shown)
    if update.owner and update.owner_field:
        _assign(reader, work, update.owner)
    if not work.wanted:
        work.result = work.plan.settled()


def _fill(reader: Reader, work: Work, fields: Mapping[str, Any]) -> None:
    """Write the fields; without those that Jira names as wrong, if it does."""
    try:
        reader.site.send("PUT", work.path, json={"fields": dict(fields)})
    except Refused as error:
        work.refusals += [f"{name}: {said}" for name, said in error.errors.items()]
        left = {name: value for name, value in fields.items() if name not in error.errors}
        if left and len(left) < len(fields):
            _fill(reader, work, left)
    except RecordGone:
        raise
    except CrmRefused as error:
        work.refusals.append(f"{', '.join(fields)}: {error}")
    else:
        work.wanted |= fields


def _move(reader: Reader, work: Work, stage: str, shown: Mapping[str, Any]) -> None:
    """Carry out the transition that leads to the status, whatever its name is."""
    word = "id" if reader.shape.by_id else "name"
    now = str(shown[STATUS][word])
    if now == stage:
        work.wanted[STATUS] = stage
        return
    transitions = reader.site.get(f"{work.path}/transitions")["transitions"]
    # Names differ in capitals between the projects of a site.
    found = next((one for one in transitions if str(one["to"][word]).casefold() == stage.casefold()), None)
    if found is None:
        reachable = ", ".join(dict.fromkeys(str(one["to"][word]) for one in transitions)) or "no other status"
        work.refusals.append(
            f"{STATUS}: no transition leads from {now!r} to {stage!r}; from there one gets to {reachable}"
        )
        return
    try:
        reader.site.send("POST", f"{work.path}/transitions", json={"transition": {"id": found["id"]}})
    except RecordGone:
        raise
    except CrmRefused as error:
        work.refusals.append(f"{STATUS}: the transition {found['name']!r} {error}")
    else:
        work.wanted[STATUS] = str(found["to"][word])


def _assign(reader: Reader, work: Work, owner: str) -> None:
    account = reader.account_of(owner)
    if account is None:
        work.refusals.append(f"{ASSIGNEE}: no active user of Jira shows the e-mail {owner}; name it in `people`")
        return
    try:
        reader.site.send("PUT", f"{work.path}/assignee", json={"accountId": account})
    except RecordGone:
        raise
    except CrmRefused as error:
        work.refusals.append(f"{ASSIGNEE}: {error}")
    else:
        work.wanted[ASSIGNEE] = account


def _read_back(reader: Reader, works: Sequence[Work]) -> None:
    try:
        issues = reader.issues(work.update.record.id for work in works)
    except CrmError as error:
        for work in works:
            work.result = work.plan.unread(error)
        return
    for work in works:
        try:
            shown = _bare(reader, _read(work, issues))
        except CrmError as error:
            work.result = failed(work.update, error)
        else:
            work.result = work.plan.shown(shown, _is_same)


def _bare(reader: Reader, fields: Mapping[str, Any]) -> dict[str, Any]:
    """The fields with the status and the assignee as they are written."""
    status, assignee = fields.get(STATUS), fields.get(ASSIGNEE)
    return {
        **fields,
        STATUS: str(status["id" if reader.shape.by_id else "name"]) if status else None,
        ASSIGNEE: assignee["accountId"] if assignee else None,
    }


def _is_same(shown: Any, wanted: Any) -> bool:
    """Whether a field shows a value: an option shows more of itself than what it was chosen by."""
    if isinstance(wanted, dict):
        return isinstance(shown, dict) and wanted.items() <= shown.items()
    if isinstance(wanted, list | tuple):
        return isinstance(shown, list) and len(shown) == len(wanted) and all(map(_is_same, shown, wanted))
    return is_same(shown, wanted)
