"""`connector delivery` and `connector outbox`: what came in and what goes out; replay, verify, send or try it again."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any, Final

import click

from connector.cli.session import opened
from connector.cli.terminal import json_option, print_json, print_pairs, print_rows, say, say_lines
from connector.core.errors import printable
from connector.core.event import Outcome
from connector.emulators.examples import EXAMPLES, example
from connector.operations import deliveries as operations
from connector.operations import outbox as outbox_operations
from connector.operations.connections import connected

_connection = click.option("--connection", "name", metavar="NAME", help="Only of this connection.")
_OUTCOMES: Final = tuple(outcome.value for outcome in Outcome)
_ENDS: Final = tuple(word for word in _OUTCOMES if word != Outcome.PENDING)
_SENDINGS: Final = ("waiting", "done", "gone", "dead")


@click.group()
def delivery() -> None:
    """Webhook requests as they were received."""


@delivery.command("list")
@_connection
@click.option("--outcome", type=click.Choice(_OUTCOMES), help="Only those that ended so, or wait.")
@click.option("--limit", type=click.IntRange(1), default=50, show_default=True, help="How many, the newest first.")
@click.option("--all", "is_all", is_flag=True, help="All of them.")
@json_option
def show_all(name: str | None, outcome: str | None, limit: int, *, is_all: bool, is_json: bool) -> None:
    """Deliveries, newest first."""
    columns = {
        "id": "id",
        "received": "received_at",
        "connection": "connection",
        "outcome": "outcome",
        "tries": "attempts",
        "again": "duplicates",
        "error": "error",
    }
    with opened() as runtime:
        rows = operations.listed(runtime, name=name, outcome=outcome, most=None if is_all else limit)
        print_rows(rows, is_json=is_json, columns=columns, empty="No delivery.")


@delivery.command()
@click.argument("delivery_id", metavar="ID")
@json_option
def show(delivery_id: str, *, is_json: bool) -> None:
    """One delivery as it is stored (secrets masked), its events and what they decided."""
    with opened() as runtime:
        found = operations.show(runtime, delivery_id)
    if is_json:
        print_json(found)
        return
    _print(found)


@delivery.command()
@click.argument("ids", metavar="[ID]...", nargs=-1)
@click.option("--connection", "name", metavar="NAME", help="With --outcome: all of this connection.")
@click.option("--outcome", type=click.Choice(_ENDS), help="All that ended so.")
@json_option
def replay(ids: tuple[str, ...], name: str | None, outcome: str | None, *, is_json: bool) -> None:
    """Process deliveries again: these, or all of a connection with an outcome. What was applied counts once."""
    if bool(ids) == bool(name or outcome) or bool(name) != bool(outcome):
        message = "give ids, or --connection NAME and --outcome WORD"
        raise click.UsageError(message)
    with opened() as runtime:
        done = operations.replay_all(runtime, name, outcome) if name and outcome else None
        done = done or operations.replay(runtime, ids)
    if is_json:
        print_json({"replayed": done.replayed, "refused": done.refused})
    else:
        say(f"{len(done.replayed)} deliveries wait to be processed again.")
        for refused in done.refused:
            say(f"Not {printable(refused)}: unknown, waiting already, or its body is no longer kept.", err=True)
    if ids and done.refused:
        raise SystemExit(1)


@delivery.command()
@click.argument("name", metavar="CONNECTION")
@click.option("--example", "example_name", metavar="NAME", help="Which of the system's; --list names them.")
@click.option("--list", "is_list", is_flag=True, help="Name the examples of this system, and send nothing.")
@json_option
@click.pass_context
def send(context: click.Context, name: str, example_name: str | None, *, is_list: bool, is_json: bool) -> None:
    """Send a test webhook as the system would, proved by the connection's own secret, to the running product.

    It counts as any other: `subject erase` takes away whom it is about. Exit code 1 when it is not taken.
    """
    with opened() as runtime:
        one = connected(runtime, name)
        if is_list:
            say_lines("\n".join(EXAMPLES.get(one.adapter.NAME, ())) or f"{one.adapter.NAME} sends no webhooks.")
            return
        made = example(one.adapter, example_name, operations.webhook_path(one), runtime.clock())
        sent = operations.send(runtime, one, made)
    if is_json:
        print_json(asdict(sent))
    else:
        say(f"{sent.status} {sent.answer.strip()}")
        if sent.delivery:
            say(f"Delivery {sent.delivery}: {sent.outcome}.")
    if not sent.delivery:
        context.exit(1)


@delivery.command()
@click.argument("name", metavar="CONNECTION")
@json_option
def verify(name: str, *, is_json: bool) -> None:
    """Verify a connection's quarantined deliveries again, after its secret was corrected."""
    with opened() as runtime:
        accepted = operations.verify(runtime, name)
    if is_json:
        print_json({"connection": name, "taken": accepted})
    else:
        say(f"{accepted} deliveries left the quarantine and wait to be processed.")


@delivery.command()
@_connection
@json_option
def quarantine(name: str | None, *, is_json: bool) -> None:
    """Deliveries that could not be authenticated or read, oldest first."""
    columns = {
        "id": "id",
        "received": "received_at",
        "connection": "connection",
        "reason": "reason",
        "bytes": "size",
        "error": "error",
    }
    with opened() as runtime:
        print_rows(
            operations.quarantined(runtime, name), is_json=is_json, columns=columns, empty="Nothing is quarantined."
        )


@click.group()
def outbox() -> None:
    """Updates and notices on their way out."""


@outbox.command("list")
@_connection
@click.option("--outcome", type=click.Choice(_SENDINGS), help="Only those that wait, or ended so.")
@click.option("--limit", type=click.IntRange(1), default=50, show_default=True, help="How many, the newest first.")
@click.option("--all", "is_all", is_flag=True, help="All of them.")
@json_option
def show_outbox(name: str | None, outcome: str | None, limit: int, *, is_all: bool, is_json: bool) -> None:
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
        rows = outbox_operations.listed(runtime, name=name, outcome=outcome, most=None if is_all else limit)
        print_rows(rows, is_json=is_json, columns=columns, empty="Nothing in the outbox.")


@outbox.command()
@click.argument("ids", metavar="[ID]...", nargs=-1)
@_connection
@click.option("--all", "is_all", is_flag=True, help="All of them.")
@json_option
def retry(ids: tuple[str, ...], name: str | None, *, is_all: bool, is_json: bool) -> None:
    """Try dead entries again: these, those of a connection, or all."""
    if [bool(ids), name is not None, is_all].count(True) != 1:
        message = "give ids, --connection NAME or --all"
        raise click.UsageError(message)
    with opened() as runtime:
        retried = outbox_operations.retry(runtime, ids, name=name)
    if is_json:
        print_json({"retried": retried})
    else:
        say(f"{len(retried)} entries wait to be sent again.")


def _print(found: dict[str, Any]) -> None:
    head = [(name, found[name]) for name in ("id", "connection", "key", "received_at", "outcome", "tally")]
    print_pairs([*head, ("error" if found["outcome"] == Outcome.DEAD else "reason", found["error"])])
    print_pairs((name, found[name]) for name in ("attempts", "finished_at"))
    if found["duplicates"]:
        say(f"The sender sent it {found['duplicates']} more times, with the same key: these are its duplicates.")
    say()
    say(f"{found['method']} {'&'.join(f'{name}={value}' for name, value in found['query'])}")
    for name, value in found["headers"].items():
        say(f"{name}: {value}")
    body = found.get("body") or found.get("body_base64")
    say()
    say_lines("(the body is no longer kept)" if body is None else body)
    say()
    for event in found["events"]:
        reason = f" ({event['reason']})" if event["reason"] else ""
        say(f"event {event['at']:%Y-%m-%d %H:%M:%SZ} {event['kind']}: {event['outcome']}{reason}")
    for decision in found["decisions"]:
        say(f"decision {decision['at']:%Y-%m-%d %H:%M:%SZ}: {decision['sentence']}")
