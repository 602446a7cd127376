"""`connector import`: everything that a system knows, or the rows of a file, silently and resumable."""

from __future__ import annotations

import sys
import time
from dataclasses import asdict
from datetime import UTC, datetime
from datetime import time as daytime
from pathlib import Path
from typing import Any, BinaryIO, Literal, TextIO

import click

from connector.cli.session import opened
from connector.cli.terminal import actor, json_option, print_json, redraw, say
from connector.core.errors import WrongSetting
from connector.core.event import Outcome
from connector.mapping.schema import COLUMNS
from connector.operations.connection_settings import refuse
from connector.operations.imports.backfill import Progress, backfill
from connector.operations.imports.columns import Columns
from connector.operations.imports.csv_file import ENCODINGS
from connector.operations.imports.csv_import import ImportResult, import_csv
from connector.operations.imports.csv_rows import REFUSED, CsvOptions
from connector.runtime.parts import Runtime

_OPTIONS_OF_CSV = ("object_", "errors", "encoding", "stage", "is_new", "columns", "date_format")


@click.command("import")
@click.argument("name", metavar="CONNECTION")
@click.option("--since", type=click.DateTime(["%Y-%m-%d"]), metavar="YYYY-MM-DD", help="Only what changed since (UTC).")
@click.option("--csv", "path", type=click.Path(path_type=Path), metavar="FILE", help="The rows of a file instead.")
@click.option("--object", "object_", default="", help="What the rows are, in the system's word; else the connection's.")
@click.option("--errors", type=click.Path(path_type=Path), metavar="FILE", help="Where refused rows go, with reasons.")
@click.option("--encoding", type=click.Choice(ENCODINGS), default="utf-8", show_default=True, help="Of the file.")
@click.option("--as-new", "is_new", is_flag=True, help="Who becomes a lead by it also goes where only new leads go.")
@click.option("--stage", default="", metavar="STAGE", help="Their stage of all rows that do not say theirs.")
@click.option(
    "--column",
    "columns",
    multiple=True,
    metavar="WHAT=HEADING",
    help=f"Which column has the {', '.join(COLUMNS)} or a profile field, where that cannot be seen; repeatable.",
)
@click.option("--date-format", default="", metavar="FORMAT", help="Of the dates: DD/MM/YYYY, MM/DD/YYYY or YYYY/MM/DD.")
@json_option
@click.pass_context
def import_(  # noqa: PLR0917 - as click gives them
    context: click.Context,
    name: str,
    since: datetime | None,
    path: Path | None,
    object_: str,
    errors: Path | None,
    encoding: str,
    stage: str,
    columns: tuple[str, ...],
    date_format: str,
    *,
    is_new: bool,
    is_json: bool,
) -> None:
    """Take everything that the system knows, or the rows of a CSV file. Nobody is mailed; an import can be repeated.

    Exit code 1 when it was broken off or rows were refused, 2 when nothing could be taken.
    """
    _check(context, since, path)
    meter = Meter(sys.stderr)
    with opened() as runtime:
        try:
            if path is not None:
                options = CsvOptions(
                    object=object_,
                    encoding=encoding,
                    stage=stage,
                    is_new=is_new,
                    columns=_columns(columns),
                    date_format=date_format,
                )
                refused = _csv(runtime, name, path, options, errors=errors, meter=meter, is_json=is_json)
                context.exit(1 if refused else 0)
            start = datetime.combine(since.date(), daytime(), UTC) if since else None
            done = backfill(runtime, name, since=start, actor=actor(), report=meter)
        except KeyboardInterrupt:
            meter.end()
            say("Broken off. What was taken stays; the same command again goes on.", err=True)
            context.exit(1)
        finally:
            meter.end()
    if is_json:
        print_json({"connection": name, **asdict(done)})
    else:
        say(f"{name}: {_summary(done, 'events') or 'the system told nothing'}")


def _csv(
    runtime: Runtime,
    name: str,
    path: Path,
    options: CsvOptions,
    *,
    errors: Path | None,
    meter: Meter,
    is_json: bool,
) -> bool:
    """Import a file; whether rows were refused."""
    if errors is not None and errors.resolve() == path.resolve():
        message = "--errors names the file that is imported; name another one"
        raise WrongSetting(message)
    open_errors = None if errors is None else lambda: _opened(errors, "wb", "written")
    announce = (lambda _: None) if is_json else _show_columns
    with _opened(path, "rb", "read") as stream:
        done = import_csv(
            runtime,
            name,
            stream,
            path.name,
            options,
            actor=actor(),
            errors=open_errors,
            announce=announce,
            report=meter,
        )
    meter.end()
    if is_json:
        print_json({"connection": name, **_json(done)})
    else:
        say(f"{name}: {_summary(done.progress, 'rows') or 'the file has no rows'}")
        _say(done, name, errors)
    return bool(done.progress.tally.get(REFUSED))


def _show_columns(columns: Columns) -> None:
    """What is read from which column, and what from none, before anything is stored."""
    say(f"Columns: {', '.join(f'{what} = {names}' for what, names in columns.by_name().items())}.")
    if columns.unread:
        text = f"Not read: {', '.join(columns.unread)}. --column WHAT=HEADING or the mapping's fields read more."
        say(text)


def _json(done: ImportResult) -> dict[str, Any]:
    left_out = [{"row": row, "reason": reason} for row, reason in done.left_out.first]
    return {
        **asdict(done.progress),
        "refused": [{"row": row, "reason": reason} for row, reason in done.refused],
        "left_out": {"count": done.left_out.count, "first": left_out},
        "columns": done.columns.by_name(),
        "unread": list(done.columns.unread),
    }


def _say(done: ImportResult, name: str, errors: Path | None) -> None:
    """What is to be done about rows, on standard error."""
    for row, reason in (*done.left_out.first, *done.refused):
        say(f"row {row}: {reason}", err=True)
    if more := done.left_out.count - len(done.left_out.first):
        say(f"{more:,} more values were left out.", err=True)
    if refused := done.progress.tally.get(REFUSED, 0):
        more = refused - len(done.refused)
        rest = f"{more} more were refused. " if more else ""
        where = f"All of them are in {errors}." if errors else "--errors FILE writes them all into a file."
        say(f"{rest}{where} Put them right there, and import that file.", err=True)
    if done.progress.tally.get(Outcome.HELD):
        say(f"What is held waits for the mapping: `connector mapping held {name}`.", err=True)


def _opened(path: Path, mode: Literal["rb", "wb"], what: str) -> BinaryIO:
    try:
        return path.open(mode)
    except OSError as error:
        message = f"the file {path} cannot be {what}: {error.strerror}"
        raise WrongSetting(message) from error


class Meter:
    """A line on the terminal that says how far an import is; nothing where the stream is none."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._started = time.monotonic()
        self._is_shown = False

    def __call__(self, progress: Progress) -> None:
        """Show it."""
        if not self._stream.isatty():
            return
        speed = progress.count / max(time.monotonic() - self._started, 0.001)
        where = f"{progress.share:.0%}, " if progress.share is not None else ""
        until = f", up to {progress.reached:%Y-%m-%d}" if progress.reached else ""
        redraw(f"{where}{progress.count:,} read{until}, {speed:,.0f} a second", self._stream)
        self._is_shown = True

    def end(self) -> None:
        """Leave the line."""
        if self._is_shown:
            self._stream.write("\n")
        self._is_shown = False


def _summary(done: Progress, what: str) -> str:
    parts = [f"{done.count:,} {what}", *(f"{count:,} {outcome}" for outcome, count in done.tally.items())]
    if done.is_resumed:
        parts.append("going on with the import that was broken off")
    return ", ".join(parts) if done.count else ""


def _columns(given: tuple[str, ...]) -> dict[str, list[str]]:
    """What → headings; none where it is said that no column has it."""
    wrong = [text for text in given if "=" not in text]
    refuse([f"--column {text}: allowed: WHAT=HEADING" for text in wrong], "of the import")
    found: dict[str, list[str]] = {}
    for what, _, heading in (text.partition("=") for text in given):
        found.setdefault(what, []).extend([heading] if heading else [])
    return found


def _check(context: click.Context, since: datetime | None, path: Path | None) -> None:
    """Options of the one way do not go with the other."""
    given = [
        one.opts[0]
        for one in context.command.params
        if one.name in _OPTIONS_OF_CSV
        and context.get_parameter_source(one.name) is click.core.ParameterSource.COMMANDLINE
    ]
    if path is None and given:
        message = f"{', '.join(given)}: only with --csv FILE"
        raise click.UsageError(message)
    if path is not None and since is not None:
        message = "--since: not with --csv FILE, whose rows have their own times"
        raise click.UsageError(message)
