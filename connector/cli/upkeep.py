"""`connector status`, `account`, `doctor`, `sweep`, `reconcile`: what keeps the product right, by hand."""

from __future__ import annotations

from dataclasses import asdict
from datetime import date, datetime

import click

from connector.cli.session import opened
from connector.cli.terminal import json_option, print_json, print_pairs, print_rows, say
from connector.core.calendar import local_day
from connector.core.event import Outcome
from connector.operations import upkeep as operations
from connector.operations.doctor import examine
from connector.processes.running import running_on


@click.command()
@json_option
@click.pass_context
def account(context: click.Context, *, is_json: bool) -> None:
    """Per connection: accepted = applied + ignored + stale + echo + duplicate + held + dead + pending.

    Exit code 1 when that does not add up. What is quarantined was never accepted, and stands beside it.
    """
    with opened() as runtime:
        rows = operations.account(runtime)
    names = ("connection", "accepted", *Outcome, "quarantined")
    columns = {**{name: name for name in names}, "adds up": "is_balanced"}
    print_rows(rows, is_json=is_json, columns=columns, empty="No connection yet.")
    if not all(row["is_balanced"] for row in rows):
        if not is_json:
            say("The account does not add up: please report it, with this table.", err=True)
        context.exit(1)


@click.command()
@json_option
@click.pass_context
def status(context: click.Context, *, is_json: bool) -> None:
    """On one screen: what runs, what waits, and what is wrong; exit code 1 when something is."""
    with opened(needs_tables=False) as runtime:
        found, config = operations.status(runtime), runtime.config
    running = running_on(config.data_dir)
    product = {
        "address": config.local_url,
        "data": str(config.data_dir),
        "connector up": f"process {running.process}" if running else "not running here",
    }
    if is_json:
        print_json({**product, **asdict(found)})
    else:
        print_pairs(product.items())
        _print_status(found)
    if found.wrong:
        context.exit(1)


def _print_status(found: operations.Status) -> None:
    unknown = "not known while redis is away"
    counts = (("workers", found.workers), ("schedulers", found.schedulers), ("mails to send", found.notices))
    print_pairs((name, unknown if count is None else str(count)) for name, count in counts)
    columns = {
        "connection": "connection",
        "adapter": "adapter",
        "paused": "is_paused",
        "last delivery": "last_delivery",
        "waiting": "deliveries",
        "for s": "oldest_seconds",
        "held": "held",
        "quarantined": "quarantine",
        "to send": "outbox_waiting",
        "given up": "outbox_dead",
    }
    say()
    print_rows(found.connections, is_json=False, columns=columns, empty="No connection to show.")
    say()
    for one in found.wrong:
        say(f"WRONG  {one.name}: {one.detail}")
    if not found.wrong:
        say("Nothing is wrong.")


@click.command()
@json_option
@click.pass_context
def doctor(context: click.Context, *, is_json: bool) -> None:
    """Check database, secrets, Redis, workers, backlog and account; exit code 1 when something is wrong."""
    with opened(needs_tables=False) as runtime:
        findings = [asdict(finding) for finding in examine(runtime)]
    rows = findings if is_json else [{**one, "state": "fine" if one["is_fine"] else "WRONG"} for one in findings]
    columns = {"check": "name", "": "state", "what to do": "detail"}
    if is_json:
        print_rows(rows, is_json=True, columns=columns, empty="")
    else:
        for row in rows:
            say(f"{row['name']:<12} {row['state']:<6} {row['detail']}".rstrip())
    if not all(finding["is_fine"] for finding in findings):
        context.exit(1)


@click.command()
@json_option
def forget(*, is_json: bool) -> None:
    """Let go what was kept long enough: bodies of deliveries, the quarantine, what old events hold of people.

    The workers do so every night.
    """
    with opened() as runtime:
        done = operations.forget(runtime)
    if is_json:
        print_json({"bodies": done.bodies, "quarantined": done.quarantined, "events": done.events})
        return
    say(
        f"{done.bodies} bodies of deliveries and {done.quarantined} quarantined deliveries were dropped; "
        f"{done.events} old events keep what their subjects' history needs."
    )


@click.command()
@click.option("--as-of", type=click.DateTime(["%Y-%m-%d"]), metavar="YYYY-MM-DD", help="Local date; without it: today.")
@json_option
def sweep(as_of: datetime | None, *, is_json: bool) -> None:
    """Run the daily rules of every subject that is due, missed dates one by one."""
    with opened() as runtime:
        today = date.fromordinal(local_day(runtime.clock(), runtime.ruleset.zone))
        day = as_of.date() if as_of else today
        if day > today:
            say(
                f"{day} is in the future: subjects move as if nothing happened until then; the next sweep undoes it.",
                err=True,
            )
        count = operations.run_sweep(runtime, day)
    if is_json:
        print_json({"as_of": day.isoformat(), "due": count})
    else:
        say(f"{count} subjects were due up to {day}.")


@click.command()
@click.argument("name", metavar="[CONNECTION]", required=False)
@json_option
@click.pass_context
def reconcile(context: click.Context, name: str | None, *, is_json: bool) -> None:
    """Ask the systems what changed, and take what webhooks missed; exit code 1 when one could not be asked."""
    has_error = False
    with opened() as runtime:
        for done in operations.reconcile_now(runtime, name):
            has_error |= done.error is not None
            if is_json:
                print_json(asdict(done))
            elif done.error is not None:
                say(f"{done.connection}: {done.error}", err=True)
            else:
                events = ", ".join(f"{count} {outcome}" for outcome, count in done.events.items())
                say(f"{done.connection}: {events or 'nothing changed'}")
    if has_error:
        context.exit(1)
