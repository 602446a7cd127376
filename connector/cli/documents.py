"""What `connector mapping` and `connector rules` do alike with versions: publish, roll back, save, list, compare."""

from __future__ import annotations

import sys
from dataclasses import asdict
from datetime import date
from pathlib import Path
from typing import Any, Final, TextIO

from connector.cli.session import opened
from connector.cli.terminal import actor, print_json, print_rows, redraw, say, write_file
from connector.core.errors import WrongSetting
from connector.mapping import read_text
from connector.operations import mappings, publishing
from connector.operations.mappings import shown_name
from connector.store.remaps import RULES

_VERSIONS: Final = {
    "version": "version",
    "state": "shown",
    "author": "author",
    "saved": "created_at",
    "published": "published_at",
    "by": "published_by",
    "based on": "based_on",
    "comment": "comment",
}


def publish(
    name: str,
    file: Path | None,
    *,
    draft: int | None,
    comment: str,
    based_on: int | None,
    is_confirmed: bool,
    is_json: bool,
    since: date | None = None,
) -> None:
    """Publish a file or a draft, and say what that did."""
    if (file is None) is (draft is None):
        message = "give a FILE or --draft VERSION, one of the two"
        raise WrongSetting(message)
    common: dict[str, Any] = {
        "actor": actor(),
        "since": since,
        "is_confirmed": is_confirmed,
        "progress": progress(sys.stderr, is_json=is_json),
    }
    with opened() as runtime:
        if file is not None:
            done = publishing.publish(
                runtime, name, read_text(file), file=file.name, comment=comment, based_on=based_on, **common
            )
        else:
            done = publishing.publish_draft(runtime, name, draft or 0, **common)
    _print(name, done, is_json=is_json)


def roll_back(name: str, version: int, *, is_confirmed: bool, is_json: bool, since: date | None = None) -> None:
    """Publish an old version again, and say what that did."""
    with opened() as runtime:
        done = publishing.rollback(
            runtime,
            name,
            version,
            actor=actor(),
            since=since,
            is_confirmed=is_confirmed,
            progress=progress(sys.stderr, is_json=is_json),
        )
    _print(name, done, is_json=is_json)


def save_draft(name: str, file: Path, *, comment: str, based_on: int | None, is_json: bool) -> None:
    """Save a file as a draft, and say what others have done since the version that it is based on."""
    with opened() as runtime:
        source, base = mappings.read_file(runtime, name, read_text(file), file.name)
        base = base if based_on is None else based_on
        saved = mappings.save_draft(runtime, name, source, actor=actor(), comment=comment, based_on=base)
    if is_json:
        print_json({**_head(name), **asdict(saved)})
        return
    say(f"Draft {saved.version} of {shown_name(name)} is saved, based on version {saved.based_on or 'none'}.")
    for one in saved.beside:
        say(f"Since then: {one}. From theirs to yours:")
        for difference in one.differences:
            say(f"  {difference}")


def print_versions(name: str, *, is_json: bool) -> None:
    """Drafts and published versions, newest first."""
    with opened() as runtime:
        rows = list(mappings.listed(runtime, name))
    shown = rows if is_json else [{**row, "shown": "in force" if row["is_in_force"] else row["state"]} for row in rows]
    print_rows(shown, is_json=is_json, columns=_VERSIONS, empty="Nothing was saved yet.")


def print_diff(name: str, file: Path | None, numbers: tuple[int, ...], *, is_json: bool) -> None:
    """What differs between two versions, or from one version (without a number: that in force) to a file or draft."""
    most = 1 if file else 2
    if len(numbers) > most:
        message = f"--version was given {len(numbers)} times; allowed: {most} at most{' beside a file' if file else ''}"
        raise WrongSetting(message)
    with opened() as runtime:
        one = mappings.version_of(runtime, name, numbers[0] if numbers and (file or len(numbers) == most) else None)
        if file is not None:
            label, after = file.name, mappings.read_file(runtime, name, read_text(file), file.name)[0]
        else:
            other = mappings.version_of(runtime, name, numbers[-1]) if numbers else mappings.newest_draft(runtime, name)
            label, after = f"version {other.version}", other.source
        found = mappings.compared(runtime, one.source, after)
    if is_json:
        head = {**_head(name), "from": one.version, "to": label}
        print_json({**head, "differences": [asdict(difference) for difference in found]})
        return
    say(f"From version {one.version} to {label}:")
    for line in found or ("nothing that counts",):
        say(f"  {line}")


def print_export(name: str, version: int | None, *, is_json: bool) -> None:
    """A version's file, to change and publish again."""
    with opened() as runtime:
        found = mappings.version_of(runtime, name, version)
        text = mappings.export(runtime, name, version)
    if is_json:
        print_json({**_head(name), "version": found.version, "source": found.source})
    else:
        write_file(text)


def print_in_force(name: str, *, is_json: bool) -> None:
    """The version in force, as it was published."""
    with opened() as runtime:
        found = mappings.show(runtime, name)
    if is_json:
        print_json(found)
        return
    say(f"# {shown_name(name)}, version {found['version']}, by {found['author']} at {found['published_at']}")
    write_file(found["source"])


def progress(stream: TextIO, *, is_json: bool) -> publishing.Progress:
    """Tells on a terminal how far a long run is, in one line; nothing where the stream is none."""
    if is_json or not stream.isatty():
        return lambda _what, _done, _all: None
    return lambda what, done, total: redraw(f"{what}: {done} of {total} subjects", stream, is_last=done >= total)


def _head(name: str) -> dict[str, str]:
    return {} if name == RULES else {"connection": name}


def _print(name: str, done: publishing.PublishResult, *, is_json: bool) -> None:
    found = done.what_if
    if is_json:
        print_json(
            {
                **_head(name),
                **{key: getattr(done, key) for key in ("version", "events", "deliveries", "held", "subjects")},
                "is_finished": done.is_finished,
                "differences": [asdict(one) for one in done.differences],
                "what_if": found.to_json(),
            }
        )
        return
    say(f"Version {done.version} of {shown_name(name)} is in force.")
    for one in done.differences:
        say(f"  {one}")
    say(f"Moved: {found.moving} of {found.subjects} subjects.")
    for (before, after), count in sorted(found.moved.items()):
        say(f"  {before} → {after}: {count}")
    if name == RULES:
        say(f"Folded anew: {done.subjects} subjects; nobody is mailed for it.")
    else:
        say(f"Released: {done.events} held events; {done.deliveries} held deliveries are read again.")
    if done.held:
        say(f"Held now: {done.held} events.")
    if not done.is_finished:
        say("What is stored is still being brought under it; the workers go on with it.")
