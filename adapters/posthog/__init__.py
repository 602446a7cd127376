"""PostHog: events of a project come in one by one by an HTTP webhook destination, which knows no signature.

https://posthog.com/docs/cdp/destinations/webhook
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, ClassVar, Final

from adapters.posthog.webhook import IGNORED, KNOWN, Reading, first_identity
from connector.adapter_kit import defaults
from connector.adapter_kit.contract import RATE_SETTING, Delivery, Received, Reply, Setting
from connector.adapter_kit.payload import read_json
from connector.adapter_kit.signatures import check_sender
from connector.adapter_kit.tracking import COCOAR_MARKS, EMAIL_MARKS
from connector.core.errors import BadPayload
from connector.core.event import Event

HEADER: Final = "Authorization"


@dataclass(frozen=True, slots=True, kw_only=True)
class PostHog:
    """An HTTP webhook destination of one project."""

    NAME: ClassVar[str] = "posthog"
    SETTINGS: ClassVar[Mapping[str, Setting]] = {
        "token": Setting(
            description="What the destination sends in `header`, or in the address as ?token=…",
            is_secret=True,
            is_required=True,
        ),
        "header": Setting(description="The header that carries the token: as it is, or after Bearer", default=HEADER),
        "email_property": Setting(
            description="The property of persons that holds their e-mail; PostHog prescribes none", default="email"
        ),
        "email_marks": Setting(description="Parameters of an address that mean: from a mail", default=EMAIL_MARKS),
        "cocoar_marks": Setting(description="Parameters that mean: from COCOAR", default=COCOAR_MARKS),
        "rate": RATE_SETTING,
    }
    CONTENT_TYPES: ClassVar[frozenset[str]] = frozenset({"application/json"})
    SECRET_KEYS: ClassVar[frozenset[str]] = frozenset({"token"})
    RATE: ClassVar[tuple[int, int]] = (1, 1)
    ECHOES: ClassVar[Mapping[str, str]] = {}
    EVENTS: ClassVar[frozenset[str]] = KNOWN | IGNORED

    token: tuple[str, ...] = field(default=(), repr=False)
    header: str = HEADER
    email_property: str = "email"
    email_marks: tuple[str, ...] = EMAIL_MARKS
    cocoar_marks: tuple[str, ...] = COCOAR_MARKS
    rate: int = 0

    takes_updates = property(defaults.takes_updates)
    greet = defaults.greet

    def verify(self, delivery: Delivery, now: datetime) -> None:
        """Checks the shared token: PostHog signs nothing."""
        del now
        check_sender(delivery, self.header, self.token)

    def receive(self, delivery: Delivery) -> Received:
        """The key is the event's uuid, which is the same on every retry. The lane is its distinct_id.

        The answer is 202: PostHog takes any status below 300 as done.
        """
        body = read_json(delivery.body)
        identity = first_identity(body)
        return Received(
            key=body["event"]["uuid"].text(150),
            lane=f"{identity.kind}:{identity.value}" if identity else "",
            reply=Reply(status=202, body=b'{"accepted": 1}'),
        )

    fetch = defaults.fetch

    def parse(self, delivery: Delivery, fetched: Mapping[str, Any]) -> Sequence[Event | BadPayload]:
        """An action by the site's own word, and where the person is known, that person and visitor are the same."""
        del fetched
        reading = Reading(
            email_property=self.email_property, email_marks=self.email_marks, cocoar_marks=self.cocoar_marks
        )
        return reading.events(read_json(delivery.body))

    changes = defaults.changes
    push = defaults.push
    catalog = defaults.catalog
    inspect = defaults.inspect
    subscribe = defaults.subscribe
