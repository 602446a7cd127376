"""`connector mapping`: check files, publish them, take a version back, say what is held and what no longer fits."""

from __future__ import annotations

import sys
from dataclasses import asdict
from datetime import date, datetime
from pathlib import Path
from typing import Any, Final

import click

from adapters import ADAPTERS
from connector.cli import mapping_versions
from connector.cli.session import configured, opened
from connector.cli.terminal import actor, json_option, print_json, print_rows
from connector.core.errors import WrongSetting
from connector.core.status import StatusInfo
from connector.mapping import BadMapping, Mistake, load_mapping
from connector.operations import catalogs, mappings, publishing
from connector.runtime.parts import Runtime

connection_argument: Final = click.argument("name", metavar="CONNECTION")
since_option: Final = click.option(
    "--since",
    type=click.DateTime(["%Y-%m-%d"]),
    metavar="YYYY-MM-DD",
    help="Events before that local date keep what was made of them.",
)
confirm_option: Final = click.option("--confirm", is_flag=True, help="Publish however many subjects it moves.")


@click.group()
def mapping() -> None:
    """How a connection's stages, events, fields and persons become ours, and back."""


for command in (
    mapping_versions.draft,
    mapping_versions.versions,
    mapping_versions.diff,
    mapping_versions.export,
    mapping_versions.show,
):
    mapping.add_command(command)


@mapping.command()
@click.argument("files", metavar="FILE...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--connection", "name", metavar="CONNECTION", help="Also name what its system does not have.")
@json_option
@click.pass_context
def check(context: click.Context, files: tuple[Path, ...], name: str | None, *, is_json: bool) -> None:
    """Name every mistake of mapping files, with line and column; exit code 1 when there are any."""
    statuses = tuple(Runtime(configured()).ruleset.statuses.values())
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
@connection_argument
@click.argument("file", required=False, type=click.Path(path_type=Path))
@click.option("--draft", type=int, metavar="VERSION", help="Publish this draft instead of a file.")
@click.option("--comment", default="", help="What was changed, for the history.")
@click.option(
    "--based-on", type=int, metavar="VERSION", help="The version it was made of; refused if another is in force."
)
@since_option
@confirm_option
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
        "progress": progress(is_json=is_json),
    }
    with opened() as runtime:
        if file is not None:
            done = publishing.publish(runtime, name, file, comment=comment, based_on=based_on, **common)
        else:
            done = publishing.publish_draft(runtime, name, draft or 0, **common)
    _print(name, done, is_json=is_json)


@mapping.command()
@connection_argument
@click.argument("version", type=int)
@since_option
@confirm_option
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
            progress=progress(is_json=is_json),
        )
    _print(name, done, is_json=is_json)


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


def progress(*, is_json: bool) -> publishing.Progress:
    """Tells on a terminal how far a long run is, in one line."""
    if is_json or not sys.stderr.isatty():
        return lambda _what, _done, _all: None
    return lambda what, done, total: click.echo(
        f"\r{what}: {done} of {total} subjects" + ("\n" if done >= total else ""), err=True, nl=False
    )


def _mistakes(file: Path, name: str | None, statuses: tuple[StatusInfo, ...]) -> tuple[Mistake, ...]:
    try:
        load_mapping(file, statuses, tuple(ADAPTERS))
    except BadMapping as error:
        return error.mistakes
    if name is None:
        return ()
    with opened() as runtime:
        return tuple(catalogs.check_file(runtime, name, file))


def _day(at: datetime | None) -> date | None:
    return at.date() if at else None


def _print(name: str, done: publishing.Published, *, is_json: bool) -> None:
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
