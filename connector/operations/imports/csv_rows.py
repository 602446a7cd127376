"""The rows of a file as events: what each says of whom, and only where that is not what the last one said."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import islice
from typing import Any, Final, TypeAlias

from connector.adapter_kit.defaults import told_stage
from connector.adapter_kit.identities import normalize_email
from connector.adapter_kit.placeholders import is_placeholder
from connector.adapter_kit.records import stand_in
from connector.core.errors import CrmError
from connector.core.event import Event, Identity, IdentityKind, Kind, RecordRef, delivery_outcome
from connector.core.mapping import Policy
from connector.operations.flow import build_processor
from connector.operations.imports.columns import BadRow, Columns
from connector.operations.imports.csv_file import Line
from connector.operations.imports.refused_rows import RefusedRows, Remarks
from connector.runtime.connections import Connected
from connector.runtime.parts import Runtime
from connector.store import imports as queries
from connector.store import subjects
from connector.store.rows import Row

UNCHANGED: Final = "unchanged"
REFUSED: Final = "refused"
Stage: TypeAlias = tuple[str | None, str | None]
"""A stage and its pipeline."""
_MICROSECOND: Final = timedelta(microseconds=1)
_OWNER_DIGITS: Final = 8
"""The digest of a row begins with that of its owner: an owner that is as in the last row is not set again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CsvOptions:
    """What a file is: the object that its rows are (empty: the connection's), its encoding, and columns to be told.

    `stage`: that of all rows which do not say theirs. `is_new`: who becomes a lead by them is a new lead, also for the
    systems that take only those. `columns`: what → headings; none: no column says it. `date_format`: `DD/MM/YYYY` and
    the like.
    """

    object: str = ""
    encoding: str = "utf-8"
    stage: str = ""
    is_new: bool = False
    columns: Mapping[str, Sequence[str]] = field(default_factory=dict)
    date_format: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Row:
    """A row as it was read: what it is about, a digest of what it says, and its parts."""

    number: int
    about: str
    digest: str
    at: datetime | None
    made: datetime | None
    record: RecordRef
    identities: tuple[Identity, ...]
    stage: str
    pipeline: str
    owner: str
    data: Mapping[str, Any]


class Rows:
    """Applies batches of rows; `now` is when they are read, each row a microsecond after the one before.

    That also dates what has no time of its own. `refused`: the first rows that were refused, `left_out`: values.
    """

    def __init__(
        self,
        runtime: Runtime,
        one: Connected,
        *,
        options: CsvOptions,
        columns: Columns,
        errors: RefusedRows,
        now: datetime,
    ) -> None:
        self._runtime, self._processor = runtime, build_processor(runtime)
        self._one, self._object, self._columns, self._errors, self._now = one, options.object, columns, errors, now
        self._stage, self._is_new = options.stage, options.is_new
        self._reading = "\x1f".join(f"{what}\x1e{names}" for what, names in columns.by_name().items())
        self._people: Mapping[str, str] | None = None
        self.refused, self.left_out = Remarks(), Remarks()

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
                self._refuse(line, str(error))
                counts[REFUSED] += 1
        said, stages = self._known(rows)
        events: list[list[Event]] = []
        noted: dict[str, Row] = {}
        for row in rows:
            digest, revision = said.get(row.about, (_owner_digest(""), -1))
            owner = row.digest[:_OWNER_DIGITS] if "owner" in self._columns.places else digest[:_OWNER_DIGITS]
            now = owner + row.digest[_OWNER_DIGITS:]
            if digest == now:
                counts[UNCHANGED] += 1
                continue
            is_handed_over = owner != digest[:_OWNER_DIGITS]
            said[row.about] = (now, revision + 1)
            events.append(list(self._events(row, f"{now}:{revision + 1}", stages, is_handed_over=is_handed_over)))
            noted[row.about] = {
                "connection": self._one.name,
                "about": row.about,
                "digest": now,
                "revision": revision + 1,
            }
        return counts + self._applied(events), list(noted.values())

    def _refuse(self, line: Line, reason: str) -> None:
        self.refused.add(line.number, reason)
        self._errors.add(line.number, line.cells, reason)

    def _applied(self, rows: Sequence[Sequence[Event]]) -> Counter[str]:
        """Apply the events of rows; how many rows by outcome."""
        events = [event for row in rows for event in row]
        if not events:
            return Counter()
        outcomes, is_asked = self._processor.outcomes_of(self._one, events, is_silent=True, has_new_leads=self._is_new)
        if is_asked:
            self._runtime.wakeups.enqueue_senders()
        rest = iter(outcomes)
        return Counter(str(delivery_outcome(Counter(islice(rest, len(row))))) for row in rows)

    def _known(self, rows: Sequence[_Row]) -> tuple[dict[str, tuple[str, int]], dict[tuple[str, str], Stage]]:
        """What was last said of whom (digest and revision), and the stage that each record has, by object and id."""
        wanted = {(self._one.name, row.record.object, row.record.id) for row in rows}
        with self._runtime.database.read() as connection:
            said = queries.last_rows(connection, self._one.name, {row.about for row in rows})
            records = subjects.records_by_key(connection, wanted)
        return said, {key[1:]: (row.stage, row.pipeline) for key, row in records.items()}

    def _read(self, line: Line) -> _Row:
        if line.mistake is not None:
            raise BadRow(line.mistake)
        found, cells = self._columns, line.cells
        data = found.data(cells)
        identities, left_out = found.identities(cells, data)
        record = self._record(found.cell(cells, "id"), identities)
        owner = found.cell(cells, "owner")
        written = found.cell(cells, "stage") or self._stage
        stage, pipeline = told_stage(self._one.adapter, self._object, written, found.cell(cells, "pipeline"))
        content = [self._stage, self._reading, *(f"{name}\x1e{value}" for name, value in data.items())]
        whole = hashlib.blake2b("\x1f".join(content).encode(), digest_size=12)
        row = _Row(
            number=line.number,
            about=record.name,
            digest=_owner_digest(owner) + whole.hexdigest(),
            at=found.time(cells, "at"),
            made=found.time(cells, "made"),
            record=record,
            identities=identities,
            stage=stage,
            pipeline=pipeline,
            owner=owner,
            data=data,
        )
        for text in left_out:
            self.left_out.add(line.number, text)
        return row

    def _record(self, record_id: str, identities: Sequence[Identity]) -> RecordRef:
        """The record of a row; without an id the one that its e-mail, else its phone, stands in for."""
        record = RecordRef(object=self._object, id=record_id)
        if not is_placeholder(IdentityKind.RECORD, record.name):
            return record
        if not identities:
            message = "says about nobody: it has neither an id nor an e-mail nor a phone number that is somebody's"
            raise BadRow(message)
        return stand_in(self._object, identities[0])

    def _events(
        self, row: _Row, digest: str, stages: dict[tuple[str, str], Stage], *, is_handed_over: bool
    ) -> Iterator[Event]:
        """One event; two or three where stage or owner are unknown to the mapping and wait for it by themselves.

        Only the first row of a record counts when the record was made, for then it was not as it is now. A stage that
        the record has already is not entered again. `digest` tells what the row says, and which of its changes it is.
        """
        mark = hashlib.blake2b(row.about.encode(), digest_size=12).hexdigest()
        key = f"csv:{mark}:{digest}"
        place = (row.record.object, row.record.id)
        made = row.made if place not in stages and digest.endswith(":0") else None
        read_at = self._now + row.number * _MICROSECOND
        common: dict[str, Any] = {
            "at": row.at or made or read_at,
            "read_at": read_at,
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
        if rule is not None and is_handed_over and not row.owner:
            yield Event(key=f"{key}#{Kind.OWNER}", kind=Kind.OWNER, **common)
        elif rule is not None and is_handed_over:
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


def _owner_digest(owner: str) -> str:
    return hashlib.blake2b(owner.encode(), digest_size=_OWNER_DIGITS // 2).hexdigest()
