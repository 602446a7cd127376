"""The specification once more, naively: keeps everything, walks every date, knows nothing of the connector."""

from __future__ import annotations

import copy
import fnmatch
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from functools import cmp_to_key
from itertools import takewhile
from typing import Any
from zoneinfo import ZoneInfo

Line = Mapping[str, Any]

LADDER = [
    "not_set",
    "latent",
    "quasi_explicit",
    "explicit",
    "appointment_prospect",
    "appointment_acquisition",
    "visited",
    "project",
    "order",
]
LADDER_V1 = [status for status in LADDER if status != "quasi_explicit"]
ALL = [
    "site_access",
    "form_submission",
    "membership_registration",
    "login",
    "file_download",
    "email_inflow",
    "email_form_submission",
    "email_membership_registration",
    "cocoar_inflow",
]
VISITS = ["site_access", "email_inflow", "cocoar_inflow"]
REACTING = ["not_set", "latent", "quasi_explicit", "explicit"]
LIST_NOTICES = [
    "explicit.warn",
    "appointment_prospect.remind",
    "not_targeted.review",
    "pending.remind",
    "v1.explicit.warn",
]
TIE = {"identify": 0, "tag": 0, "owner": 0, "jump": 1, "trigger": 2, "action": 3}
FAR = 400


def simulate(
    lines: Sequence[Line], settings: Mapping[str, Any], template: str, until: date | None = None
) -> list[dict[str, Any]]:
    """The lines that `connector simulate --json` prints. Ids must be given, and unique where the content differs."""
    zone = ZoneInfo(settings.get("timezone", "Asia/Tokyo"))
    last = until or max(datetime.fromisoformat(line["at"]).astimezone(zone).date() for line in lines)
    decisions: list[dict[str, Any]] = []
    ends: list[dict[str, Any]] = []
    for name in sorted({line["subject"] for line in lines}):
        subject = Subject(name, [line for line in lines if line["subject"] == name], settings, template)
        subject.live(last)
        decisions += subject.decisions
        ends.append(subject.end())
    return decisions + ends


def compare(one: Line, other: Line) -> int:
    """Which of two lines comes first: -1 for the first, 1 for the second."""
    first, second = ((instant(line["at"]), TIE[line["type"]], line.get("sequence", -1)) for line in (one, other))
    if first != second:
        return -1 if first < second else 1
    return naturally(one["id"], other["id"])


def naturally(one: str, other: str) -> int:
    """The same for two ids, character by character."""
    left, right = one, other
    while left and right:
        numbers = ["".join(takewhile(lambda character: character in "0123456789", text)) for text in (left, right)]
        if all(numbers):
            first, second = map(int, numbers)
            if first != second:
                return -1 if first < second else 1
            left, right = left[len(numbers[0]) :], right[len(numbers[1]) :]
        elif any(numbers):
            return -1 if numbers[0] else 1
        elif left[0] != right[0]:
            return -1 if left[0] < right[0] else 1
        else:
            left, right = left[1:], right[1:]
    if left or right:
        return 1 if left else -1
    return (one > other) - (one < other)


class Subject:
    """One subject with all that ever happened to it."""

    def __init__(self, name: str, lines: Sequence[Line], settings: Mapping[str, Any], template: str) -> None:
        unique: list[Line] = []
        for line in lines:
            if line not in unique:
                unique.append(line)
        self.future = sorted(unique, key=cmp_to_key(compare))
        first = self.future[0]
        self.name = name
        self.settings = settings
        self.is_v1 = template == "basic-1.0"
        self.zone = ZoneInfo(settings.get("timezone", "Asia/Tokyo"))
        self.created = self.since = instant(first["at"])
        self.kind = "lead" if first.get("kind") == "lead" else "unknown"
        self.status = "not_set"
        self.tags: set[str] = set()
        self.owner: str | None = None
        self.past: list[Line] = []
        self.day = self.date_of(self.created)
        self.decisions: list[dict[str, Any]] = []
        self.noticed_this_stay: set[str] = set()

    # The walk

    def live(self, until: date) -> None:
        for line in self.future:
            self.reach(self.date_of(instant(line["at"])))
            self.past.append(line)
            self.meet(line)
        self.reach(until)

    def reach(self, day: date) -> None:
        while self.day < day:
            self.day += timedelta(days=1)
            self.start_date()

    def end(self) -> dict[str, Any]:
        return {
            "subject": self.name,
            "kind": self.kind,
            "status": self.status,
            "since": self.since.isoformat(),
            "tags": sorted(self.tags),
            "last_action": self.last_action().isoformat(),
            "due": self.due(),
        }

    def due(self) -> str | None:
        ghost = copy.deepcopy(self)
        ghost.decisions = []
        for _ in range(FAR):
            ghost.reach(ghost.day + timedelta(days=1))
            if ghost.decisions:
                return ghost.day.isoformat()
        return None

    # Words

    def date_of(self, at: datetime) -> date:
        return at.astimezone(self.zone).date()

    def days(self, at: datetime) -> int:
        return (self.day - self.date_of(at)).days

    def is_key_page(self, line: Line) -> bool:
        page = line.get("page")
        if line["type"] != "action" or line["action"] not in ALL or page is None:
            return False
        for pattern in self.settings.get("key_pages", []):
            url = pattern["url"]
            if pattern["match"] == "exact" and page == url:
                return True
            if pattern["match"] == "prefix" and page[: len(url)] == url:
                return True
            if pattern["match"] == "contains" and page.find(url) >= 0:
                return True
            if pattern["match"] == "glob" and fnmatch.fnmatchcase(page, url):
                return True
        return False

    def counts_as(self, line: Line) -> list[str]:
        """The target actions that one event is; a key-page view is also a site access."""
        if line["type"] != "action" or line["action"] not in ALL:
            return []
        return [line["action"], "site_access"] if self.is_key_page(line) else [line["action"]]

    def within(self, days: int) -> list[Line]:
        return [line for line in self.past if 0 <= self.days(instant(line["at"])) < days]

    def last_action(self) -> datetime:
        return max((instant(line["at"]) for line in self.past if self.counts_as(line)), default=self.created)

    def visit_days(self) -> int:
        return len(
            {
                self.date_of(instant(line["at"]))
                for line in self.within(30)
                if any(action in VISITS for action in self.counts_as(line))
            }
        )

    def key_views(self) -> int:
        return sum(1 for line in self.within(30) if self.is_key_page(line))

    def key_sessions(self) -> int:
        recent = self.within(30)
        return len({session for line, session in self.sessions() if self.is_key_page(line) and line in recent})

    def sessions(self) -> Iterator[tuple[Line, tuple[str, Any]]]:
        gap = timedelta(minutes=self.settings.get("session_gap_minutes", 30))
        number, previous = 0, None
        for line in self.past:
            if line["type"] != "action" or line["action"] == "mail_open":
                continue
            if line.get("session"):
                yield line, ("named", line["session"])
                continue
            at = instant(line["at"])
            if previous is None or at - previous >= gap:
                number += 1
            previous = at
            yield line, ("own", number)

    # Decisions

    def is_enabled(self, rule: str) -> bool:
        return bool(self.settings.get("rules", {}).get(rule, {}).get("enabled", True))

    def decide(self, rule: str, at: datetime, to: str | None = None, **more: Any) -> None:
        said = {"notify": [], "skipped": [], "reason": None, **more}
        before, after = self.status, to or self.status
        self.decisions.append(
            {"subject": self.name, "at": at.isoformat(), "rule": rule, "from": before, "to": after, **said}
        )
        if after != before:
            self.status, self.since = after, at
            self.noticed_this_stay = set()

    def write(self, rule: str, whom: str) -> dict[str, Any]:
        """Who gets mail from a rule, or why nobody does."""
        if not self.settings.get("rules", {}).get(rule, {}).get("notify", True):
            return {}
        if not self.settings.get("mail_enabled", True):
            return {"reason": "mail_off"}
        administrators = sorted(set(self.settings.get("administrators", [])))
        if whom == "administrators":
            people = administrators
        elif self.owner is not None:
            people = [self.owner]
        elif whom == "else administrators" or self.settings.get("fallback_to_administrators", False):
            people = administrators
        else:
            people = []
        return {"notify": people} if people else {"reason": "no_recipient"}

    # Events

    def meet(self, line: Line) -> None:
        at = instant(line["at"])
        if line["type"] == "identify":
            self.kind = "lead"
        elif line["type"] == "tag":
            if "add" in line:
                self.tags.add(line["add"])
            else:
                self.tags.discard(line["remove"])
        elif line["type"] == "owner":
            self.owner = line["owner"]
        elif line["type"] == "jump":
            if line["to"] == self.status:
                self.decide("jump", at, reason="already_there")
            else:
                self.leap("jump", at, line["to"])
        elif line["type"] == "trigger":
            self.trigger(line, at)
        elif self.counts_as(line):
            (self.act_v1 if self.is_v1 else self.act)(line, at)

    def trigger(self, line: Line, at: datetime) -> None:
        rule, to = f"trigger:{line['trigger']}", line["to"]
        is_lower = to in LADDER and self.status in LADDER and LADDER.index(to) < LADDER.index(self.status)
        if to == self.status or is_lower:
            self.decide(rule, at, reason="attached_lower")
        elif self.status not in LADDER and not line.get("reopen", False):
            self.decide(rule, at, reason="off_ladder")
        else:
            self.leap(rule, at, to)

    def leap(self, rule: str, at: datetime, to: str) -> None:
        skipped: list[str] = []
        ladder = LADDER_V1 if self.is_v1 else LADDER
        if to in ladder and self.status in ladder:
            skipped = ladder[ladder.index(self.status) + 1 : ladder.index(to)]
        self.decide(rule, at, to, skipped=skipped)
        if to == "appointment_acquisition" and not self.is_v1 and self.is_enabled("any.appointment"):
            self.decide("any.appointment", at, **self.write("any.appointment", "person"))

    def act(self, line: Line, at: datetime) -> None:
        """The sequential rules of ver.2.0, strongest destination first."""
        is_view = self.is_key_page(line)
        is_visit = any(action in VISITS for action in self.counts_as(line))
        held = self.status
        react = f"{held}.react"
        if (
            held in REACTING
            and is_view
            and self.is_enabled(react)
            and "reactive" in self.tags
            and self.key_sessions() >= 2
        ):
            self.decide(react, at, "appointment_prospect", **self.write(react, "person"))
        elif held == "not_set" and self.is_enabled("not_set.act"):
            self.decide("not_set.act", at, "latent")
        elif (
            held == "latent"
            and (is_visit or is_view)
            and self.is_enabled("latent.surge")
            and self.visit_days() >= 2
            and self.key_views() >= 1
        ):
            self.decide("latent.surge", at, "explicit", **self.write("latent.surge", "person"))
        elif held == "latent" and is_visit and self.is_enabled("latent.warm") and self.visit_days() >= 2:
            self.decide("latent.warm", at, "quasi_explicit")
        elif held == "quasi_explicit" and is_view and self.is_enabled("quasi_explicit.key_page"):
            self.decide("quasi_explicit.key_page", at, "explicit", **self.write("quasi_explicit.key_page", "person"))
        elif held == "visited" and is_view and self.is_enabled("visited.key_page"):
            told = [entry for entry in self.decisions if entry["rule"] == "visited.key_page"]
            if all(self.days(instant(entry["at"])) != 0 for entry in told):
                self.decide("visited.key_page", at, **self.write("visited.key_page", "person"))

    def act_v1(self, line: Line, at: datetime) -> None:
        if self.status == "not_set" and self.is_enabled("v1.not_set.act"):
            self.decide("v1.not_set.act", at, "latent")
        elif self.status == "latent" and line["action"] != "login" and self.is_enabled("v1.latent.surge"):
            counted = [old for old in self.within(30) if self.counts_as(old) and old["action"] != "login"]
            if len(counted) >= 3:
                self.decide("v1.latent.surge", at, "explicit", **self.write("v1.latent.surge", "person"))

    # Dates

    def start_date(self) -> None:
        """The daily rules at the start of `self.day`: one move at most, and no notice beside it."""
        for rule, to, holds in self.moves():
            if holds and self.is_enabled(rule):
                if rule == "lost_order.revive":
                    self.tags.add("reactive")
                self.decide(rule, self.midnight(), to)
                return
        for rule, whom, holds in self.notices():
            if holds and self.is_enabled(rule) and rule not in self.noticed_this_stay:
                self.decide(rule, self.midnight(), **self.write(rule, whom))
                if self.repeat(rule) == "once_per_stay":
                    self.noticed_this_stay.add(rule)

    def moves(self) -> list[tuple[str, str, bool]]:
        held, stay, idle = self.status, self.days(self.since), self.days(self.last_action())
        if self.is_v1:
            return [
                (
                    "v1.latent.expire",
                    "not_set",
                    held == "latent" and self.kind == "unknown" and idle >= 60,
                ),
                ("v1.explicit.cool", "latent", held == "explicit" and idle >= 30),
            ]
        return [
            ("latent.expire", "not_set", held == "latent" and self.kind == "unknown" and idle >= 90),
            ("quasi_explicit.cool", "latent", held == "quasi_explicit" and stay >= 30 and idle >= 60),
            ("explicit.cool", "quasi_explicit", held == "explicit" and stay >= 30 and idle >= 30),
            ("lost_order.revive", "latent", held == "lost_order" and stay >= 90),
            ("pending.resume", "latent", held == "pending" and stay >= 90),
        ]

    def notices(self) -> list[tuple[str, str, bool]]:
        held, stay, idle = self.status, self.days(self.since), self.days(self.last_action())
        if self.is_v1:
            return [("v1.explicit.warn", "administrators", held == "explicit" and idle >= 25)]
        return [
            ("explicit.warn", "person", held == "explicit" and stay >= 25 and idle >= 25),
            ("appointment_prospect.remind", "else administrators", held == "appointment_prospect" and stay in (3, 4)),
            ("not_targeted.review", "administrators", held == "not_targeted" and stay in (180, 181)),
            ("pending.remind", "person", held == "pending" and stay in (80, 81)),
        ]

    def repeat(self, rule: str) -> str:
        setting = self.settings.get("notice_repeat", "daily")
        return str(setting if isinstance(setting, str) else setting.get(rule, "daily"))

    def midnight(self) -> datetime:
        """The first quarter of an hour that shows the date, in UTC."""
        at = datetime.combine(self.day, time(), UTC) - timedelta(hours=15)
        while self.date_of(at) < self.day:
            at += timedelta(minutes=15)
        return at


def instant(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)
