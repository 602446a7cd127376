"""RudderStack: the messages of a workspace come in by its webhook destinations, which know no signature.

https://www.rudderstack.com/docs/destinations/streaming-destinations/webhooks/ and .../http-webhook/
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, ClassVar, Final

from connector.adapter_kit import defaults, segment_spec
from connector.adapter_kit.contract import RATE_SETTING, Delivery, Received, Setting
from connector.adapter_kit.segment_spec import OWN_EMAIL, TYPES, SpecReader
from connector.adapter_kit.signatures import check_sender
from connector.adapter_kit.tracking import COCOAR_MARKS, EMAIL_MARKS
from connector.core.errors import BadPayload
from connector.core.event import Event

HEADER: Final = "Authorization"


@dataclass(frozen=True, slots=True, kw_only=True)
class RudderStack:
    """A webhook or HTTP Webhook destination of one workspace."""

    NAME: ClassVar[str] = "rudderstack"
    SETTINGS: ClassVar[Mapping[str, Setting]] = {
        "token": Setting(
            description="What the destination sends in `header`, or in the address as ?token=…",
            is_secret=True,
            is_required=True,
        ),
        "header": Setting(
            description="The header that carries the token: as it is, after Bearer, or as the password of Basic",
            default=HEADER,
        ),
        "email_events": Setting(
            description="Events whose properties.email is the visitor's own, and not somebody else's", default=OWN_EMAIL
        ),
        "email_marks": Setting(description="Parameters of an address that mean: from a mail", default=EMAIL_MARKS),
        "cocoar_marks": Setting(description="Parameters that mean: from COCOAR", default=COCOAR_MARKS),
        "rate": RATE_SETTING,
    }
    CONTENT_TYPES: ClassVar[frozenset[str]] = frozenset({"application/json"})
    SECRET_KEYS: ClassVar[frozenset[str]] = frozenset({"token"})
    RATE: ClassVar[tuple[int, int]] = (1, 1)
    ECHOES: ClassVar[Mapping[str, str]] = {}
    EVENTS: ClassVar[frozenset[str]] = TYPES

    token: tuple[str, ...] = field(default=(), repr=False)
    header: str = HEADER
    email_events: tuple[str, ...] = OWN_EMAIL
    email_marks: tuple[str, ...] = EMAIL_MARKS
    cocoar_marks: tuple[str, ...] = COCOAR_MARKS
    rate: int = 0

    takes_updates = property(defaults.takes_updates)
    greet = defaults.greet

    def verify(self, delivery: Delivery, now: datetime) -> None:
        """Checks the shared token: RudderStack signs nothing."""
        del now
        check_sender(delivery, self.header, self.token)

    def receive(self, delivery: Delivery) -> Received:
        """The key is the id of the message, or a hash of the ids of a batch.

        The lane is the visitor of the first message. The answer is 202 with the number of messages.
        """
        return segment_spec.receive(delivery)

    fetch = defaults.fetch

    def parse(self, delivery: Delivery, fetched: Mapping[str, Any]) -> Sequence[Event | BadPayload]:
        """Actions by the site's own words, identities and profiles. A bad message of a batch stops no other."""
        del fetched
        reader = SpecReader(
            email_events=self.email_events, email_marks=self.email_marks, cocoar_marks=self.cocoar_marks
        )
        return reader.read(delivery)

    changes = defaults.changes
    push = defaults.push
    catalog = defaults.catalog
    inspect = defaults.inspect
    subscribe = defaults.subscribe
