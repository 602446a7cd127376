"""Imports a CSV file for a connection: each row an event by the connection's mapping, silently, and each once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from typing import BinaryIO, Final

from connector.adapter_kit.identities import identifying
from connector.core.errors import WrongSetting
from connector.core.event import Identity
from connector.core.ruleset import Settings
from connector.mapping.date_order import PATTERNS, order_of
from connector.operations.connection_settings import nearest
from connector.operations.imports.backfill import Progress, open_for_import, store_progress
from connector.operations.imports.columns import Columns
from connector.operations.imports.csv_file import CsvFile, reading
from connector.operations.imports.csv_rows import CsvOptions, Rows
from connector.operations.imports.dates import order_in
from connector.operations.imports.find_columns import check_who, find_columns
from connector.operations.imports.refused_rows import RefusedRows, Remarks
from connector.pipeline.normalize import placeholders
from connector.runtime.connections import Connected
from connector.runtime.parts import Runtime
from connector.store import connections
from connector.store import imports as queries

CSV: Final = "csv"
LEAD: Final = "lead"
BATCH: Final = 1000
SAMPLE: Final = 100
"""Rows in which what identifies somebody is looked for, where no heading says it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportResult:
    """What became of a file: `progress`, its `columns`, the first refused rows with their reasons.

    `left_out`: how many values of rows that were taken could not be read, and the first of them.
    """

    progress: Progress
    columns: Columns
    refused: Sequence[tuple[int, str]]
    left_out: Remarks


def import_csv(
    runtime: Runtime,
    name: str,
    stream: BinaryIO,
    file: str,
    options: CsvOptions,
    *,
    actor: str,
    errors: Callable[[], BinaryIO] | None = None,
    announce: Callable[[Columns], object] = bool,
    report: Callable[[Progress], object] = bool,
    batch: int = BATCH,
) -> ImportResult:
    """Take the rows of a file as the connection's mapping says; nobody is mailed, updates are asked for.

    `stream`: the file's content, `file` its name. A row that says what the last one about its record said changes
    nothing, so a file can be imported again. Rows that cannot be taken go into the file that `errors` opens. `announce`
    is called with the columns before anything is stored, `report` after each `batch` of rows. Raises `NotFound` and
    `WrongSetting`.
    """
    one = open_for_import(runtime, name)
    options = replace(options, object=options.object or _default_object(one))
    _check(one, options)
    found = _columns(one, stream, file, options, runtime.ruleset.settings)
    announce(found)
    with reading(stream, file, options.encoding) as content, closing(_refused(errors, content)) as refused_rows:
        now = runtime.clock()
        with runtime.database.write() as connection:
            detail = {"file": file, "object": options.object}
            connections.note(connection, now, actor=actor, action="connection.import", target=name, detail=detail)
            run = queries.begin(connection, name, CSV, actor=actor, now=now, file=file[:255])
        rows = Rows(runtime, one, options=options, columns=found, errors=refused_rows, now=now)
        progress = Progress(count=0, tally={}, share=0.0)
        lines = content.lines()
        while portion := list(islice(lines, batch)):
            counts, noted = rows.apply(portion)
            tally = dict(sorted((Counter(progress.tally) + counts).items()))
            progress = Progress(count=progress.count + len(portion), tally=tally, share=content.share)
            store_progress(runtime, run, progress, noted)
            report(progress)
        store_progress(runtime, run, progress, finished_at=runtime.clock())
        done = replace(progress, share=1.0)
        return ImportResult(progress=done, columns=found, refused=tuple(rows.refused.first), left_out=rows.left_out)


def _columns(one: Connected, stream: BinaryIO, file: str, options: CsvOptions, settings: Settings) -> Columns:
    """The columns of a file and the order of its dates, from a first reading. Raises `WrongSetting`."""
    with reading(stream, file, options.encoding) as content:
        found = find_columns(content.header, one, options.columns, settings.zone, options.object)
        check_who(found, (line.cells for line in islice(content.lines(), SAMPLE)), file)
        written = options.date_format or one.rules.date_format
        order = order_of(written) if written else None
        if written and order is None:
            message = f"{written!r} is no format of dates; allowed: {', '.join(PATTERNS.values())}"
            raise WrongSetting(message)
        order = order or order_in(_times(found, content), settings.zone, settings.date_order)
        return replace(
            found, order=order, identifies=partial(_is_somebodys, region=one.rules.region, settings=settings)
        )


def _is_somebodys(identity: Identity, *, region: str | None, settings: Settings) -> bool:
    return identifying(identity, region, placeholders(settings.identity, region)) is not None


def _times(columns: Columns, content: CsvFile) -> Iterator[tuple[str, str]]:
    """Where the times of a file stand, and what they are."""
    timed = columns.timed
    for line in content.lines() if timed else ():
        for place in timed if line.mistake is None else ():
            if text := line.cells[place].strip():
                yield f"row {line.number}, {columns.names[place]}, {text[:40]!r}", text


def _refused(errors: Callable[[], BinaryIO] | None, content: CsvFile) -> RefusedRows:
    return RefusedRows(errors, header=content.header, encoding=content.encoding, separator=content.separator)


def _default_object(one: Connected) -> str:
    """What rows are where nobody says it: the connection's `default_object`, else the mapping's only one."""
    usual, stages = str(getattr(one.adapter, "default_object", LEAD)), one.rules.stages
    return next(iter(stages)) if len(stages) == 1 else usual


def _check(one: Connected, options: CsvOptions) -> None:
    stages, wanted = one.rules.stages, options.object
    message = None
    if not wanted or ":" in wanted or len(wanted) > 63:  # noqa: PLR2004 - as long as the store keeps
        message = f"{wanted!r} cannot be an object; allowed: 1 to 63 characters without a colon"
    elif stages and wanted not in stages:
        known = ", ".join(stages)
        message = f"the mapping of {one.name} has no object {wanted!r}{nearest(wanted, stages)} It has: {known}"
    if message:
        raise WrongSetting(message)
