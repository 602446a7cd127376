"""Publishes mappings and rules: asks what would be, puts a version in force, brings what is stored under it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date

from connector.core.calendar import day_start
from connector.core.errors import SalesOpsError
from connector.mapping.diff import Difference
from connector.operations.deliveries import wake
from connector.operations.flow import remap, sweep
from connector.operations.mappings import (
    Outdated,
    as_other_version,
    command,
    compared,
    proposal_of,
    read_file,
    shown_name,
    version_of,
)
from connector.operations.rules import check_holders, check_mappings
from connector.runtime.parts import Runtime
from connector.runtime.wakeups import REMAP
from connector.store import connections as queries
from connector.store import deliveries, histories, remaps
from connector.store import mapping_versions as versions
from connector.store.mapping_versions import MappingVersion
from connector.store.remaps import RULES, RemapRun
from connector.what_if.compare import what_if
from connector.what_if.report import WhatIf


@dataclass(frozen=True, slots=True, kw_only=True)
class Publication:
    """What is to be published, and how.

    `based_on`: the version that it was made of; publishing is refused when another is in force (None: not asked).
    `draft`: the draft that it is (None: a new version). `since`: events before that local date keep what was made of
    them. `is_confirmed`: however many subjects it moves. `is_later`: the workers bring what is stored under it.
    """

    source: str
    comment: str = ""
    based_on: int | None = None
    draft: int | None = None
    since: date | None = None
    is_confirmed: bool = False
    is_later: bool = False
    action: str = "publish"


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishResult:
    """The new version, what differs from the one before, and what became of what is stored.

    `events`: held ones that were released; `deliveries`: held ones that are read again; `held`: events that are held
    now and were not; `subjects`: those that were folded again. `is_finished`: False while that goes on.
    """

    version: int
    differences: tuple[Difference, ...]
    what_if: WhatIf
    events: int
    deliveries: int
    held: int
    subjects: int
    is_finished: bool


class TooManyMoved(SalesOpsError):
    """Publishing would move a larger share of all subjects than the setting allows; nothing was published."""

    reason = "too_many_moved"

    def __init__(self, found: WhatIf, limit: int) -> None:
        super().__init__(
            f"{found.moving} of {found.subjects} subjects ({found.share:.0%}) would move, and the setting "
            f"publish_limit_percent allows {limit} %; nothing was published. `connector what-if` shows them, "
            "`--confirm` publishes all the same"
        )
        self.found = found


Progress = Callable[[str, int, int], None]
"""Told what goes on, how many subjects are done, and of how many."""


def publish(
    runtime: Runtime,
    name: str,
    text: str,
    *,
    actor: str,
    file: str | None = None,
    comment: str = "",
    based_on: int | None = None,
    since: date | None = None,
    is_confirmed: bool = False,
    progress: Progress = lambda _what, _done, _all: None,
) -> PublishResult:
    """Publish the text of a file as the next version of a connection's mapping (`RULES`: of the rules).

    `based_on` None: as its first line says. `file`: the file's name in mistakes (None: that of the document).

    Raises what `put_in_force` does.
    """
    source, base = read_file(runtime, name, text, file)
    one = Publication(
        source=source,
        comment=comment,
        based_on=base if based_on is None else based_on,
        since=since,
        is_confirmed=is_confirmed,
    )
    return put_in_force(runtime, name, one, actor=actor, progress=progress)


def publish_draft(
    runtime: Runtime,
    name: str,
    version: int,
    *,
    actor: str,
    since: date | None = None,
    is_confirmed: bool = False,
    progress: Progress = lambda _what, _done, _all: None,
) -> PublishResult:
    """Publish a draft. Raises `NotFound`, `Outdated` and `TooManyMoved`."""
    found = version_of(runtime, name, version)
    if not found.is_draft:
        return rollback(runtime, name, version, actor=actor, since=since, is_confirmed=is_confirmed, progress=progress)
    one = Publication(
        source=found.source,
        comment=found.comment,
        based_on=found.based_on or 0,
        draft=version,
        since=since,
        is_confirmed=is_confirmed,
    )
    return put_in_force(runtime, name, one, actor=actor, progress=progress)


def rollback(
    runtime: Runtime,
    name: str,
    version: int,
    *,
    actor: str,
    since: date | None = None,
    is_confirmed: bool = False,
    progress: Progress = lambda _what, _done, _all: None,
) -> PublishResult:
    """Publish an old version again, as a new one. Raises `NotFound` and `TooManyMoved`."""
    found = version_of(runtime, name, version)
    one = Publication(
        source=found.source,
        comment=f"version {version} again",
        since=since,
        is_confirmed=is_confirmed,
        action="rollback",
    )
    return put_in_force(runtime, name, one, actor=actor, progress=progress)


def put_in_force(
    runtime: Runtime,
    name: str,
    one: Publication,
    *,
    actor: str,
    progress: Progress = lambda _what, _done, _all: None,
) -> PublishResult:
    """Ask what would be, publish in one transaction, and bring what is stored under what was published.

    Before rules are published the daily rules of today are run under those that were in force, with their mails: what
    folding anew gives for today mails nobody.

    Raises `BadMapping`, `BadRules`, `NotFound`, `WrongSetting`, `Outdated` and `TooManyMoved`; none of them publishes.
    """
    proposal = proposal_of(runtime, name, one.source)
    if proposal.rules is not None:
        check_mappings(runtime, proposal.rules)
        check_holders(runtime, proposal.rules)
        sweep(runtime)
    with runtime.database.read() as connection:
        before = versions.in_force(connection, name)
        unread = [row.count for row in deliveries.held_unread(connection) if row.connection == name]
    if one.based_on is not None:
        _check_base(runtime, name, before, one.based_on)
    found = what_if(
        runtime,
        proposal,
        since=one.since,
        progress=lambda done, total: progress("what-if", done, total),
    )
    limit = runtime.config.publish_limit_percent
    if found.share * 100 > limit and not one.is_confirmed:
        raise TooManyMoved(found, limit)
    version = _write(runtime, name, one, before, actor)
    runtime.rules.forget()
    runtime.connections.forget()
    run = _remap(runtime, name, one, progress)
    wake(runtime)
    return PublishResult(
        version=version,
        differences=compared(runtime, before.source if before else "", one.source),
        what_if=found,
        events=run.released,
        deliveries=sum(unread) if run.finished_at else 0,
        held=run.held,
        subjects=run.changed,
        is_finished=run.finished_at is not None,
    )


def _write(runtime: Runtime, name: str, one: Publication, before: MappingVersion | None, actor: str) -> int:
    """The transaction: the version and the audit. Whoever published since the what-if began makes that worthless."""
    now = runtime.clock()
    since = day_start(one.since.toordinal(), runtime.ruleset.zone) if one.since else None
    base = before.version if before else None
    with runtime.database.write() as connection:
        versions.lock(connection, name)
        in_force = versions.in_force(connection, name)
        if in_force is not None and in_force.version != base:
            raise _outdated(runtime, name, before, in_force)
        if one.draft is not None:
            version = one.draft
            versions.put_in_force(connection, name, version, publisher=actor, now=now, since=since)
        else:
            version = queries.publish(
                connection,
                name,
                one.source,
                author=actor,
                comment=one.comment,
                now=now,
                based_on=base,
                since=since,
            )
        detail = {"version": version, "before": base, "comment": one.comment, "is_confirmed": one.is_confirmed}
        detail |= {"since": one.since.isoformat()} if one.since else {}
        action = f"{'rules' if name == RULES else 'mapping'}.{one.action}"
        queries.note(connection, now, actor=actor, action=action, target=shown_name(name), detail=detail)
    return version


def _remap(runtime: Runtime, name: str, one: Publication, progress: Progress) -> RemapRun:
    with runtime.database.read() as connection:
        run = remaps.newest(connection, name)
        total = histories.count(connection) if name == RULES else remaps.count_subjects(connection, run) if run else 0
    if one.is_later:
        runtime.wakeups.enqueue(REMAP)
    else:
        label = "folding anew" if name == RULES else "re-mapping"
        run = remap(runtime, name, progress=lambda done: progress(label, done, total))
    if run is None:
        message = "a published version has a run of its own"
        raise AssertionError(message)
    return run


def _check_base(runtime: Runtime, name: str, in_force: MappingVersion | None, based_on: int) -> None:
    if in_force is None or in_force.version == based_on:
        return
    with runtime.database.read() as connection:
        base = versions.get(connection, name, based_on)
    error = _outdated(runtime, name, base, in_force)
    if error.newer.differences or base is None:
        raise error


def _outdated(runtime: Runtime, name: str, base: MappingVersion | None, in_force: MappingVersion) -> Outdated:
    newer = as_other_version(runtime, in_force, base.source if base else "", in_force.source)
    return Outdated(newer, base.version if base else None, command(name, "export"))
