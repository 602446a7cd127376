"""`connector mapping draft`, `versions`, `diff`, `export`, `show`: what was saved, by whom, and what differs."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click

from connector.cli.session import opened
from connector.cli.terminal import actor, json_option, print_json, print_rows
from connector.core.errors import WrongSetting
from connector.operations import mapping_versions as operations
from connector.operations import mappings

_COLUMNS = {
    "version": "version",
    "state": "shown",
    "author": "author",
    "saved": "created_at",
    "published": "published_at",
    "by": "published_by",
    "based on": "based_on",
    "comment": "comment",
}


@click.command()
@click.argument("name", metavar="CONNECTION")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--comment", default="", help="What was changed, for the history.")
@click.option(
    "--based-on", type=int, metavar="VERSION", help="The version it was made of; without it: the one in force."
)
@json_option
def draft(name: str, file: Path, *, comment: str, based_on: int | None, is_json: bool) -> None:
    """Save a file as a draft, beside those of others; nothing is in force by it."""
    with opened() as runtime:
        source, base = operations.read_file(runtime, name, file)
        base = base if based_on is None else based_on
        saved = operations.save_draft(runtime, name, source, actor=actor(), comment=comment, based_on=base)
    if is_json:
        print_json({"connection": name, **asdict(saved)})
        return
    click.echo(f"Draft {saved.version} of {name} is saved, based on version {saved.based_on or 'none'}.")
    for one in saved.beside:
        click.echo(f"Since then: {one}. From theirs to yours:")
        for difference in one.differences:
            click.echo(f"  {difference}")


@click.command()
@click.argument("name", metavar="CONNECTION")
@json_option
def versions(name: str, *, is_json: bool) -> None:
    """Drafts and published versions, newest first."""
    with opened() as runtime:
        rows = list(operations.listed(runtime, name))
    shown = rows if is_json else [{**row, "shown": "in force" if row["is_in_force"] else row["state"]} for row in rows]
    print_rows(shown, is_json=is_json, columns=_COLUMNS, empty="Nothing was saved yet.")


@click.command()
@click.argument("name", metavar="CONNECTION")
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
        one = operations.version_of(runtime, name, numbers[0] if numbers and (file or len(numbers) == most) else None)
        if file is not None:
            label, after = file.name, operations.read_file(runtime, name, file)[0]
        else:
            other = (
                operations.version_of(runtime, name, numbers[-1]) if numbers else operations.newest_draft(runtime, name)
            )
            label, after = f"version {other['version']}", other["source"]
        found = operations.compared(runtime, one["source"], after)
    if is_json:
        head = {"connection": name, "from": one["version"], "to": label}
        print_json({**head, "differences": [asdict(difference) for difference in found]})
        return
    click.echo(f"From version {one['version']} to {label}:")
    for line in found or ("nothing that counts",):
        click.echo(f"  {line}")


@click.command()
@click.argument("name", metavar="CONNECTION")
@click.option("--version", type=int, metavar="VERSION", help="Without it: the version in force.")
@json_option
def export(name: str, version: int | None, *, is_json: bool) -> None:
    """A version's file, to change and publish again; its first line says which version it is."""
    with opened() as runtime:
        found = operations.version_of(runtime, name, version)
        text = operations.export(runtime, name, version)
    if is_json:
        print_json({"connection": name, "version": found["version"], "source": found["source"]})
    else:
        click.echo(text, nl=not text.endswith("\n"))


@click.command()
@click.argument("name", metavar="CONNECTION")
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
