"""`connector mapping`: check files, publish them, take a version back, say what is held and what no longer fits."""

from __future__ import annotations

import sys
from dataclasses import asdict
from datetime import date, datetime
from pathlib import Path
from typing import Any, Final, TextIO

import click

from adapters import ADAPTERS
from connector.cli.session import opened, statuses_or_default
from connector.cli.terminal import actor, json_option, print_json, print_rows
from connector.core.errors import WrongSetting
from connector.core.status import StatusInfo
from connector.mapping import BadMapping, Mistake, load_mapping, read_text
from connector.operations import catalogs, mappings, publishing

_connection: Final = click.argument("name", metavar="CONNECTION")
_since: Final = click.option(
    "--since",
    type=click.DateTime(["%Y-%m-%d"]),
    metavar="YYYY-MM-DD",
    help="Events before that local date keep what was made of them.",
)
_confirm: Final = click.option("--confirm", is_flag=True, help="Publish however many subjects it moves.")
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


@click.group()
def mapping() -> None:
    """How a connection's stages, events, fields and persons become ours, and back."""


@mapping.command()
@click.argument("files", metavar="FILE...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--connection", "name", metavar="CONNECTION", help="Also name what its system does not have.")
@json_option
@click.pass_context
def check(context: click.Context, files: tuple[Path, ...], name: str | None, *, is_json: bool) -> None:
    """Name every mistake of mapping files, with line and column; exit code 1 when there are any."""
    statuses = statuses_or_default()
    is_right = True
    for file in files:
        mistakes = _mistakes(file, name, statuses)
        is_right &= not mistakes
        for mistake in mistakes:
            if is_json:
                print_json(asdict(mistake))
            else:
                click.echo(str(mistake), err=True)
        if not mistakes and not is_json:
            click.echo(f"{file} is right: a mapping for {load_mapping(file, statuses).adapter}.")
    if not is_right:
        context.exit(1)


@mapping.command()
@_connection
@click.argument("file", required=False, type=click.Path(path_type=Path))
@click.option("--draft", type=int, metavar="VERSION", help="Publish this draft instead of a file.")
@click.option("--comment", default="", help="What was changed, for the history.")
@click.option(
    "--based-on", type=int, metavar="VERSION", help="The version it was made of; refused if another is in force."
)
@_since
@_confirm
@json_option
def publish(
    name: str,
    file: Path | None,
    *,
    draft: int | None,
    comment: str,
    based_on: int | None,
    since: datetime | None,
    confirm: bool,
    is_json: bool,
) -> None:
    """Publish a file or draft as the version in force; what is stored is translated anew.

    Nothing is published when more subjects would move than the setting publish_limit_percent allows.
    """
    if (file is None) is (draft is None):
        message = "give a FILE or --draft VERSION, one of the two"
        raise WrongSetting(message)
    common: dict[str, Any] = {
        "actor": actor(),
        "since": _day(since),
        "is_confirmed": confirm,
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


@mapping.command()
@_connection
@click.argument("version", type=int)
@_since
@_confirm
@json_option
def rollback(name: str, version: int, *, since: datetime | None, confirm: bool, is_json: bool) -> None:
    """Publish an old version again, as a new one."""
    with opened() as runtime:
        done = publishing.rollback(
            runtime,
            name,
            version,
            actor=actor(),
            since=_day(since),
            is_confirmed=confirm,
            progress=progress(sys.stderr, is_json=is_json),
        )
    _print(name, done, is_json=is_json)


@mapping.command()
@_connection
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--comment", default="", help="What was changed, for the history.")
@click.option(
    "--based-on", type=int, metavar="VERSION", help="The version it was made of; without it: the one in force."
)
@json_option
def draft(name: str, file: Path, *, comment: str, based_on: int | None, is_json: bool) -> None:
    """Save a file as a draft, beside those of others; nothing is in force by it."""
    with opened() as runtime:
        source, base = mappings.read_file(runtime, name, read_text(file), file.name)
        base = base if based_on is None else based_on
        saved = mappings.save_draft(runtime, name, source, actor=actor(), comment=comment, based_on=base)
    if is_json:
        print_json({"connection": name, **asdict(saved)})
        return
    click.echo(f"Draft {saved.version} of {name} is saved, based on version {saved.based_on or 'none'}.")
    for one in saved.beside:
        click.echo(f"Since then: {one}. From theirs to yours:")
        for difference in one.differences:
            click.echo(f"  {difference}")


@mapping.command()
@_connection
@json_option
def versions(name: str, *, is_json: bool) -> None:
    """Drafts and published versions, newest first."""
    with opened() as runtime:
        rows = list(mappings.listed(runtime, name))
    shown = rows if is_json else [{**row, "shown": "in force" if row["is_in_force"] else row["state"]} for row in rows]
    print_rows(shown, is_json=is_json, columns=_VERSIONS, empty="Nothing was saved yet.")


@mapping.command()
@_connection
@click.argument("file", required=False, type=click.Path(path_type=Path))
@click.option("--version", "numbers", type=int, multiple=True, metavar="VERSION", help="Given twice: from and to.")
@json_option
def diff(name: str, file: Path | None, *, numbers: tuple[int, ...], is_json: bool) -> None:
    """What differs from the version in force: in a file, in a version, or in the newest draft."""
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
        head = {"connection": name, "from": one.version, "to": label}
        print_json({**head, "differences": [asdict(difference) for difference in found]})
        return
    click.echo(f"From version {one.version} to {label}:")
    for line in found or ("nothing that counts",):
        click.echo(f"  {line}")


@mapping.command()
@_connection
@click.option("--version", type=int, metavar="VERSION", help="Without it: the version in force.")
@json_option
def export(name: str, version: int | None, *, is_json: bool) -> None:
    """A version's file, to change and publish again; its first line says which version it is."""
    with opened() as runtime:
        found = mappings.version_of(runtime, name, version)
        text = mappings.export(runtime, name, version)
    if is_json:
        print_json({"connection": name, "version": found.version, "source": found.source})
    else:
        click.echo(text, nl=not text.endswith("\n"))


@mapping.command()
@_connection
@json_option
def show(name: str, *, is_json: bool) -> None:
    """The version in force, as it was published."""
    with opened() as runtime:
        found = mappings.show(runtime, name)
    if is_json:
        print_json(found)
        return
    click.echo(f"# {name}, version {found['version']}, by {found['author']} at {found['published_at']}")
    click.echo(found["source"], nl=not found["source"].endswith("\n"))


@mapping.command()
@click.argument("name", metavar="[CONNECTION]", required=False)
@json_option
def held(name: str | None, *, is_json: bool) -> None:
    """What waits for an entry in a mapping, by connection and reason."""
    columns = {"connection": "connection", "count": "count", "of": "what", "reason": "reason", "example": "example"}
    with opened() as runtime:
        print_rows(mappings.held(runtime, name), is_json=is_json, columns=columns, empty="Nothing is held.")


@mapping.command()
@click.argument("name", metavar="[CONNECTION]", required=False)
@click.option("--stored", is_flag=True, help="As the systems were when they were asked last.")
@json_option
@click.pass_context
def drift(context: click.Context, name: str | None, *, stored: bool, is_json: bool) -> None:
    """Where mappings and systems do not fit: what is mapped and gone, new and not mapped; exit code 1 for anything."""
    is_fine = True
    with opened() as runtime:
        for one in catalogs.drift(runtime, name, asks=not stored):
            is_fine &= not one.found and one.error is None
            if is_json:
                print_json(asdict(one))
            elif one.error is not None:
                click.echo(f"{one.connection}: {one.error}", err=True)
            else:
                for found in one.found:
                    click.echo(f"{one.connection}: {found}")
                if not one.found:
                    click.echo(f"{one.connection}: mapping and system fit.")
    if not is_fine:
        context.exit(1)


def progress(stream: TextIO, *, is_json: bool) -> publishing.Progress:
    """Tells on a terminal how far a long run is, in one line; nothing where the stream is none."""
    if is_json or not stream.isatty():
        return lambda _what, _done, _all: None
    return lambda what, done, total: click.echo(
        f"\r{what}: {done} of {total} subjects" + ("\n" if done >= total else ""), stream, nl=False
    )


def _mistakes(file: Path, name: str | None, statuses: tuple[StatusInfo, ...]) -> tuple[Mistake, ...]:
    try:
        load_mapping(file, statuses, tuple(ADAPTERS))
    except BadMapping as error:
        return error.mistakes
    if name is None:
        return ()
    with opened() as runtime:
        return tuple(catalogs.check_text(runtime, name, read_text(file), file.name))


def _day(at: datetime | None) -> date | None:
    return at.date() if at else None


def _print(name: str, done: publishing.PublishResult, *, is_json: bool) -> None:
    found = done.what_if
    if is_json:
        print_json(
            {
                "connection": name,
                **{key: getattr(done, key) for key in ("version", "events", "deliveries", "held", "subjects")},
                "is_finished": done.is_finished,
                "differences": [asdict(one) for one in done.differences],
                "what_if": found.to_json(),
            }
        )
        return
    click.echo(f"Version {done.version} of {name} is in force.")
    for one in done.differences:
        click.echo(f"  {one}")
    click.echo(f"Moved: {found.moving} of {found.subjects} subjects.")
    for (before, after), count in sorted(found.moved.items()):
        click.echo(f"  {before} → {after}: {count}")
    click.echo(f"Released: {done.events} held events; {done.deliveries} held deliveries are read again.")
    if done.held:
        click.echo(f"Held now: {done.held} events.")
    if not done.is_finished:
        click.echo("The events that are stored are still being translated; the workers go on with it.")
