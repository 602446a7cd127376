"""`connector connection`: add, list, show, change, test, pause, resume, remove; rotate its secrets."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import click

from adapters import ADAPTERS
from connector.cli.secret_sources import read_pairs, read_secrets
from connector.cli.session import opened
from connector.cli.terminal import actor, json_option, print_json, print_pairs, print_rows, printable
from connector.operations import connection_changes as changes
from connector.operations import connections as operations
from connector.operations.connection_settings import draft, find_adapter
from connector.operations.inspections import inspect

_set = click.option("--set", "settings", multiple=True, metavar="KEY=VALUE", help="A setting; repeatable.")
_secret = click.option(
    "--secret",
    "secrets",
    multiple=True,
    metavar="KEY=SOURCE",
    help="A secret from @env:VARIABLE, @file:PATH or @prompt; repeatable, the newest first.",
)


@click.group()
def connection() -> None:
    """Configured accounts of external systems."""


@connection.command()
@click.argument("name")
@click.option("--adapter", "adapter_name", required=True, help=f"One of {', '.join(sorted(ADAPTERS))}.")
@_set
@_secret
@click.option("--mapping", type=click.Path(path_type=Path), help="Mapping file, in place of the one that comes along.")
@json_option
def add(
    name: str,
    adapter_name: str,
    settings: tuple[str, ...],
    secrets: tuple[str, ...],
    mapping: Path | None,
    *,
    is_json: bool,
) -> None:
    """Add a connection, and publish its first mapping."""
    with opened() as runtime:
        changes.check_name(name)
        adapter = find_adapter(adapter_name, ADAPTERS)
        mistakes: list[str] = []
        pairs = read_pairs(settings, mistakes)
        read = read_secrets(secrets, adapter.SETTINGS, os.environ, mistakes)
        given = draft(adapter, pairs, read, mistakes=mistakes)
        added = changes.add(runtime, name, adapter, given, mapping=mapping, actor=actor())
        has_address = runtime.config.public_url is not None
    if is_json:
        print_json(added)
        return
    version = added["mapping"]
    click.echo(f"Added {name}. Its webhooks go to {added['webhook']}.")
    if not has_address:
        click.echo(
            "Only this machine reaches that: set CONNECTOR_PUBLIC_URL to the address that the outside world uses."
        )
    if version:
        click.echo(f"Mapping version {version['version']} is published ({version['comment']}).")
    else:
        click.echo(f"It has no mapping yet: `connector mapping publish {name} FILE`.")


@connection.command("list")
@json_option
def show_all(*, is_json: bool) -> None:
    """Each connection, with what became of its deliveries."""
    with opened() as runtime:
        rows = list(operations.listed(runtime))
    if not is_json:
        rows = [{**row, **row["account"]} for row in rows]
    columns = {
        "name": "name",
        "adapter": "adapter",
        "paused": "is_paused",
        "mapping": "mapping_version",
        **{word: word for word in ("accepted", "applied", "held", "dead", "pending")},
    }
    print_rows(rows, is_json=is_json, columns=columns, empty="No connection yet: `connector connection add`.")


@connection.command()
@click.argument("name")
@json_option
def show(name: str, *, is_json: bool) -> None:
    """Settings, names of secrets, mapping, account, what is held, the last reconciliation."""
    with opened() as runtime:
        found = operations.show(runtime, name)
    if is_json:
        print_json(found)
        return
    print_pairs(_shown(found))


@connection.command()
@click.argument("name")
@_set
def change(name: str, settings: tuple[str, ...]) -> None:
    """Change settings; the others stay."""
    with opened() as runtime:
        adapter = ADAPTERS[operations.find(runtime, name)["adapter"]]
        mistakes: list[str] = [] if settings else ["nothing to change; give --set KEY=VALUE"]
        pairs = read_pairs(settings, mistakes)
        given = draft(adapter, pairs, {}, mistakes=mistakes, has_secrets=adapter.SETTINGS)
        changes.change(runtime, name, given.settings, actor=actor())
    click.echo(f"Changed {', '.join(given.settings)} of {name}.")


@connection.command()
@click.argument("name")
@_secret
@click.option("--keep", is_flag=True, help="Keep the old ones behind the new ones, until nobody sends them any more.")
def rotate(name: str, secrets: tuple[str, ...], *, keep: bool) -> None:
    """Give new secrets, the newest first."""
    with opened() as runtime:
        adapter = ADAPTERS[operations.find(runtime, name)["adapter"]]
        mistakes: list[str] = [] if secrets else ["no secret given; give --secret KEY=SOURCE"]
        read = read_secrets(secrets, adapter.SETTINGS, os.environ, mistakes)
        given = draft(adapter, (), read, mistakes=mistakes, has_secrets=adapter.SETTINGS)
        counts = changes.rotate(runtime, name, given.secrets, keeps_old=keep, actor=actor())
        waiting = operations.show(runtime, name)["quarantined"]
    for key, count in counts.items():
        click.echo(f"{key}: {count} in force")
    if waiting:
        click.echo(f"{waiting} deliveries are quarantined: `connector delivery verify {name}` verifies them again.")


@connection.command()
@click.argument("name")
@json_option
@click.pass_context
def test(context: click.Context, name: str, *, is_json: bool) -> None:
    """Say what works and what does not: credentials, scopes, clocks, webhooks, limits, mapping; exit code 1 if not."""
    with opened() as runtime:
        found = inspect(runtime, name)
    is_good = all(one.is_good for one in found)
    if is_json:
        rows = [{"topic": one.topic, "is_good": one.is_good, "text": one.text} for one in found]
        print_json({"connection": name, "is_good": is_good, "findings": rows})
    else:
        for one in found:
            click.echo(printable(f"{'ok   ' if one.is_good else 'WRONG'}  {one.topic}: {one.text}"))
    context.exit(0 if is_good else 1)


@connection.command()
@click.argument("name")
def pause(name: str) -> None:
    """Take nothing from it and send nothing to it, until it is resumed."""
    with opened() as runtime:
        is_changed = changes.set_paused(runtime, name, is_paused=True, actor=actor())
    click.echo(f"{name} is paused." if is_changed else f"{name} was paused already.")


@connection.command()
@click.argument("name")
def resume(name: str) -> None:
    """Go on with a paused connection."""
    with opened() as runtime:
        is_changed = changes.set_paused(runtime, name, is_paused=False, actor=actor())
        runtime.wake_push()
    click.echo(f"{name} is resumed." if is_changed else f"{name} was not paused.")


@connection.command()
@click.argument("name")
def remove(name: str) -> None:
    """Remove it and its secrets; deliveries, events and mapping versions stay."""
    with opened() as runtime:
        changes.remove(runtime, name, actor=actor())
    click.echo(f"Removed {name}. Its history stays; `connector connection add {name}` brings it back.")


def _shown(found: dict[str, Any]) -> list[tuple[str, Any]]:
    mapping = found["mapping"]
    return [
        ("name", found["name"]),
        ("adapter", found["adapter"]),
        ("paused", found["is_paused"]),
        ("webhooks to", found["webhook"]),
        *((f"setting {key}", value) for key, value in found["settings"].items()),
        *((f"secret {key}", f"{count} set" if count else "none") for key, count in found["secrets"].items()),
        ("mapping", f"version {mapping['version']} by {mapping['author']}" if mapping else "none"),
        ("account", {key: count for key, count in found["account"].items() if count} or "no delivery yet"),
        ("quarantined", found["quarantined"] or None),
        *(("held", f"{one['count']} × {one['reason']}") for one in found["held"]),
        ("last reconciled", found["reconciled_at"] or "never"),
        ("found by it", f"{found['missed']} events that no webhook brought" if found["missed"] else None),
    ]
