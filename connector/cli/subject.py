"""`connector subject`: list, show and explain, set status, owner and tags, run a rule, merge and split."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from itertools import chain
from typing import Any, Final

import click

from connector.cli.session import opened
from connector.cli.terminal import actor, json_option, print_json, print_pairs, print_rows, say
from connector.core.errors import printable
from connector.i18n import LANGUAGES, words_in
from connector.operations import explain, merging
from connector.operations import subjects as operations
from connector.operations.persons import person
from connector.operations.persons.duplicates import duplicates, too_many

_language: Final = click.option(
    "--lang",
    "language",
    type=click.Choice(LANGUAGES),
    default="en",
    show_default=True,
    help="Language of the sentences.",
)


@click.group()
def subject() -> None:
    """Leads and unknowns.

    WHO is an e-mail, a phone number, a visitor id, CONNECTION:OBJECT:ID, or our own id.
    """


@subject.command("list")
@click.option("--status", metavar="STATUS", help="Only those with this status: a code, label or alias.")
@json_option
def show_all(status: str | None, *, is_json: bool) -> None:
    """Every subject: status, since, owner, tags, next due date."""
    columns = {
        "id": "id",
        "kind": "kind",
        "status": "status",
        "since": "since",
        "owner": "owner",
        "tags": "tags",
        "due": "due",
        "known as": "known_as",
    }
    with opened() as runtime:
        rows = operations.listed(runtime, status=status)
        print_rows(rows if is_json else _named(rows), is_json=is_json, columns=columns, empty="No subject.")


@subject.command()
@click.argument("who")
@json_option
def show(who: str, *, is_json: bool) -> None:
    """Its status and why, owner, tags, identities, records and what was sent to them, and what is held."""
    with opened() as runtime:
        _print(operations.show(runtime, who), is_json=is_json)


@subject.command("set-status")
@click.argument("who")
@click.argument("status")
@json_option
def set_status(who: str, status: str, *, is_json: bool) -> None:
    """Set the status (a code, label or alias), as a person does."""
    with opened() as runtime:
        _print_line(operations.set_status(runtime, who, status, actor=actor()), is_json=is_json)


@subject.command("set-owner")
@click.argument("who")
@click.argument("owner", metavar="EMAIL|none")
@json_option
def set_owner(who: str, owner: str, *, is_json: bool) -> None:
    """Set the person in charge, by e-mail, or nobody."""
    email = None if owner.casefold() == "none" else owner
    with opened() as runtime:
        _print_line(operations.set_owner(runtime, who, email, actor=actor()), is_json=is_json)


@subject.command()
@click.argument("who")
@click.argument("what", type=click.Choice(["add", "remove"]))
@click.argument("tag")
@json_option
def tag(who: str, what: str, tag: str, *, is_json: bool) -> None:
    """Add or remove a tag."""
    with opened() as runtime:
        _print_line(operations.tag(runtime, who, tag, is_removed=what == "remove", actor=actor()), is_json=is_json)


@subject.command()
@click.argument("who")
@_language
@json_option
def why(who: str, language: str, *, is_json: bool) -> None:
    """Why it has its status: each decision with its facts, and the rules that a jump passed over."""
    with opened() as runtime:
        found = explain.explain(runtime, who, language)
    if is_json:
        print_json(found)
        return
    words = words_in(language)
    say(f"{found['id']}: {found['label']}, {found['zone']}")
    for one in found["decisions"]:
        revised = f" [{words['revised']}]" if one["revised_at"] else ""
        say(f"  {one['local'].isoformat(' ', 'seconds')}  {one['sentence']}{revised}")
        if one["passed_over"]:
            say(f"{'':29}{one['passed_over']['sentence']}")
    if not found["decisions"]:
        say(words["nothing"])


@subject.command("why-not")
@click.argument("who")
@click.argument("status")
@_language
@json_option
def why_not(who: str, status: str, language: str, *, is_json: bool) -> None:
    """Why it has not STATUS: the nearest rules, exactly what is missing and by when, and what else could set it."""
    with opened() as runtime:
        found = explain.explain_not(runtime, who, status, language)
    if is_json:
        print_json(found)
        return
    for sentence in found["sentences"]:
        say(sentence)


@subject.command()
@click.argument("who")
@click.argument("rule")
@json_option
def run(who: str, rule: str, *, is_json: bool) -> None:
    """Run a rule on purpose, for example one that a jump passed over.

    Its conditions are waived. It notifies and tags whatever the status is; it moves out of its own status only.
    """
    with opened() as runtime:
        found = explain.run(runtime, who, rule, actor=actor())
    if not is_json:
        say(found["ran"]["sentence"])
    _print_line(found, is_json=is_json)


@subject.command("merges")
@click.argument("who")
@json_option
def show_merges(who: str, *, is_json: bool) -> None:
    """Which subjects turned out to be this one: when, by which event, and what found them until then."""
    with opened() as runtime:
        rows = merging.listed(runtime, who)
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
        found = merging.join(runtime, who, other, actor=actor())
    if is_json:
        print_json(found)
        return
    say(f"One subject now: {found['id']}, {found['label']} since {found['since']}.")


@subject.command()
@click.argument("merge", metavar="MERGE")
@json_option
def split(merge: str, *, is_json: bool) -> None:
    """Undo a merge (`connector subject merges WHO` lists them): two subjects again, each folded from its own events."""
    with opened() as runtime:
        found = merging.undo(runtime, merge, actor=actor())
    if is_json:
        print_json(found)
        return
    for one in (found["survivor"], found["loser"]):
        say(f"{one['id']}: {one['label']} since {one['since']}, {len(one['identities'])} identities")
    say("They are kept apart from now on; `connector subject merge` takes that back.")


@subject.command("keep-apart")
@click.argument("who")
@click.argument("other")
@json_option
def keep_apart(who: str, other: str, *, is_json: bool) -> None:
    """Say that two subjects are two, whatever comes in; `merge` takes that back."""
    with opened() as runtime:
        found = merging.keep_apart(runtime, who, other, actor=actor())
    if is_json:
        print_json(found)
        return
    say(f"{found['one']['id']} and {found['other']['id']} are kept apart; `connector subject merge` takes that back.")


@subject.command("duplicates")
@json_option
def show_duplicates(*, is_json: bool) -> None:
    """Who may be one, and what too many have to say who it is.

    Only a person can decide: `merge` says that two are one, `keep-apart` that they are not.
    """
    with opened() as runtime:
        rows = duplicates(runtime)
        if is_json:
            print_rows(rows, is_json=True, columns={}, empty="")
            return
        lines = map(_duplicate, rows)
        for line in chain([next(lines, "Nobody looks like somebody else.")], lines):
            say(line)


def _duplicate(row: dict[str, Any]) -> str:
    if row["what"] == "shared":
        return str(row["reason"])
    names = " and ".join(f"{row[of]['id']} ({row[of]['known_as']})" for of in ("one", "other"))
    return f"{names}: {row['reason']}"


@subject.command()
@click.argument("who")
def export(who: str) -> None:
    """Print all that is held of a person, as one JSON document: by table, and the webhooks that spoke of it."""
    with opened() as runtime:
        print_json(person.export(runtime, who))


@subject.command()
@click.argument("who")
@click.option("--yes", "is_sure", is_flag=True, help="Do not ask.")
@json_option
def erase(who: str, *, is_sure: bool, is_json: bool) -> None:
    """Erase all that is held of a person, for good. What stands in the external systems is not touched."""
    with opened() as runtime:
        found = operations.show(runtime, who)
        if not is_sure:
            names = ", ".join(one["value"] for one in found["identities"]) or found["id"]
            click.confirm(printable(f"Erase {names}, for good?"), abort=True, err=True)
        done = person.erase(runtime, found["id"], actor=actor())
    if is_json:
        print_json(asdict(done))
        return
    say(f"Erased {done.subject}.")
    print_pairs(
        (
            ("rows", sum(done.rows.values())),
            ("webhooks, what they said", done.deliveries),
            ("webhooks in the quarantine", done.quarantined),
            ("audit, of whom a line was", done.audit),
        )
    )
    if done.others:
        say(f"Webhooks that told of others, too, and cannot be replayed any more: {done.others}.")
    if done.unread:
        say(f"Webhooks that had not been read yet: {done.unread}; `connector reconcile` fetches what else they told.")
    if done.is_redis_away:
        say("Redis is away: what-ifs of the last 7 days may still name the person; run this again later.")
    say("The external systems are untouched: what they send of the person from now on is a new subject.")


def _named(rows: Iterator[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for row in rows:
        yield {**row, "known_as": [one["value"] for one in row["identities"]]}


def _print_line(found: dict[str, Any], *, is_json: bool) -> None:
    if is_json:
        print_json(found)
        return
    tags = f", tags {', '.join(found['tags'])}" if found["tags"] else ""
    say(printable(f"{found['id']}: {found['label']} since {found['since']}, owner {found['owner'] or 'nobody'}{tags}"))


def _print(found: dict[str, Any], *, is_json: bool) -> None:
    if is_json:
        print_json(found)
        return
    print_pairs(
        (
            ("id", found["id"]),
            ("kind", found["kind"]),
            ("status", f"{found['label']} ({found['status']})"),
            ("since", found["since"]),
            ("owner", found["owner"] or "nobody"),
            ("tags", found["tags"]),
            ("last action", found["last_action"]),
            ("next due", found["due"] or "nothing"),
            *((one["kind"], one["value"]) for one in found["identities"] if one["kind"] != "record"),
            *((f"{one['kind']} until {one['until']:%Y-%m-%d}", one["value"]) for one in found["released"]),
            *((f"profile {name}", value) for name, value in found["profile"].items()),
        )
    )
    for one in found["shared"]:
        say(too_many(one["kind"], one["value"]))
    for record in found["records"]:
        say()
        say(f"record {record['connection']}:{record['object']}:{record['id']}: {_state(record)}")
    say()
    say("Why:" if found["decisions"] else "Nothing was decided yet.")
    for decision in found["decisions"]:
        revised = f" [{words_in('en')['revised']}]" if decision["revised_at"] else ""
        say(f"  {decision['at']:%Y-%m-%d %H:%M:%SZ}  {decision['sentence']}{revised}")
    for held in found["held"]:
        say()
        say(f"held since {held['at']:%Y-%m-%d %H:%M:%SZ}, {held['connection']}: {held['reason']}")


def _state(record: dict[str, Any]) -> str:
    """Their stage, and what became of the last update."""
    stage = f"stage {record['stage']}" if record["stage"] else "no stage seen"
    push = record["push"]
    if record["is_gone"]:
        return f"{stage}; it does not exist there any more"
    if push is None:
        return f"{stage}; nothing to send"
    why = f" ({push['error']})" if push["error"] else ""
    tries = "1 try" if push["attempts"] == 1 else f"{push['attempts']} tries"
    return f"{stage}; update {push['outcome']} after {tries}{why}"
