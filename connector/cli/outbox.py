"""`connector outbox`: what waits to be sent, and trying again what was given up."""

from __future__ import annotations

import click

from connector.cli.session import opened
from connector.cli.terminal import json_option, print_json, print_rows
from connector.operations import upkeep as operations

_OUTCOMES = ("waiting", "done", "gone", "dead")
_connection = click.option("--connection", "of", metavar="NAME", help="Only of this connection.")


@click.group()
def outbox() -> None:
    """Updates and notices on their way out."""


@outbox.command("list")
@_connection
@click.option("--outcome", type=click.Choice(_OUTCOMES), help="Only those that wait, or ended so.")
@click.option("--limit", type=click.IntRange(1), default=50, show_default=True, help="How many, the newest first.")
@click.option("--all", "is_all", is_flag=True, help="All of them.")
@json_option
def show_all(of: str | None, outcome: str | None, limit: int, *, is_all: bool, is_json: bool) -> None:
    """Entries, newest first."""
    columns = {
        "id": "id",
        "kind": "kind",
        "connection": "connection",
        "subject": "subject",
        "outcome": "outcome",
        "tries": "attempts",
        "next try": "next_attempt_at",
        "error": "error",
    }
    with opened() as runtime:
        rows = operations.entries(runtime, of=of, outcome=outcome, most=None if is_all else limit)
        print_rows(rows, is_json=is_json, columns=columns, empty="Nothing in the outbox.")


@outbox.command()
@click.argument("ids", metavar="[ID]...", nargs=-1)
@_connection
@json_option
def retry(ids: tuple[str, ...], of: str | None, *, is_json: bool) -> None:
    """Try dead entries again: these, those of a connection, or (without either) all."""
    if ids and of:
        message = "give ids or --connection, not both"
        raise click.UsageError(message)
    with opened() as runtime:
        retried = operations.retry(runtime, ids, of=of)
    if is_json:
        print_json({"retried": retried})
    else:
        click.echo(f"{len(retried)} entries wait to be sent again.")
