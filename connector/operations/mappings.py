"""A connection's mapping, or the rules document: the version in force, drafts and old versions, and what is held."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Final

from connector.core.errors import NotFound, SalesOpsError
from connector.core.mapping import MappingRules
from connector.core.status import StatusInfo
from connector.mapping import parse_mapping_for
from connector.mapping.diff import Difference, differences
from connector.mapping.source import read
from connector.operations.connections import find
from connector.runtime.parts import Runtime
from connector.runtime.rules import parse_rules
from connector.store import connections as audit
from connector.store import deliveries, subjects
from connector.store import mapping_versions as versions
from connector.store.mapping_versions import MappingVersion, VersionHead
from connector.store.remaps import RULES
from connector.store.rows import CHUNK
from connector.what_if.proposal import Proposal, check_upgrade

_SHOWN: Final = ("connection", "version", "author", "comment", "published_at", "source")
_BASE: Final = re.compile(r"# (?P<name>[a-z0-9-]{1,63}), version (?P<version>[0-9]{1,9})\b[^\n]*\n")
"""The line that `export` writes first: a file that has it says which version it was made of."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OtherVersion:
    """A version that somebody saved or published since the one that a draft is based on, and how the two differ."""

    version: int
    state: str
    author: str
    at: datetime
    differences: tuple[Difference, ...]

    def __str__(self) -> str:
        word = "draft" if self.state == versions.DRAFT else "version"
        return f"{word} {self.version} by {self.author}, {self.at:%Y-%m-%d %H:%M:%SZ}"


@dataclass(frozen=True, slots=True, kw_only=True)
class SavedDraft:
    """A draft's number, the version that it is based on (None: nothing was published), and what others have done since.

    The differences of `beside` lead from the other's to this one.
    """

    version: int
    based_on: int | None
    beside: tuple[OtherVersion, ...]


class Outdated(SalesOpsError):
    """Somebody has published since the version that a change was made of; nothing was overwritten.

    The differences of `newer` lead from that version to the one in force.
    """

    reason = "outdated"

    def __init__(self, newer: OtherVersion, based_on: int | None, export: str) -> None:
        base = "no version" if based_on is None else f"version {based_on}"
        changed = "".join(f"\n  {one}" for one in newer.differences)
        super().__init__(
            f"{newer} is in force, and yours is based on {base}; nothing was published. Since then was changed:"
            f"{changed}\nTake that over (`{export}`), and publish with `--based-on {newer.version}`"
        )
        self.newer = newer
        self.based_on = based_on


def shown_name(name: str) -> str:
    """What people call a document: a connection's name, or `rules`."""
    return "rules" if name == RULES else name


def command(name: str, verb: str) -> str:
    """The command that does something with a document."""
    return f"connector rules {verb}" if name == RULES else f"connector mapping {verb} {name}"


def statuses(runtime: Runtime) -> tuple[StatusInfo, ...]:
    """The workspace's statuses."""
    return runtime.statuses()


def proposal_of(runtime: Runtime, name: str, source: str, file: str | None = None) -> Proposal:
    """What a document's text would put in force; `file`: its name in mistakes (None: that of the document).

    Raises `BadMapping`, `BadRules`, `NotFound`, and `WrongSetting` for another adapter's, and for rules that one cannot
    go to from those in force.
    """
    if name != RULES:
        return Proposal(mappings={name: read_source(runtime, name, source, file)})
    rules = parse_rules(source, file or shown_name(name))
    check_upgrade(runtime.ruleset.template, rules.template)
    return Proposal(rules=rules)


def read_source(runtime: Runtime, name: str, source: str, file: str | None = None) -> MappingRules:
    """The rules of a text for a connection; `file`: the text's name in mistakes (None: that of the connection).

    Raises `BadMapping`, `NotFound`, and `WrongSetting` for another adapter's.
    """
    return parse_mapping_for(find(runtime, name).adapter, source, file or name, statuses(runtime))


def read_file(runtime: Runtime, name: str, text: str, file: str | None = None) -> tuple[str, int | None]:
    """A file's text without the line of `export`, and the version which that names (None: no line).

    Raises what `proposal_of` does.
    """
    proposal_of(runtime, name, text, file)
    found = _BASE.match(text)
    if found is None:
        return text, None
    return text[found.end() :], int(found["version"]) if found["name"] == shown_name(name) else None


def save_draft(
    runtime: Runtime, name: str, source: str, *, actor: str, comment: str = "", based_on: int | None = None
) -> SavedDraft:
    """Save a draft beside all others; `based_on` None: it was made of the version in force.

    Raises what `proposal_of` does.
    """
    proposal_of(runtime, name, source)
    now = runtime.clock()
    with runtime.database.write() as connection:
        versions.lock(connection, name)
        in_force = versions.in_force(connection, name)
        base = based_on if based_on is not None else (in_force.version if in_force else None)
        if base is not None and versions.get(connection, name, base) is None:
            raise _missing(name, base)
        others = [
            other
            for other in versions.newer(connection, name, base or 0)
            if not other.is_draft or other.based_on == base
        ]
        version = versions.add_version(connection, name, source, author=actor, comment=comment, now=now, based_on=base)
        detail = {"version": version, "based_on": base, "comment": comment}
        target, action = shown_name(name), "rules.draft" if name == RULES else "mapping.draft"
        audit.note(connection, now, actor=actor, action=action, target=target, detail=detail)
    beside = tuple(as_other_version(runtime, other, other.source, source) for other in others)
    return SavedDraft(version=version, based_on=base, beside=beside)


def as_other_version(runtime: Runtime, version: VersionHead, before: str, after: str) -> OtherVersion:
    """A version with the differences between two sources."""
    return OtherVersion(
        version=version.version,
        state=version.state,
        author=version.published_by or version.author,
        at=version.published_at or version.created_at,
        differences=compared(runtime, before, after),
    )


def compared(runtime: Runtime, before: str, after: str) -> tuple[Difference, ...]:
    """What is other in the second source; of no source (empty) everything is."""
    return differences(_tree(before), _tree(after), statuses(runtime))


def listed(runtime: Runtime, name: str) -> Iterator[dict[str, Any]]:
    """Drafts and published versions, newest first. Raises `NotFound`."""
    _check_exists(runtime, name)
    with runtime.database.read() as connection:
        rows = versions.listed(connection, name)
    newest = max((row.version for row in rows if not row.is_draft), default=None)
    for row in rows:
        publisher = row.published_by or (row.author if row.published_at else None)
        head = {**asdict(row), "connection": shown_name(name)}
        yield {**head, "published_by": publisher, "is_in_force": row.version == newest}


def version_of(runtime: Runtime, name: str, version: int | None = None) -> MappingVersion:
    """A version with its source; None: the one in force. Raises `NotFound`."""
    _check_exists(runtime, name)
    with runtime.database.read() as connection:
        found = versions.in_force(connection, name) if version is None else versions.get(connection, name, version)
    if found is None and version is None:
        what = "no rules were published" if name == RULES else f"no mapping was published for {name!r}"
        message = f"{what}; do so by `{command(name, 'publish')} FILE`"
        raise NotFound(message)
    if found is None:
        raise _missing(name, version)
    return found


def export(runtime: Runtime, name: str, version: int | None = None) -> str:
    """A version's file (None: the one in force), with a first line that says which it is. Raises `NotFound`."""
    found = version_of(runtime, name, version)
    head = f"# {shown_name(name)}, version {found.version}: leave this line, it tells when somebody is faster"
    return f"{head}\n{found.source}"


def newest_draft(runtime: Runtime, name: str) -> MappingVersion:
    """The newest draft with its source. Raises `NotFound`."""
    number = next((row["version"] for row in listed(runtime, name) if row["state"] == versions.DRAFT), None)
    if number is None:
        message = f"{shown_name(name)!r} has no draft; give a file or two versions to compare"
        raise NotFound(message)
    return version_of(runtime, name, number)


def show(runtime: Runtime, name: str) -> dict[str, Any]:
    """The version in force with its source. Raises `NotFound` when nothing was published."""
    found = version_of(runtime, name)
    return {key: getattr(found, key) for key in _SHOWN} | {"connection": shown_name(name)}


def held(runtime: Runtime, name: str | None = None) -> Iterator[dict[str, Any]]:
    """What is held and why: `what` is events (unmapped) or deliveries (unknown words), `count`, an `example` id."""
    with runtime.database.read() as connection:
        found = [("events", row) for row in subjects.held(connection)]
        found += [("deliveries", row) for row in deliveries.held_unread(connection)]
    for what, row in found:
        if name in {None, row.connection}:
            yield {"what": what, **{key: getattr(row, key) for key in ("connection", "reason", "count", "example")}}


def held_events(runtime: Runtime, name: str | None = None, page: int = CHUNK) -> Iterator[dict[str, Any]]:
    """Each held event, the longest held first: its reason, its subject, and by what that is known."""
    if name is not None:
        find(runtime, name)
    after = ""
    while True:
        with runtime.database.read() as connection:
            found = subjects.held_events(connection, name, after, page)
            known = subjects.identities_of(connection, {one.subject for one in found})
        for one in found:
            yield {**asdict(one), "identities": [f"{kind}:{value}" for kind, value in known[one.subject]]}
        if len(found) < page:
            return
        after = found[-1].id


def _check_exists(runtime: Runtime, name: str) -> None:
    if name != RULES:
        find(runtime, name)


def _tree(source: str) -> Mapping[str, Any]:
    return {str(key): value for key, value in read(source)[0].items()} if source else {}


def _missing(name: str, version: int | None) -> NotFound:
    message = f"{shown_name(name)!r} has no version {version}; `{command(name, 'versions')}` lists them"
    return NotFound(message)
