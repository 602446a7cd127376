"""Rows of the tables, as `batch` saves what was decided."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from connector.core.decide.batch import KnownRecord, NewDecision, NewEvent, Notice, SubjectChange, UpdateRequest
from connector.core.identity import JoinedSubjects, RecordKey
from connector.core.order import order_to_json
from connector.store import outbox
from connector.store.database import new_id
from connector.store.event_json import event_to_json, step_to_json
from connector.store.rows import Row


def subject_row(change: SubjectChange) -> Row:
    """A subject, new or changed."""
    return {
        "id": change.id,
        "kind": change.kind,
        "status": change.status,
        "since": change.since,
        "owner": change.owner,
        "due": change.due,
        "last_run": change.state.last_run if change.state else None,
        "rules": change.rules,
        "state": change.state.to_json() if change.state else None,
        "version": change.version,
        "merged_into": None,
        "created_at": change.created_at,
    }


def merge_row(merge: JoinedSubjects, now: datetime) -> Row:
    """Two subjects that turned out to be one."""
    return {
        "id": new_id(now),
        "at": now,
        "loser": merge.loser,
        "survivor": merge.survivor,
        "event": merge.event,
        "identities": [list(name) for name in merge.names],
        "undone_at": None,
        "undone_by": None,
    }


def record_row(record: KnownRecord, record_id: str) -> Row:
    """A record, new or changed."""
    return {
        "id": record_id,
        "connection": record.key.connection,
        "object": record.key.object,
        "external_id": record.key.id,
        "subject": record.subject,
        "stage": record.stage,
        "pipeline": record.pipeline,
        "stage_at": record.stage_order and record.stage_order[0],
        "stage_order": record.stage_order and order_to_json(record.stage_order),
        "is_gone": record.is_gone,
        "gone_at": record.gone_order and record.gone_order[0],
        "gone_order": record.gone_order and order_to_json(record.gone_order),
        "owner": record.owner,
        "owner_order": record.owner_order and order_to_json(record.owner_order),
    }


def event_row(new: NewEvent, now: datetime) -> Row:
    """A new event."""
    event = new.event.event
    return {
        "id": new_id(now),
        "connection": new.event.connection,
        "key": event.key,
        "subject": new.subject,
        "origin": new.subject,
        "at": event.at,
        "kind": event.kind.value,
        "outcome": new.outcome.value,
        "reason": new.reason,
        "event": event_to_json(event),
        "steps": [step_to_json(step) for step in new.steps],
        "mapping_version": new.event.version,
        "delivery": new.event.delivery,
    }


def judged_row(new: NewEvent) -> Row:
    """What became of a stored event."""
    return {
        "of": new.event.connection,
        "named": new.event.event.key,
        "ended": new.outcome.value,
        "why": new.reason,
        "made": [step_to_json(step) for step in new.steps],
        "fact": event_to_json(new.event.event),
    }


def decision_row(new: NewDecision, now: datetime) -> Row:
    """A new decision."""
    decision = new.decision
    return {
        "id": new_id(now),
        "subject": new.subject,
        "at": decision.at,
        "place": new.place,
        "rule": decision.rule,
        "before": decision.before,
        "after": decision.after,
        "notify": list(decision.notify),
        "skipped": list(decision.skipped),
        "reason": decision.reason.value if decision.reason else None,
        "notice": decision.notice,
        "step": decision.step,
        "facts": dict(decision.facts),
        "delivery": new.delivery,
        "mapping_version": new.version,
        "recorded_at": now,
        "revised_at": None,
        "mail": new.mail,
    }


def notice_row(notice: Notice, now: datetime) -> Row:
    """A mail that is asked for."""
    decision = notice.decision
    return {
        **_waiting_row(outbox.NOTICE, notice.key, notice.subject, notice.delivery, now),
        "connection": None,
        "record": None,
        "payload": {
            "to": notice.recipient,
            "rule": decision.rule,
            "notice": decision.notice,
            "day": notice.day,
            "before": decision.before,
            "after": decision.after,
            "facts": decision.facts,
        },
    }


def update_row(update: UpdateRequest, record_ids: Mapping[RecordKey, str], now: datetime) -> Row:
    """A record that is to be told how its subject stands."""
    record_id = update.record.id or record_ids[update.record.key]
    return {
        **_waiting_row(outbox.UPDATE, record_id, update.subject, update.delivery, now),
        "connection": update.record.key.connection,
        "record": record_id,
        "payload": None,
    }


def _waiting_row(kind: str, key: str, subject: str, delivery: str | None, now: datetime) -> Row:
    """What entries of the outbox have in common: due now, in their first revision."""
    return {
        "id": new_id(now),
        "kind": kind,
        "key": key,
        "subject": subject,
        "revision": 1,
        "outcome": outbox.WAITING,
        "next_attempt_at": now,
        "delivery": delivery,
        "created_at": now,
    }
