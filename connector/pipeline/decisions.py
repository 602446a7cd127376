"""Decisions on their way into the store: which are new, which no longer stand, and whom they ask to be mailed."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple
from zoneinfo import ZoneInfo

import orjson

from connector.core.calendar import local_day
from connector.core.decision import Decision
from connector.store import outbox
from connector.store.database import new_id
from connector.store.rows import Row

ASKED: Final = "asked"
PAST: Final = "past"
IMPORTED: Final = "imported"
"""How the notices of a decision stand: in the outbox, or recorded and not sent: of a past date, or of an import."""
NOTICE_AGE: Final = timedelta(hours=24)
"""A sequential notice older than this when it is decided is not mailed any more."""
_SAME: Final = ("place", "rule", "before", "after", "notify", "skipped", "reason", "notice", "step")


class Source(NamedTuple):
    """Where a step comes from, and its place among the steps of the same instant."""

    delivery: str | None
    version: int | None
    order: int


_NOWHERE: Final = Source(None, None, 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """When and how decisions are recorded: `now` (aware UTC), the zone of its day, and whether it is a fold again.

    `is_silent`: they come of an import, and nobody is mailed.
    """

    now: datetime
    zone: ZoneInfo
    is_again: bool
    is_silent: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Fresh:
    """Rows of `decisions` to be written, each with those who are to be mailed; ids of those that no longer stand."""

    rows: tuple[tuple[Row, tuple[str, ...]], ...]
    revised: frozenset[str] = frozenset()


def fresh(
    subject: str, made: Sequence[Decision], sources: Mapping[str, Source], stored: Sequence[Row] | None, moment: Moment
) -> Fresh:
    """What a fold decided: all of it, or where `stored` are the decisions that stand, what it decided otherwise.

    Who was asked to be mailed by a decision that no longer stands is not asked again by the one in its place.
    """
    count: Counter[tuple[datetime, str | None]] = Counter()
    rows: list[dict[str, Any]] = []
    for one in made:
        rows.append(_row(subject, one, count[one.at, one.step], sources, moment))
        count[one.at, one.step] += 1
    if stored is None:
        return Fresh(rows=tuple((row, _asked(row)) for row in rows))
    standing: dict[bytes, list[str]] = defaultdict(list)
    for row in stored:
        standing[_mark(row)].append(row["id"])
    new = [row for row in rows if not ((ids := standing.get(_mark(row))) and ids.pop())]
    revised = frozenset(one for ids in standing.values() for one in ids)
    replaced = [row for row in stored if row["id"] in revised and row["mail"] == ASKED]
    return Fresh(rows=tuple((row, _asked_now(row, replaced, moment)) for row in new), revised=revised)


def notice_rows(asked: Sequence[tuple[Row, tuple[str, ...]]], moment: Moment) -> list[Row]:
    """Rows of `outbox` for the mails that decisions ask for."""
    return [
        {
            "id": new_id(moment.now),
            "kind": outbox.NOTICE,
            "key": notice_key(row["rule"], row["at"], recipient, row["subject"]),
            "connection": None,
            "record": None,
            "subject": row["subject"],
            "revision": 1,
            "outcome": outbox.WAITING,
            "next_attempt_at": moment.now,
            "payload": {
                "to": recipient,
                "rule": row["rule"],
                "notice": row["notice"],
                "day": local_day(row["at"], moment.zone),
                "before": row["before"],
                "after": row["after"],
                "facts": row["facts"],
            },
            "delivery": row["delivery"],
            "created_at": moment.now,
        }
        for row, recipients in asked
        for recipient in recipients
    ]


def notice_key(rule: str, at: datetime, recipient: str, subject: str) -> str:
    """What tells a mail from others in the outbox: one that was asked for once is not asked for again."""
    return f"{rule}|{at.isoformat()}|{recipient}|{subject}"


def _row(subject: str, one: Decision, place: int, sources: Mapping[str, Source], moment: Moment) -> dict[str, Any]:
    source = sources.get(one.step or "", _NOWHERE)
    return {
        "id": new_id(moment.now),
        "subject": subject,
        "at": one.at,
        "place": f"{source.order}|{one.step}|{place:03}" if one.step else f"-|{place:03}",
        "rule": one.rule,
        "before": one.before,
        "after": one.after,
        "notify": list(one.notify),
        "skipped": list(one.skipped),
        "reason": one.reason.value if one.reason else None,
        "notice": one.notice,
        "step": one.step,
        "facts": dict(one.facts),
        "delivery": source.delivery,
        "mapping_version": source.version,
        "recorded_at": moment.now,
        "revised_at": None,
        "mail": _mail(one, moment) if one.notify else None,
    }


def _mail(one: Decision, moment: Moment) -> str:
    """A notice that arises for a past date, or by an import, is recorded as not sent."""
    if moment.is_silent:
        return IMPORTED
    is_today = local_day(one.at, moment.zone) == local_day(moment.now, moment.zone)
    is_recent = one.step is not None and not moment.is_again and timedelta(0) <= moment.now - one.at < NOTICE_AGE
    return ASKED if is_today or is_recent else PAST


def _mark(row: Row) -> bytes:
    """All that a decision says."""
    said = [row["at"].timestamp(), *(row[name] for name in _SAME), row["facts"]]
    return orjson.dumps(said, option=orjson.OPT_SORT_KEYS)


def _asked(row: Row) -> tuple[str, ...]:
    return tuple(row["notify"]) if row["mail"] == ASKED else ()


def _asked_now(row: dict[str, Any], replaced: list[Row], moment: Moment) -> tuple[str, ...]:
    """Whom a decision asks to be mailed beyond those whom the one that it replaces has asked."""
    day = local_day(row["at"], moment.zone)
    before = next(
        (one for one in replaced if one["rule"] == row["rule"] and local_day(one["at"], moment.zone) == day), None
    )
    if before is None or not row["notify"]:
        return _asked(row)
    replaced.remove(before)
    more = tuple(one for one in _asked(row) if one not in before["notify"])
    if set(row["notify"]) <= set(before["notify"]):
        row["mail"] = ASKED
    return more
