"""The tables of the store: every column, key and index that the connector keeps in SQLite or PostgreSQL."""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    String,
    Table,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from connector.store.rows import Instant

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)


Json = JSON(none_as_null=True).with_variant(JSONB(none_as_null=True), "postgresql")
Id = String(26)


def _json(name: str, **options: Any) -> Column[Any]:
    return Column(name, Json, **options)


connections = Table(
    "connections",
    metadata,
    Column("id", Id, primary_key=True),
    Column("name", String(63), nullable=False, unique=True),
    Column("adapter", String(63), nullable=False),
    _json("settings", nullable=False),
    Column("sealed", Text, nullable=False),
    Column("is_paused", Boolean, nullable=False, default=False),
    Column("removed_at", Instant),
    Column("created_at", Instant, nullable=False),
    Column("reconciled_at", Instant),
    Column("subscribe_at", Instant),
    Column("tried_at", Instant),
    Column("missed", Integer, nullable=False, default=0, server_default="0"),
)
"""`subscribe_at`: when webhooks are to be registered or renewed; none: not tried yet; the year 9999: never again.

`tried_at`: when the last reconciliation began, also one that failed; `reconciled_at`: the last that came to its end.
`missed`: how many events reconciliation found that no webhook had brought.
"""

imports = Table(
    "imports",
    metadata,
    Column("id", Id, primary_key=True),
    Column("connection", String(63), nullable=False),
    Column("source", String(16), nullable=False),
    Column("file", String(255)),
    Column("since", Instant),
    Column("reached", Instant),
    Column("count", Integer, nullable=False),
    _json("tally", nullable=False),
    Column("actor", String(255), nullable=False),
    Column("started_at", Instant, nullable=False),
    Column("changed_at", Instant, nullable=False),
    Column("finished_at", Instant),
    Index("ix_imports_connection", "connection", "id"),
)
"""Imports by hand, and how far each is. `source`: changes or csv; `count`: events or rows read; `tally`: by outcome.

`reached`: the time of the newest event, where the system tells its changes in order.
"""

imported = Table(
    "imported",
    metadata,
    Column("connection", String(63), nullable=False),
    Column("about", String(400), nullable=False),
    Column("digest", String(32), nullable=False),
    Column("revision", Integer, nullable=False),
    PrimaryKeyConstraint("connection", "about"),
)
"""What the last imported row about a record said, so that a row that says the same again changes nothing."""

connection_secrets = Table(
    "connection_secrets",
    metadata,
    Column("connection", String(63), nullable=False),
    Column("name", String(63), nullable=False),
    Column("sealed", Text, nullable=False),
    Column("set_at", Instant, nullable=False),
    PrimaryKeyConstraint("connection", "name"),
)
"""What adapters keep of a connection: tokens that its system handed out."""

deliveries = Table(
    "deliveries",
    metadata,
    Column("id", Id, primary_key=True),
    Column("connection", String(63), nullable=False),
    Column("key", String(255), nullable=False),
    Column("received_at", Instant, nullable=False),
    Column("lane", Integer, nullable=False),
    Column("outcome", String(16), nullable=False),
    Column("attempts", Integer, nullable=False, default=0),
    Column("next_attempt_at", Instant, nullable=False),
    Column("duplicates", Integer, nullable=False, default=0),
    Column("method", String(8), nullable=False),
    _json("query", nullable=False),
    _json("headers", nullable=False),
    Column("body", LargeBinary),
    _json("tally"),
    Column("error", Text),
    Column("finished_at", Instant),
    UniqueConstraint("connection", "key"),
)
Index(
    "ix_deliveries_pending",
    deliveries.c.lane,
    deliveries.c.next_attempt_at,
    sqlite_where=text("outcome = 'pending'"),
    postgresql_where=text("outcome = 'pending'"),
)
Index("ix_deliveries_account", deliveries.c.connection, deliveries.c.outcome)

quarantine = Table(
    "quarantine",
    metadata,
    Column("id", Id, primary_key=True),
    Column("connection", String(63), nullable=False),
    Column("received_at", Instant, nullable=False),
    Column("reason", String(32), nullable=False),
    Column("error", Text, nullable=False),
    Column("size", Integer, nullable=False),
    Column("sealed", Text, nullable=False),
    Column("is_plausible", Boolean, nullable=False),
    Column("weight", Integer, nullable=False),
    Index("ix_quarantine_connection", "connection", "received_at"),
    Index("ix_quarantine_worth", "is_plausible", "received_at", "connection", "weight"),
)

accepted = Table(
    "accepted",
    metadata,
    Column("connection", String(63), nullable=False),
    Column("shard", Integer, nullable=False),
    Column("count", Integer, nullable=False),
    PrimaryKeyConstraint("connection", "shard"),
)
"""How many deliveries were acknowledged, counted where they are accepted, apart from the rows that prove it."""

subjects = Table(
    "subjects",
    metadata,
    Column("id", Id, primary_key=True),
    Column("kind", String(8), nullable=False),
    Column("status", String(63), nullable=False),
    Column("since", Instant, nullable=False),
    Column("owner", String(255)),
    Column("due", Integer),
    Column("last_run", Integer),
    Column("rules", Integer, nullable=False, default=0, server_default="0"),
    _json("state"),
    Column("version", Integer, nullable=False),
    Column("merged_into", Id),
    Column("created_at", Instant, nullable=False),
)
Index(
    "ix_subjects_due",
    subjects.c.due,
    sqlite_where=text("due IS NOT NULL"),
    postgresql_where=text("due IS NOT NULL"),
)
Index("ix_subjects_last_run", subjects.c.last_run)
Index("ix_subjects_rules", subjects.c.rules, subjects.c.id)
Index("ix_subjects_status", subjects.c.status, subjects.c.id)
Index(
    "ix_subjects_merged_into",
    subjects.c.merged_into,
    sqlite_where=text("merged_into IS NOT NULL"),
    postgresql_where=text("merged_into IS NOT NULL"),
)

merges = Table(
    "merges",
    metadata,
    Column("id", Id, primary_key=True),
    Column("at", Instant, nullable=False),
    Column("loser", Id, nullable=False, index=True),
    Column("survivor", Id, nullable=False, index=True),
    Column("event", String(400), nullable=False),
    _json("identities", nullable=False),
    Column("undone_at", Instant),
    Column("undone_by", String(255)),
)
"""Subjects that turned out to be one: the key of the event that showed it, and what found the loser until then."""

apart = Table(
    "apart",
    metadata,
    Column("one", Id, nullable=False),
    Column("other", Id, nullable=False),
    Column("at", Instant, nullable=False),
    Column("by", String(255), nullable=False),
    _json("sides", nullable=False),
    PrimaryKeyConstraint("one", "other"),
)
"""Pairs of subjects (the smaller id first) that a person keeps apart: no event joins them.

`sides`: kind and value of identities, and to which of the two each belongs."""

identities = Table(
    "identities",
    metadata,
    Column("kind", String(16), nullable=False),
    Column("value", String(320), nullable=False),
    Column("number", Integer, nullable=False),
    Column("subject", Id, ForeignKey("subjects.id"), nullable=False, index=True),
    _json("sources", nullable=False),
    Column("since", Instant, nullable=False),
    Column("changed_at", Instant, nullable=False),
    Column("until", Instant),
    Column("is_shared", Boolean, nullable=False, default=False),
    PrimaryKeyConstraint("kind", "value", "number"),
)
"""Who has what: an identity may be of several subjects, each with a `number` of its own, so that two transactions
cannot both give it away unseen. `sources`: the records that vouch for it (`""`: an event about none)."""

records = Table(
    "records",
    metadata,
    Column("id", Id, primary_key=True),
    Column("connection", String(63), nullable=False),
    Column("object", String(63), nullable=False),
    Column("external_id", String(255), nullable=False),
    Column("subject", Id, ForeignKey("subjects.id"), nullable=False, index=True),
    Column("stage", String(255)),
    Column("pipeline", String(63)),
    Column("stage_at", Instant),
    _json("stage_order"),
    Column("is_gone", Boolean, nullable=False, default=False),
    Column("gone_at", Instant),
    _json("gone_order"),
    Column("owner", String(255)),
    _json("owner_order"),
    UniqueConstraint("connection", "object", "external_id"),
)
"""`gone_at`: when it was last said to be deleted; a later fact about it says that it is back.

`stage_order`, `gone_order`, `owner_order`: the places of its newest stage, deletion and owner (`core/order.py`), where
an event said so. `owner`: an e-mail or the system's own word, case-folded; empty: nobody.
"""

echoes = Table(
    "echoes",
    metadata,
    Column("id", Id, primary_key=True),
    Column("record", Id, ForeignKey("records.id"), nullable=False),
    Column("field", String(16), nullable=False),
    Column("value", String(400), nullable=False),
    Column("at", Instant, nullable=False),
    Column("matched", String(400)),
    Index("ix_echoes_record", "record", "at"),
)
"""The ledger of what was sent: a change that comes in and equals an entry is our own, come back."""

events = Table(
    "events",
    metadata,
    Column("id", Id, primary_key=True),
    Column("connection", String(63), nullable=False),
    Column("key", String(400), nullable=False),
    Column("subject", Id, ForeignKey("subjects.id"), nullable=False),
    Column("origin", Id, nullable=False),
    Column("at", Instant, nullable=False),
    Column("kind", String(16), nullable=False),
    Column("outcome", String(16), nullable=False),
    Column("reason", String(400)),
    _json("event", nullable=False),
    _json("steps", nullable=False),
    Column("mapping_version", Integer),
    Column("delivery", Id, index=True),
    Column("compacted_at", Instant),
    UniqueConstraint("connection", "key"),
    Index("ix_events_subject", "subject", "at"),
)
"""`compacted_at`: when an old event lost what only its adapter's words had: no mapping reads it again."""
Index(
    "ix_events_held",
    events.c.connection,
    events.c.reason,
    sqlite_where=text("outcome = 'held'"),
    postgresql_where=text("outcome = 'held'"),
)

decisions = Table(
    "decisions",
    metadata,
    Column("id", Id, primary_key=True),
    Column("subject", Id, ForeignKey("subjects.id"), nullable=False),
    Column("at", Instant, nullable=False),
    Column("place", String(600), nullable=False),
    Column("rule", String(255), nullable=False),
    Column("before", String(63), nullable=False),
    Column("after", String(63), nullable=False),
    _json("notify", nullable=False),
    _json("skipped", nullable=False),
    Column("reason", String(32)),
    Column("notice", String(16)),
    Column("step", String(511)),
    _json("facts", nullable=False),
    Column("delivery", Id),
    Column("mapping_version", Integer),
    Column("recorded_at", Instant, nullable=False),
    Column("revised_at", Instant),
    Column("mail", String(16)),
    Index("ix_decisions_subject", "subject", "at"),
)

outbox = Table(
    "outbox",
    metadata,
    Column("id", Id, primary_key=True),
    Column("kind", String(8), nullable=False),
    Column("key", String(400), nullable=False),
    Column("connection", String(63)),
    Column("record", Id, ForeignKey("records.id")),
    Column("subject", Id),
    Column("revision", Integer, nullable=False),
    Column("outcome", String(16), nullable=False),
    Column("attempts", Integer, nullable=False, default=0),
    Column("next_attempt_at", Instant, nullable=False),
    Column("failing_since", Instant),
    Column("error", Text),
    _json("payload"),
    Column("delivery", Id),
    Column("created_at", Instant, nullable=False),
    Column("finished_at", Instant),
    UniqueConstraint("kind", "key"),
)
Index(
    "ix_outbox_waiting",
    outbox.c.kind,
    outbox.c.connection,
    outbox.c.next_attempt_at,
    sqlite_where=text("outcome = 'waiting'"),
    postgresql_where=text("outcome = 'waiting'"),
)

mapping_versions = Table(
    "mapping_versions",
    metadata,
    Column("id", Id, primary_key=True),
    Column("connection", String(63), nullable=False),
    Column("version", Integer, nullable=False),
    Column("state", String(16), nullable=False),
    Column("source", Text, nullable=False),
    Column("author", String(255), nullable=False),
    Column("comment", Text, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("published_at", Instant),
    Column("published_by", String(255)),
    Column("based_on", Integer),
    UniqueConstraint("connection", "version"),
)

remaps = Table(
    "remaps",
    metadata,
    Column("connection", String(63), nullable=False),
    Column("version", Integer, nullable=False),
    Column("since", Instant),
    Column("after", Id, nullable=False),
    Column("subjects", Integer, nullable=False),
    Column("changed", Integer, nullable=False),
    Column("released", Integer, nullable=False),
    Column("held", Integer, nullable=False),
    Column("started_at", Instant, nullable=False),
    Column("finished_at", Instant),
    PrimaryKeyConstraint("connection", "version"),
)
"""How far the stored events of a connection are translated anew for a published mapping; `after` is a subject's id."""

refusals = Table(
    "refusals",
    metadata,
    Column("connection", String(63), nullable=False),
    Column("act", String(16), nullable=False),
    Column("since", Instant, nullable=False),
    Column("until", Instant, nullable=False),
    Column("error", Text, nullable=False),
    Column("told_at", Instant),
    PrimaryKeyConstraint("connection", "act"),
)
"""Connections that their systems refuse as a whole, for an `act` (`push`, `changes`). `until`: when it is tried again.
`told_at`: when administrators were told."""

catalogs = Table(
    "catalogs",
    metadata,
    Column("id", Id, primary_key=True),
    Column("connection", String(63), nullable=False),
    Column("seen_at", Instant, nullable=False),
    Column("first_seen_at", Instant, nullable=False),
    _json("content", nullable=False),
    Index("ix_catalogs_connection", "connection", "id"),
)
"""What a system had when it was asked: a row for every catalogue that differs from the one before."""

audit = Table(
    "audit",
    metadata,
    Column("id", Id, primary_key=True),
    Column("at", Instant, nullable=False),
    Column("actor", String(255), nullable=False),
    Column("action", String(63), nullable=False),
    Column("target", String(255), nullable=False),
    _json("detail", nullable=False),
)

settings = Table(
    "settings",
    metadata,
    Column("key", String(63), primary_key=True),
    _json("value", nullable=False),
    Column("changed_at", Instant, nullable=False),
)
