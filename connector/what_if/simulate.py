"""`connector simulate`: the pure core over the events of a file, without database, network or clock."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date
from typing import IO, Any, Final, TypeVar

import click
import orjson
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from connector.core.calendar import local_day
from connector.core.engine import Ruleset, due_day, fold_all
from connector.core.errors import OperatorError, printable
from connector.core.event import Step
from connector.core.rules import BASIC_2, TEMPLATES, Template
from connector.core.ruleset import Settings
from connector.core.state import State
from connector.i18n.statuses import labels_in
from connector.runtime.rule_settings import WrongRuleSettings, read_settings
from connector.what_if.report import decision_json
from connector.what_if.simulate_input import FIRST_YEAR, LAST_YEAR, WrongLines, read_lines

T = TypeVar("T")
_BAD_VALUES: Final = (ValueError, TypeError, LookupError, AttributeError, ArithmeticError, RecursionError)
"""What the YAML library lets through for a value that does not fit its tag, such as `!!bool x`."""
_DATE: Final = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_UNTIL: Final = f"a date as YYYY-MM-DD, from {FIRST_YEAR} to {LAST_YEAR}"


EXAMPLE: Final = """\
{"at": "2026-03-02T09:00:00+09:00", "subject": "mai", "type": "action", "kind": "lead", "action": "site_access"}
{"at": "2026-03-02T09:05:00+09:00", "subject": "mai", "type": "owner", "owner": "hana@example.com"}
{"at": "2026-03-04T14:30:00+09:00", "subject": "mai", "type": "action", "action": "form_submission", "page": "/contact"}
{"at": "2026-03-04T15:00:00+09:00", "subject": "mai", "type": "tag", "add": "exhibition"}
{"at": "2026-03-09T10:00:00+09:00", "subject": "mai", "type": "jump", "to": "appointment_acquisition", "by": "person"}
{"at": "2026-03-16T10:00:00+09:00", "subject": "mai", "type": "trigger", "to": "visited", "trigger": "demo", "id": "7"}
{"at": "2026-03-10T11:00:00+09:00", "subject": "v-77", "type": "action", "action": "site_access", "session": "s1"}
{"at": "2026-03-11T11:00:00+09:00", "subject": "v-77", "type": "identify", "kind": "lead"}
"""
"""Lines of each type; docs/simulate.md explains them."""


class WrongUntil(OperatorError):
    """The last date to run is no date, or lies before the last line."""

    reason = "wrong_until"


def simulate(
    lines: Iterable[bytes], settings: Settings, template: Template, until: date | None = None
) -> list[dict[str, Any]]:
    """The decisions of all subjects and then one row per subject, as `connector simulate --json` prints them.

    `until`: the last local date whose daily rules run; None: that of the last event. Raises `WrongLines` with every
    mistake of the lines, and `WrongUntil` when `until` is before the local date of the last event.
    """
    return _fold(read_lines(lines, _with_own(template, settings)), settings, template, until)


def _with_own(template: Template, settings: Settings | None) -> Template:
    """The template with the company's own statuses after its own."""
    return replace(template, statuses=(*template.statuses, *settings.own_statuses)) if settings else template


def _fold(
    steps: Mapping[str, list[Step]], settings: Settings, template: Template, until: date | None
) -> list[dict[str, Any]]:
    ruleset = Ruleset(template, settings)
    last_at = max((step.at for history in steps.values() for step in history), default=None)
    if last_at is None:
        return []
    last = local_day(last_at, settings.zone)
    if until is not None and until.toordinal() < last:
        message = f"--until: found {until}; allowed: {date.fromordinal(last)} (the date of the last line) or later"
        raise WrongUntil(message)
    decisions: list[dict[str, Any]] = []
    ends: list[dict[str, Any]] = []
    for subject in sorted(steps):
        folded = fold_all(steps[subject], ruleset, until.toordinal() if until else last)
        decisions += [{"subject": subject, **decision_json(decision)} for decision in folded.decisions]
        ends.append(ended(subject, folded.state, due_day(folded.state, ruleset)))
    return decisions + ends


def ended(subject: str, state: State, due: int | None) -> dict[str, Any]:
    """How a subject stands at the end, as JSON values: one of the last lines."""
    return {
        "subject": subject,
        "kind": state.kind,
        "status": state.status,
        "since": state.since.isoformat(),
        "tags": sorted(state.tags),
        "last_action": state.acted.isoformat(),
        "due": date.fromordinal(due).isoformat() if due else None,
    }


def as_text(rows: Sequence[Mapping[str, Any]], template: Template) -> str:
    """The rows of `simulate` as lines of text; times are in UTC."""
    labels = labels_in("en", template.statuses)
    decisions: dict[str, list[Mapping[str, Any]]] = {}
    for row in rows:
        if "rule" in row:
            decisions.setdefault(row["subject"], []).append(row)
    return "".join(
        f"{line}\n"
        for row in rows
        if "rule" not in row
        for line in _subject_lines(row, decisions.get(row["subject"], []), labels)
    )


def _subject_lines(
    end: Mapping[str, Any], decisions: Sequence[Mapping[str, Any]], labels: Mapping[str, str]
) -> Iterator[str]:
    name = end["subject"]
    yield name if name.isprintable() and name else repr(name)
    for row in decisions:
        yield f"  {row['at']}  {row['rule']}: {_decision_text(row, labels)}"
    tags = f", tags {', '.join(end['tags'])}" if end["tags"] else ""
    due = f"next due on {end['due']}" if end["due"] else "nothing due"
    yield f"  = {end['kind']}, {labels[end['status']]} since {end['since']}{tags}; {due}"


def _decision_text(row: Mapping[str, Any], labels: Mapping[str, str]) -> str:
    is_move = row["from"] != row["to"]
    parts = [f"{labels[row['from']]} → {labels[row['to']]}" if is_move else f"stays {labels[row['to']]}"]
    if row["skipped"]:
        parts.append(f"skips {', '.join(labels[status] for status in row['skipped'])}")
    if row["notify"]:
        parts.append(f"writes to {', '.join(row['notify'])}")
    if row["reason"]:
        parts.append(row["reason"].replace("_", " "))
    return "; ".join(parts)


def _template_of(raw: Any) -> str:
    return str(raw.get("template", "")) if isinstance(raw, Mapping) else ""


def raw_settings(content: bytes) -> Any:
    """What a YAML file of settings says, not checked yet; an empty one is a mapping. Raises `WrongRuleSettings`."""
    try:
        raw = YAML(typ="safe", pure=True).load(content)
    except (YAMLError, *_BAD_VALUES) as error:
        detail = " ".join(str(error).split())[:300]
        text = f"settings: cannot be read ({detail}); allowed: a YAML file in UTF-8"
        raise WrongRuleSettings((((), text),)) from error
    return {} if raw is None else raw


def _date(text: str) -> date:
    try:
        given = date.fromisoformat(text)
    except ValueError:
        given = None
    if given is None or not _DATE.fullmatch(text) or not FIRST_YEAR <= given.year <= LAST_YEAR:
        message = f"--until: found {text[:60]!r}; allowed: {_UNTIL}"
        raise WrongUntil(message)
    return given


def _show_example(context: click.Context, _option: click.Parameter, is_asked: bool) -> None:  # noqa: FBT001 - click's
    if is_asked:
        click.echo(EXAMPLE, nl=False)
        context.exit()


@click.command("simulate")
@click.argument("events", type=click.File("rb"), metavar="EVENTS.jsonl")
@click.option("--settings", "settings_file", type=click.File("rb"), help="YAML file of the settings that rules read.")
@click.option("--template", "name", type=click.Choice(tuple(TEMPLATES)), help="Without it: as in the settings.")
@click.option("--until", "until_text", metavar="YYYY-MM-DD", help="Last local date whose daily rules run.")
@click.option("--json", "is_json", is_flag=True, help="One JSON object a line.")
@click.option(
    "--example",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_show_example,
    help="Print lines to begin with, which docs/simulate.md explains, and end.",
)
@click.pass_context
def simulate_command(
    context: click.Context,
    events: IO[bytes],
    settings_file: IO[bytes] | None,
    name: str | None,
    until_text: str | None,
    *,
    is_json: bool,
) -> None:
    """Run the rules over the events of a file (`-`: standard input), and print what they decide.

    Nothing is stored and nothing is sent. A mistake in the input ends it with exit code 2 and every mistake named.
    """
    mistakes: list[str] = []
    raw = _tried(mistakes, lambda: raw_settings(settings_file.read() if settings_file else b""))
    template = TEMPLATES.get(name or _template_of(raw), BASIC_2)
    settings = None if raw is None else _tried(mistakes, lambda: read_settings(raw, template, mail_default=True))
    steps = _tried(mistakes, lambda: read_lines(events, _with_own(template, settings)))
    until = _tried(mistakes, lambda: _date(until_text)) if until_text is not None else None
    rows = None
    if not mistakes and settings is not None and steps is not None:
        rows = _tried(mistakes, lambda: _fold(steps, settings, template, until))
    if rows is None:
        for mistake in mistakes:
            click.echo(printable(mistake), err=True)
        context.exit(2)
    text = (
        "".join(f"{orjson.dumps(row).decode()}\n" for row in rows)
        if is_json
        else as_text(rows, _with_own(template, settings))
    )
    click.echo(text.encode(), nl=False)


def _tried(mistakes: list[str], read: Callable[[], T]) -> T | None:
    """What was read, or None and its mistakes added to the others."""
    try:
        return read()
    except (WrongRuleSettings, WrongLines) as error:
        mistakes.extend(error.mistakes)
    except WrongUntil as error:
        mistakes.append(str(error))
    return None
