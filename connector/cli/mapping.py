"""`connector mapping`: check files, publish them, take a version back, say what is held and what no longer fits."""

from __future__ import annotations

from dataclasses import asdict
from datetime import date, datetime
from pathlib import Path
from typing import Final

import click

from adapters import ADAPTERS
from connector.cli import documents
from connector.cli.session import opened, statuses_or_default
from connector.cli.terminal import json_option, print_json, print_rows, say
from connector.core.errors import NotFound
from connector.core.status import StatusInfo
from connector.mapping import BadMapping, Mistake, load_mapping, read_text
from connector.operations import catalogs, mappings
from connector.store.remaps import RULES


def _of_a_connection(_context: click.Context, _argument: click.Parameter, name: str) -> str:
    if name == RULES:
        message = f"{name!r} is no connection; the rules have commands of their own: `connector rules`"
        raise NotFound(message)
    return name


_connection: Final = click.argument("name", metavar="CONNECTION", callback=_of_a_connection)
_since: Final = click.option(
    "--since",
    type=click.DateTime(["%Y-%m-%d"]),
    metavar="YYYY-MM-DD",
    help="Events before that local date keep what was made of them.",
)
_confirm: Final = click.option("--confirm", is_flag=True, help="Publish however many subjects it moves.")


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
                say(str(mistake), err=True)
        if not mistakes and not is_json:
            say(f"{file} is right: a mapping for {load_mapping(file, statuses).adapter}.")
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
    documents.publish(
        name,
        file,
        draft=draft,
        comment=comment,
        based_on=based_on,
        since=_day(since),
        is_confirmed=confirm,
        is_json=is_json,
    )


@mapping.command()
@_connection
@click.argument("version", type=int)
@_since
@_confirm
@json_option
def rollback(name: str, version: int, *, since: datetime | None, confirm: bool, is_json: bool) -> None:
    """Publish an old version again, as a new one."""
    documents.roll_back(name, version, since=_day(since), is_confirmed=confirm, is_json=is_json)


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
    documents.save_draft(name, file, comment=comment, based_on=based_on, is_json=is_json)


@mapping.command()
@_connection
@json_option
def versions(name: str, *, is_json: bool) -> None:
    """Drafts and published versions, newest first."""
    documents.print_versions(name, is_json=is_json)


@mapping.command()
@_connection
@click.argument("file", required=False, type=click.Path(path_type=Path))
@click.option("--version", "numbers", type=int, multiple=True, metavar="VERSION", help="Given twice: from and to.")
@json_option
def diff(name: str, file: Path | None, *, numbers: tuple[int, ...], is_json: bool) -> None:
    """What differs from the version in force: in a file, in a version, or in the newest draft."""
    documents.print_diff(name, file, numbers, is_json=is_json)


@mapping.command()
@_connection
@click.option("--version", type=int, metavar="VERSION", help="Without it: the version in force.")
@json_option
def export(name: str, version: int | None, *, is_json: bool) -> None:
    """A version's file, to change and publish again; its first line says which version it is."""
    documents.print_export(name, version, is_json=is_json)


@mapping.command()
@_connection
@json_option
def show(name: str, *, is_json: bool) -> None:
    """The version in force, as it was published."""
    documents.print_in_force(name, is_json=is_json)


@mapping.command()
@click.argument("name", metavar="[CONNECTION]", required=False)
@click.option("--show", "is_each", is_flag=True, help="Each event, with the lead that waits for it.")
@json_option
def held(name: str | None, *, is_each: bool, is_json: bool) -> None:
    """What waits for an entry in a mapping, by connection and reason; with --show who waits."""
    columns = {"connection": "connection", "count": "count", "of": "what", "reason": "reason", "example": "example"}
    if is_each:
        columns = {name: name for name in ("connection", "reason", "at", "identities", "subject", "delivery")}
    with opened() as runtime:
        rows = (mappings.held_events if is_each else mappings.held)(runtime, name)
        print_rows(rows, is_json=is_json, columns=columns, empty="Nothing is held.")


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
                say(f"{one.connection}: {one.error}", err=True)
            else:
                for found in one.found:
                    say(f"{one.connection}: {found}")
                if not one.found:
                    say(f"{one.connection}: mapping and system fit.")
    if not is_fine:
        context.exit(1)


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
