"""`connector subject merges`, `merge` and `split`: which subjects turned out to be one, and what to do about it."""

from __future__ import annotations

import click

from connector.cli.session import opened
from connector.cli.subject import subject
from connector.cli.terminal import actor, json_option, print_json, print_rows, printable
from connector.operations import merging as operations


@subject.command("merges")
@click.argument("who")
@json_option
def show_merges(who: str, *, is_json: bool) -> None:
    """Which subjects turned out to be this one: when, by which event, and what found them until then."""
    with opened() as runtime:
        rows = operations.listed(runtime, who)
    columns = {"merge": "id", "at": "at", "was": "loser", "became": "survivor", "by event": "event", "undone": "undone"}
    if not is_json:
        rows = [
            {**row, "undone": row["undone_at"] and f"{row['undone_at']:%Y-%m-%d} by {row['undone_by']}"} for row in rows
        ]
    print_rows(rows, is_json=is_json, columns=columns, empty="It was always one subject.")


@subject.command()
@click.argument("who")
@click.argument("other")
@json_option
def merge(who: str, other: str, *, is_json: bool) -> None:
    """Say that two subjects are one: the union of their events, folded again."""
    with opened() as runtime:
        found = operations.join(runtime, who, other, actor=actor())
    if is_json:
        print_json(found)
        return
    click.echo(printable(f"One subject now: {found['id']}, {found['label']} since {found['since']}."))


@subject.command()
@click.argument("merge", metavar="MERGE")
@json_option
def split(merge: str, *, is_json: bool) -> None:
    """Undo a merge (`connector subject merges WHO` lists them): two subjects again, each folded from its own events."""
    with opened() as runtime:
        found = operations.undo(runtime, merge, actor=actor())
    if is_json:
        print_json(found)
        return
    for one in (found["survivor"], found["loser"]):
        click.echo(printable(f"{one['id']}: {one['label']} since {one['since']}, {len(one['identities'])} identities"))
    click.echo("They are kept apart from now on; `connector subject merge` takes that back.")
