"""Half a year in the lives of the demonstration's leads, as data: the same for the same end and seed."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, TypeAlias

from connector.emulators.engine.faults import dice

DAYS: Final = 180
SITE: Final = "https://www.example.com"
KEY_PAGES: Final = ({"match": "prefix", "url": f"{SITE}/pricing"}, {"match": "exact", "url": f"{SITE}/demo"})
"""The key pages of the site, as the rule settings name them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrived:
    """A lead is made in the portal, in its first stage."""

    name: str
    last_name: str
    company: str
    email: str
    owner: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LeadMoved:
    """A person drags the lead to another stage."""

    stage: str
    by: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Handed:
    """A person hands the lead to a colleague."""

    owner: int
    by: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DealOpened:
    """A deal with a contact is made out of the lead, in the first stage of a funnel."""

    category: int
    amount: int
    by: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DealMoved:
    """A person drags the deal to another stage of its funnel; `stage` is without the funnel's prefix."""

    stage: str
    by: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Behaved:
    """The person did something on the site: one line for a connection of the adapter `standard`."""

    line: Mapping[str, Any]


What: TypeAlias = Arrived | LeadMoved | Handed | DealOpened | DealMoved | Behaved


@dataclass(frozen=True, slots=True, kw_only=True)
class Happening:
    """What happened to whom, and when; `at` is aware UTC in whole seconds, `who` names the lead in the story."""

    at: datetime
    who: str
    what: What


STORIES: Final = (
    ("sleeps", "visit"),
    ("reads", "visit visit visit read visit"),
    ("warms up", "visit read read form"),
    ("is mailed to", "mail mail visit read download"),
    ("is worked", "read lead:IN_PROCESS visit form lead:PROCESSED"),
    ("is no target", "visit lead:IN_PROCESS lead:JUNK visit"),
    ("is junk, and comes back", "lead:JUNK read form lead:IN_PROCESS read"),
    ("goes backward", "lead:IN_PROCESS lead:PROCESSED hand lead:IN_PROCESS visit"),
    ("changes hands", "visit hand read hand lead:IN_PROCESS"),
    ("becomes a customer", "read lead:IN_PROCESS lead:PROCESSED lead:CONVERTED deal:0 in:PREPARATION in:WON visit"),
    ("is lost", "form lead:IN_PROCESS lead:CONVERTED deal:0 in:PREPARATION in:LOSE read"),
    ("buys a licence", "mail lead:PROCESSED lead:CONVERTED deal:5 in:PREPARATION in:UC_4QJ7TM in:EXECUTING in:WON"),
    ("negotiates", "download lead:PROCESSED lead:CONVERTED deal:5 in:PREPARATION in:EXECUTING"),
)
"""Title and steps. `read` is a week of visits with key pages; `lead:` and `in:` move the lead and its deal."""

_NAMES: Final = ("Aiko", "Ben", "Chi", "Dana", "Emi", "Finn", "Grete", "Hana", "Ingrid", "Jun")
_LAST_NAMES: Final = ("Halden", "Ito", "Kowalski", "Le", "Moreau", "Nakamura", "Olsen", "Pham")
_COMPANIES: Final = ("Norfjell Energy", "Halden & Sons", "Sakura Works", "Bến Thành Foods", "北山机械")
_PEOPLE: Final = (3, 11, 14)
_ACTIONS: Final = {
    "visit": ("site_access", "/blog/abm"),
    "key": ("site_access", "/pricing/plans"),
    "demo": ("site_access", "/demo"),
    "form": ("form_submission", "/contact"),
    "mail": ("email_inflow", "/news/spring"),
    "download": ("file_download", "/files/guide.pdf"),
}
_READING: Final = (("visit", 0.0), ("key", 0.01), ("key", 1.2), ("visit", 3.1), ("demo", 5.3), ("key", 6.4))
"""One step of reading: what is done, and after how many days."""


def lives(now: datetime, seed: int = 0, count: int = 40) -> Sequence[Happening]:
    """What happens to `count` leads in the 180 days before `now` (aware UTC), by time; nothing in the last hour."""
    end = now.replace(microsecond=0)
    found = [it for number in range(count) for it in _life(number, end, dice(seed, "life", number))]
    return sorted(found, key=lambda it: (it.at, it.who))


def title_of(number: int) -> str:
    """What the story of the lead with that number is called."""
    return STORIES[number % len(STORIES)][0]


def _life(number: int, now: datetime, drawn: random.Random) -> Iterator[Happening]:
    who = f"lead-{number + 1:02d}"
    steps = STORIES[number % len(STORIES)][1].split()
    begin, last = now - timedelta(days=DAYS), now - timedelta(hours=1)
    birth = begin + timedelta(seconds=drawn.randrange(86_400, 60 * 86_400))
    room = int((last - birth).total_seconds())
    times = [birth + timedelta(seconds=it) for it in sorted(drawn.sample(range(3_600, room), len(steps)))]
    arrived = Arrived(
        name=drawn.choice(_NAMES),
        last_name=drawn.choice(_LAST_NAMES),
        company=drawn.choice(_COMPANIES),
        email=f"{who}@customer.example",
        owner=drawn.choice(_PEOPLE),
    )
    yield Happening(at=birth, who=who, what=arrived)
    lines = 0
    for at, step in zip(times, steps, strict=True):
        for moment, what in _step(step, at, last, drawn):
            if isinstance(what, str):
                lines += 1
                line = _line(what, moment, who=who, number=lines, email=arrived.email)
                yield Happening(at=moment, who=who, what=Behaved(line=line))
            else:
                yield Happening(at=moment, who=who, what=what)


def _step(step: str, at: datetime, last: datetime, drawn: random.Random) -> Iterator[tuple[datetime, What | str]]:
    """The step's happenings; a word where it is something done on the site."""
    by = drawn.choice(_PEOPLE)
    kind, _, detail = step.partition(":")
    if kind == "lead":
        yield at, LeadMoved(stage=detail, by=by)
    elif kind == "in":
        yield at, DealMoved(stage=detail, by=by)
    elif kind == "deal":
        yield at, DealOpened(category=int(detail), amount=1_000 * drawn.randrange(2, 90), by=by)
    elif kind == "hand":
        yield at, Handed(owner=drawn.choice(_PEOPLE), by=by)
    elif kind == "read":
        for word, days in _READING:
            if (moment := at + timedelta(days=days)) <= last:
                yield moment.replace(microsecond=0), word
    else:
        yield at, kind


def _line(word: str, at: datetime, *, who: str, number: int, email: str) -> dict[str, Any]:
    action, path = _ACTIONS[word]
    return {
        "id": f"{who}-{number:03d}",
        "at": at.isoformat(),
        "subject": {"email": email},
        "type": "action",
        "action": action,
        "page": SITE + path,
        "session": f"{who}-{at:%Y%m%d}",
    }
