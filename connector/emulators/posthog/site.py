"""An emulated PostHog project: a webhook per event by the default template, persons merged at identify."""

from __future__ import annotations

import json
import uuid
import zlib
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, ClassVar, Final

from connector.emulators.engine.courier import Message
from connector.emulators.engine.emulator import SiteEmulator, VisitorAction, clock
from connector.emulators.engine.faults import Faults, dice

TOKEN: Final = "posthog-token-of-the-demo-41c9"  # noqa: S105 - of a project that is not real
PAUSES: Final = (0.02, 0.04)
"""Three tries in all."""
_PAGES: Final = {
    "site_access": "",
    "email_inflow": "?utm_source=newsletter&utm_medium=email",
    "cocoar_inflow": "?utm_source=cocoar",
}
_CHAIN: Final = 'form.contact-form:attr__id="contact"nth-child="1"nth-of-type="1"'
_WORDS: Final[Mapping[str, tuple[str, Mapping[str, Any]]]] = {
    "form_submission": ("$autocapture", {"$event_type": "submit"}),
    "membership_registration": ("user_signed_up", {"plan": "trial"}),
    "login": ("user_logged_in", {}),
    "file_download": ("file_downloaded", {"file": "catalog.pdf"}),
}


class PostHogSite(SiteEmulator):
    """A project with one destination. `$device_id` stays; `distinct_id` is the visitor until it is the user."""

    NAME: ClassVar[str] = "posthog"
    KINDS: ClassVar[Sequence[str]] = (*_PAGES, *_WORDS)

    def __init__(
        self,
        *,
        now: Callable[[], datetime] = clock,
        faults: Faults | None = None,
        threads: int = 2,
        port: int = 0,
    ) -> None:
        super().__init__(now=now, faults=faults, threads=threads, port=port)
        self._persons: dict[str, tuple[str, str]] = {}
        self._number = 0

    def connection(self) -> tuple[Mapping[str, Any], Mapping[str, Sequence[str]]]:
        """The header's token; nothing else has to be set."""
        return {}, {"token": [TOKEN]}

    def do(self, action: VisitorAction) -> None:
        """The site identifies who signs up, logs in, or is known by a form's e-mail."""
        if action.email and action.kind not in _PAGES and action.visitor not in self._persons:
            self._persons[action.visitor] = (f"u_{zlib.crc32(action.email.encode())}", action.email)
            self._send(action, "$identify", {"$anon_distinct_id": action.visitor, "$set": {"email": action.email}})
        if action.kind in _PAGES:
            url = action.page + _PAGES[action.kind]
            self._send(action, "$pageview", {"$current_url": url, "title": "Page"})
            self._send(action, "$pageleave", {"$current_url": url})
        elif action.kind != "identify":
            word, properties = _WORDS[action.kind]
            self._send(action, word, {"$current_url": action.page, **properties})

    def _send(self, action: VisitorAction, word: str, properties: Mapping[str, Any]) -> None:
        self._number += 1
        at = action.at.astimezone(UTC)
        distinct_id, email = self._persons.get(action.visitor, (action.visitor, None))
        drawn = dice(self.faults.seed, "posthog", self._number)
        event = {
            "uuid": str(uuid.UUID(int=drawn.getrandbits(128), version=4)),
            "event": word,
            "distinct_id": distinct_id,
            "properties": {
                "$lib": "web",
                "$device_id": action.visitor,
                "$session_id": f"{action.visitor}-{at:%Y%m%d}",
                "$is_identified": email is not None,
                "token": "phc_demo",
                "distinct_id": distinct_id,
                **properties,
            },
            "timestamp": at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "elements_chain": _CHAIN if word == "$autocapture" else "",
            "url": f"https://eu.posthog.com/project/1/events/{self._number}",
        }
        person = {"id": distinct_id, "name": email, "properties": {"email": email}} if email else None
        body = json.dumps({"event": event, **({"person": person} if person else {})}, ensure_ascii=False).encode()
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {TOKEN}"}
        for url in self.handlers:
            self.courier.send(Message(url=url, about=str(event["uuid"]), make=lambda _: (body, headers), pauses=PAUSES))
