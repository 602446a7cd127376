"""`connector connection`: add, list, show, change, test, pause, resume, remove; rotate its secrets.

Secrets are read where arguments point to: an environment variable, a file, a prompt; never from an argument itself.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Collection, Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Final

import click

from adapters import ADAPTERS
from connector.cli.session import opened
from connector.cli.terminal import actor, json_option, print_json, print_pairs, print_rows, say
from connector.core.event import Outcome
from connector.mapping import read_text
from connector.mapping.region import check_region
from connector.operations import connections as operations
from connector.operations.connection_settings import SECRET_SOURCES, check_settings, find_adapter
from connector.operations.inspections import inspect

_LARGEST: Final = 65_536
_REGION: Final = "Country of phone numbers that are written without theirs (two letters, such as JP or VN)"
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
@click.option("--region", metavar="COUNTRY", help="Of phone numbers written without a country: JP, VN and so on.")
@json_option
def add(
    name: str,
    adapter_name: str,
    *,
    settings: tuple[str, ...],
    secrets: tuple[str, ...],
    mapping: Path | None,
    region: str | None,
    is_json: bool,
) -> None:
    """Add a connection, and publish its first mapping."""
    with opened() as runtime:
        operations.check_name(name)
        adapter = find_adapter(adapter_name, ADAPTERS)
        mistakes: list[str] = []
        pairs = read_pairs(settings, mistakes)
        read = read_secrets(secrets, adapter.SETTINGS, os.environ, mistakes)
        given = check_settings(adapter, pairs, read, mistakes=mistakes)
        text, file = (read_text(mapping), mapping.name) if mapping else (None, "")
        publish = partial(operations.add, runtime, name, adapter, given, actor=actor(), mapping=text, file=file)
        try:
            added = publish(region=None if region is None else check_region(region))
        except operations.LacksRegion:
            if not sys.stdin.isatty():
                raise
            added = publish(region=check_region(click.prompt(_REGION, err=True)))
        has_address = runtime.config.public_url is not None
    if is_json:
        print_json(added)
        return
    version = added["mapping"]
    say(f"Added {name}. Its webhooks go to {added['webhook']}.")
    if not has_address:
        say("Only this machine reaches that: set CONNECTOR_PUBLIC_URL to the address that the outside world uses.")
    if version:
        say(f"Mapping version {version['version']} is published ({version['comment']}).")
    else:
        say(f"It has no mapping yet: `connector mapping publish {name} FILE`.")


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
        **{word: word for word in ("accepted", Outcome.APPLIED, Outcome.HELD, Outcome.DEAD, Outcome.PENDING)},
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
        adapter = ADAPTERS[operations.find(runtime, name).adapter]
        mistakes: list[str] = [] if settings else ["nothing to change; give --set KEY=VALUE"]
        pairs = read_pairs(settings, mistakes)
        given = check_settings(adapter, pairs, {}, mistakes=mistakes, has_secrets=adapter.SETTINGS)
        operations.change(runtime, name, given.settings, actor=actor())
    say(f"Changed {', '.join(given.settings)} of {name}.")


@connection.command()
@click.argument("name")
@_secret
@click.option("--keep", is_flag=True, help="Keep the old ones behind the new ones, until nobody sends them any more.")
def rotate(name: str, secrets: tuple[str, ...], *, keep: bool) -> None:
    """Give new secrets, the newest first."""
    with opened() as runtime:
        adapter = ADAPTERS[operations.find(runtime, name).adapter]
        mistakes: list[str] = [] if secrets else ["no secret given; give --secret KEY=SOURCE"]
        read = read_secrets(secrets, adapter.SETTINGS, os.environ, mistakes)
        given = check_settings(adapter, (), read, mistakes=mistakes, has_secrets=adapter.SETTINGS)
        counts = operations.rotate(runtime, name, given.secrets, keeps_old=keep, actor=actor())
        waiting = operations.show(runtime, name)["quarantined"]
    for key, count in counts.items():
        say(f"{key}: {count} in force")
    if waiting:
        say(f"{waiting} deliveries are quarantined: `connector delivery verify {name}` verifies them again.")


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
            say(f"{'ok   ' if one.is_good else 'WRONG'}  {one.topic}: {one.text}")
    context.exit(0 if is_good else 1)


@connection.command()
@click.argument("name")
def pause(name: str) -> None:
    """Take nothing from it and send nothing to it, until it is resumed."""
    with opened() as runtime:
        is_changed = operations.set_paused(runtime, name, is_paused=True, actor=actor())
    say(f"{name} is paused." if is_changed else f"{name} was paused already.")


@connection.command()
@click.argument("name")
def resume(name: str) -> None:
    """Go on with a paused connection."""
    with opened() as runtime:
        is_changed = operations.set_paused(runtime, name, is_paused=False, actor=actor())
        runtime.wakeups.enqueue_senders()
    say(f"{name} is resumed." if is_changed else f"{name} was not paused.")


@connection.command()
@click.argument("name")
def remove(name: str) -> None:
    """Remove it and its secrets; deliveries, events and mapping versions stay."""
    with opened() as runtime:
        operations.remove(runtime, name, actor=actor())
    say(f"Removed {name}. Its history stays; `connector connection add {name}` brings it back.")


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


def read_pairs(given: Iterable[str], mistakes: list[str]) -> list[tuple[str, str]]:
    """KEY and VALUE of each `KEY=VALUE`."""
    pairs = []
    for text in given:
        key, equals, value = text.partition("=")
        if equals and key:
            pairs.append((key.strip(), value))
        else:
            mistakes.append(f"--set: found {text[:60]!r}; allowed: KEY=VALUE")
    return pairs


def read_secrets(
    given: Iterable[str], known: Collection[str], environ: Mapping[str, str], mistakes: list[str]
) -> dict[str, list[str]]:
    """The secrets by key, in the order given; a key whose source gave nothing has an empty list and a mistake.

    What was typed may be the secret itself: only a key that is `known`, or that names a source, is ever repeated.
    """
    found: dict[str, list[str]] = {}
    for text in given:
        key, equals, source = text.partition("=")
        if not equals or (key not in known and not source.startswith("@")):
            mistakes.append(f"--secret: found neither a key nor where to read it; allowed: {SECRET_SOURCES}")
            continue
        values = found.setdefault(key, [])
        value = _read(key, source, environ, mistakes)
        if value:
            values.append(value)
    return found


def _read(key: str, source: str, environ: Mapping[str, str], mistakes: list[str]) -> str:
    kind, _, place = source.partition(":")
    if source == "@prompt":
        return str(click.prompt(f"{key}", hide_input=True)).strip()
    if kind == "@env" and place:
        if not environ.get(place, "").strip():
            mistakes.append(f"{key}: the environment variable {place} is not set, or empty")
        return environ.get(place, "").strip()
    if kind == "@file" and place:
        return _read_file(key, Path(place), mistakes)
    ways = SECRET_SOURCES.replace("KEY", key)
    mistakes.append(
        f"{key}: a secret is never taken from an argument, which the shell's history and every user of this machine "
        f"can see; allowed: {ways}"
    )
    return ""


def _read_file(key: str, path: Path, mistakes: list[str]) -> str:
    try:
        with path.open("rb") as file:
            content = file.read(_LARGEST + 1)
    except OSError as error:
        mistakes.append(f"{key}: the file {path} cannot be read: {error.strerror}")
        return ""
    try:
        text = content.decode().strip()
    except UnicodeDecodeError:
        text = ""
    if not text or len(content) > _LARGEST:
        mistakes.append(f"{key}: the file {path} holds no text of 1 to {_LARGEST} bytes in UTF-8")
        return ""
    return text
