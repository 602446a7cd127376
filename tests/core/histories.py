"""Random histories for the properties: lines of `connector simulate`, and the core values that they stand for."""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from hypothesis import strategies as st

from connector.core.decision import Decision
from connector.core.engine import Folded, Ruleset, due_day
from connector.core.event import Kind, Step
from connector.core.rules import TEMPLATES
from connector.core.ruleset import KeyPage, RuleSetting, Settings
from tests.core import oracle

ZONES = ("Asia/Tokyo", "America/New_York", "UTC", "America/Havana", "Pacific/Kiritimati", "Asia/Kathmandu")
PAGES = (None, None, "https://e.example/", "https://e.example/pricing", "https://e.example/pricing/2?plan=pro")
KEY_PAGES = (
    {"match": "prefix", "url": "https://e.example/pricing"},
    {"match": "exact", "url": "https://e.example/"},
    {"match": "contains", "url": "plan="},
    {"match": "glob", "url": "https://*/pricing/?*"},
)
DAYS = (0, 0, 0, 0, 0, 1, 1, 2, 3, 4, 5, 24, 25, 26, 29, 30, 31, 59, 60, 61, 79, 80, 81, 82, 89, 90, 91, 180, 182)
MINUTES = (0, 1, 29, 30, 31, 180, 239, 240, 299, 300, 301, 599, 600, 840, 899, 900, 901, 1095, 1110, 1439)
ODD_IDS = (
    *("", "7", "007", "07", "9", "10", "99", "100", "a", "a9", "a10", "a09", "a9b", "a9!", "a ", "a:", "a\x00"),
    *("\u0663", "9\u0663", "é1"),
)
"""No two of them the same, and their order as text another than their natural order."""
TAGS = ("reactive", "reactive", "reactive", "vip")
OWNERS = (None, "mori@e.example", "anna@e.example")
START = datetime(2026, 2, 20, tzinfo=UTC)


def draw_lines(chance: random.Random, template: str, subject: str = "s") -> list[dict[str, Any]]:
    """Up to twenty lines of one subject, spread so that the boundaries of windows, dates and sessions are hit often."""
    statuses = [info.code for info in TEMPLATES[template].statuses]
    draw_deed = chance.choice((_draw_deed, _draw_eager_deed))
    at, lines = START, []
    ids = (
        chance.sample(ODD_IDS, len(ODD_IDS)) if chance.random() < 0.5 else [f"{number + 1:06d}" for number in range(20)]
    )
    for number in range(chance.randint(1, 20)):
        if chance.random() < 0.5:
            at += timedelta(minutes=chance.choice((0, 1, 5, 29, 30, 31)))
        else:
            at = at.replace(hour=0, minute=0, second=0, microsecond=0)
            at += timedelta(days=chance.choice(DAYS), minutes=chance.choice(MINUTES))
            at -= timedelta(microseconds=chance.choice((0, 0, 1)))
        line: dict[str, Any] = {"at": at.isoformat(), "subject": subject, "id": ids[number]}
        if chance.random() < 0.2:
            line["sequence"] = chance.choice((0, 1, 2, 10))
        if chance.random() < 0.2:
            line["kind"] = chance.choice(("lead", "unknown"))
        lines.append(line | draw_deed(chance, statuses))
    return lines


def _draw_deed(chance: random.Random, statuses: list[str]) -> dict[str, Any]:
    kind = chance.choices(("action", "jump", "trigger", "identify", "tag", "owner"), (60, 14, 10, 2, 9, 5))[0]
    if kind == "action":
        action = chance.choices((*oracle.ALL, "mail_open"), (8, 2, 1, 2, 1, 3, 1, 1, 2, 2))[0]
        more = {"page": chance.choice(PAGES), "session": chance.choice((None, None, None, "a", "b"))}
        return {"type": kind, "action": action} | {key: value for key, value in more.items() if value}
    if kind == "jump":
        return {"type": kind, "to": chance.choice(statuses), "by": chance.choice(("person", "crm"))}
    if kind == "trigger":
        reopen = {"reopen": chance.random() < 0.7} if chance.random() < 0.7 else {}
        return {"type": kind, "to": chance.choice(statuses), "trigger": chance.choice("pq"), **reopen}
    if kind == "tag":
        return {"type": kind, chance.choice(("add", "add", "add", "remove")): chance.choice(TAGS)}
    return {"type": kind, "owner": chance.choice(OWNERS)} if kind == "owner" else {"type": kind}


def _draw_eager_deed(chance: random.Random, statuses: list[str]) -> dict[str, Any]:
    """The deeds of a subject that looks at key pages most of the time and is `reactive` often."""
    draw = chance.random()
    if draw < 0.2:
        return {"type": "jump", "to": chance.choice(statuses[:4]), "by": "crm"}
    if draw < 0.4:
        return {"type": "tag", "add": "reactive"}
    more = {"session": chance.choice(("a", "b"))} if chance.random() < 0.3 else {}
    return {"type": "action", "action": "site_access", "page": "https://e.example/pricing", **more}


def draw_settings(chance: random.Random, template: str) -> dict[str, Any]:
    """A settings file's content."""
    raw: dict[str, Any] = {"timezone": chance.choice(ZONES)}
    optional: dict[str, Any] = {
        "session_gap_minutes": chance.choice((1, 30, 45)),
        "mail_enabled": chance.random() < 0.7,
        "fallback_to_administrators": chance.random() < 0.5,
        "administrators": chance.choice(([], ["zoe@e.example", "anna@e.example"])),
        "notice_repeat": chance.choice(("daily", "once_per_stay", {chance.choice(_lists(template)): "once_per_stay"})),
        "rules": {
            rule.id: {chance.choice(("enabled", "notify")): chance.random() < 0.3}
            for rule in chance.sample(TEMPLATES[template].rules, chance.randint(0, 3))
        },
    }
    raw |= {key: value for key, value in optional.items() if chance.random() < 0.5}
    return raw | {"key_pages": chance.sample(KEY_PAGES, chance.choice((0, 1, 1, 2)))}


def _lists(template: str) -> list[str]:
    return [rule.id for rule in TEMPLATES[template].rules if rule.notice == "list"]


chances = st.randoms(use_true_random=False)
templates = st.sampled_from(sorted(TEMPLATES))


def steps_of(lines: Iterable[Mapping[str, Any]]) -> list[Step]:
    """The steps that lines stand for."""
    return [
        Step(
            id=line["id"],
            at=datetime.fromisoformat(line["at"]).astimezone(UTC),
            kind=Kind(line["type"]),
            is_lead=line.get("kind") == "lead",
            to=line.get("to"),
            by=line.get("by"),
            trigger=line.get("trigger"),
            may_reopen=line.get("reopen", False),
            action=line.get("action"),
            page=line.get("page"),
            session=line.get("session"),
            tag=line.get("add") or line.get("remove"),
            is_removed="remove" in line,
            owner=line.get("owner"),
            sequence=line.get("sequence"),
        )
        for line in lines
    ]


def ruleset_of(raw: Mapping[str, Any], template: str) -> Ruleset:
    """The rules of a template under the content of a settings file, mail on unless it says otherwise."""
    repeat = raw.get("notice_repeat", "daily")
    repeats = dict.fromkeys(_lists(template), repeat) if isinstance(repeat, str) else repeat
    settings = Settings(
        zone=ZoneInfo(raw.get("timezone", "Asia/Tokyo")),
        session_gap_minutes=raw.get("session_gap_minutes", 30),
        key_pages=tuple(KeyPage(**pattern) for pattern in raw.get("key_pages", ())),
        is_mail_on=raw.get("mail_enabled", True),
        once_per_stay=frozenset(rule for rule, how in repeats.items() if how == "once_per_stay"),
        has_fallback_to_administrators=raw.get("fallback_to_administrators", False),
        administrators=tuple(raw.get("administrators", ())),
        rules={
            rule: RuleSetting(is_enabled=row.get("enabled", True), has_notify=row.get("notify", True))
            for rule, row in raw.get("rules", {}).items()
        },
    )
    return Ruleset(TEMPLATES[template], settings)


def last_day(lines: Iterable[Mapping[str, Any]], ruleset: Ruleset) -> date:
    """The local date of the last line."""
    return max(datetime.fromisoformat(line["at"]).astimezone(ruleset.zone).date() for line in lines)


def printed(folded: Folded, ruleset: Ruleset, subject: str = "s") -> list[dict[str, Any]]:
    """What `connector simulate --json` prints for one subject."""
    state, due = folded.state, due_day(folded.state, ruleset)
    end = {
        "subject": subject,
        "kind": state.kind,
        "status": state.status,
        "since": state.since.isoformat(),
        "tags": sorted(state.tags),
        "last_action": state.acted.isoformat(),
        "due": date.fromordinal(due).isoformat() if due else None,
    }
    return [*(_decided(decision, subject) for decision in folded.decisions), end]


def _decided(decision: Decision, subject: str) -> dict[str, Any]:
    return {
        "subject": subject,
        "at": decision.at.isoformat(),
        "rule": decision.rule,
        "from": decision.before,
        "to": decision.after,
        "notify": list(decision.notify),
        "skipped": list(decision.skipped),
        "reason": decision.reason,
    }
