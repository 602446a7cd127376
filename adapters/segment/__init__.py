"""Segment: the messages of a workspace come in by its webhook destinations, signed over the first of them.

https://segment.com/docs/connections/destinations/catalog/actions-webhook/ and .../webhooks/
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, ClassVar, Final

from connector.adapter_kit import defaults, segment_spec
from connector.adapter_kit.contract import RATE_SETTING, Delivery, Received, Setting
from connector.adapter_kit.segment_spec import OWN_EMAIL, TYPES, SpecReader
from connector.adapter_kit.signatures import check_hmac, check_token
from connector.adapter_kit.tracking import COCOAR_MARKS, EMAIL_MARKS
from connector.core.errors import BadPayload, MissingProof
from connector.core.event import Event

_DECODER: Final = json.JSONDecoder()
_SPACE: Final = " \t\r\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """A webhook destination of one workspace, classic or Actions."""

    NAME: ClassVar[str] = "segment"
    SETTINGS: ClassVar[Mapping[str, Setting]] = {
        "secret": Setting(
            description="The destination's shared secret, which signs what comes in", is_secret=True, is_required=True
        ),
        "url_token": Setting(
            description="What stands in the address as ?token=…; without it batches are refused", is_secret=True
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

    secret: tuple[str, ...] = field(default=(), repr=False)
    url_token: tuple[str, ...] = field(default=(), repr=False)
    email_events: tuple[str, ...] = OWN_EMAIL
    email_marks: tuple[str, ...] = EMAIL_MARKS
    cocoar_marks: tuple[str, ...] = COCOAR_MARKS
    rate: int = 0

    takes_updates = property(defaults.takes_updates)
    greet = defaults.greet

    def verify(self, delivery: Delivery, now: datetime) -> None:
        """Checks the HMAC-SHA1 of the body.

        That of a batch covers its first message alone, so a batch needs the token too.
        """
        del now
        is_batch = delivery.body.lstrip()[:1] == b"["
        if is_batch:
            check_token(delivery.parameter("token"), self.url_token)
        content = _first(delivery.body) if is_batch else delivery.body
        check_hmac(delivery.headers.get("x-signature"), content, self.secret, digest="sha1")

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


def _first(body: bytes) -> bytes:
    """The bytes of a list's first element as they were sent: written anew, numbers may look different."""
    try:
        text = body.decode().lstrip(_SPACE)
        start = 1 + len(text[1:]) - len(text[1:].lstrip(_SPACE))
        _, end = _DECODER.raw_decode(text, start)
    except (ValueError, RecursionError) as error:
        message = "the first message of the batch cannot be read, so its signature cannot be checked"
        raise MissingProof(message) from error
    return text[start:end].encode()
