"""A visit of Matomo's log as events: its actions, and who the visitor is."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from connector.adapter_kit.payload import Part
from connector.adapter_kit.records import digest
from connector.adapter_kit.tracking import distinct, person, reached, under, visitor, words
from connector.core.errors import BadPayload
from connector.core.event import Event, Identity, IdentityKind, Kind

PAGE: Final = "action"
"""Matomo's word for a page view."""
_PAGES: Final = frozenset({PAGE, "event", "goal", "search"})
"""Actions whose `url` is the page that they happened on; that of a download or an outlink is where it leads."""
_DATA: Final = (
    *("type", "url", "pageTitle", "eventCategory", "eventAction", "eventName", "eventValue"),
    *("goalId", "goalName", "revenue", "siteSearchKeyword", "orderId"),
)
_TOLD: Final = ("url", "eventCategory", "eventAction", "eventName", "eventValue", "siteSearchKeyword")
_OF_VISIT: Final = ("referrerType", "referrerName", "referrerUrl", "visitCount", "visitorType", "siteName")
_LAST_SECOND: Final = 7_258_118_399  # the end of 2199, as in payloads


@dataclass(frozen=True, slots=True, kw_only=True)
class _Visit:
    """A visit's name, `site:id`, the time of its first action, and whom its actions are of."""

    part: Part
    name: str
    began: datetime
    who: tuple[Identity, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """What visits look like by the settings of a connection: marks in addresses, and campaigns by name."""

    email_marks: Sequence[str]
    cocoar_marks: Sequence[str]
    email_campaigns: Sequence[str]
    cocoar_campaigns: Sequence[str]

    def events(self, visit: Mapping[str, Any], site: str) -> list[Event | BadPayload]:
        """The events of a visit, the same ones with more besides when it comes again, and what cannot be read of it."""
        try:
            return self._events(Part(visit), site)
        except BadPayload as error:
            return [error]

    def _events(self, visit: Part, site: str) -> list[Event | BadPayload]:
        name = f"{site}:{visit['idVisit'].identifier(30)}"
        began = _seconds(visit["firstActionTimestamp"])
        user = person(visit["userId"])
        # Matomo gives a visit another visitor's id when the user becomes known: the visit itself is what stays.
        itself = Identity(kind=IdentityKind.RECORD, value=f"visit:{name}")
        read = _Visit(part=visit, name=name, began=began, who=distinct(visitor(visit["visitorId"]), itself))
        actions = visit["actionDetails"].items() if visit["actionDetails"].exists else []
        entry = next((place for place, action in enumerate(actions) if under(action, "type").value == PAGE), None)
        found: list[Event | BadPayload] = [_tie(read, user)] if user else []
        for place, action in enumerate(actions):
            try:
                found.append(_event(read, action, self._word(visit, action, is_entry=place == entry)))
            except BadPayload as error:
                found.append(error)
        return found

    def _word(self, visit: Part, action: Part, *, is_entry: bool) -> str:
        kind = _type(action)
        if kind == "event":
            return f"event {words(action['eventCategory'], 100)}/{words(action['eventAction'], 100)}"
        if kind == "goal":
            return f"goal {words(action['goalName'], 150) or action['goalId'].value}"
        if kind != PAGE:
            return kind
        plugin = {name: visit[f"campaign{name.title()}"].value for name in ("medium", "source")} if is_entry else {}
        word = reached(kind, words(action["url"]), plugin, self.email_marks, self.cocoar_marks)
        return word + self._campaign(visit) if is_entry and word == kind else word

    def _campaign(self, visit: Part) -> str:
        """What the name of the visit's campaign says: Matomo takes its parameters out of the addresses that it shows.

        Medium and source are there with the plug-in Marketing Campaigns Reporting only.
        """
        name = (words(visit["referrerName"]) or "").casefold() if visit["referrerType"].value == "campaign" else None
        named = ((":email", self.email_campaigns), (":cocoar", self.cocoar_campaigns))
        return next((suffix for suffix, names in named if name in {word.strip().casefold() for word in names}), "")


def _event(visit: _Visit, action: Part, word: str) -> Event:
    kind = _type(action)
    given = [action[key].value for key in ("pageId", "goalPageId", "idpageview")]
    page_id = next((str(value) for value in given if isinstance(value, str | int) and value), "")
    # Of one page several things may be done in a second: where Matomo numbers the page alone, the content tells.
    own = "" if given[0] or given[1] else f":{digest({key: action[key].value for key in _TOLD})}"
    more = [str(action[key].value) for key in ("goalId", "orderId") if action[key].exists]
    at = _seconds(action["timestamp"]) if action["timestamp"].exists else visit.began
    data = {key: action[key].value for key in _DATA if action[key].exists}
    of_visit = {key: visit.part[key].value for key in _OF_VISIT if visit.part[key].exists}
    return Event(
        key=":".join(["visit", visit.name, kind, page_id[:40], *more, f"{at:%Y%m%d%H%M%S}"])[: 200 - len(own)] + own,
        at=at,
        kind=Kind.ACTION,
        identities=visit.who,
        name=word[:200],
        page=words(action["url"]) if kind in _PAGES else None,
        session=visit.name,
        data={**data, "visit": of_visit},
    )


def _tie(visit: _Visit, user: Identity) -> Event:
    """That the visitor is a user; the log says it of the visit as a whole, so it counts from its beginning."""
    digest = hashlib.sha256(f"{user.kind}:{user.value}".encode()).hexdigest()[:16]
    key = f"visit:{visit.name}:user:{digest}"
    return Event(key=key, at=visit.began, kind=Kind.IDENTIFY, identities=distinct(*visit.who, user), is_lead=True)


def _type(action: Part) -> str:
    return action["type"].text(50)


def _seconds(part: Part) -> datetime:
    """Unix seconds, which Matomo writes as a number or as a text."""
    seconds = part.integer()
    if not 0 <= seconds <= _LAST_SECOND:
        part.refuse("unix seconds")
    return datetime.fromtimestamp(seconds, UTC)
