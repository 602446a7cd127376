"""`connector mapping`: check a file, publish it, show the one in force, list what is held for want of an entry."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click

from connector.commands.opening import configured, opened
from connector.commands.terminal import actor, json_option, print_json, print_rows
from connector.core.rules import TEMPLATES
from connector.mapping_files import BadMapping, load_mapping
from connector.operations import mappings as operations


@click.group()
def mapping() -> None:
    """How a connection's stages, events, fields and persons become ours, and back."""


@mapping.command()
@click.argument("file", type=click.Path(path_type=Path))
@json_option
@click.pass_context
def check(context: click.Context, file: Path, *, is_json: bool) -> None:
    """Name every mistake of a mapping file, with line and column; exit code 2 when there are any."""
    statuses = TEMPLATES[configured().template].statuses
    try:
        rules = load_mapping(file, statuses)
    except BadMapping as error:
        for mistake in error.mistakes:
            if is_json:
                print_json(asdict(mistake))
            else:
                click.echo(str(mistake), err=True)
        context.exit(2)
    if not is_json:
        click.echo(f"{file} is right: a mapping for {rules.adapter}.")


@mapping.command()
@click.argument("name", metavar="CONNECTION")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--comment", default="", help="What was changed, for the history.")
@json_option
def publish(name: str, file: Path, comment: str, *, is_json: bool) -> None:
    """Publish a file as the connection's next version, and release what was held for it."""
    with opened() as runtime:
        published = operations.publish(runtime, name, file, actor=actor(), comment=comment)
    if is_json:
        print_json({"connection": name, **asdict(published)})
        return
    click.echo(f"Version {published.version} of {name} is in force.")
    click.echo(f"Released: {published.events} held events; {published.deliveries} held deliveries are read again.")


@mapping.command()
@click.argument("name", metavar="CONNECTION")
@json_option
def show(name: str, *, is_json: bool) -> None:
    """The version in force, as it was published."""
    with opened() as runtime:
        found = operations.show(runtime, name)
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
        print_rows(operations.held(runtime, name), is_json=is_json, columns=columns, empty="Nothing is held.")
