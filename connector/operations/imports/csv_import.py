"""Imports a CSV file for a connection: each row an event by the connection's mapping, silently, and each once."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import islice
from typing import Any, BinaryIO, Final, TypeAlias

from connector.adapter_kit.identities import normalize_email
from connector.core.errors import CrmError, WrongSetting
from connector.core.event import Event, Identity, Kind, RecordRef
from connector.core.mapping import Policy
from connector.operations.connection_settings import nearest
from connector.operations.flow import build_processor
from connector.operations.imports.backfill import Progress, open_for_import, store_progress
from connector.operations.imports.csv_file import BadRow, Columns, Line, Refusals, find_columns, reading
from connector.runtime.connections import Connected
from connector.runtime.parts import Runtime
from connector.store import connections, subjects
from connector.store import imports as queries
from connector.store.rows import Row

CSV: Final = "csv"
BATCH: Final = 1000
UNCHANGED: Final = "unchanged"
REFUSED: Final = "refused"
Stage: TypeAlias = tuple[str | None, str | None]
"""A stage and its pipeline."""
_MICROSECOND: Final = timedelta(microseconds=1)
_OWNER_DIGITS: Final = 8
"""The digest of a row begins with that of its owner: an owner that is as in the last row is not set again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CsvOptions:
    """What a file is: the object that its rows are, its encoding, and the columns that need telling.

    `stage`: that of all rows which do not say theirs. `is_new`: who becomes a lead by them is a new lead, also for the
    systems that take only those.
    """

    object: str = "lead"
    encoding: str = "utf-8"
    stage: str = ""
    is_new: bool = False
    columns: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportResult:
    """What became of a file: `progress`, the first refused rows with their reasons, and which `columns` said what."""

    progress: Progress
    refused: Sequence[tuple[int, str]]
    columns: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Row:
    """A row as it was read: what it is about, a digest of what it says, and its parts."""

    number: int
    about: str
    digest: str
    at: datetime | None
    made: datetime | None
    record: RecordRef | None
    identities: tuple[Identity, ...]
    stage: str
    pipeline: str
    owner: str
    data: Mapping[str, Any]


def import_csv(
    runtime: Runtime,
    name: str,
    stream: BinaryIO,
    file: str,
    options: CsvOptions,
    *,
    actor: str,
    errors: Callable[[], BinaryIO] | None = None,
    report: Callable[[Progress], object] = bool,
    batch: int = BATCH,
) -> ImportResult:
    """Take the rows of a file as the connection's mapping says; nobody is mailed, updates are asked for.

    `stream`: the file's content, `file` its name. A row that says what the last one about its record said changes
    nothing, so a file can be imported again. Rows that cannot be taken go into the file that `errors` opens. `report`
    is called after each `batch` of rows. Raises `NotFound` and `WrongSetting`.
    """
    one = open_for_import(runtime, name)
    _check(one, options)
    with reading(stream, file, options.encoding) as content, closing(Refusals(errors, content)) as refusals:
        found = find_columns(content.header, one, options.columns, runtime.ruleset.zone)
        now = runtime.clock()
        with runtime.database.write() as connection:
            detail = {"file": file, "object": options.object}
            connections.note(connection, now, actor=actor, action="connection.import", target=name, detail=detail)
            run = queries.begin(connection, name, CSV, actor=actor, now=now, file=file[:255])
        rows = _Rows(runtime, one, options=options, columns=found, refusals=refusals, now=now)
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
        return ImportResult(progress=done, refused=tuple(refusals.first), columns=found.by_name())


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


class _Rows:
    """Applies batches of rows; `now` dates what has no time of its own, each row a microsecond after the one before."""

    def __init__(
        self,
        runtime: Runtime,
        one: Connected,
        *,
        options: CsvOptions,
        columns: Columns,
        refusals: Refusals,
        now: datetime,
    ) -> None:
        self._runtime, self._processor = runtime, build_processor(runtime)
        self._one, self._object, self._columns, self._refusals, self._now = one, options.object, columns, refusals, now
        self._stage, self._is_new = options.stage, options.is_new
        self._people: Mapping[str, str] | None = None

    def apply(self, lines: Sequence[Line]) -> tuple[Counter[str], Sequence[Row]]:
        """Apply rows; how many by outcome, those that say nothing new as `unchanged`, bad ones as `refused`.

        Then what is to be noted of what they said: only afterwards, for a row that was not taken must be read again.
        """
        counts: Counter[str] = Counter()
        rows: list[_Row] = []
        for line in lines:
            try:
                rows.append(self._read(line))
            except BadRow as error:
                self._refusals.add(line, str(error))
                counts[REFUSED] += 1
        said, stages = self._known(rows)
        events: list[Event] = []
        noted: dict[str, Row] = {}
        for row in rows:
            last = said.get(row.about)
            if last is not None and last[0] == row.digest:
                counts[UNCHANGED] += 1
                continue
            revision = last[1] + 1 if last else 0
            said[row.about] = (row.digest, revision)
            is_handed_over = last is None or last[0][:_OWNER_DIGITS] != row.digest[:_OWNER_DIGITS]
            events += self._events(row, revision, stages, is_handed_over=is_handed_over)
            noted[row.about] = {
                "connection": self._one.name,
                "about": row.about,
                "digest": row.digest,
                "revision": revision,
            }
        if events:
            taken, is_asked = self._processor.apply_events(
                self._one, events, is_silent=True, has_new_leads=self._is_new
            )
            counts += taken
            if is_asked:
                self._runtime.wakeups.enqueue_senders()
        return counts, list(noted.values())

    def _known(self, rows: Sequence[_Row]) -> tuple[dict[str, tuple[str, int]], dict[tuple[str, str], Stage]]:
        """What was last said of whom (digest and revision), and the stage that each record has, by object and id."""
        wanted = {(self._one.name, row.record.object, row.record.id) for row in rows if row.record}
        with self._runtime.database.read() as connection:
            said = queries.last_rows(connection, self._one.name, {row.about for row in rows})
            records = subjects.records_by_key(connection, wanted)
        return said, {key[1:]: (row.stage, row.pipeline) for key, row in records.items()}

    def _read(self, line: Line) -> _Row:
        if line.mistake is not None:
            raise BadRow(line.mistake)
        found, cells = self._columns, line.cells
        data = found.data(cells)
        identities = found.identities(cells, data)
        record = RecordRef(object=self._object, id=text) if (text := found.cell(cells, "id")) else None
        if record is None and not identities:
            message = "says about nobody: it has neither an id nor an e-mail nor a phone number that can be read"
            raise BadRow(message)
        who = text or f"{identities[0].kind}:{identities[0].value}"
        owner = found.cell(cells, "owner")
        content = "\x1f".join([self._stage, *(f"{name}\x1e{value}" for name, value in data.items())])
        whole = hashlib.blake2b(content.encode(), digest_size=12)
        return _Row(
            number=line.number,
            about=f"{self._object}:{who}",
            digest=hashlib.blake2b(owner.encode(), digest_size=_OWNER_DIGITS // 2).hexdigest() + whole.hexdigest(),
            at=found.time(cells, "at"),
            made=found.time(cells, "made"),
            record=record,
            identities=identities,
            stage=found.cell(cells, "stage") or self._stage,
            pipeline=found.cell(cells, "pipeline"),
            owner=owner,
            data=data,
        )

    def _events(
        self,
        row: _Row,
        revision: int,
        stages: dict[tuple[str, str], Stage],
        *,
        is_handed_over: bool,
    ) -> Iterator[Event]:
        """One event; two or three where stage or owner are unknown to the mapping and wait for it by themselves.

        Only the first row of a record counts when the record was made, for then it was not as it is now. A stage that
        the record has already is not entered again.
        """
        mark = hashlib.blake2b(row.about.encode(), digest_size=12).hexdigest()
        key = f"csv:{mark}:{row.digest}" + ("" if row.at else f":{revision}")
        place = (row.record.object, row.record.id) if row.record else ("", "")
        made = row.made if place not in stages and not revision else None
        common: dict[str, Any] = {
            "at": row.at or made or self._now + row.number * _MICROSECOND,
            "identities": row.identities,
            "record": row.record,
            "is_lead": True,
            "data": row.data,
        }
        whole: dict[str, Any] = {}
        entered = (row.stage or None, row.pipeline or None)
        if row.stage and stages.get(place) != entered:
            stages[place] = entered
            values: dict[str, Any] = {"stage": row.stage, "pipeline": row.pipeline or None}
            if self._is_known(row.stage, row.pipeline):
                whole |= values
            else:
                yield Event(key=f"{key}#{Kind.STAGE}", kind=Kind.STAGE, **values, **common)
        rule = self._one.rules.owner
        if rule is not None and row.owner and is_handed_over:
            email = self._email(row.owner)
            if (email if rule.table is None else rule.table.get(row.owner)) is not None:
                whole |= {"owner": row.owner, "owner_email": email}
            elif rule.unknown is Policy.HOLD:
                yield Event(key=f"{key}#{Kind.OWNER}", kind=Kind.OWNER, owner=row.owner, **common)
        yield Event(key=key, kind=Kind.RECORD, **whole, **common)

    def _is_known(self, stage: str, pipeline: str) -> bool:
        rules = self._one.rules
        return rules.unmapped is Policy.IGNORE or rules.status_of(self._object, pipeline, stage) is not None

    def _email(self, owner: str) -> str | None:
        """The e-mail of an owner who is named by it, by id or by name."""
        if "@" in owner:
            return normalize_email(owner)
        if self._people is None:
            self._people = self._directory()
        return self._people.get(owner)

    def _directory(self) -> Mapping[str, str]:
        """E-mails by id, and by name where one person alone has it; none where the system cannot be asked."""
        try:
            owners = self._one.adapter.catalog(self._runtime.api_for(self._one)).owners
        except CrmError:
            return {}
        names = Counter(one.name for one in owners)
        by_name = {one.name: one.email for one in owners if one.email and names[one.name] == 1}
        return by_name | {one.id: one.email for one in owners if one.email}
