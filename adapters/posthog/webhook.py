"""PostHog's default body, `{"event": …, "person": …}`, as events."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from connector.adapter_kit.payload import Part
from connector.adapter_kit.tracking import address, distinct, person, reached, under, visitor, words
from connector.core.errors import BadPayload
from connector.core.event import Event, Identity, IdentityKind, Kind

PAGE: Final = "$pageview"
SCREEN: Final = "$screen"
CAPTURED: Final = "$autocapture"
IDENTIFY: Final = "$identify"
ALIAS: Final = "$create_alias"
SET: Final = "$set"
KNOWN: Final = frozenset({PAGE, SCREEN, CAPTURED, IDENTIFY, ALIAS, SET})
IGNORED: Final = frozenset({"$pageleave", "$web_vitals", "$feature_flag_called", "$groupidentify"})
"""Events that say nothing of what somebody did. Any other word is one of the site's own."""
_KEPT: Final = frozenset(
    {"$current_url", "$event_type", "$external_click_url", "$host", "$pathname", "$referrer", "$screen_name"}
)
"""PostHog's own properties that a mapping may read; the others are about the device."""
_LINK: Final = re.compile(r'href="((?:[^"\\]|\\.)*)"')
_FILES: Final = (
    *(".pdf", ".doc", ".docx", ".xls", ".xlsx", ".ppt", ".pptx", ".odt", ".ods", ".odp", ".csv", ".epub"),
    *(".zip", ".rar", ".7z", ".gz", ".dmg", ".exe", ".msi", ".apk", ".mp3", ".mp4", ".mov"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """Reads bodies by a connection's settings: `email_property`, `email_marks` and `cocoar_marks`."""

    email_property: str
    email_marks: Sequence[str]
    cocoar_marks: Sequence[str]

    def events(self, body: Part) -> list[Event]:
        """The events of a body; none for what is ignored on purpose. Raises `BadPayload`."""
        event = body["event"]
        given, properties = event["event"].text(200).strip(), event["properties"]
        if given in IGNORED:
            return []
        is_named = _is_named(properties, given)
        identities = self._identities(body, given, is_named=is_named)
        action = Event(
            key=event["uuid"].text(150),
            at=event["timestamp"].instant(),
            kind=Kind.ACTION,
            identities=identities,
            is_lead=is_named or given == ALIAS or any(identity.kind is IdentityKind.EMAIL for identity in identities),
            name=self._word(event, given),
            page=words(under(properties, "$screen_name" if given == SCREEN else "$current_url")),
            session=words(under(properties, "$session_id"), 200),
            data=_data(event),
        )
        is_tied = given in {IDENTIFY, ALIAS} or len(identities) > 1
        found = [_beside(action, Kind.IDENTIFY, {})] if action.is_lead and is_tied else []
        if traits := _traits(properties) if given in {IDENTIFY, SET} else {}:
            found.append(_beside(action, Kind.PROFILE, traits))
        return found if given in {ALIAS, SET} else [*found, action]

    def _identities(self, body: Part, given: str, *, is_named: bool) -> tuple[Identity, ...]:
        event = body["event"]
        properties = event["properties"]
        former = {IDENTIFY: "$anon_distinct_id", ALIAS: "alias"}.get(given)
        found = distinct(
            *(_whom(event["distinct_id"], is_named=is_named)),
            *(_whom(under(properties, former), is_named=given == ALIAS) if former else ()),
            address(under(properties, SET, self.email_property)),
            address(under(body, "person", "properties", self.email_property)),
        )
        return found or event["distinct_id"].refuse("the id of a visitor or a user")

    def _word(self, event: Part, given: str) -> str:
        properties = event["properties"]
        if given == CAPTURED:
            return f"{given} {_captured(event)}"
        if given != PAGE:
            return given
        # The address alone, where there is one: some versions repeat utm_* with every event after the first page.
        url = words(under(properties, "$current_url"))
        campaign = {} if url else {name: under(properties, f"utm_{name}").value for name in ("medium", "source")}
        return reached(given, url, campaign, self.email_marks, self.cocoar_marks)


def first_identity(body: Part) -> Identity | None:
    """Whom the event's `distinct_id` names; None: nobody; raises nothing."""
    try:
        return next(filter(None, _whom(under(body, "event", "distinct_id"), is_named=False)), None)
    except BadPayload:
        return None


def _whom(given: Part, *, is_named: bool) -> tuple[Identity | None, ...]:
    """Whom a distinct_id names: PostHog has one place for visitors, whose ids are random, and for users, by any id.

    A user's id that is random is both: some events of the same user do not say that it is one.
    """
    found = visitor(given)
    if found is None or found.is_local:
        return (person(given),)
    return (person(given), found) if is_named else (found,)


def _captured(event: Part) -> str:
    """What autocapture saw: `submit`, `click`, `change`; `download` for a click on a link to a file."""
    kind = words(under(event, "properties", "$event_type"), 50) or "click"
    if kind != "click":
        return kind
    outside = words(under(event, "properties", "$external_click_url"))
    links = [outside or "", *_LINK.findall(words(under(event, "elements_chain"), 20_000) or "")]
    return "download" if any(_is_file(link) for link in links) else kind


def _is_file(link: str) -> bool:
    return link.partition("#")[0].partition("?")[0].lower().endswith(_FILES)


def _is_named(properties: Part, given: str) -> bool:
    """Whether the event says that its distinct_id is the site's own id of a user."""
    is_identified = under(properties, "$is_identified").value is True
    return given == IDENTIFY or is_identified or words(under(properties, "$user_id")) is not None


def _traits(properties: Part) -> dict[str, Any]:
    """The properties of the person that the event sets."""
    once, always = under(properties, "$set_once").value, under(properties, SET).value
    return {**(once if isinstance(once, dict) else {}), **(always if isinstance(always, dict) else {})}


def _beside(action: Event, kind: Kind, data: dict[str, Any]) -> Event:
    return Event(
        key=f"{action.key}#{kind}",
        at=action.at,
        kind=kind,
        identities=action.identities,
        is_lead=action.is_lead,
        data=data,
    )


def _data(event: Part) -> dict[str, Any]:
    properties = event["properties"].value
    given = properties if isinstance(properties, dict) else {}
    left_out = {"token", "distinct_id"}
    kept = {
        name: value for name, value in given.items() if name in _KEPT or not (name.startswith("$") or name in left_out)
    }
    return {"event": event["event"].value, "properties": kept}
