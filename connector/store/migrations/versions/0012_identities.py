"""An identity may be of several subjects, each vouched for by records; phones are written as their countries do.

What is stored is read again: e-mails, phones by the region of their connection's mapping, and ids of trackers, which
were kept as records. Who is who stays as it is.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any, TypeAlias

import sqlalchemy as sa
from alembic import op

from connector.adapter_kit.identities import identifying
from connector.core.event import Identity, IdentityKind
from connector.store.rows import Instant
from connector.store.tables import Json

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

_TRACKERS = frozenset({"cocoar", "matomo", "posthog", "rudderstack", "segment", "tracker", "youyi"})
"""Adapters that kept the ids of users and of visitors as records."""
_NO_RECORDS = {"user": IdentityKind.ACCOUNT, "visitor": IdentityKind.VISITOR}
_PAGE = 1000
_RULES = "*"
"""The name under which the rules document is kept: the workspace's region is in it."""
Held: TypeAlias = dict[tuple[str, str, str], tuple[set[str], datetime, datetime]]
"""(kind, value, subject) → sources, first and last time."""


def upgrade() -> None:
    connection = op.get_bind()
    known = connection.execute(sa.text("SELECT kind, value, subject FROM identities")).all()
    op.drop_table("identities")
    identities = op.create_table(
        "identities",
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("value", sa.String(320), nullable=False),
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("subject", sa.String(26), nullable=False),
        sa.Column("sources", Json, nullable=False),
        sa.Column("since", Instant(timezone=True), nullable=False),
        sa.Column("changed_at", Instant(timezone=True), nullable=False),
        sa.Column("until", Instant(timezone=True)),
        sa.Column("is_shared", sa.Boolean, nullable=False),
        sa.ForeignKeyConstraint(["subject"], ["subjects.id"], name="fk_identities_subject_subjects"),
        sa.PrimaryKeyConstraint("kind", "value", "number", name="pk_identities"),
    )
    op.create_index("ix_identities_subject", "identities", ["subject"])
    with op.batch_alter_table("apart") as batch:
        batch.add_column(sa.Column("sides", Json, nullable=False, server_default="[]"))
    with op.batch_alter_table("apart") as batch:
        batch.alter_column("sides", server_default=None)
    reader = _Reader(connection)
    held = _read_events(connection, reader)
    _add_known(connection, reader, held, known)
    numbers: dict[tuple[str, str], int] = defaultdict(int)
    rows = []
    for (kind, value, subject), (sources, since, last) in sorted(held.items()):
        number = numbers[kind, value]
        numbers[kind, value] += 1
        one = {"kind": kind, "value": value, "number": number, "subject": subject, "sources": sorted(sources)[:16]}
        rows.append(one | {"since": since, "changed_at": last, "until": None, "is_shared": False})
    for start in range(0, len(rows), _PAGE):
        connection.execute(identities.insert(), rows[start : start + _PAGE])
    _set_sides(connection, held)
    _rename_in_merges(connection, reader)


class _Reader:
    """Reads an identity again, as its connection writes it."""

    def __init__(self, connection: sa.Connection) -> None:
        query = sa.text("SELECT connection, source FROM mapping_versions WHERE published_at IS NOT NULL ORDER BY version")
        self.regions = {name: _region(source) for name, source in connection.execute(query).all()}
        rows = connection.execute(sa.text("SELECT name, adapter FROM connections")).all()
        self.adapters = {name: adapter for name, adapter in rows}
        self.written: dict[tuple[str, str], set[tuple[str, str]]] = defaultdict(set)
        """What events named, as it was and as it is now."""

    def __call__(self, kind: str, value: str, name: str | None = None) -> tuple[str, str] | None:
        """(kind, value) as it is now; None: it is nobody's."""
        if kind == IdentityKind.RECORD:
            owner, _, rest = value.partition(":")
            record_object, _, own = rest.partition(":")
            if self.adapters.get(owner) in _TRACKERS and record_object in _NO_RECORDS:
                return _NO_RECORDS[record_object].value, f"{owner}:{own}"
            return kind, value
        region = self.regions.get(name) or self.regions.get(_RULES)
        found = identifying(Identity(kind=IdentityKind(kind), value=value), region)
        if found is None:
            return None
        return found.kind.value, f"{name}:{found.value}" if found.is_local and name else found.value


def _region(source: str) -> str | None:
    found = re.search(r"""^["']?region["']?[ \t]*:[ \t]*["']?([A-Z]{2})\b""", source, re.MULTILINE)
    return found[1] if found else None


def _read_events(connection: sa.Connection, reader: _Reader) -> Held:
    """Write the identities of stored events anew; (kind, value, subject) → sources, first and last time."""
    events = sa.table(
        "events",
        *(sa.column(name) for name in ("id", "connection", "subject")),
        sa.column("at", Instant(timezone=True)),
        sa.column("event", Json),
    )
    held: Held = {}
    after = ""
    while True:
        query = sa.select(events).where(events.c.id > after).order_by(events.c.id).limit(_PAGE)
        page = connection.execute(query).all()
        if not page:
            return held
        after = page[-1].id
        changed = []
        for row in page:
            record = row.event.get("record")
            before = [tuple(one) for one in row.event.get("identities", ())]
            now = list(dict.fromkeys(_read(reader, before, row.connection)))
            now = now or ([] if record else before)
            if now != before:
                changed.append({"of": row.id, "to": {**row.event, "identities": [list(one) for one in now]}})
            own = ("record", f"{row.connection}:{record[0]}:{record[1]}") if record else None
            for key in dict.fromkeys([*([own] if own else []), *now]):
                sources, since, last = held.setdefault((*key, row.subject), (set(), row.at, row.at))
                sources.add(own[1] if own else "")
                held[(*key, row.subject)] = (sources, min(since, row.at), max(last, row.at))
        if changed:
            statement = events.update().where(events.c.id == sa.bindparam("of")).values(event=sa.bindparam("to", type_=Json))
            connection.execute(statement, changed)


def _read(reader: _Reader, before: Iterable[tuple[str, str]], name: str) -> Iterator[tuple[str, str]]:
    for kind, value in before:
        found = reader(kind, value, name)
        reader.written[kind, value] |= {found} if found else set()
        if found:
            yield found


def _add_known(connection: sa.Connection, reader: _Reader, held: Held, known: Iterable[Any]) -> None:
    """Identities that no stored event names any more."""
    subjects = sa.table("subjects", sa.column("id"), sa.column("created_at", Instant(timezone=True)))
    created = {of: at for of, at in connection.execute(sa.select(subjects.c.id, subjects.c.created_at)).all()}
    named = {(kind, subject) for kind, _, subject in held}
    for kind, value, subject in known:
        found = None if (kind, value) in reader.written else reader(kind, value)
        if found is not None and not {(found[0], subject), (kind, subject)} & named:
            held.setdefault((*found, subject), ({""}, created[subject], created[subject]))


def _set_sides(connection: sa.Connection, held: Held) -> None:
    """Which identities belong to whom of those that are kept apart."""
    apart = sa.table("apart", sa.column("one"), sa.column("other"), sa.column("sides", Json))
    for one, other in connection.execute(sa.select(apart.c.one, apart.c.other)).all():
        sides = [[kind, value, subject] for kind, value, subject in sorted(held) if subject in {one, other}]
        shared = {(kind, value) for kind, value, subject in sides if [kind, value, other if subject == one else one] in sides}
        own = [side for side in sides if (side[0], side[1]) not in shared]
        connection.execute(apart.update().where(apart.c.one == one, apart.c.other == other).values(sides=own))


def _rename_in_merges(connection: sa.Connection, reader: _Reader) -> None:
    """What found the losers of merges, as events name it now: so a merge can be undone as before."""
    merges = sa.table("merges", sa.column("id"), sa.column("identities", Json))
    for of, before in connection.execute(sa.select(merges.c.id, merges.c.identities)).all():
        names = sorted({name for kind, value in before for name in reader.written.get((kind, value), {(kind, value)})})
        connection.execute(merges.update().where(merges.c.id == of).values(identities=[list(name) for name in names]))
